// The receiving half of session: what each frame does to the state.

#include <algorithm>
#include <utility>

#include "wire/session.hpp"

namespace tenon::inline v0::wire {
namespace {

constexpr std::uint32_t setup_codes_end = 0x100;

request_kind kind_of(frame_type type) noexcept {
    switch (type) {
        case frame_type::request_response: return request_kind::response;
        case frame_type::request_fnf: return request_kind::fnf;
        case frame_type::request_stream: return request_kind::stream;
        default: return request_kind::channel;
    }
}

void take_views(event& e, const frame& f) noexcept {
    e.has_metadata = f.has_metadata;
    e.metadata = f.metadata;
    e.data = f.data;
}

/// The specification lets C win over F in a PAYLOAD.
bool more_follow(const frame& f) noexcept {
    return f.has(flag::follows) && !(f.type == frame_type::payload && f.has(flag::complete));
}

}  // namespace

event session::about(event_kind kind, const stream_slot& slot) const noexcept {
    event e;
    e.kind = kind;
    e.request = slot.kind;
    e.own = is_own(slot.id);
    e.stream = {slot.id, slot.use};
    e.user = slot.user;
    return e;
}

event session::over(bool local, std::uint32_t code, bytes_view data) noexcept {
    closed_ = true;
    close_code_ = code;
    if (!local) out_.shut();
    event e;
    e.kind = event_kind::closed;
    e.local = local;
    e.code = code;
    e.data = data;
    return e;
}

event session::reject(std::string_view message) {
    if (closed_) return {};
    const bool setup = role_ == role::server && !established_;
    close(setup ? error_code::invalid_setup : error_code::connection_error, message);
    return over(true, close_code_, as_bytes(message));
}

/// Ends a stream because of what the peer did, tells the peer, and tells the caller if it knows
/// the stream.
event session::fail_here(stream_slot& slot, std::uint32_t code, std::string_view text) {
    event e = about(event_kind::failed, slot);
    e.ended = e.local = true;
    e.code = code;
    e.data = as_bytes(text);
    const bool shown = !slot.assembling_request;
    bool begun = false;
    out_.drop(slot.id, &begun);
    if (e.own) {
        frame f;
        f.type = frame_type::cancel;
        f.stream = slot.id;
        out_.add(f, control_priority(slot));
    } else if (slot.kind != request_kind::fnf) {
        add_error(slot.id, code, e.data, slot.urgency);
    }
    end(slot, false);
    return shown ? std::move(e) : event();
}

event session::receive(const frame& f, time_point now) {
    if (closed_) return {};
    now_ = now;
    last_received_ = now;
    if (!established_) return receive_first(f);
    if (resumption_) [[unlikely]] {
        if (resumption_->detached) return receive_detached(f);
        count(f);
    }
    switch (f.type) {
        case frame_type::payload: return on_payload(f);
        case frame_type::request_response:
        case frame_type::request_fnf:
        case frame_type::request_stream:
        case frame_type::request_channel: return on_request(f);
        case frame_type::request_n: return on_request_n(f);
        case frame_type::cancel: return on_cancel(f);
        case frame_type::error: return on_error(f);
        case frame_type::keepalive: return on_keepalive(f);
        case frame_type::ext: return on_extension(f);
        case frame_type::lease: return on_lease(f);
        case frame_type::metadata_push: {
            event e;
            e.kind = event_kind::metadata_push;
            take_views(e, f);
            return e;
        }
        case frame_type::resume:
            if (role_ == role::server) return reject("RESUME after SETUP");
            return {};
        case frame_type::setup:
        case frame_type::resume_ok:
        case frame_type::ignored: return {};
    }
    return {};
}

event session::receive_first(const frame& f) {
    if (role_ == role::client) return reject("frame before SETUP");
    const auto refuse = [this](std::uint32_t code, std::string_view text) {
        close(code, text);
        return over(true, code, as_bytes(text));
    };
    if (f.type == frame_type::resume) {
        if (options_.retention == 0)
            return refuse(error_code::rejected_resume, "resumption is not supported");
        event e;
        e.kind = event_kind::resume;
        return e;
    }
    if (f.type != frame_type::setup)
        return refuse(error_code::invalid_setup, "SETUP must be first");
    const setup_fields s = setup_of(f);
    if (s.major != 1)
        return refuse(error_code::invalid_setup, "only protocol version 1 is supported");
    if (f.has(flag::resume)) {
        if (options_.retention == 0 || s.token.empty())
            return refuse(error_code::rejected_setup, options_.retention == 0
                                                          ? "resumption is not supported"
                                                          : "an empty resume token");
        start_resumption(s.token);
    }
    established_ = true;
    lifetime_ =
        std::max(options_.min_lifetime, milliseconds(s.lifetime_ms) + milliseconds(s.keepalive_ms));
    if (f.has(flag::lease)) {
        lease_needed_ = true;
        add_lease();
    }
    event e;
    e.kind = event_kind::setup;
    take_views(e, f);
    return e;
}

event session::on_request(const frame& f) {
    if (is_own(f.stream)) return reject("request on a stream id of the other side");
    if (peer_.find(f.stream) != nullptr) return {};
    const request_kind kind = kind_of(f.type);
    const bool needs_slot = kind != request_kind::fnf || more_follow(f);
    const bool too_much = resumption_ && is_overfull();
    if (refusing_ || too_much || (needs_slot && peer_.size() >= options_.max_requests)) {
        if (kind == request_kind::fnf) return {};
        if (refusing_) add_error(f.stream, refusal_code_, refusal_, priority::normal);
        else
            add_error(
                f.stream, error_code::rejected,
                as_bytes(too_much ? "too much is not acknowledged" : "too many calls in flight"),
                priority::normal);
        return {};
    }
    event e;
    take_views(e, f);
    e.n = f.n;
    e.complete = f.has(flag::complete) && kind == request_kind::channel;
    if (!needs_slot) {
        e.kind = event_kind::request;
        e.request = kind;
        e.ended = true;
        e.stream.id = f.stream;
        return e;
    }
    stream_slot& s = open(peer_, f.stream, kind);
    s.send_credit = kind == request_kind::response ? 1 : f.n;
    s.remote_done = kind != request_kind::channel;
    if (!more_follow(f)) {
        show_request(s, e);
        return e;
    }
    s.assembling_request = true;
    const fragment_state state = take_fragment(s, f);
    if (state != fragment_state::taken) return fragment_failed(s, state);
    return {};
}

/// Turns a complete request in `e` into its event.
void session::show_request(stream_slot& slot, event& e) {
    slot.assembling_request = false;
    e.kind = event_kind::request;
    e.request = slot.kind;
    e.stream = {slot.id, slot.use};
    if (slot.kind == request_kind::channel) slot.remote_done = e.complete;
    if (slot.kind == request_kind::fnf) {
        e.ended = true;
        e.stream.use = 0;
        end(slot, false);
    }
}

event session::on_payload(const frame& f) {
    stream_slot* s = table_of(f.stream).find(f.stream);
    if (s == nullptr) return {};
    if (!s->assembling_request) return s->remote_done ? event() : on_value(*s, f);
    if (const fragment_state state = take_fragment(*s, f); state != fragment_state::taken)
        return fragment_failed(*s, state);
    if (more_follow(f)) return {};
    event e;
    e.n = s->send_credit;
    e.complete = s->partial->complete && s->kind == request_kind::channel;
    take_message(*s, e);
    show_request(*s, e);
    return e;
}

/// A PAYLOAD on a stream whose peer may still send.
event session::on_value(stream_slot& slot, const frame& f) {
    const bool unary = slot.kind == request_kind::response;
    const bool fragment = more_follow(f) || slot.partial != nullptr;
    const bool value = fragment || f.has(flag::next) || (unary && !f.data.empty());
    if (!value && !f.has(flag::complete) && !unary) return {};
    if (value && slot.receive_credit == 0)
        return fail_here(slot, error_code::invalid, "more messages than were asked for");
    event e = about(event_kind::payload, slot);
    e.next = value;
    e.complete = unary || f.has(flag::complete);
    if (fragment) {
        if (const fragment_state state = take_fragment(slot, f); state != fragment_state::taken)
            return fragment_failed(slot, state);
        if (more_follow(f)) return {};
        e.complete = unary || slot.partial->complete;
        take_message(slot, e);
    } else {
        take_views(e, f);
    }
    if (value && slot.receive_credit != max_n) --slot.receive_credit;
    if (!e.complete) return e;
    slot.remote_done = true;
    e.ended = slot.kind != request_kind::channel || slot.local_done;
    // What we still have to say on a channel goes out; the rest of an answered request does not.
    if (e.ended) end(slot, e.own && slot.kind != request_kind::channel);
    return e;
}

event session::on_request_n(const frame& f) {
    stream_slot* s = table_of(f.stream).find(f.stream);
    if (s == nullptr || s->local_done) return {};
    if (s->kind != request_kind::channel && (is_own(s->id) || s->kind != request_kind::stream))
        return {};
    s->send_credit = f.n > max_n - s->send_credit ? max_n : s->send_credit + f.n;
    if (s->assembling_request) return {};
    event e = about(event_kind::credit, *s);
    e.n = f.n;
    return e;
}

event session::on_cancel(const frame& f) {
    stream_slot* s = table_of(f.stream).find(f.stream);
    if (s == nullptr) return {};
    event e = about(event_kind::cancel, *s);
    take_views(e, f);
    if (!e.own) {
        const bool shown = !s->assembling_request;
        e.ended = true;
        end(*s, true);
        return shown ? std::move(e) : event();
    }
    if (s->kind != request_kind::channel || s->local_done) return {};
    bool begun = false;
    out_.drop(s->id, &begun);
    s->local_done = true;
    e.ended = s->remote_done;
    if (e.ended) end(*s, false);
    return e;
}

event session::on_error(const frame& f) {
    if (f.stream == 0) {
        if (role_ == role::server && f.code < setup_codes_end) return {};
        const bool busy = !own_.empty() || !peer_.empty() || out_.pending() != 0;
        if (f.code == error_code::connection_close && busy) {
            closing_ = true;
            event e;
            e.kind = event_kind::closing;
            e.code = f.code;
            take_views(e, f);
            return e;
        }
        return over(false, f.code, f.data);
    }
    stream_slot* s = table_of(f.stream).find(f.stream);
    if (s == nullptr) return {};
    event e = about(event_kind::failed, *s);
    if (!e.own && s->kind != request_kind::channel) return {};
    take_views(e, f);
    e.ended = true;
    e.code = f.code;
    e.may_have_run = f.code != error_code::rejected;
    const bool shown = !s->assembling_request;
    end(*s, true);
    return shown ? std::move(e) : event();
}

event session::on_keepalive(const frame& f) {
    if (resumption_ && !out_.acknowledge(f.position))
        return reject("a position beyond what was sent");
    if (f.has(flag::respond)) out_.add_keepalive(0, f.data);
    event e;
    e.kind = event_kind::keepalive;
    take_views(e, f);
    return e;
}

event session::on_extension(const frame& f) {
    event e;
    if (f.stream != 0) {
        const stream_slot* s = table_of(f.stream).find(f.stream);
        if (s == nullptr || s->assembling_request) return {};
        e = about(event_kind::extension, *s);
    }
    e.kind = event_kind::extension;
    e.code = f.code;
    take_views(e, f);
    return e;
}

event session::on_lease(const frame& f) {
    lease_left_ = std::min(f.n, max_n);
    lease_until_ = now_ + milliseconds(std::min(f.code, max_n));
    event e;
    e.kind = event_kind::lease;
    e.n = lease_left_;
    take_views(e, f);
    return e;
}

// Fragments.

namespace {

/// Long messages get much room at once: it is not copied when they grow, and costs no memory until
/// it is written to.
void make_room(base::byte_buffer& b, std::size_t more) {
    constexpr std::size_t small = std::size_t{64} * 1024;
    constexpr std::size_t usual = std::size_t{1024} * 1024 + small;
    const std::size_t need = b.size() + more;
    if (need > small && need > b.capacity()) b.reserve(std::max({need, usual, 3 * b.size()}));
}

}  // namespace

session::room session::take_room(std::uint32_t stream, std::size_t most) {
    constexpr std::size_t most_at_once = std::size_t{1024} * 1024;
    room r;
    stream_slot* const s = table_of(stream).find(stream);
    if (closed_ || s == nullptr || s->partial == nullptr) return r;
    partial_message& p = *s->partial;
    const std::size_t n = std::min(most, most_at_once);
    if (p.bytes.size() + n > options_.message_limit ||
        partial_bytes_.taken() + n > options_.reassembly_limit || !partial_bytes_.take(n))
        return r;
    p.counted += n;
    make_room(p.bytes, n);
    p.bytes.reserve(p.bytes.size() + n);
    r.stream = {s->id, s->use};
    r.bytes = std::move(p.bytes);
    r.n = n;
    return r;
}

void session::put_room(room&& r, std::size_t read) noexcept {
    stream_slot* const s = table_of(r.stream.id).find(r.stream.id);
    if (s == nullptr || s->use != r.stream.use || s->partial == nullptr) return;
    partial_message& p = *s->partial;
    const std::size_t unused = r.n - read;
    p.counted -= unused;
    partial_bytes_.give_back(unused);
    p.bytes = std::move(r.bytes);
    p.bytes.resize(p.bytes.size() + read);
    if (read != 0) p.touched = now_;
}

session::fragment_state session::take_fragment(stream_slot& slot, const frame& f) {
    if (slot.partial == nullptr) {
        slot.partial = spare_ != nullptr ? std::move(spare_) : std::make_unique<partial_message>();
        if (partial_count_++ == 0) partial_deadline_ = now_ + options_.fragment_timeout;
    }
    partial_message& p = *slot.partial;
    const std::size_t more = f.metadata.size() + f.data.size();
    if (!f.metadata.empty() && p.bytes.size() != p.metadata_size) return fragment_state::broken;
    if (p.metadata_size + f.metadata.size() > max_metadata_size) return fragment_state::too_long;
    if (p.bytes.size() + more > options_.message_limit) return fragment_state::too_long;
    if (partial_bytes_.taken() + more > options_.reassembly_limit || !partial_bytes_.take(more))
        return fragment_state::no_room;
    p.counted += more;
    make_room(p.bytes, more);
    p.bytes.append(f.metadata);
    p.bytes.append(f.data);
    p.metadata_size += f.metadata.size();
    p.has_metadata |= f.has_metadata;
    p.complete |= f.has(flag::complete);
    p.touched = now_;
    return fragment_state::taken;
}

/// Moves the reassembled message into the event.
void session::take_message(stream_slot& slot, event& e) noexcept {
    partial_message& p = *slot.partial;
    e.storage = std::move(p.bytes);
    e.has_metadata = p.has_metadata;
    e.metadata = e.storage.view().first(p.metadata_size);
    e.data = e.storage.view().subspan(p.metadata_size);
    drop_partial(slot);
}

void session::drop_partial(stream_slot& slot) noexcept {
    if (slot.partial == nullptr) return;
    partial_bytes_.give_back(slot.partial->counted);
    --partial_count_;
    *slot.partial = partial_message();
    spare_ = std::move(slot.partial);
}

event session::fragment_failed(stream_slot& slot, fragment_state state) {
    switch (state) {
        case fragment_state::too_long:
            return fail_here(slot, error_code::invalid, "message too long");
        case fragment_state::no_room:
            return fail_here(slot, error_code::rejected, "no room for another unfinished message");
        default: return reject("metadata after data");
    }
}

event session::expire(time_point now) {
    now_ = now;
    if (is_detached()) return {};
    while (!closed_ && partial_count_ != 0 && now >= partial_deadline_) {
        time_point oldest = time_point::max();
        stream_slot* found = nullptr;
        const auto look = [&](stream_slot& s) {
            if (s.partial == nullptr || s.partial->touched >= oldest) return;
            oldest = s.partial->touched;
            found = &s;
        };
        own_.for_each(look);
        peer_.for_each(look);
        partial_deadline_ = oldest + options_.fragment_timeout;
        if (found == nullptr || now < partial_deadline_) break;
        event e = fail_here(*found, error_code::canceled, "message not finished in time");
        if (e.kind != event_kind::none) return e;
    }
    return {};
}

}  // namespace tenon::inline v0::wire
