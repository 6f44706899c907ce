#pragma once
// listener: accepts connections at one endpoint.
//
// A path belongs to whoever holds the write lock on the file PATH.lock beside it. Its holder binds
// to PATH.new, sets owner and mode, and renames it to PATH, so that the path changes over in one
// step, a dead server's socket is replaced, and a living one's is never touched: not its socket,
// not its lock file, not a path that a server without lock files listens on. Nothing is left
// behind that the next start would not take care of.

#include <sys/types.h>

#include <memory>
#include <optional>

#include "tenon/result.hpp"
#include "transport/endpoint.hpp"
#include "transport/link.hpp"

namespace tenon::inline v0::transport {

class path_claim;

struct listen_options {
    int backlog = 4096;            ///< the kernel caps it at net.core.somaxconn
    bool insecure = false;         ///< allows TCP beyond loopback without encryption
    mode_t mode = 0600;            ///< of a Unix path; connecting needs write permission
    std::optional<gid_t> group{};  ///< of a Unix path
    /// For Unix paths, whose lock file tells clients if it is allowed.
    shared_memory_options shared_memory{};
};

class listener {
public:
    struct accepted {
        io_state state = io_state::would_block;
        std::unique_ptr<transport::link> link;  ///< set if state is ok; connected, peer() known
        int error = 0;                          ///< errno if state is failed
    };

    virtual ~listener() = default;
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;

    /// Readable while connections wait.
    virtual int fd() const noexcept = 0;

    /// Takes one connection: `ok`, or `would_block` if none waits; connections that died while
    /// waiting are skipped. `failed` means that descriptors or memory have run out (the one
    /// connection that could still be taken was closed with the spare descriptor): stop calling
    /// for 100 ms. After close(): `closed`. One thread at a time.
    virtual accepted accept() = 0;

    /// Where it listens; port 0 has become the port that was given out.
    virtual const endpoint& local() const noexcept = 0;

    /// Stops listening and removes the socket file if it is still the one made here (in a forked
    /// child nothing is removed). Also done by the destructor.
    virtual void close() noexcept = 0;

protected:
    listener() = default;
};

/// Blocks only to resolve a host name. Errors: `conflict` if somebody listens there already or the
/// path is something other than a socket, `denied` without permission and for TCP beyond loopback
/// without `insecure`, `not_found` if the directory does not exist, `unavailable` if the address
/// is not one of this machine, `overloaded` if descriptors have run out, `invalid` for endpoints
/// that are not listened on (inproc).
result<std::unique_ptr<listener>> open_listener(const endpoint& at, const listen_options& options);

/// The same at a Unix path that the caller has claimed.
result<std::unique_ptr<listener>> open_listener(const endpoint& at, const listen_options& options,
                                                std::unique_ptr<path_claim> claim);

}  // namespace tenon::inline v0::transport
