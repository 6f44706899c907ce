// Streams of a client's connection: how they are opened, and how they are told that it is lost.

#include <array>

#include "rpc/client_connection.hpp"
#include "rpc/hello.hpp"
#include "rpc/outgoing_call.hpp"

namespace tenon::inline v0::rpc {

void client_connection::open(wire_stream& s, wire_stream::opening o,
                             const wire::outgoing& arguments) {
    const inside until_the_end(starting_);
    std::optional<error> why = runtime_->unusable();
    bool processing = false;
    bool leading = false;
    bool sooner = false;
    // seq_cst as in start().
    async_calls_.fetch_add(1, std::memory_order_seq_cst);
    if (!why) why = s.set_limit(o, runtime_->time().now());
    if (!why) {
        const base::block_ref placed = place(arguments);
        std::array<std::byte, wire::reference_size> room;
        std::unique_lock lock(mutex_);
        if (!ensure_open(lock, leading, why)) {
            // said below
        } else if (o.cancel && o.cancel->is_cancelled()) {
            why = outgoing_call::given_up().set_may_have_run(false);  // nobody was told of it
        } else if (s.opens_with_value() && !tenon_server_) {
            s.open_later(std::move(o));
            unopened_.push_back(s);
        } else {
            const wire::outgoing out = passed(placed, arguments, room);
            if (auto sent = s.request(*session_, o, out); !sent) {
                not_sent(out);
                why = std::move(sent).error();
            }
        }
        if (!why) sooner = watch_time(s);
        processing = processing_;
    }
    if (why) {
        (void)s.on_lost(*why);
        return;
    }
    if (sooner || reader_state_.load(std::memory_order_seq_cst) == laid_down)
        ask_for_housekeeping();
    kick(processing);
}

// Mutex held.
void client_connection::pushed(bytes_view metadata) {
    going_away_ |= is_going_away(metadata);
    if (has_hello(metadata)) note_hello();
    const note_entry n = find_note(metadata);
    if (n.number != 0) notes_in_->take(n.number, n.content);
}

// Mutex held. From now on the server takes nothing for a first value that is none.
void client_connection::note_hello() {
    tenon_server_ = true;
    session_->expect_acknowledgements();
    for (auto at = unopened_.begin(); at != unopened_.end();) {
        wire_stream& s = *at;
        ++at;
        (void)s.request_at_last(*session_, nullptr, false);
    }
    while (!seeking_.empty()) seeking_.pop_front().say_seek(*session_);
    if (have_notes()) ask_for_housekeeping();
}

// Mutex held. It is out of the session; the loop tells it why.
void client_connection::lose_stream(wire_stream& s, error why) {
    s.leave_session(session_ ? &*session_ : nullptr);
    s.lost_why = std::move(why);
    lost_streams_.push_back(s);
    ask_for_housekeeping();
}

// Mutex held.
void client_connection::end_stream(wire_stream& s, error why) {
    if (!session_ || !s.is_open_in(*session_)) return;  // it ends just now
    lose_stream(s, std::move(why));
}

void client_connection::give_up(wire_stream& s) {
    const std::lock_guard lock(mutex_);
    end_stream(s, outgoing_call::given_up());
}

// Mutex held. True: the loop is to look earlier than it meant to.
bool client_connection::watch_time(wire_stream& s) {
    stream_limit* const limit = s.limit();
    if (!limit || limit->deadline == base::never) return false;
    timed_streams_.push_back(*limit);
    const bool sooner = limit->deadline < earliest_;
    earliest_ = std::min(earliest_, limit->deadline);
    return sooner;
}

void client_connection::stream_ended() noexcept {
    async_calls_.fetch_sub(1, std::memory_order_relaxed);
    ask_for_housekeeping();
}

loop::turn client_connection::tell_lost_streams() {
    for (;;) {
        wire_stream* stream = nullptr;
        std::optional<error> why;
        {
            const std::lock_guard lock(mutex_);
            if (lost_streams_.empty()) return loop::turn::done;
            stream = &lost_streams_.pop_front();
            why = std::move(stream->lost_why);
        }
        ask_for_housekeeping();  // in case the loop is lost meanwhile
        if (stream->on_lost(*why) == loop::turn::lost) return loop::turn::lost;
    }
}

// --- deadlines, and openers that give up ---

std::optional<error> wire_stream::set_limit(const opening& o, base::time_point now) {
    if (o.deadline == base::never && !o.cancel) return std::nullopt;
    if (o.deadline != base::never && o.deadline <= now)
        return outgoing_call::expired().set_may_have_run(false);
    limit_ = std::make_unique<stream_limit>(*this);
    limit_->deadline = o.deadline;
    if (!o.cancel) return std::nullopt;
    limit_->cancel = o.cancel;
    if (!o.cancel->add(*limit_)) return outgoing_call::given_up().set_may_have_run(false);
    return std::nullopt;
}

void wire_stream::leave_session(wire::session* session) noexcept {
    unlink();  // from the queue for room, or of those to be opened
    if (limit_) limit_->unlink();
    unopened_.reset();
    is_unopened_ = false;
    if (session) session->cancel(ref_);
}

void wire_stream::give_up() noexcept {
    const std::lock_guard lock(link_mutex_);
    if (link_) static_cast<client_connection&>(*link_).give_up(*this);
}

void stream_limit::on_cancel() noexcept { stream.give_up(); }

}  // namespace tenon::inline v0::rpc
