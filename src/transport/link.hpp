#pragma once
// link: one connection over a byte stream, be it a Unix socket, TCP, or a ring in shared memory.
//
// Nothing here waits: reads and writes do what is possible at once and say how it went. The owner
// tries first and waits for readiness of fd() only after would_block. Descriptors are
// non-blocking and close-on-exec, and no call raises SIGPIPE.
//
// One thread may read while another one writes; shutdown() may be called from any thread while
// the link lives. Everything else is for one thread at a time.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/block.hpp"
#include "base/segment.hpp"
#include "base/unique_fd.hpp"
#include "tenon/result.hpp"
#include "transport/endpoint.hpp"
#include "transport/shared_memory.hpp"

namespace tenon::inline v0::transport {

enum class io_state : std::uint8_t {
    ok,           ///< `n` bytes were moved; more than none unless none were asked for
    would_block,  ///< nothing was moved; wait for readiness and try again
    closed,       ///< the peer has ended the stream in order; nothing more will come or go
    failed,       ///< the connection is lost; `error` says why, as an errno
};

struct io_result {
    io_state state = io_state::ok;
    std::size_t n = 0;
    int error = 0;
};

/// Who is at the other end, as the kernel tells it.
struct peer_identity {
    scheme kind = scheme::inproc;
    bool has_credentials = false;  ///< pid, uid and gid are the peer's (Unix sockets)
    pid_t pid = -1;
    uid_t uid = static_cast<uid_t>(-1);
    gid_t gid = static_cast<gid_t>(-1);
    std::string address;     ///< TCP: the numeric address, an IPv4 one always in its IPv4 form
    std::uint16_t port = 0;  ///< TCP
};

/// What stands in a frame for bytes in shared memory; 16 bytes on the wire, see docs/wire.md.
struct block_reference {
    std::uint32_t segment = 0;  ///< of the sender's
    std::uint32_t use = 0;      ///< how often the segment has been passed
    std::uint64_t size = 0;     ///< of the bytes, which are its first
};

/// Memory of this process that the peer of one link sees, in pieces. Thread-safe; pieces may outlive
/// the link.
class lending {
public:
    virtual ~lending() = default;
    /// A writable block of at least `size` bytes; null if the peer still holds what there is and
    /// no more may be made.
    virtual base::block_ref lend(std::size_t size) noexcept = 0;
};

/// For logs: "tcp://10.0.0.7:40312", "unix (pid 812, uid 1000)".
std::string to_string(const peer_identity& peer);

class link {
public:
    /// Most segments that one write() looks at.
    static constexpr std::size_t max_segments = 64;

    virtual ~link() = default;
    link(const link&) = delete;
    link& operator=(const link&) = delete;

    /// For waiting only: readable when read() can go on, writable when write() can, or when the
    /// connection attempt has been decided.
    int fd() const noexcept { return fd_.get(); }
    const peer_identity& peer() const noexcept { return peer_; }

    /// One read into `into`. A count below its size does not mean that nothing is left.
    virtual io_result read(std::span<std::byte> into) noexcept = 0;
    /// One read into `first`, and what there is behind that into `second`; neither is empty. `n`
    /// counts both.
    virtual io_result scatter(std::span<std::byte> first,
                              std::span<std::byte> /*second*/) noexcept {
        return read(first);
    }

    /// One write of the first max_segments segments; may take less than was offered, even the
    /// front part of a segment.
    virtual io_result write(std::span<const base::segment> segments) noexcept = 0;

    /// `ok` once the connection is up, `would_block` while it is being made (wait until fd() is
    /// writable), `failed` if it could not be made (see connect_error). Needed on links from
    /// open_link before the first read or write.
    virtual io_result finish_connect() noexcept = 0;

    /// Tells the peer that nothing more will be written; reading goes on. Close after the peer's
    /// end has been read, so that it gets what was written last.
    virtual void finish_writes() noexcept = 0;

    // Links over shared memory. Their input arrives in memory, without an event of fd(), unless the
    // peer knows that this side sleeps.

    /// Whether the link is one, which is decided when it is up (server: after the first read).
    bool is_shared() const noexcept { return bell_ >= 0; }
    /// Besides fd(): a descriptor that the peer rings, for edge-triggered waiting only; -1: none.
    int bell() const noexcept { return bell_; }
    /// Whether the next read(), or the next write() after one that found no room, would go on.
    /// Looks at memory only, not for the end of the connection.
    virtual bool has_news() const noexcept { return false; }
    /// Reader: from here to the next read() the peer rings. False: do not sleep, there is something
    /// to read already, be it the end.
    virtual bool prepare_to_sleep() noexcept { return true; }
    /// Reader: finish_connect() waits for fd() to become readable, not writable.
    virtual bool awaits_reply() const noexcept { return false; }

    /// Where large messages are built for the peer; null: the link has no such memory.
    virtual std::shared_ptr<lending> memory() const noexcept { return nullptr; }
    /// The peer gets the first `size` bytes of a block of this memory() with the next message, and
    /// the block must not be written any more. Nothing: it is another's block, or was passed before.
    virtual std::optional<block_reference> pass(base::block& /*b*/, std::size_t /*size*/) noexcept {
        return std::nullopt;
    }
    /// What was passed last of its segment was not sent, and will not be. Without this, it would
    /// never come back.
    virtual void recall(const block_reference& /*r*/) noexcept {}
    /// Reader: what the peer passed; goes back to it with the last reference. Null: it passed no
    /// such thing, and the link has failed.
    virtual base::block_ref borrow(const block_reference& /*r*/) noexcept { return {}; }
    /// Gives unused memory back; to be called now and then.
    virtual void trim() noexcept {}

    /// Ends both directions at once; a thread that waits for readiness wakes up. The descriptor
    /// stays open until destruction.
    virtual void shutdown() noexcept = 0;

protected:
    link(base::unique_fd fd, peer_identity peer) noexcept
        : fd_(std::move(fd)), peer_(std::move(peer)) {}

    base::unique_fd fd_;
    peer_identity peer_;
    int bell_ = -1;
};

struct connect_options {
    shared_memory_options shared_memory{};
};

/// Starts a connection to a Unix, shared-memory or numeric TCP endpoint (names go through resolve()
/// first) and never waits. The result may still be connecting: see link::finish_connect. Not
/// thread-bound. At a `unix:` path, and if the options allow it, shared memory is used with a server
/// of the same user that says in its lock file that it shares. If such an attempt fails while
/// awaits_reply(), one with default options may succeed.
/// Errors: `unavailable` if nobody listens there, `denied` without permission, `overloaded` if
/// the listener's queue is full or this process has no descriptor left, `invalid` for endpoints
/// that cannot be dialled, `unsupported` if the server at a `shm:` endpoint does not share memory.
/// All of them say may_have_run() == false.
result<std::unique_ptr<link>> open_link(const endpoint& to, const connect_options& options = {});

/// The error for a connection attempt to `to` that ended with errno `error`.
tenon::error connect_error(const endpoint& to, int error);

}  // namespace tenon::inline v0::transport
