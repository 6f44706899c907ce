// What an operator does to a stream that is being served, and is told of it.

#include "rpc/error_codec.hpp"
#include "rpc/server_connection.hpp"
#include "rpc/server_core.hpp"
#include "rpc/stream/with_session.hpp"
#include "rpc/watchers.hpp"

namespace tenon::inline v0::rpc {

void wire_stream::act(stream_action what) {
    switch (what) {
        case stream_action::pause: return set_paused(true);
        case stream_action::resume: return set_paused(false);
        case stream_action::close: return close(error(errc::cancelled, "closed by an operator"));
    }
}

// By an owner of a handle. The connection is there as long as the stream is attached to it.
void wire_stream::tell_lagging() noexcept {
    constexpr std::chrono::seconds pause{1};
    if (!is_server() || service_of(route_) == "tenon/control")
        return;  // they tell; see watchers.hpp
    {
        const std::lock_guard lock(link_mutex_);
        if (!link_ || !server_->server()->watching().any()) return;
        const base::time_point now = loop_.time().now();
        if (lag_told_at_ != base::time_point() && now - lag_told_at_ < pause) return;
        lag_told_at_ = now;
        server_->hold();
    }
    server_->server()->watching().tell_slow(*plan_.member, server_->id(), ref_.id);
    server_->release();
}

bool wire_stream::is_paused() noexcept {
    const std::lock_guard lock(link_mutex_);
    return paused_;
}

void wire_stream::set_paused(bool paused) {
    std::uint32_t owed = 0;
    {
        const std::lock_guard lock(link_mutex_);
        paused_ = paused;
        if (!paused) owed = std::exchange(withheld_, 0);
    }
    if (owed != 0) consumed(owed);
    (void)out_.set_paused(paused);
}

// As if its handler had failed, and is to end.
void wire_stream::close(const error& why) {
    service_call* call = nullptr;
    {
        const std::lock_guard lock(link_mutex_);
        if (!link_) return;
        const std::lock_guard session_lock(link_->mutex_);
        if (call_ && call_->try_add_ref()) call = call_;
    }
    (void)out_.on_closed(why);
    with_session([&](wire::session& s) {
        base::byte_buffer text;
        encode_error(why, link_->peer_is_tenon(), text);
        s.fail(ref_, why.code(), text.view());
    });
    (void)in_.end(why);
    if (!call) return;
    call->cancel.cancel();
    call->release();
}

}  // namespace tenon::inline v0::rpc
