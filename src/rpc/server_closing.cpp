// How a server's connection ends: deadlines, draining, closing, and what others ask of its loop.

#include <algorithm>
#include <array>
#include <vector>

#include "base/error_codes.hpp"
#include "rpc/error_codec.hpp"
#include "rpc/hello.hpp"
#include "rpc/server_connection.hpp"
#include "rpc/server_core.hpp"
#include "rpc/watchers.hpp"

namespace tenon::inline v0::rpc {

namespace {

constexpr std::size_t discard_limit = 1 << 20;
constexpr std::chrono::seconds linger{1};
constexpr std::chrono::milliseconds drain_interval{10};
// A connection that was not used between two looks so far apart gives back what it can do without.
constexpr std::chrono::milliseconds rest_interval{500};

}  // namespace

// The peer does not take its answers.
void server_connection::tell_slow() noexcept {
    constexpr std::chrono::seconds pause{1};
    if (!server_->watching().any()) return;
    const base::time_point now = loop_.now();
    if (slow_told_at_ != base::time_point() && now - slow_told_at_ < pause) return;
    slow_told_at_ = now;
    server_->watching().tell_slow(id_);
}

// Mutex held. Whether the peer has to take output in time.
bool server_connection::owes_reading() const noexcept {
    return stalled_ || (blocked_ && session_->out().pending() > server_->options().limits.unsent);
}

void server_connection::arm() {
    base::time_point at = session_->next_deadline();
    const limits& l = server_->options().limits;
    if (owes_reading())
        at = std::min(at, base::add_time(blocked_ ? blocked_since_ : loop_.now(), l.unsent_time));
    if (unfinished_) at = std::min(at, base::add_time(unfinished_since_, l.stall_time));
    at = std::min(at, rest_at_);
    if (at == base::never) loop_.disarm(timer_);
    else loop_.arm(timer_, at);
}

// Mutex held. The streams that have ended because the peer has not finished a message in time, a
// share of each.
std::vector<wire_stream*> server_connection::expire(base::time_point now) {
    std::vector<wire_stream*> ended;
    for (;;) {
        const wire::event ev = session_->expire(now);
        if (ev.kind == wire::event_kind::none) return ended;
        if (!ev.user || !is_stream(ev)) continue;
        auto* const stream = static_cast<wire_stream*>(ev.user);
        ended.push_back(stream);
        stream->add_ref();
        stream->share_call();
    }
}

loop::turn server_connection::tell_expired(const std::vector<wire_stream*>& ended) {
    hold();  // closing waits for the streams of the session only, and these are none any more
    loop::turn t = loop::turn::done;
    for (wire_stream* const stream : ended) {
        const error why(errc::data_loss, "message not finished in time");
        if (stream->on_lost(why) == loop::turn::lost) t = loop::turn::lost;
        stream->release();
    }
    release();
    return t;
}

loop::turn server_connection::on_deadline() {
    std::vector<wire_stream*> ended;
    if (ending_) {
        closing_ = true;
    } else {
        if (draining_) drain_step();
        std::unique_lock lock(mutex_);
        const base::time_point now = loop_.now();
        ended = expire(now);
        const bool stalls = unfinished_ && !check_unfinished(now);
        if (rest_at_ <= now) rest(now);
        const wire::event_kind told = session_->tick(now).kind;
        if (told == wire::event_kind::closed) end_session();
        const bool gives_up = stalls || told == wire::event_kind::silent ||
                              (blocked_ && owes_reading() &&
                               now - blocked_since_ >= server_->options().limits.unsent_time);
        if (!ending_ && !draining_) arm();
        if (!session_->out().empty()) loop_.defer(flush_work_);
        lock.unlock();
        if (gives_up && !lose_link()) closing_ = true;
    }
    if (closing_) loop_.make_ready(*this);
    return ended.empty() ? loop::turn::done : tell_expired(ended);
}

// Frames have come. The memory for many at once, which the next may need, stays for a while.
void server_connection::note_use() {
    used_ = true;
    if (rest_at_ != base::never) return;
    const std::lock_guard lock(mutex_);
    rest_at_ = base::add_time(loop_.now(), rest_interval);
    rest_planned_.store(true, std::memory_order_relaxed);
    arm();
}

// Mutex held. A peer that does not take its answers keeps them, and is not looked at again until it
// has gone on.
void server_connection::rest(base::time_point now) {
    if (std::exchange(used_, false) || (!session_->out().empty() && !blocked_)) {
        rest_at_ = base::add_time(now, rest_interval);
        return;
    }
    rest_at_ = base::never;
    rest_planned_.store(false, std::memory_order_relaxed);
    const std::size_t n = session_->release_if_idle();
    cached_ = {};
    server_->runtime().gave_back(n);
}

// Any thread, after an answer that the loop may have known nothing of.
void server_connection::rest_later() noexcept {
    if (!rest_planned_.load(std::memory_order_relaxed)) post(look_later);
}

// Mutex held. The bytes of a long frame are a sign of life, as long as they come. False: the link is
// of no use any more, though the session is.
bool server_connection::check_unfinished(base::time_point now) {
    if (now - unfinished_since_ < server_->options().limits.stall_time) {
        session_->heard(now);
        return true;
    }
    if (session_->is_resumable()) return false;
    session_->reject("a frame was not finished in time");
    end_session();
    return true;
}

void server_connection::end_session() {
    if (ending_) return;
    ending_ = true;
    if (detached_) closing_ = true;  // there is nobody to be told
    // Give the peer a moment to read why; closing with unread input would discard it.
    loop_.arm(timer_, base::add_time(loop_.now(), linger));
    loop_.make_ready(*this);
}

// Sends what is left, then waits for the peer's end. True: it is time to close.
bool server_connection::discard_input() {
    flush(is_shared());
    {
        const std::lock_guard lock(mutex_);
        if (!session_->out().empty() && !broken_) return false;
    }
    link_->finish_writes();
    std::array<std::byte, 4096> sink;
    for (;;) {
        const transport::io_result r = link_->read(sink);
        if (r.state == transport::io_state::would_block) return false;
        if (r.state != transport::io_state::ok || (discarded_ += r.n) > discard_limit) return true;
    }
}

loop::turn server_connection::close() {
    for (;;) {
        service_call* call = nullptr;
        wire_stream* stream = nullptr;
        {
            const std::lock_guard lock(mutex_);
            session_->lost();
            const wire::event ev = session_->orphan();
            if (ev.kind == wire::event_kind::none) break;
            if (!ev.user) continue;
            if (is_stream(ev)) {
                stream = static_cast<wire_stream*>(ev.user);
                stream->share_call();
            } else if (!(call = share_in(ev.user))) {
                continue;
            }
        }
        const loop::turn t =
            stream ? stream->on_lost(error(errc::unavailable, "the connection was lost"))
                   : on_cancel(*call);
        if (t == loop::turn::lost) return t;
    }
    tell_disconnected();
    loop_.disarm(timer_);
    loop_.remove(*this);
    flush_work_.unlink();  // the object may end on any thread
    {
        std::unique_lock lock(mutex_);
        close_link(lock);
        next_link_.reset();
    }
    server_->closed(*this);
    release();
    return loop::turn::done;
}

connection_stats server_connection::stats() {
    connection_stats s;
    s.id = id_;
    s.address = peer_.address;
    if (peer_.has_credentials) {
        s.pid = peer_.pid;
        s.uid = peer_.uid;
    }
    s.scope = from_ == scope::os ? "os" : "lan";
    s.since = since_;
    s.calls = calls_.load(std::memory_order_relaxed);
    s.bytes_in = bytes_in_.load(std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    s.transport = peer_.transport;
    s.in_flight = session_->peer_streams();
    s.bytes_out = bytes_out_;
    s.unsent = session_->out().pending();
    if (const wire::retention* kept = session_->out().kept()) s.kept = kept->bytes();
    s.resumed = resumed_;
    s.detached = session_->is_detached();
    return s;
}

void server_connection::post(errand e) noexcept {
    // acq_rel: what the poster did before is visible to the loop.
    if (errands_.fetch_or(e, std::memory_order_acq_rel) != 0) return;
    refs_.fetch_add(1, std::memory_order_relaxed);
    loop_.post(errand_work_);
}

loop::turn server_connection::run_errands(loop::event_loop&) {
    const unsigned todo = errands_.exchange(0, std::memory_order_acq_rel);
    loop::turn t = loop::turn::done;
    if (todo & change_link) take_link();
    if (detached_) {
        if (todo & drain_calls) drain_step();
        if (todo & close_now) closing_ = true;
        if (closing_) loop_.make_ready(*this);
    } else if (link_) {
        if (todo & begin) {
            if (!loop_.watch(*this, link_->fd())) closing_ = true;
            if (closing_ || ending_) loop_.make_ready(*this);
            const std::lock_guard lock(mutex_);
            arm();
        }
        if (todo & watch_output) {
            if (!watch_room()) closing_ = true;
            const std::lock_guard lock(mutex_);
            if (!ending_ && !draining_) arm();
        }
        if ((todo & read_again) && stalled_) loop_.make_ready(*this);
        if (todo & drain_calls) drain_step();
        if (todo & look_later) note_use();
        if (todo & write_out) loop_.defer(flush_work_);
        if (todo & close_now) closing_ = true;
        if (closing_) loop_.make_ready(*this);
        if (todo & write_out) t = resume_streams();
    }
    release();
    return t;
}

// Mutex held.
void server_connection::refuse_requests() {
    if (!tenon_peer_) return session_->refuse_requests();
    error stopping(errc::unavailable, "the server is stopping");
    base::byte_buffer refusal;
    encode_error(stopping.set_may_have_run(false), true, refusal);
    session_->refuse_requests(base::numbers_of(errc::unavailable).rsocket, refusal.view());
    base::byte_buffer note;
    put_going_away_entry(note);
    session_->push_metadata(note.view());
}

void server_connection::drain_step() {
    if (closing_ || ending_) return;
    if (detached_) {  // its client finds no way back
        closing_ = true;
        return loop_.make_ready(*this);
    }
    {
        const std::lock_guard lock(mutex_);
        if (!draining_) refuse_requests();
        // What is on its way is read first, and refused in words.
        if (std::exchange(draining_, true) && session_->peer_streams() == 0) {
            session_->close(wire::error_code::connection_close, "the server is stopping");
            end_session();
        } else {
            loop_.arm(timer_, base::add_time(loop_.now(), drain_interval));
        }
    }
    flush();
}

}  // namespace tenon::inline v0::rpc
