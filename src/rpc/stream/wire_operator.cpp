// What an operator does to a stream that is being served.

#include "rpc/error_codec.hpp"
#include "rpc/stream/with_session.hpp"

namespace tenon::inline v0::rpc {

void wire_stream::act(stream_action what) {
    switch (what) {
        case stream_action::pause: return set_paused(true);
        case stream_action::resume: return set_paused(false);
        case stream_action::close: return close(error(errc::cancelled, "closed by an operator"));
    }
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
