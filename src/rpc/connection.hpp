#pragma once
// connection: a link and a session, driven by whoever reads it. The part that clients and servers
// share: cutting input into frames, and output that any thread may add to.
//
// Two kinds of state. The *reader's* (link reads, frame_reader) belongs to one thread at a time:
// the loop, or on a client a caller that holds the connection. Everything else is guarded by
// mutex(). Output is appended under the mutex and written by the first thread that finds no other
// writing, without the mutex; what others add meanwhile goes out with the same writer.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/mutex.hpp"
#include "loop/loop.hpp"
#include "tenon/limits.hpp"
#include "transport/link.hpp"
#include "wire/frame_reader.hpp"
#include "wire/session.hpp"

namespace tenon::inline v0::rpc {

class connection : public loop::pollable {
public:
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    loop::event_loop& loop() const noexcept { return loop_; }

protected:
    /// How read_some() ended.
    enum class input : std::uint8_t {
        drained,  ///< nothing more for now
        more,     ///< frames may be waiting
        ended,    ///< the peer has closed, or the link is broken
    };

    explicit connection(loop::event_loop& loop);
    ~connection() = default;

    /// One read. Reader.
    input read_some() noexcept;
    /// Whether the last read has surely emptied the socket, because it did not fill its space: what
    /// comes later raises a new edge, so that the read that would only say so can be saved. Not if
    /// the edge of the peer's end has been here already. Reader.
    bool just_emptied() noexcept { return std::exchange(short_read_, false) && !end_behind_; }
    /// At the begin of on_ready(). Reader.
    void note_edge(loop::ready_flags flags) noexcept {
        short_read_ = false;  // of before this edge
        if (flags & loop::ready::end) end_behind_ = true;
        if (flags & loop::ready::hang_up) hung_up_ = true;
    }

    /// The next frame of what has been read; nothing if it is incomplete. `refused` is set to the
    /// reason, which lives as long as the connection, if the bytes break the protocol. Reader.
    std::optional<wire::frame> next_frame(std::string_view& refused);

    /// To be called without the mutex after something was added to the session's output;
    /// `processing` as read under the mutex. On the loop the output goes out once per turn, on
    /// other threads at once.
    void kick(bool processing);

    /// Writes what there is, unless another thread does already, or the last write found no room
    /// and the caller does not know of any since.
    void flush(bool has_room = false) noexcept;
    loop::turn flush_on_loop(loop::event_loop&);

    /// Waits until no thread writes, then closes the link. Mutex held by `lock`.
    void close_link(std::unique_lock<base::mutex>& lock) noexcept;

    /// Called by the writer, on any thread, without the mutex: a write found no room, so the owner
    /// of the loop has to want_write(); and: output has moved on after that, or while starved_.
    virtual void output_blocked() noexcept = 0;
    virtual void output_moved() noexcept {}

    loop::event_loop& loop_;
    base::mutex mutex_;

    // Guarded by mutex_.
    std::unique_ptr<transport::link> link_;  // the reader may use it without the mutex
    std::optional<wire::session> session_;
    bool connected_ = false;  // the link is up; changed by the reader only
    bool writing_ = false;
    bool blocked_ = false;     // the last write found no room
    bool starved_ = false;     // the reader waits until output has moved
    bool broken_ = false;      // writing failed
    bool processing_ = false;  // the loop is in this connection's on_ready() and will flush
    base::time_point blocked_since_{};
    std::uint64_t bytes_out_ = 0;

    // Written by the reader, so without a read-modify-write; relaxed, because it orders nothing.
    std::atomic<std::uint64_t> bytes_in_{0};

    // The reader's.
    wire::frame_reader reader_;
    bool short_read_ = false;
    bool end_behind_ = false;  // the end of input has raised its edge
    bool hung_up_ = false;     // the end of both directions has
    std::string refused_;      // why a frame could not be read

    loop::member_work<&connection::flush_on_loop> flush_work_{*this};
};

}  // namespace tenon::inline v0::rpc
