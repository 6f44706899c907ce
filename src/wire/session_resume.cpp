// How a session outlives its link: positions, acknowledgements, and the way to another one.

#include <utility>

#include "wire/session.hpp"

namespace tenon::inline v0::wire {

void session::start_resumption(bytes_view token) {
    resumption_ = std::make_unique<resumption>();
    resumption_->token.assign(token.begin(), token.end());
    out_.keep(options_.retention);
}

bytes_view session::token() const noexcept {
    return resumption_ ? bytes_view(resumption_->token) : bytes_view();
}

void session::expect_acknowledgements() noexcept {
    if (resumption_) out_.kept()->expect_acknowledgements();
}

/// A frame that the peer need not send again.
void session::count(const frame& f) {
    retention& r = *out_.kept();
    r.received(f.counted);
    if (r.owes()) out_.add_keepalive(0, {});
}

/// The peer does not acknowledge, and another whole budget waits behind what it has not: what it
/// asks for now would only make that longer.
bool session::is_overfull() const noexcept {
    return out_.kept()->full() && out_.pending() >= options_.retention;
}

void session::add_lease() {
    frame f;
    f.type = frame_type::lease;
    f.code = max_n;
    f.n = max_n;
    out_.add_of_link(f);
}

bool session::detach(time_point now) noexcept {
    if (!is_resumable() || !established_) return false;
    now_ = now;
    if (!std::exchange(resumption_->detached, true)) resumption_->since = now;
    resumption_->awaiting = false;
    resumption_->moved = true;
    lease_left_ = 0;  // leases end with their link
    out_.detach();
    return true;
}

void session::resume(time_point now) {
    if (!is_resumable() || !is_detached() || role_ != role::client) return;
    retention& kept = *out_.kept();
    resume_fields r;
    r.token = resumption_->token;
    r.first_available = kept.first();
    r.last_received = kept.tell();
    base::byte_buffer b;
    append_resume(b, r, false);
    out_.add_raw(b.view());
    out_.attach(false);
    resumption_->awaiting = true;
    now_ = last_received_ = now;
}

result<void> session::may_resume(const resume_fields& client) const {
    const auto refused = [](const char* why) { return tenon::error(errc::invalid, why); };
    if (!is_resumable()) return refused("the session has ended");
    const retention& kept = *out_.kept();
    if (client.first_available > kept.received())
        return refused("frames that the server has not received are gone");
    if (!out_.reaches(client.last_received))
        return refused("frames that the client has not received are gone");
    return {};
}

result<void> session::resume(const resume_fields& client, time_point now) {
    if (auto may = may_resume(client); !may) return may;
    if (!is_detached() || !out_.rewind(client.last_received))
        return tenon::error(errc::invalid, "no frame begins at the client's position");
    frame f;
    f.type = frame_type::resume_ok;
    f.position = out_.kept()->tell();
    out_.add_of_link(f);
    if (lease_needed_) add_lease();
    go_on(now);
    return {};
}

/// Both sides know where they are.
void session::go_on(time_point now) {
    resumption_->detached = resumption_->awaiting = false;
    out_.attach(true);
    now_ = last_received_ = now;
    next_keepalive_ = now + options_.keepalive_interval;
    // Unfinished messages waited for the link, not for the peer.
    const auto touch = [now](stream_slot& s) {
        if (s.partial != nullptr) s.partial->touched = now;
    };
    own_.for_each(touch);
    peer_.for_each(touch);
    partial_deadline_ = now + options_.fragment_timeout;
}

/// The session cannot go on, and there is no link to say so on.
event session::end_detached(std::uint32_t code, std::string_view text) noexcept {
    out_.shut();
    return over(true, code, as_bytes(text));
}

event session::receive_detached(const frame& f) {
    if (!resumption_->awaiting) return {};
    event e;
    switch (f.type) {
        case frame_type::resume_ok:
            if (!out_.rewind(f.position))
                return end_detached(error_code::connection_error,
                                    f.position < out_.kept()->first()
                                        ? "frames that the server has not received are gone"
                                        : "the server names a position where no frame ends");
            go_on(now_);
            e.kind = event_kind::resumed;
            return e;
        case frame_type::error:
            if (f.stream == 0) return over(false, f.code, f.data);
            break;
        case frame_type::ignored: return e;
        default: break;
    }
    return end_detached(error_code::connection_error, "the server did not answer RESUME");
}

}  // namespace tenon::inline v0::wire
