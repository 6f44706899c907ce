#include "rpc/stream/wire_stream.hpp"

#include <algorithm>
#include <array>

#include "base/error_codes.hpp"
#include "rpc/error_codec.hpp"
#include "rpc/outgoing_call.hpp"
#include "rpc/server_connection.hpp"
#include "rpc/server_core.hpp"
#include "rpc/stream/with_session.hpp"
#include "wire/endian.hpp"

namespace tenon::inline v0::rpc {

using detail::departure;
using detail::member_kind;
using loop::turn;

namespace {

// A sender waits while so much of its connection's output waits to be written.
constexpr std::size_t high_water = std::size_t{256} << 10;

const detail::value_ops& in_ops(const stream_plan& p, bool is_server) {
    return is_server ? *p.types->up : *p.types->down;
}
const detail::value_ops& out_ops(const stream_plan& p, bool is_server) {
    return is_server ? *p.types->down : *p.types->up;
}

std::uint32_t window_of(const stream_plan& p, bool is_server) {
    if (p.types->kind == member_kind::sink && !is_server) return 1;  // the reply
    return p.flow.window != 0 ? p.flow.window : default_window(in_ops(p, is_server));
}

// Values that may be large come in fours until they have shown that they are not.
std::uint32_t first_grant_of(const stream_plan& p, bool is_server) {
    constexpr std::uint32_t few = 4;
    const std::uint32_t window = window_of(p, is_server);
    return p.flow.window != 0 || in_ops(p, is_server).is_flat ? window : std::min(window, few);
}

error stopped_error() { return error(errc::cancelled, "the receiver takes no more"); }

}  // namespace

std::uint32_t default_window(const detail::value_ops& ops) noexcept {
    constexpr std::size_t bytes = std::size_t{64} << 10;
    if (!ops.is_flat) return 256;
    return static_cast<std::uint32_t>(
        std::clamp<std::size_t>(bytes / std::max<std::size_t>(ops.size, 1), 16, 2048));
}

wire_stream::wire_stream(connection& c, server_connection* server, const stream_plan& plan)
    : plan_(plan),
      loop_(c.loop()),
      server_(server),
      link_(&c),
      in_(in_ops(plan, server != nullptr), window_of(plan, server != nullptr),
          first_grant_of(plan, server != nullptr), *this, *plan.spin),
      out_(*this, out_ops(plan, server != nullptr), plan.flow) {
    in_.set_codec(plan.wire_codec, plan.decoding);
    in_.set_connected(plan.memory);
}

bool wire_stream::has_in() const noexcept {
    return is_server() ? plan_.types->kind != member_kind::source : true;
}

bool wire_stream::has_out() const noexcept {
    const member_kind k = plan_.types->kind;
    return is_server() ? k != member_kind::sink : k != member_kind::source;
}

wire_stream::totals wire_stream::stats() {
    totals t;
    if (has_in()) t.in = in_.stats();
    if (has_out()) t.out = out_.stats();
    return t;
}

std::uint32_t wire_stream::first_grant() const noexcept { return in_.first_grant(); }

detail::stream_ends wire_stream::ends(const std::shared_ptr<void>& keep_alive) {
    detail::stream_ends e;
    if (has_in()) {
        add_ref();
        handles_.fetch_add(1, std::memory_order_relaxed);
        e.in = std::shared_ptr<detail::inlet>(&in_, [this, keep_alive](detail::inlet*) {
            in_gone();
            handle_gone();
        });
    }
    if (has_out()) {
        add_ref();
        handles_.fetch_add(1, std::memory_order_relaxed);
        e.out = std::shared_ptr<detail::outlet>(&out_, [this, keep_alive](detail::outlet*) {
            out_gone();
            handle_gone();
        });
    }
    return e;
}

// --- the session ---

void wire_stream::consumed(std::uint32_t n) noexcept {
    if (plan_.types->kind == member_kind::sink && !is_server()) return;
    with_session([&](wire::session& s) {
        if (paused_) withheld_ += std::min(n, wire::max_n - withheld_);
        else s.request_n(ref_, n);
    });
}

// The receiver wants no more. A peer that does not know our word for it stays without credit, until
// it hears that nothing comes from this side either.
void wire_stream::stopped() noexcept {
    has_stopped_ = true;
    const member_kind kind = plan_.types->kind;
    if (!is_server() && kind == member_kind::sink) return;  // it forgoes the reply
    if (!is_server() && kind == member_kind::source)
        return with_session([&](wire::session& s) { s.cancel(ref_); });
    with_session([&](wire::session& s) {
        if (unopened_) return;  // told when it is opened
        if (link_->peer_is_tenon()) s.extension(ref_, stop_extension, true, {}, {});
        if (is_server() || (has_finished_ && !link_->peer_is_tenon())) s.cancel(ref_);
    });
}

void wire_stream::acknowledged(std::uint64_t number) noexcept {
    std::array<std::byte, 8> data;
    wire::store_be64(data.data(), number);
    with_session([&](wire::session& s) {
        if (link_->peer_is_tenon()) s.extension(ref_, acknowledge_extension, true, {}, data);
    });
}

void wire_stream::in_gone() noexcept {
    if (!is_server() || !abandoned_.note(abandoned_ends::in)) in_.stop();
}

// A server's function has ended, or let go of the last copy: that is the end of what it sends. A
// client that does not say so has not meant to end.
void wire_stream::out_gone() noexcept {
    if (is_server()) return abandoned_.note(abandoned_ends::out) ? void() : out_.finish();
    if (!out_.is_open()) return;
    if (!leave_unopened()) with_session([&](wire::session& s) { s.cancel(ref_); });
    (void)out_.on_closed(error(errc::cancelled, "given up by the sender"));
    (void)in_.end(error(errc::cancelled, "given up by the sender"));
}

void wire_stream::handle_gone() noexcept {
    // acq_rel: the last one sees what the others did. From here on nobody can want to give it up.
    const bool last = handles_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    if (last && limit_ && limit_->cancel) limit_->cancel->remove(*limit_);
    release();
}

// The peer takes no more, so there is nothing to be told but the end. If it sends no more either,
// nobody is left who the handler could be working for.
service_call* wire_stream::finish_quietly() noexcept {
    has_finished_ = true;
    service_call* left_alone = nullptr;
    with_session([&](wire::session& s) {
        s.complete(ref_);
        if (!s.alive(ref_) && call_ && call_->try_add_ref()) left_alone = call_;
    });
    return left_alone;
}

// --- opening late ---

result<void> wire_stream::request(wire::session& session, const opening& o,
                                  const wire::outgoing& arguments) {
    const bool is_source = plan_.types->kind == member_kind::source;
    base::byte_buffer metadata;
    metadata.append(o.metadata.view());
    stream_status status = o.status;
    status.open = !is_source;
    put_stream_status(metadata, status);
    auto sent =
        session.request(is_source ? wire::request_kind::stream : wire::request_kind::channel,
                        metadata.view(), arguments, this, first_grant(), false, o.urgency);
    if (!sent) return std::move(sent).error();
    ref_ = *sent;
    return {};
}

bool wire_stream::opens_with_value() const noexcept {
    return !plan_.has_arguments && plan_.types->kind != member_kind::source;
}

void wire_stream::open_later(opening o) {
    unopened_ = std::make_unique<opening>(std::move(o));
    is_unopened_ = true;
}

bool wire_stream::request_at_last(wire::session& session, const wire::outgoing* value,
                                  bool complete) {
    base::byte_buffer metadata;
    metadata.append(unopened_->metadata.view());
    stream_status status = unopened_->status;
    status.open = !value;
    put_stream_status(metadata, status);
    auto sent = session.request(wire::request_kind::channel, metadata.view(),
                                value ? *value : wire::outgoing(), this, first_grant(), complete,
                                unopened_->urgency);
    if (!sent) return false;
    ref_ = *sent;
    unopened_.reset();
    is_unopened_ = false;
    unlink();  // from the connection's list
    if (has_stopped_ && link_->peer_is_tenon())
        session.extension(ref_, stop_extension, true, {}, {});
    return true;
}

// True: the peer will never hear of it.
bool wire_stream::leave_unopened() noexcept {
    {
        const std::lock_guard lock(link_mutex_);
        if (!link_ || !is_unopened_) return false;
        {
            const std::lock_guard session_lock(link_->mutex_);
            if (!unopened_) return false;
            unopened_.reset();
            is_unopened_ = false;
            leave_queues();
        }
        std::exchange(link_, nullptr)->stream_ended();
    }
    release();  // the session's share; the caller has another
    return true;
}

// link_mutex_ held.
void wire_stream::leave_link() noexcept {
    std::exchange(link_, nullptr)->stream_ended();
    if (open_) open_->fetch_sub(1, std::memory_order_relaxed);
}

// The session does not know a stream that has ended, so only the thread that was told will detach it,
// after user code, in which it may lose the loop: by then the connection might be gone.
connection* wire_stream::hold_link() noexcept {
    const std::lock_guard lock(link_mutex_);
    if (link_) link_->hold();
    return link_;
}

void wire_stream::detach() noexcept {
    {
        const std::lock_guard lock(link_mutex_);
        if (!link_) return;
        {
            const std::lock_guard session_lock(link_->mutex_);
            leave_queues();
        }
        leave_link();
    }
    tell_closed();
    release();
}

// Both mutexes held.
void wire_stream::leave_queues() noexcept {
    link_->leave_room_queue(*this);
    if (limit_) limit_->unlink();
}

// Once, when it is detached, by an owner of a share.
void wire_stream::tell_closed() noexcept {
    if (!has_told_) return;
    add_ref();
    server_->hold();
    loop_.post(closed_work_);
}

turn wire_stream::tell_closed_on_loop(loop::event_loop& loop) {
    const loop::ticket ticket = loop.enter();
    server_core& server = *server_->server();
    server.tell(server.to_be_told().closed, static_cast<served_stream&>(*this));
    const bool lost = !loop.leave(ticket);
    server_connection* const connection = server_;
    release();
    connection->release();
    return lost ? turn::lost : turn::done;
}

// --- sending ---

void wire_stream::wire_outlet::grant(std::uint32_t n) noexcept {
    std::uint32_t before = granted_.load(std::memory_order_relaxed);
    std::uint32_t after;
    do {
        after = n > wire::max_n - std::min(before, wire::max_n) ? wire::max_n : before + n;
    } while (!granted_.compare_exchange_weak(before, after));
}

departure wire_stream::wire_outlet::transmit(void* value, bool movable, const value_note& note) {
    if (granted_.load(std::memory_order_relaxed) != 0) {
        const std::uint32_t n = granted_.exchange(0);
        credit_ = n > wire::max_n - credit_ ? wire::max_n : credit_ + n;
    }
    if (credit_ == 0 && !s_.is_unopened_.load(std::memory_order_relaxed)) return departure::full;
    thread_local base::byte_buffer encoded;
    thread_local base::byte_buffer metadata;
    encoded.clear();
    metadata.clear();
    wire::outgoing payload;
    blob taken;
    const shape& type = *ops().type;
    const codec c = s_.plan_.wire_codec;
    if (const auto in_place = coding::encoded_in_place(c, type, value)) {
        if (movable && in_place->size() > wire::output_queue::copy_limit)
            taken = coding::take_bytes(type, value);
        payload =
            taken.empty() ? wire::outgoing(*in_place) : wire::outgoing(taken.view(), taken.block());
    } else {
        if (auto done = coding::encode_object(c, type, value, encoded); !done) {
            unfit(error(errc::internal,
                        "the value cannot be sent: " + std::string(done.error().message())));
            return departure::closed;
        }
        payload = {encoded.view(), &encoded};
    }

    const std::lock_guard lock(s_.link_mutex_);
    if (!s_.link_) return departure::closed;
    connection& link = *s_.link_;
    const base::block_ref placed = link.place(payload);
    std::array<std::byte, wire::reference_size> room;
    bool processing;
    bool is_first = false;  // it goes with the request, and needs no credit
    std::size_t pending;
    {
        const std::lock_guard session_lock(link.mutex_);
        if (!link.session_) return departure::full;  // on_lost() follows, and says why
        wire::session& session = *link.session_;
        if ((session.out().exceeds(high_water) && !s_.unopened_) || !session.has_room()) {
            link.enter_room_queue(s_);
            return departure::full;
        }
        if ((note.says_something() || seek_to_tell() != 0) && link.peer_is_tenon())
            put_stream_status(metadata, {note, {}, false, {}, {}, seek_to_tell()});
        const wire::outgoing out = link.passed(placed, payload, room);
        wire::send_result sent = wire::send_result::no_credit;
        if (!s_.unopened_) sent = session.send(s_.ref_, out, metadata.view());
        else if (s_.request_at_last(session, &out, false)) is_first = true;
        if (sent != wire::send_result::sent && !is_first) {
            link.not_sent(out);
            return departure::full;  // or it has just ended, and on_closed() follows and says why
        }
        processing = link.processing_;
        pending = session.out().pending();
    }
    if (credit_ != wire::max_n && !is_first) --credit_;
    link.flush_soon(processing, pending > worth_a_write);
    return departure::sent;
}

void wire_stream::wire_outlet::transmit_end(const std::optional<error>& why,
                                            const value_note& last) {
    s_.has_finished_ = true;
    const bool is_source = s_.plan_.types->kind == member_kind::source;
    if (why && s_.leave_unopened()) {
        s_.failed_ = why;
        return;
    }
    s_.with_session([&](wire::session& session) {
        if (s_.unopened_) return (void)s_.request_at_last(session, nullptr, true);
        const bool is_tenon = s_.link_->peer_is_tenon();
        base::byte_buffer text;
        if (why && (is_source || !is_tenon)) {
            encode_error(*why, is_tenon, text);
            s_.failed_ = why;
            return session.fail(s_.ref_, why->code(), text.view());
        }
        if (is_tenon) put_stream_status(text, {last, why, false, {}, {}});
        session.complete(s_.ref_, text.view());
        // Nor does the server's direction go on; that is how foreign ones are told.
        if (s_.has_stopped_ && !is_tenon && !s_.is_server()) session.cancel(s_.ref_);
    });
}

turn wire_stream::wire_outlet::after_end() noexcept {
    return s_.failed_ ? s_.in_.end(s_.failed_) : turn::done;
}

// --- what comes ---

turn wire_stream::on_value(wire::event& ev, base::block_ref owner) {
    stream_status status;
    if (ev.has_metadata) status = read_stream_status(ev.metadata);
    turn t = turn::done;
    if (ev.next && has_sought_.load(std::memory_order_relaxed) && !note_reached(status.seek))
        return refuse_seek();
    if (ev.next) {
        if (!ev.storage.empty()) owner = base::make_block(std::move(ev.storage));
        base::block* const lies_in = owner.get();
        t = in_.push({ev.data, lies_in}, std::move(owner), status.note);
    }
    if (!ev.complete) return t;
    // The handler may have ended because of the deadline, a moment before the loop looks at it.
    if (!status.failed && limit_ && limit_->deadline != base::never &&
        loop_.time().now() >= limit_->deadline)
        status.failed = outgoing_call::expired();
    const turn at_end = in_.end(std::move(status.failed), ev.next ? value_note() : status.note);
    if (at_end == turn::lost) t = at_end;
    if (is_server() || plan_.types->kind != member_kind::sink) return t;
    // A sink that has replied takes no more.
    if (out_.on_closed(stopped_error()) == turn::lost) t = turn::lost;
    if (!ev.ended) (void)finish_quietly();  // a client's has no handler
    return t;
}

turn wire_stream::on_event(wire::event& ev, base::block_ref owner) {
    connection* const held = ev.ended ? hold_link() : nullptr;
    turn t = turn::done;
    const auto both = [&](turn more) {
        if (more == turn::lost) t = more;
    };
    service_call* cancelled = std::exchange(cancelled_, nullptr);  // no more once the loop is lost
    switch (ev.kind) {
        case wire::event_kind::payload: both(on_value(ev, std::move(owner))); break;
        case wire::event_kind::credit:
            out_.grant(ev.n);
            both(out_.on_room());
            break;
        case wire::event_kind::failed: {
            error why = ev.local ? error(errc::data_loss, std::string(as_text(ev.data)))
                                 : decode_error(ev.code, ev.data);
            if (!ev.may_have_run) why.set_may_have_run(false);
            both(out_.on_closed(why));
            both(in_.end(std::move(why)));
            break;
        }
        case wire::event_kind::cancel:
            both(out_.on_closed(stopped_error()));
            if (ev.ended) both(in_.end(error(errc::cancelled, "given up by the client")));
            break;
        case wire::event_kind::extension:
            if (ev.code == acknowledge_extension && ev.data.size() == 8)
                out_.on_acknowledged(wire::load_be64(ev.data.data()));
            if (ev.code == seek_extension && is_server()) both(on_seek(ev.data));
            if (ev.code != stop_extension || !has_out()) break;
            both(out_.on_closed(stopped_error()));
            if (service_call* const call = finish_quietly()) cancelled = call;
            break;
        default: break;
    }
    if (ev.ended) detach();
    if (held) held->release();
    if (cancelled) both(cancel_call(cancelled, t != turn::lost));
    return t;
}

turn wire_stream::on_lost(const error& why) {
    add_ref();
    connection* const held = hold_link();
    service_call* const cancelled = std::exchange(cancelled_, nullptr);
    turn t = out_.on_closed(why);
    if (in_.end(why) == turn::lost) t = turn::lost;
    detach();
    if (held) held->release();
    if (cancelled && cancel_call(cancelled, t != turn::lost) == turn::lost) t = turn::lost;
    release();
    return t;
}

// A thread that has lost the loop meanwhile runs no user code by cancelling: that is posted.
turn wire_stream::cancel_call(service_call* call, bool owns_loop) {
    if (!owns_loop) {
        call->cancel.cancel();
        call->release();
        return turn::lost;
    }
    const loop::ticket ticket = loop_.enter(&call->method());
    call->cancel.cancel();
    call->release();
    return loop_.leave(ticket) ? turn::done : turn::lost;
}

// --- the call that serves it ---

void wire_stream::answer(service_call& call, void* result) {
    const unsigned left = abandoned_.take();
    if (plan_.types->kind != member_kind::sink) {  // the ends say what there is to say
        if (left & abandoned_ends::out) out_.finish();
        if (left & abandoned_ends::in) in_.stop();
        return;
    }
    base::byte_buffer encoded;
    const shape& type = *call.method().signature().result;
    const bool is_value = call.method().signature().result->kind != kind::nothing;
    if (is_value) {
        auto done = coding::encode_object(plan_.wire_codec, type, result, encoded);
        if (!done)
            return fail(call, error(errc::internal, "the reply cannot be sent: " +
                                                        std::string(done.error().message())));
    }
    with_session([&](wire::session& s) {
        if (!is_value) s.complete(ref_);
        else if (s.send(ref_, encoded.view(), {}, true) == wire::send_result::no_credit)
            s.fail(ref_, errc::overloaded, as_bytes("no credit for the reply"));
        s.cancel(ref_);  // what the client still sends is not wanted
    });
}

void wire_stream::fail(service_call&, const error& e) {
    (void)abandoned_.take();
    (void)out_.on_closed(e);
    with_session([&](wire::session& s) {
        base::byte_buffer text;
        encode_error(e, link_->peer_is_tenon(), text);
        s.fail(ref_, e.code(), text.view());
    });
    (void)in_.end(e);
}

void wire_stream::keep(service_call&, service_call& kept) {
    add_ref();
    server_->hold();
    const std::lock_guard lock(link_mutex_);
    if (!link_) return kept.cancel.cancel();
    const std::lock_guard session_lock(link_->mutex_);
    call_ = &kept;
}

void wire_stream::release(service_call& kept) noexcept {
    kept.ends.reset();
    {
        const std::lock_guard lock(link_mutex_);
        if (link_) {
            const std::lock_guard session_lock(link_->mutex_);
            call_ = nullptr;
        } else {
            call_ = nullptr;
        }
    }
    server_->release();
    release();
}

scopes wire_stream::from() const noexcept { return server_->from(); }
tenon::session& wire_stream::session_of() noexcept { return *server_; }

}  // namespace tenon::inline v0::rpc
