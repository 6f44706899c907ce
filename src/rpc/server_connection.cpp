#include "rpc/server_connection.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error_codes.hpp"
#include "rpc/error_codec.hpp"
#include "rpc/hello.hpp"
#include "rpc/server_core.hpp"

namespace tenon::inline v0::rpc {

namespace {

constexpr unsigned frames_per_turn = 256;
constexpr std::size_t cached_requests = 16;
constexpr std::size_t longest_cached = 512;
constexpr std::size_t least_retention = std::size_t{1} << 20;

/// Good enough for a handful of entries, which are compared in full.
std::uint32_t hash_of(bytes_view b) noexcept {
    constexpr std::uint64_t odd = 0x9e37'79b9'7f4a'7c15;  // 2^64 divided by the golden ratio
    std::uint64_t h = b.size();
    while (!b.empty()) {
        std::uint64_t word = 0;
        const std::size_t n = std::min(b.size(), sizeof word);
        if (n == sizeof word) std::memcpy(&word, b.data(), sizeof word);
        else std::memcpy(&word, b.data(), n);
        h = (h ^ word) * odd;
        h ^= h >> 32;
        b = b.subspan(n);
    }
    return static_cast<std::uint32_t>(h);
}

std::string address_of(const transport::peer_identity& p) {
    return p.kind == transport::scheme::tcp ? p.address + ":" + std::to_string(p.port)
                                            : std::string();
}

peer_info info_of(const transport::peer_identity& p, const std::string& address) {
    peer_info info;
    info.transport = transport::to_string(p.kind);
    info.address = address;
    info.has_credentials = p.has_credentials;
    info.pid = p.pid;
    info.uid = p.uid;
    info.gid = p.gid;
    return info;
}

scopes scope_of(const transport::peer_identity& p) {
    if (p.kind != transport::scheme::tcp) return scope::os;
    transport::endpoint at;
    at.kind = p.kind;
    at.host = p.address;
    return transport::is_loopback(at) ? scope::os : scope::lan;
}

wire::session_options session_options_of(const limits& l, wire::byte_budget& reassembly) {
    wire::session_options o;
    o.shared_reassembly = &reassembly;
    o.message_limit = l.message;
    o.reassembly_limit = l.reassembly_per_connection;
    o.max_requests = l.calls_per_connection;
    o.setup_timeout = l.setup_time;
    o.fragment_timeout = l.stall_time;
    if (l.resumable_sessions != 0) o.retention = std::max(l.retention, least_retention);
    o.resume_time = l.resume_time;
    return o;
}

}  // namespace

server_connection::server_connection(std::shared_ptr<server_core> server, std::uint64_t id,
                                     loop::event_loop& loop, std::unique_ptr<transport::link> link,
                                     std::string refusal)
    : connection(loop),
      server_(std::move(server)),
      id_(id),
      peer_address_(address_of(link->peer())),
      peer_key_(key_of(link->peer())),
      peer_(info_of(link->peer(), peer_address_)),
      unsent_limit_(server_->options().limits.unsent),
      from_network_(link->peer().kind == transport::scheme::tcp),
      from_(scope_of(link->peer())) {
    link_ = std::move(link);
    connected_ = true;
    session_.emplace(wire::role::server,
                     session_options_of(server_->options().limits, server_->reassembly()),
                     server_->runtime().time().now());
    reader_.set_limit(server_->options().limits.setup);
    longest_reference_ = server_->options().limits.message;
    if (!refusal.empty()) {
        session_->close(wire::error_code::rejected_setup, refusal);
        ending_ = true;
    }
}

std::string server_connection::key_of(const transport::peer_identity& p) {
    return p.has_credentials ? "uid " + std::to_string(p.uid) : p.address;
}

server_connection::~server_connection() {
    session_.reset();  // gives back to the server's budget, while the server is there
    server_->gone(peer_key_);
}

void server_connection::release() noexcept {
    // acq_rel: the last owner sees what the others did.
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

loop::turn server_connection::on_ready(loop::event_loop&, loop::ready_flags flags) {
    if (detached_) return closing_ ? close() : loop::turn::nothing;
    if (flags & loop::ready::write) flush(true);
    bool did_something = false;
    note_edge(flags);
    if (flags == loop::ready::probe) {
        if (closing_ || ending_ || stalled_) return loop::turn::nothing;
        if (read_some() == input::drained) {
            reader_.release_if_empty();
            return loop::turn::nothing;
        }
    }
    if (!closing_ && !ending_) {
        bool stuck;
        {
            const std::lock_guard lock(mutex_);
            processing_ = true;
            stuck = blocked_;
        }
        if (stuck && is_shared()) flush(true);
        const loop::turn t = serve(did_something);
        if (t == loop::turn::lost) return t;
        bool pending;
        {
            const std::lock_guard lock(mutex_);
            processing_ = false;
            pending = !session_->out().empty();
        }
        if (pending) loop_.defer(flush_work_);
        if (is_shared() && !stalled_ && !keep_looking()) closing_ = true;
        if (t == loop::turn::again) {
            // A peer whose bytes never cease is not silent, however long the turn was.
            unfinished_since_ = loop_.refresh_now();
            return t;
        }
    }
    if (ending_ && !closing_) {
        if (!discard_input()) {
            if (is_shared() && !keep_looking()) closing_ = true;
            if (!closing_) return loop::turn::done;
        }
        closing_ = true;
    }
    if (closing_) return close();
    return did_something ? loop::turn::done : loop::turn::nothing;
}

loop::turn server_connection::serve(bool& did_something) {
    unsigned budget = frames_per_turn;
    while (!is_full()) {
        while (!ending_ && !full_) {
            std::string_view refused;
            const auto f = next_frame(refused);
            if (!refused.empty()) {
                const std::lock_guard lock(mutex_);
                session_->reject(refused);
                end_session();
                break;
            }
            if (!f) break;
            did_something = true;
            if (receive(*f) == loop::turn::lost) return loop::turn::lost;
            if (--budget == 0) return loop::turn::again;
            flush_early(budget);
        }
        if (ending_ || closing_) return loop::turn::done;
        if (full_) continue;
        switch (just_emptied() ? input::drained : read_some()) {
            case input::more:
                if (has_read_enough()) return loop::turn::again;
                continue;
            case input::drained:
                reader_.release_if_empty();
                note_unfinished();
                note_use();
                return loop::turn::done;
            case input::ended:
                // What is answered goes out, in case only the peer's sending has ended.
                flush();
                closing_ = !lose_link();
                return loop::turn::done;
        }
    }
    return loop::turn::done;
}

// True: the peer does not take its answers, so that nothing is read until it does.
bool server_connection::is_full() {
    const auto look = [&] {
        const std::lock_guard lock(mutex_);
        full_ = stalled_ = starved_ = is_over_limit();
    };
    look();
    if (!full_) return false;
    flush();
    look();
    if (!full_) return false;
    tell_slow();
    if (hung_up_) closing_ = !lose_link();  // and it never will
    const std::lock_guard lock(mutex_);
    arm();
    return true;
}

// Whether part of a frame is here, whose rest must come in time.
void server_connection::note_unfinished() {
    const bool unfinished = reader_.unfinished() != 0;
    if (unfinished) unfinished_since_ = loop_.refresh_now();
    if (unfinished == std::exchange(unfinished_, unfinished) || !unfinished) return;
    const std::lock_guard lock(mutex_);
    arm();
}

loop::turn server_connection::receive(const wire::frame& f) {
    wire::event ev;
    service_call* cancelled = nullptr;
    wire_stream* stream = nullptr;
    {
        const std::lock_guard lock(mutex_);
        ev = session_->receive(f, loop_.now());
        full_ = is_over_limit();
        if (f.has(wire::flag::follows)) arm();  // the rest must come in time
        if (is_stream(ev) && ev.user && ev.kind != wire::event_kind::request) {
            stream = static_cast<wire_stream*>(ev.user);
            stream->add_ref();
            // At an end that both sides have come to the handler may be busy with what has come.
            if (ev.ended && ev.kind != wire::event_kind::payload) stream->share_call();
        } else if (ev.kind == wire::event_kind::cancel && ev.user) {
            cancelled = share_in(ev.user);
        }
    }
    if (stream) {
        const loop::turn t = stream->on_event(ev, std::move(incoming_));
        stream->release();
        return t;
    }
    switch (ev.kind) {
        case wire::event_kind::request: return on_request(ev);
        case wire::event_kind::cancel: return cancelled ? on_cancel(*cancelled) : loop::turn::done;
        case wire::event_kind::setup: return on_setup(f);
        case wire::event_kind::resume: on_resume(f); return loop::turn::done;
        case wire::event_kind::metadata_push: take_note(ev.metadata); return loop::turn::done;
        case wire::event_kind::keepalive: link_->trim(), may_have_room(); return loop::turn::done;
        case wire::event_kind::closed: {
            const std::lock_guard lock(mutex_);
            end_session();
            return loop::turn::done;
        }
        default: return loop::turn::done;
    }
}

const server_connection::cached_request* server_connection::find_cached(
    bytes_view metadata, std::uint32_t hash) const noexcept {
    for (const cached_request& r : cached_)
        if (r.hash == hash && r.metadata.size() == metadata.size() &&
            std::memcmp(r.metadata.data(), metadata.data(), metadata.size()) == 0)
            return &r;
    return nullptr;
}

void server_connection::remember(bytes_view metadata, std::uint32_t hash, method_entry& method,
                                 codec c, priority p) {
    cached_request r{hash, std::string(as_text(metadata)), &method, c, p};
    if (cached_.size() < cached_requests) cached_.push_back(std::move(r));
    else cached_[hash % cached_requests] = std::move(r);
}

// The method a request is for, the codec of its data, and how urgent it is.
result<method_entry*> server_connection::understand(const wire::event& ev,
                                                    wire::request_metadata& meta,
                                                    codec& wire_codec) {
    const bool short_enough = ev.metadata.size() <= longest_cached;
    const std::uint32_t hash = short_enough ? hash_of(ev.metadata) : 0;
    if (short_enough)
        if (const cached_request* r = find_cached(ev.metadata, hash)) {
            wire_codec = r->wire_codec;
            meta.priority = r->urgency;
            return r->method;
        }
    auto read = wire::read_request_metadata(ev.metadata, format_);
    if (!read) return std::move(read).error();
    meta = *read;
    if (meta.route.empty())
        return error(errc::invalid,
                     "the request has no route; send routing metadata (composite, or "
                     "message/x.rsocket.routing.v0) that names publisher/service.method");
    method_entry* const method = server_->methods().find(meta.route, from_);
    if (!method) return server_->methods().missing(meta.route, from_);
    std::optional<codec> c = codec_;
    if (method->info().wire_codec) c = method->info().wire_codec;
    if (!meta.codec.empty()) c = codec_from_mime_type(meta.codec);
    if (!c)
        return error(errc::unsupported,
                     "the data type of this request is not supported; use application/json, "
                     "application/x-msgpack or application/octet-stream");
    if (c == codec::marshal && from_network_ && !server_->options().force_insecure_serialisation)
        return error(errc::denied,
                     "codec marshal is refused over TCP, unless "
                     "server_options::force_insecure_serialisation says otherwise");
    wire_codec = *c;
    if (!meta.priority) meta.priority = method->urgency();
    if (short_enough && meta.deadline_ms == 0 && meta.trace.empty())
        remember(ev.metadata, hash, *method, *c, *meta.priority);
    return method;
}

namespace {

/// Why such a request is none for this member.
std::optional<error> check_kind(const method_entry& member, wire::request_kind asked) {
    using detail::member_kind;
    const member_kind kind = member.kind();
    const bool is_stream = asked == wire::request_kind::stream;
    const bool is_channel = asked == wire::request_kind::channel;
    const bool fits = kind == member_kind::method   ? !is_stream && !is_channel
                      : kind == member_kind::source ? is_stream
                                                    : is_channel;
    if (fits) return std::nullopt;
    return member.misused();
}

}  // namespace

void server_connection::fill(service_call& call, wire::event& ev,
                             const wire::request_metadata& meta, codec wire_codec) {
    call.wire_codec = wire_codec;
    call.urgency = *meta.priority;
    if (call.urgency != priority::normal) {
        const std::lock_guard lock(mutex_);
        session_->set_priority(ev.stream, call.urgency);
    }
    call.data = ev.data;
    call.lies_in = std::move(incoming_);
    if (!ev.storage.empty()) call.lies_in = base::make_block(std::move(ev.storage));
    call.decoding = &server_->decoding();
    call.trace = meta.trace;
    call.stream = ev.stream;
    call.wants_answer = ev.request != wire::request_kind::fnf;
    if (meta.deadline_ms != 0)
        call.deadline = base::add_time(loop_.now(), std::chrono::milliseconds(meta.deadline_ms));
    call.scope = {&loop_, call.deadline, &call.cancel, nullptr};
    calls_.store(calls_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// What the member has no arguments for is the first value of a channel, unless a Tenon client says
// that there is none.
loop::turn server_connection::open_stream(wire::event& ev, method_entry& method,
                                          const wire::request_metadata& meta, codec wire_codec) {
    if (!value_memory_) {
        const limits& l = server_->options().limits;
        value_memory_ = std::make_shared<value_memory>(l.stream_memory_per_connection,
                                                       server_->stream_memory());
    }
    stream_plan plan{method.signature().stream,
                     method.info().flow_of(true),
                     wire_codec,
                     server_->decoding(),
                     &server_->runtime().spin(),
                     value_memory_,
                     true,
                     &method};
    auto* const stream = new wire_stream(*this, this, plan);
    stream->attach(ev.stream);
    stream->count_in(method.open_streams);
    const stream_status asked = ev.has_metadata ? read_stream_status(ev.metadata) : stream_status();
    stream->begin(ev.n, asked);
    stream->set_route(method.route());
    service_call call(server_->runtime(), method, *stream, peer_);
    const bool is_channel = ev.request == wire::request_kind::channel;
    const bool has_value = is_channel && !asked.open && method.parameters().empty() &&
                           (!ev.data.empty() || wire_codec == codec::raw);
    loop::turn t = loop::turn::done;
    if (has_value) {
        base::block_ref owner = std::move(incoming_);
        if (!ev.storage.empty()) owner = base::make_block(std::move(ev.storage));
        base::block* const lies_in = owner.get();
        t = stream->first_value({ev.data, lies_in}, std::move(owner));
        ev.data = {};
    }
    if (is_channel && ev.complete) (void)stream->no_more_values();
    fill(call, ev, meta, wire_codec);
    call.own_input();
    call.ends = std::make_unique<detail::stream_ends>(stream->ends(nullptr));
    {
        const std::lock_guard lock(mutex_);
        session_->attach(ev.stream, stream);
        if (is_channel && !ev.complete) session_->request_n(ev.stream, stream->first_grant());
    }
    hold();
    loop::event_loop& loop = loop_;
    loop::ticket ticket = loop.enter(&method);
    tell_opened(*stream, call);
    call.dispatch(false);
    call.ends.reset();
    if (!loop.leave(ticket)) t = loop::turn::lost;
    release();
    return t;
}

loop::turn server_connection::on_request(wire::event& ev) {
    wire::request_metadata meta;
    codec wire_codec{};
    auto found = understand(ev, meta, wire_codec);
    if (!found) {
        error problem = std::move(found).error();
        return refuse(ev, problem.set_may_have_run(false)), loop::turn::done;
    }
    method_entry* const method = *found;
    if (auto unfit = check_kind(*method, ev.request)) return refuse(ev, *unfit), loop::turn::done;
    if (method->signature().stream) return open_stream(ev, *method, meta, wire_codec);
    service_call call(server_->runtime(), *method, *this, peer_);
    fill(call, ev, meta, wire_codec);

    set_in_place(&call);
    loop::event_loop& loop = loop_;  // if it gets lost, the connection may be gone before leave()
    loop::ticket t = loop.enter(method);
    call.dispatch(false);
    if (loop.leave(t)) {
        set_in_place(nullptr);
        call.forget_arguments();
        return loop::turn::done;
    }
    // Another thread goes on with this connection, and may be done with it unless the call holds
    // a share in it.
    if (!call.cleared) {
        const std::lock_guard lock(mutex_);
        if (is_in_place(call)) set_in_place(nullptr);
    }
    if (call.holds_path) {
        method->counters.first().in_flight.fetch_sub(1, std::memory_order_relaxed);
        {
            const std::lock_guard lock(mutex_);
            if (session_->user(call.stream) == &call) session_->attach(call.stream, nullptr);
        }
        call.wait_for_pins();
        rest_later();
        release();
    }
    return loop::turn::lost;
}

void server_connection::on_taken_over(loop::event_loop&) {
    const std::lock_guard lock(mutex_);
    service_call* const call = in_place_.load(std::memory_order_relaxed);
    if (!call) return;
    call->parked = reader_.detach();
    call->holds_path = true;
    call->method().counters.first().in_flight.fetch_add(1, std::memory_order_relaxed);
    call->outlived = true;
    session_->attach(call->stream, call);
    refs_.fetch_add(1, std::memory_order_relaxed);
    set_in_place(nullptr);
}

// Mutex held. What keeps an attached call alive for a moment; null: it is ending.
service_call* server_connection::share_in(void* user) noexcept {
    auto* const call = static_cast<service_call*>(user);
    if (call->outlived) return call->pin(), call;
    return call->try_add_ref() ? call : nullptr;
}

loop::turn server_connection::on_cancel(service_call& call) {
    loop::event_loop& loop = loop_;  // see on_request()
    loop::ticket t = loop.enter(&call.method());
    const bool outlived = call.outlived;  // does not change any more
    call.cancel.cancel();
    if (outlived) call.unpin();
    else call.release();
    return loop.leave(t) ? loop::turn::done : loop::turn::lost;
}

void server_connection::refuse(const wire::event& ev, const error& e) {
    base::byte_buffer data;
    const std::lock_guard lock(mutex_);
    if (ev.request == wire::request_kind::fnf) return;
    encode_error(e, tenon_peer_, data);
    session_->fail(ev.stream, base::numbers_of(e.code()).rsocket, data.view());
}

// --- answers; any thread ---

bool server_connection::answered_in_place(service_call& call) noexcept {
    if (call.is_kept()) return false;
    if (is_in_place(call)) set_in_place(nullptr);
    call.cleared = true;
    // Without a share of its own the connection must not be touched after the mutex is released.
    return !call.holds_path;
}

void server_connection::answer(service_call& call, void* result) {
    thread_local base::byte_buffer encoded;
    encoded.clear();
    const shape& type = *call.method().signature().result;
    blob taken;
    wire::outgoing payload;
    if (call.wants_answer)
        if (const auto in_place = coding::encoded_in_place(call.wire_codec, type, result)) {
            if (in_place->size() <= wire::output_queue::copy_limit) payload = *in_place;
            else taken = coding::take_bytes(type, result);
        }
    if (!taken.empty()) {
        payload = {taken.view(), taken.block()};
    } else if (call.wants_answer && payload.data.empty()) {
        auto done = coding::encode_object(call.wire_codec, type, result, encoded);
        if (!done) {
            error e(errc::internal,
                    "the result cannot be sent: " + std::string(done.error().message()));
            call.method().counters.first().count_error(e.code());
            return fail(call, e);
        }
        payload = {encoded.view(), &encoded};
    }
    bool processing;
    const base::block_ref placed = place(payload);
    {
        std::array<std::byte, wire::reference_size> room;
        const std::lock_guard lock(mutex_);
        if (call.wants_answer) {
            const wire::outgoing out = passed(placed, payload, room);
            if (!session_->respond(call.stream, out)) not_sent(out);
        }
        if (answered_in_place(call) || !connected_) return;
        processing = processing_;
    }
    send_answer(processing);
}

void server_connection::fail(service_call& call, const error& e) {
    bool processing;
    {
        base::byte_buffer data;
        const std::lock_guard lock(mutex_);
        if (call.wants_answer) {
            encode_error(e, tenon_peer_, data);
            session_->fail(call.stream, base::numbers_of(e.code()).rsocket, data.view());
        }
        if (answered_in_place(call) || !connected_) return;
        processing = processing_;
    }
    send_answer(processing);
}

/// A thread of the pool leaves the writing to a loop that is at work: answers of many calls go out
/// together.
void server_connection::send_answer(bool processing) {
    if (loop_.in_loop_thread() || !loop_.will_look_soon()) return kick(processing);
    // Who processes looks for output afterwards, under the mutex, and so finds this.
    if (!processing) post(write_out);
}

void server_connection::keep(service_call& from, service_call& kept) {
    refs_.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    if (kept.wants_answer) session_->attach(kept.stream, &kept);
    answered_in_place(from);
}

void server_connection::release(service_call& kept) noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (session_->user(kept.stream) == &kept) session_->attach(kept.stream, nullptr);
    }
    rest_later();
    release();
}

}  // namespace tenon::inline v0::rpc
