// The reading side of client_connection: holders, the loop, and time.

#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <thread>

#include "rpc/client_connection.hpp"
#include "rpc/error_codec.hpp"
#include "rpc/hello.hpp"

namespace tenon::inline v0::rpc {

namespace {

constexpr unsigned frames_per_turn = 256;
// How long a connection stays held without a caller, and how often a long call is looked after.
constexpr std::chrono::milliseconds hold_time{10};
constexpr std::chrono::milliseconds long_hold{500};

error lost_error() { return error(errc::unavailable, "the connection was lost"); }

timespec to_timespec(std::chrono::nanoseconds d) {
    const auto s = std::chrono::duration_cast<std::chrono::seconds>(d);
    return {static_cast<time_t>(s.count()), static_cast<long>((d - s).count())};
}

}  // namespace

// --- holders ---

bool client_connection::take_reading() noexcept {
    reader expected = laid_down;
    if (reader_state_.compare_exchange_strong(expected, held)) return true;
    if (async_calls_.load(std::memory_order_relaxed) != 0) return false;
    expected = idle_loop;
    if (!reader_state_.compare_exchange_strong(expected, held)) return false;
    loop_.mute(*this);
    ask_for_housekeeping();
    return true;
}

void client_connection::lay_down() noexcept {
    uses_.fetch_add(1, std::memory_order_relaxed);
    {
        const std::lock_guard lock(mutex_);
        if (pass_on()) return;
    }
    if (async_calls_.load(std::memory_order_seq_cst) != 0 || long_hold_.load())
        ask_for_housekeeping();
}

// Mutex held; the reading is the caller's to give. True: to another caller.
bool client_connection::pass_on() noexcept {
    if (!waiting_.empty()) {
        static_cast<blocking_call&>(waiting_.pop_front()).set(blocking_call::lead);
        return true;
    }
    // seq_cst against start(), see there.
    reader_state_.store(laid_down, std::memory_order_seq_cst);
    return false;
}

void client_connection::await(blocking_call& call, bool leading) {
    if (!leading) leading = take_reading();
    while (!call.is_done()) {
        if (leading) {
            leading = lead(call);
            if (!leading && !call.is_done()) leading = take_reading();
            continue;
        }
        {
            const std::lock_guard lock(mutex_);
            if (call.is_done()) break;
            waiting_.push_back(call);
        }
        // The reader may have left before we were in the list.
        if (take_reading()) {
            const std::lock_guard lock(mutex_);
            call.unlink();
            leading = true;
            continue;
        }
        blocking_call::state s = call.wait(call.deadline);
        if (s == blocking_call::pending && !give_up(call, outgoing_call::expired()))
            s = call.wait(base::never);  // it is being answered, or asked to lead, just now
        if (s == blocking_call::lead && call.begin_to_lead()) leading = true;
    }
    if (leading) lay_down();
}

// Reads until the call is done; true: the caller still holds the connection. False: it was closed.
bool client_connection::lead(blocking_call& call) {
    while (!call.is_done()) {
        bool connected, broken, unsent;
        {
            const std::lock_guard lock(mutex_);
            if (!connected_ && !broken_) {
                finish_connecting();
                const auto now = runtime_->time().now();
                if (!connected_ && now >= connect_deadline_) {
                    last_error_ = error(errc::unavailable, "connecting took too long");
                    broken_ = true;
                }
            }
            connected = connected_;
            broken = broken_;
            unsent = !session_->out().empty();
        }
        if (!connected && broken) {
            close(lost_error());
            return false;
        }
        if (!connected) {
            sleep_on_socket(call);
        } else {
            if (unsent) flush();
            const input got = read_waiting(call);
            bool any = false;
            if (got == input::ended ||
                (got == input::more && handle_frames(&call, any) == frames::over)) {
                close(over_);
                return false;
            }
        }
        if (call.deadline != base::never && !call.is_done() &&
            runtime_->time().now() >= call.deadline)
            give_up(call, outgoing_call::expired());
    }
    reader_.release_if_empty();
    return true;
}

connection::input client_connection::read_waiting(blocking_call& call) {
    input got = input::drained;
    bool stuck;
    {
        const std::lock_guard lock(mutex_);
        stuck = blocked_;
    }
    const auto try_to_write = [&] {
        flush(true);
        const std::lock_guard lock(mutex_);
        stuck = blocked_;
    };
    const auto try_once = [&] {
        if (stuck) try_to_write();
        return (got = read_some()) != input::drained;
    };
    // In any case once: the bell has rung for room, perhaps, and will not again.
    if (stuck && is_shared()) try_to_write();
    if (spin_.spin(try_once, [&] { return !call.is_done(); }) || call.is_done()) return got;
    sleep_on_socket(call);
    return read_some();
}

void client_connection::sleep_on_socket(blocking_call& call) {
    std::array<pollfd, 2> polled{};
    nfds_t n = 1;
    base::time_point until = call.deadline;
    {
        const std::lock_guard lock(mutex_);
        polled[0] = {link_->fd(), POLLIN, 0};
        // Also while another thread writes: it may find no room, and cannot tell us.
        if (connected_ ? !session_->out().empty() : !link_->awaits_reply())
            polled[0].events |= POLLOUT;
        if (!connected_) until = std::min(until, connect_deadline_);
        if (call.cancellation) polled[n++] = {wake_.get(), POLLIN, 0};
    }
    if (is_shared()) return sleep_on_bell(call, until);
    timespec timeout{};
    if (until != base::never) {
        const auto left = until - runtime_->time().now();
        if (left.count() <= 0) return;
        timeout = to_timespec(left);
    }
    if (::ppoll(polled.data(), n, until == base::never ? nullptr : &timeout, nullptr) <= 0) return;
    std::uint64_t count;
    if (polled[0].revents & POLLOUT) flush(true);
    if (n == 2 && (polled[1].revents & POLLIN)) (void)!::read(wake_.get(), &count, sizeof count);
}

// The bell is never read, so only its edges say anything; it also rings for room.
void client_connection::sleep_on_bell(blocking_call& call, base::time_point until) {
    constexpr std::uint32_t edge = EPOLLIN | EPOLLET;
    if (!waiter_) {
        waiter_.reset(::epoll_create1(EPOLL_CLOEXEC));
        epoll_event end{edge | EPOLLRDHUP, {}}, rung{edge, {}};
        if (!waiter_ || ::epoll_ctl(waiter_.get(), EPOLL_CTL_ADD, link_->fd(), &end) != 0 ||
            ::epoll_ctl(waiter_.get(), EPOLL_CTL_ADD, link_->bell(), &rung) != 0) {
            waiter_.reset();
            std::this_thread::sleep_for(std::chrono::milliseconds(1));  // out of descriptors
            return;
        }
    }
    if (call.cancellation && !wake_watched_) {
        epoll_event woken{edge, {}};
        wake_watched_ = ::epoll_ctl(waiter_.get(), EPOLL_CTL_ADD, wake_.get(), &woken) == 0;
    }
    if (!link_->prepare_to_sleep()) return;
    int timeout = -1;
    if (until != base::never) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(until - runtime_->time().now()).count();
        timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
    }
    std::array<epoll_event, 3> events;
    (void)::epoll_wait(waiter_.get(), events.data(), static_cast<int>(events.size()), timeout);
}

// Ends the call if it is still under way. False: it is being answered by another thread.
bool client_connection::give_up(blocking_call& call, error why) {
    bool processing;
    {
        const std::lock_guard lock(mutex_);
        if (!session_ || session_->user(call.stream) != &call) return call.is_done();
        session_->cancel(call.stream);
        call.failed = std::move(why);
        end_call(call);
        processing = processing_;
    }
    kick(processing);
    return true;
}

// --- frames ---

client_connection::frames client_connection::handle_frames(blocking_call* own, bool& any) {
    unsigned budget = frames_per_turn;
    for (;;) {
        std::string_view refused;
        const auto f = next_frame(refused);
        if (!refused.empty()) {
            over_ =
                error(errc::unavailable, "the server broke the protocol: " + std::string(refused));
            {
                const std::lock_guard lock(mutex_);
                session_->reject(refused);
            }
            flush();
            return frames::over;
        }
        if (!f) {
            if (reader_.unfinished() != 0) {
                // The rest of a long frame is no silence.
                const std::lock_guard lock(mutex_);
                session_->heard(own ? runtime_->time().now() : loop_.now());
            }
            return frames::handled;
        }
        any = true;
        const frames how = handle(*f, own);
        if (how != frames::handled) return how;
        if (own) continue;
        if (--budget == 0) return frames::more;
        flush_early(budget);
    }
}

client_connection::frames client_connection::handle(const wire::frame& f, blocking_call* own) {
    async_call* deliver = nullptr;
    wire_stream* stream = nullptr;
    bool over = false;
    wire::event ev;
    {
        const std::lock_guard lock(mutex_);
        const auto now = own ? runtime_->time().now() : loop_.now();
        ev = session_->receive(f, now);
        if (ev.own && ev.user && is_stream(ev)) {
            stream = static_cast<wire_stream*>(ev.user);
            stream->add_ref();
        } else if (ev.own && ev.ended && ev.user) {
            auto& call = *static_cast<outgoing_call*>(ev.user);
            answered(call, ev);
            if (&call == own) {
                own->set_own(blocking_call::done);
            } else if (call.is_blocking || own) {
                const bool blocking = call.is_blocking;
                end_call(call);  // a blocking one may be gone now
                if (!blocking) ask_for_housekeeping();
            } else {
                call.unlink();
                async_calls_.fetch_sub(1, std::memory_order_relaxed);
                deliver = static_cast<async_call*>(&call);
            }
        } else if (ev.kind == wire::event_kind::closed) {
            over_ = decode_error(ev.code, ev.data);
            if (session_->is_detached())
                over_ = error(errc::unavailable, "the connection was lost and cannot be resumed: " +
                                                     std::string(over_.message()));
            if (over_.message().empty()) over_ = lost_error();
            last_error_ = over_;  // for calls that come before close()
        } else if (ev.kind == wire::event_kind::keepalive) {
            link_->trim();
            if (!room_queue_.empty()) ask_for_housekeeping();
        } else if (ev.kind == wire::event_kind::metadata_push) {
            pushed(ev.metadata);
        } else if (ev.kind == wire::event_kind::request) {
            session_->fail(ev.stream, errc::unsupported, as_bytes("this client serves nothing"));
        }
        // A Tenon server says CONNECTION_CLOSE when it has answered all it had read, and reads no more.
        unread_ |= ev.kind == wire::event_kind::closing && tenon_server_;
        // After CONNECTION_CLOSE, or word that the server goes away, the session goes on until its
        // last call is answered; the next call connects anew.
        going_away_ |= ev.kind == wire::event_kind::closing || session_->closed();
        over = session_->closed() || (going_away_ && session_->own_streams() == 0);
    }
    if (deliver && this->deliver(*deliver) == loop::turn::lost) return frames::lost;
    if (stream) {
        const loop::turn t = stream->on_event(ev, std::move(incoming_));
        stream->release();
        if (t == loop::turn::lost) return frames::lost;
    }
    if (!over) return frames::handled;
    flush();  // if the server broke the protocol, it is told
    return frames::over;
}

// Mutex held. The call is out of the session; its outcome is stored.
void client_connection::answered(outgoing_call& call, wire::event& ev) {
    if (ev.kind == wire::event_kind::payload) {
        base::block_ref owner = std::move(incoming_);
        if (!ev.storage.empty()) owner = base::make_block(std::move(ev.storage));
        call.decode({ev.data, owner.get()}, decoding_);
        return;
    }
    call.failed = ev.local ? error(errc::data_loss, std::string(as_text(ev.data)))
                           : decode_error(ev.code, ev.data);
    if (!ev.may_have_run) call.failed->set_may_have_run(false);
}

// --- the loop ---

loop::turn client_connection::on_ready(loop::event_loop&, loop::ready_flags flags) {
    // `looping` is what a thread that lost the loop, or a turn that had enough, left behind.
    if (reader_state_.load() != looping) {
        reader expected = idle_loop;
        if (!reader_state_.compare_exchange_strong(expected, looping)) return loop::turn::nothing;
    }
    bool any = false;
    note_edge(flags);
    if (flags == loop::ready::probe && probe_in_vain()) return loop::turn::nothing;
    bool connected, broken, stuck;
    {
        const std::lock_guard lock(mutex_);
        processing_ = true;
        if (!connected_ && !broken_) finish_connecting();
        connected = connected_;
        broken = broken_;
        stuck = blocked_;
    }
    loop::turn t = loop::turn::done;
    if (!connected && broken) {
        close(lost_error());
    } else if (connected) {
        if ((flags & loop::ready::write) || (stuck && is_shared())) flush(true);
        t = read_on_loop(any);
        if (t == loop::turn::lost) return t;
    }
    bool pending;
    {
        const std::lock_guard lock(mutex_);
        processing_ = false;
        pending = session_ && !session_->out().empty();
        if (want_write_ && link_) want_write_ = !watch_room();
    }
    if (pending) loop_.defer(flush_work_);
    // After close() the link may be another thread's already.
    if (reader_state_.load() == looping && is_shared() && !keep_looking()) link_->shutdown();
    if (t == loop::turn::again) return t;
    reader expected = looping;
    reader_state_.compare_exchange_strong(expected, idle_loop);
    return any || (flags & ~loop::ready::probe) ? loop::turn::done : loop::turn::nothing;
}

bool client_connection::has_news() noexcept {
    reader expected = idle_loop;
    if (!reader_state_.compare_exchange_strong(expected, looping)) return false;
    const bool any = is_shared() && link_->has_news();
    reader_state_.store(idle_loop);
    return any;
}

bool client_connection::prepare_to_sleep() noexcept {
    reader expected = idle_loop;
    if (!reader_state_.compare_exchange_strong(expected, looping)) return true;
    const bool nothing = !is_shared() || link_->prepare_to_sleep();
    reader_state_.store(idle_loop);
    return nothing;
}

// The loop is polling for input. True: there is none.
bool client_connection::probe_in_vain() {
    if (!connected_ || read_some() != input::drained) return false;
    reader_.release_if_empty();
    reader_state_.store(idle_loop);
    return true;
}

loop::turn client_connection::read_on_loop(bool& any) {
    while (!has_read_enough()) {
        switch (handle_frames(nullptr, any)) {
            case frames::lost: return loop::turn::lost;
            case frames::more: return loop::turn::again;
            case frames::over: close(over_); return loop::turn::done;
            case frames::handled: break;
        }
        switch (just_emptied() ? input::drained : read_some()) {
            case input::more: continue;
            case input::drained: reader_.release_if_empty(); return loop::turn::done;
            case input::ended: close(over_); return loop::turn::done;
        }
    }
    return loop::turn::again;
}

loop::turn client_connection::deliver_due() {
    if (tell_lost_streams() == loop::turn::lost) return loop::turn::lost;
    for (;;) {
        async_call* call;
        bool more;
        {
            const std::lock_guard lock(mutex_);
            if (due_.empty()) return loop::turn::done;
            call = static_cast<async_call*>(&due_.pop_front());
            more = retired_ || !due_.empty();
        }
        // If the loop is lost meanwhile, the next owner goes on.
        if (more) ask_for_housekeeping();
        if (deliver(*call) == loop::turn::lost) return loop::turn::lost;
    }
}

loop::turn client_connection::deliver(async_call& call) {
    if (!plan_repetition(call)) return call.deliver(loop_);
    ask_for_housekeeping();
    return loop::turn::done;
}

void client_connection::output_blocked() noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(want_write_, true)) return;  // has been asked for
    }
    ask_for_housekeeping();
}

loop::turn client_connection::housekeeping(loop::event_loop& loop) {
    const base::time_point now = loop.refresh_now();
    bool ending;
    {
        std::unique_lock lock(mutex_);
        ending = retired_ && !resolving_;
        if (!ending) {
            check_times(now);
            if (state_ == link_state::waiting && now >= retry_at_) dial(lock);
            repeat_calls(lock, now);
        }
    }
    if (ending) {
        // Acquire: the last of them is done with this object.
        if (starting_.load(std::memory_order_acquire) == 0) return end();
        loop.arm(timer_, base::add_time(now, std::chrono::milliseconds(1)));
        return loop::turn::done;
    }
    // Whoever holds the connection may sleep without knowing that others wait for room.
    flush(true);
    take_back(now);
    watch_output();
    if (resume_streams() == loop::turn::lost) return loop::turn::lost;
    base::time_point at;
    {
        const std::lock_guard lock(mutex_);
        at = next_check(now);
    }
    if (at == base::never) loop.disarm(timer_);
    else loop.arm(timer_, at);
    return deliver_due();
}

// Mutex held.
void client_connection::check_times(base::time_point now) {
    if (!session_ || state_ == link_state::closed) return;
    for (;;) {
        wire::event ev = session_->expire(now);
        if (ev.kind == wire::event_kind::none) break;
        if (!ev.own || !ev.user) continue;
        if (is_stream(ev)) {
            lose_stream(*static_cast<wire_stream*>(ev.user),
                        error(errc::data_loss, std::string(as_text(ev.data))));
            continue;
        }
        auto& call = *static_cast<outgoing_call*>(ev.user);
        answered(call, ev);
        end_call(call);
    }
    if (!check_session(now)) return;
    if (now < earliest_) return;
    earliest_ = base::never;
    for (auto at = timed_.begin(); at != timed_.end();) {
        outgoing_call& call = *at;
        ++at;
        if (call.deadline > now) {
            earliest_ = std::min(earliest_, call.deadline);
            continue;
        }
        session_->cancel(call.stream);
        call.failed = outgoing_call::expired();
        end_call(call);
    }
    for (auto at = timed_streams_.begin(); at != timed_streams_.end();) {
        stream_limit& limit = *at;
        ++at;
        if (limit.deadline > now) earliest_ = std::min(earliest_, limit.deadline);
        else end_stream(limit.stream, outgoing_call::expired());
    }
}

// Registers the connection with the loop if no caller needs to hold it.
void client_connection::take_back(base::time_point now) {
    const std::uint32_t uses = uses_.load(std::memory_order_relaxed);
    if (uses != uses_seen_) {
        uses_seen_ = uses;
        last_use_ = now;
    }
    if (async_calls_.load(std::memory_order_seq_cst) == 0 && now - last_use_ < hold_time) return;
    reader expected = laid_down;
    if (!reader_state_.compare_exchange_strong(expected, looping)) return;
    loop_.remove(*this);
    const std::lock_guard lock(mutex_);
    if (!loop_.watch(*this, link_->fd())) broken_ = true;
    // The loop may have watched for room before the connection was held.
    if (want_write_ || blocked_) want_write_ = !watch_room();
    if (broken_ || is_shared()) loop_.make_ready(*this);
    reader_state_.store(idle_loop);
}

// On the loop. Holders watch for room themselves.
void client_connection::watch_output() {
    const std::lock_guard lock(mutex_);
    reader expected = idle_loop;
    if (!want_write_ || !reader_state_.compare_exchange_strong(expected, looping)) return;
    want_write_ = !watch_room();
    reader_state_.store(idle_loop);
}

// Mutex held.
base::time_point client_connection::next_check(base::time_point now) {
    base::time_point at = base::never;
    for (const outgoing_call& call : repeating_) at = std::min(at, call.repeat_at);
    if (state_ == link_state::closed) return at;
    if (session_) at = session_->next_deadline();
    at = std::min(at, earliest_);
    if (is_opening()) at = std::min(at, connect_deadline_);
    if (state_ == link_state::waiting) at = std::min(at, retry_at_);
    const reader r = reader_state_.load();
    if (r == laid_down) at = std::min(at, base::add_time(now, hold_time));
    long_hold_ = r == held && now - last_use_ >= long_hold;
    if (r == held) at = std::min(at, base::add_time(now, long_hold_ ? long_hold : hold_time));
    return at;
}

void client_connection::retire() noexcept {
    if (runtime_->is_forked()) return;
    // The connection goes away as soon as the loop sees retired_, which therefore must not be set
    // before this thread has posted; nor may the runtime go with it before post() returns.
    const std::shared_ptr<detail::runtime_core> runtime = runtime_;
    runtime->post(loop_, retire_work_);
}

loop::turn client_connection::retire_on_loop(loop::event_loop& loop) {
    {
        const std::lock_guard lock(mutex_);
        retired_ = true;
    }
    return housekeeping(loop);
}

void client_connection::on_runtime_stop() noexcept {
    const std::lock_guard lock(mutex_);
    last_error_ = error(errc::unavailable, "the runtime has been stopped");
    last_error_->set_origin(endpoint_text_);
    end_all_calls(*last_error_);
    if (link_) link_->shutdown();  // a holder wakes up
    changed(state_);               // and so does wait_ready()
    ask_for_housekeeping();
}

}  // namespace tenon::inline v0::rpc
