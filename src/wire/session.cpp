#include "wire/session.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error_codes.hpp"

namespace tenon::inline v0::wire {
namespace {

constexpr std::size_t max_error_data = std::size_t{64} * 1024;
constexpr std::uint32_t setup_codes_end = 0x100;

tenon::error refused(errc code, const char* what) {
    return std::move(tenon::error(code, what).set_may_have_run(false));
}

void set_metadata(frame& f, bytes_view metadata) noexcept {
    f.metadata = metadata;
    f.has_metadata = !metadata.empty();
}

constexpr frame_type type_of(request_kind kind) noexcept {
    switch (kind) {
        case request_kind::response: return frame_type::request_response;
        case request_kind::fnf: return frame_type::request_fnf;
        case request_kind::stream: return frame_type::request_stream;
        case request_kind::channel: break;
    }
    return frame_type::request_channel;
}

constexpr bool has_credit(request_kind kind) noexcept {
    return kind == request_kind::stream || kind == request_kind::channel;
}

}  // namespace

session::session(role r, const session_options& options, time_point now)
    : ids_(r == role::client),
      out_(options.output_framing),
      options_(options),
      role_(r),
      partial_bytes_(options.shared_reassembly),
      lifetime_(options.max_lifetime),
      now_(now),
      started_(now),
      last_received_(now),
      next_keepalive_(now + options.keepalive_interval),
      lease_until_(now),
      partial_deadline_(now) {}

// Sending.

result<void> session::setup(std::string_view metadata_mime, std::string_view data_mime,
                            bytes_view metadata, bytes_view data, bytes_view token) {
    if (role_ != role::client || established_ || closed_)
        return refused(errc::invalid, "SETUP is the client's first frame");
    if (metadata_mime.size() > 255 || data_mime.size() > 255 || metadata.size() > max_setup_size ||
        data.size() > max_setup_size || token.size() > max_setup_size)
        return refused(errc::invalid, "SETUP too long");
    setup_fields s;
    s.keepalive_ms = static_cast<std::uint32_t>(options_.keepalive_interval.count());
    s.lifetime_ms = static_cast<std::uint32_t>(options_.max_lifetime.count());
    s.metadata_mime = metadata_mime;
    s.data_mime = data_mime;
    s.token = options_.retention != 0 ? token : bytes_view();
    base::byte_buffer b;
    append_setup(b, s, s.token.empty() ? 0 : flag::resume, metadata.empty() ? nullptr : &metadata,
                 data, false);
    if (b.size() > max_setup_size) return refused(errc::invalid, "SETUP too long");
    if (!s.token.empty()) start_resumption(s.token);
    out_.add_raw(b.view());
    established_ = true;
    return {};
}

result<void> session::check_request(request_kind kind, bytes_view metadata,
                                    std::uint32_t n) noexcept {
    if (closed_) return refused(errc::unavailable, "connection closed");
    if (closing_) return refused(errc::unavailable, "the peer is closing the connection");
    if (!established_) return refused(errc::invalid, "request before SETUP");
    if (metadata.size() > max_metadata_size) return refused(errc::invalid, "metadata too long");
    if (has_credit(kind) && (n == 0 || n > max_n))
        return refused(errc::invalid, "initial request n must be 1 to 2147483647");
    if (is_detached() && !out_.has_room())
        return refused(errc::unavailable, "too much waits for the connection to come back");
    if (lease_needed_) {
        if (lease_left_ == 0 || now_ >= lease_until_)
            return refused(errc::unavailable, "no lease from the peer");
        if (lease_left_ != max_n) --lease_left_;
    }
    return {};
}

result<stream_ref> session::request(request_kind kind, bytes_view metadata, outgoing data,
                                    void* user, std::uint32_t initial_n, bool complete,
                                    priority p) {
    if (auto ok = check_request(kind, metadata, initial_n); !ok) return std::move(ok).error();
    frame f;
    f.type = type_of(kind);
    f.stream = ids_.take(own_);
    f.n = initial_n;
    set_metadata(f, metadata);
    const bool done = kind != request_kind::channel || complete;
    if (kind == request_kind::channel && complete) f.flags |= flag::complete;
    if (data.by_reference) f.flags |= flag::by_reference;
    const std::uint64_t mark = out_.add(f, data, p);
    if (kind == request_kind::fnf) return stream_ref{f.stream, 0};
    stream_slot& s = open(own_, f.stream, kind);
    s.user = user;
    s.mark = mark;
    s.urgency = p;
    s.local_done = done;
    s.receive_credit = has_credit(kind) ? initial_n : 1;
    return stream_ref{s.id, s.use};
}

bool session::respond(stream_ref stream, outgoing data, bytes_view metadata) {
    stream_slot* s = find(stream);
    if (s == nullptr || is_own(stream.id) || closed_) return false;
    if (metadata.size() > max_metadata_size) {
        fail(stream, errc::internal, as_bytes("metadata too long"));
        return false;
    }
    frame f;
    f.type = frame_type::payload;
    f.flags = flag::next | flag::complete;
    if (data.by_reference) f.flags |= flag::by_reference;
    f.stream = s->id;
    set_metadata(f, metadata);
    out_.add(f, data, s->urgency);
    s->local_done = true;
    if (s->kind != request_kind::channel || s->remote_done) end(*s, false);
    return true;
}

/// Our direction has ended; ends the stream if that was all. Whether it did.
bool session::finish_own_side(stream_slot& slot) noexcept {
    slot.local_done = true;
    if (slot.kind == request_kind::channel && !slot.remote_done) return false;
    end(slot, false);
    return true;
}

send_result session::send(stream_ref stream, outgoing data, bytes_view metadata, bool complete) {
    stream_slot* s = find(stream);
    if (s == nullptr || closed_ || s->local_done) return send_result::gone;
    if (s->send_credit == 0) return send_result::no_credit;
    if (!complete && !has_room()) return send_result::no_room;
    if (metadata.size() > max_metadata_size) {
        fail(stream, errc::internal, as_bytes("metadata too long"));
        return send_result::gone;
    }
    if (s->send_credit != max_n) --s->send_credit;
    frame f;
    f.type = frame_type::payload;
    f.flags = static_cast<std::uint16_t>(flag::next | (complete ? flag::complete : 0) |
                                         (data.by_reference ? flag::by_reference : 0));
    f.stream = s->id;
    set_metadata(f, metadata);
    out_.add(f, data, s->urgency);
    if (complete) finish_own_side(*s);
    return send_result::sent;
}

void session::complete(stream_ref stream, bytes_view metadata) {
    stream_slot* s = find(stream);
    if (s == nullptr || closed_ || s->local_done) return;
    frame f;
    f.type = frame_type::payload;
    f.flags = flag::complete;
    f.stream = s->id;
    set_metadata(f, metadata.size() > max_metadata_size ? bytes_view() : metadata);
    out_.add(f, s->urgency);
    finish_own_side(*s);
}

void session::add_error(std::uint32_t stream, std::uint32_t code, bytes_view data, priority p) {
    frame f;
    f.type = frame_type::error;
    f.stream = stream;
    f.code = code;
    f.data = data.first(std::min(data.size(), max_error_data));
    if (stream == 0) out_.add_last(f);
    else out_.add(f, p);
}

void session::fail(stream_ref stream, std::uint32_t code, bytes_view data) {
    stream_slot* s = find(stream);
    if (s == nullptr || closed_) return;
    if (is_own(stream.id) && s->kind != request_kind::channel) {
        cancel(stream);
        return;
    }
    bool begun = false;
    const bool unknown = out_.drop(s->id, &begun) == output_queue::dropped::request && !begun;
    if (!unknown) add_error(s->id, code, data, s->urgency);
    end(*s, false);
}

void session::fail(stream_ref stream, errc code, bytes_view data) {
    fail(stream, base::numbers_of(code).rsocket, data);
}

void session::cancel(stream_ref stream) {
    stream_slot* s = find(stream);
    if (s == nullptr || closed_) return;
    if (!is_own(stream.id)) {
        if (s->kind != request_kind::channel) return;
        drop_partial(*s);
        s->remote_done = true;
        if (s->local_done) end(*s, false);
        return;
    }
    bool begun = false;
    const bool unknown = out_.drop(s->id, &begun) == output_queue::dropped::request && !begun;
    if (!unknown) {
        frame f;
        f.type = frame_type::cancel;
        f.stream = s->id;
        out_.add(f, control_priority(*s));
    }
    end(*s, false);
}

void session::request_n(stream_ref stream, std::uint32_t n) {
    stream_slot* s = find(stream);
    if (s == nullptr || closed_ || n == 0 || s->remote_done) return;
    if (is_own(stream.id) ? !has_credit(s->kind) : s->kind != request_kind::channel) return;
    n = std::min(n, max_n);
    s->receive_credit = n > max_n - s->receive_credit ? max_n : s->receive_credit + n;
    frame f;
    f.type = frame_type::request_n;
    f.stream = s->id;
    f.n = n;
    out_.add(f, control_priority(*s));
}

/// Of frames that need not wait for values: nothing but the request goes before them.
priority session::control_priority(const stream_slot& slot) const noexcept {
    const bool known = !is_own(slot.id) || out_.is_placed(slot.mark, slot.id);
    return known ? priority::high : slot.urgency;
}

void session::push_metadata(bytes_view metadata) {
    if (closed_ || !established_ || metadata.size() > max_metadata_size) return;
    frame f;
    f.type = frame_type::metadata_push;
    f.has_metadata = true;
    f.metadata = metadata;
    out_.add(f, priority::high);
}

void session::extension(stream_ref stream, std::uint32_t type, bool may_ignore, bytes_view metadata,
                        bytes_view data) {
    if (closed_ || !established_ || metadata.size() > max_metadata_size) return;
    const stream_slot* s = stream.id != 0 ? find(stream) : nullptr;
    if (stream.id != 0 && s == nullptr) return;
    frame f;
    f.type = frame_type::ext;
    f.flags = may_ignore ? flag::ignore : 0;
    f.stream = stream.id;
    f.code = type;
    set_metadata(f, metadata);
    f.data = data;
    out_.add(f, s != nullptr ? s->urgency : priority::high);
}

void session::close(std::uint32_t code, std::string_view message) {
    if (closed_) return;
    add_error(0, code, as_bytes(message), priority::normal);
    if (resumption_) out_.kept()->finish_writing();
    closed_ = true;
    flushing_ = true;
    close_code_ = code;
}

// Streams.

stream_slot& session::open(stream_table& table, std::uint32_t id, request_kind kind) {
    stream_slot& s = table.insert(id);
    if (++uses_ == 0) ++uses_;  // 0 names no stream
    s.use = uses_;
    s.kind = kind;
    return s;
}

stream_slot* session::find(stream_ref stream) noexcept {
    stream_slot* s = stream.id == 0 ? nullptr : table_of(stream.id).find(stream.id);
    return s != nullptr && s->use == stream.use && !s->assembling_request ? s : nullptr;
}

void session::end(stream_slot& slot, bool drop_output) noexcept {
    bool begun = false;
    if (drop_output) out_.drop(slot.id, &begun);
    if (slot.partial != nullptr) drop_partial(slot);
    table_of(slot.id).erase(slot);
}

void session::set_priority(stream_ref stream, priority p) noexcept {
    if (stream_slot* s = find(stream)) s->urgency = p;
}

void session::attach(stream_ref stream, void* user) noexcept {
    if (stream_slot* s = find(stream)) s->user = user;
}

void* session::user(stream_ref stream) noexcept {
    const stream_slot* s = find(stream);
    return s != nullptr ? s->user : nullptr;
}

std::uint32_t session::credit(stream_ref stream) noexcept {
    const stream_slot* s = find(stream);
    return s != nullptr && !s->local_done ? s->send_credit : 0;
}

void session::forget(stream_ref stream) noexcept {
    if (stream_slot* s = find(stream)) end(*s, true);
}

event session::orphan() {
    if (!closed_) return {};
    if (stream_slot* s = own_.any()) {
        event e = about(event_kind::failed, *s);
        e.ended = e.local = true;
        e.code = close_code_;
        // What close() left in the line still goes out, unless it is a message not yet cut.
        e.may_have_run = (close_code_ >= setup_codes_end || has_moved()) &&
                         (flushing_ ? !out_.waits(s->id) : out_.may_have_left(s->mark, s->id));
        end(*s, false);
        return e;
    }
    out_.drop_all();
    while (stream_slot* s = peer_.any()) {
        event e = about(event_kind::cancel, *s);
        const bool shown = !s->assembling_request;
        e.ended = e.local = true;
        end(*s, false);
        if (shown) return e;
    }
    return {};
}

// Time.

event session::tick(time_point now) {
    now_ = now;
    if (closed_) return {};
    if (!established_) {
        if (role_ == role::client || now < started_ + options_.setup_timeout) return {};
        close(error_code::invalid_setup, "no SETUP in time");
        return over(true, close_code_, as_bytes("no SETUP in time"));
    }
    if (is_detached()) {
        if (now < resumption_->since + options_.resume_time) return {};
        return end_detached(error_code::connection_error, "not resumed in time");
    }
    if (now >= last_received_ + lifetime_) {
        if (is_resumable()) {
            event e;
            e.kind = event_kind::silent;
            return e;
        }
        close(error_code::connection_error, "no sign of life in time");
        return over(true, close_code_, as_bytes("no sign of life in time"));
    }
    if (role_ == role::client && now >= next_keepalive_) {
        release_if_idle();  // rarely enough: a busy session has it back with its next request
        out_.add_keepalive(flag::respond, {});
        next_keepalive_ = now + options_.keepalive_interval;
    }
    return {};
}

time_point session::next_deadline() const noexcept {
    if (closed_) return time_point::max();
    if (!established_)
        return role_ == role::server ? started_ + options_.setup_timeout : time_point::max();
    if (is_detached()) return resumption_->since + options_.resume_time;
    time_point t = last_received_ + lifetime_;
    if (role_ == role::client) t = std::min(t, next_keepalive_);
    if (partial_count_ != 0) t = std::min(t, partial_deadline_);
    return t;
}

std::size_t session::release_if_idle() noexcept {
    std::size_t n = out_.release_if_empty() + own_.release_if_empty() + peer_.release_if_empty();
    if (spare_) n += spare_->bytes.capacity();
    spare_.reset();
    base::trim_large_storage();
    return n;
}

}  // namespace tenon::inline v0::wire
