#pragma once
// How a stream speaks to its session: for the sources of wire_stream.

#include <mutex>

#include "rpc/server_connection.hpp"

namespace tenon::inline v0::rpc {

// From here on a thread that is not the loop's writes itself.
inline constexpr std::size_t worth_a_write = std::size_t{32} << 10;

// Calls f(session) if the stream is still in it. Takes notice if that has ended the stream.
template <class F>
void wire_stream::with_session(F f) noexcept {
    bool gone = false;
    {
        const std::lock_guard lock(link_mutex_);
        if (!link_) return;
        bool processing;
        std::size_t pending;
        {
            const std::lock_guard session_lock(link_->mutex_);
            if (!link_->session_ || !(unopened_ || link_->session_->alive(ref_))) return;
            f(*link_->session_);
            gone = !unopened_ && !link_->session_->alive(ref_);
            if (gone) leave_queues();
            // Closing waits for the streams of the session only, and this is none any more.
            if (gone && server_) server_->hold();
            processing = link_->processing_;
            pending = link_->session_->out().pending();
        }
        link_->flush_soon(processing, pending > worth_a_write);
        if (gone) leave_link();
    }
    if (gone) {
        if (server_) server_->release();
        tell_closed();
        release();  // the session's share; the caller has another
    }
}

}  // namespace tenon::inline v0::rpc
