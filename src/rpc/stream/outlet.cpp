#include "rpc/stream/outlet.hpp"

#include <algorithm>

namespace tenon::inline v0::rpc {

using detail::departure;
using loop::turn;

void outlet_waiter::on_cancel() noexcept { out->leave(*this); }

stream_outlet::stream_outlet(const detail::value_ops& ops,
                             const detail::flow_settings& flow) noexcept
    : ops_(ops), flow_(flow), buffer_(buffer_of(flow)), waiting_(ops) {}

std::uint32_t stream_outlet::buffer_of(const detail::flow_settings& flow) noexcept {
    constexpr std::uint32_t usual = 64;
    if (flow.overflow == overflow::block || flow.overflow == overflow::fail) return flow.buffer;
    return flow.buffer != 0 ? flow.buffer : usual;
}

void stream_outlet::leave(outlet_waiter& w) noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (!w.leave()) return;  // it is sent just now
        w.outcome = departure::given_up;
    }
    (void)w.finish();
}

// --- one value; mutex held ---

departure stream_outlet::transmit_one(void* value, bool movable, value_note& note) {
    // Told is only what the receiver cannot count itself.
    value_note said = note;
    if (note.epoch == told_epoch_) said.epoch = 0;
    if (note.gap == 0 && said.epoch == 0 && note.position == told_position_) said.position = 0;
    const departure d = paused_ ? departure::full : transmit(value, movable, said);
    if (d == departure::sent) {
        ++stats_.passed;
        told_position_ = note.position != 0 ? note.position + 1 : 0;
        told_epoch_ = note.epoch;
        note.gap = 0;
        seek_to_tell_ = 0;
    } else if (d == departure::closed && unfit_) {  // the values that have gone still count
        closed_ = end_ = std::exchange(unfit_, std::nullopt);
        ending_ = true;
        drop_waiting();
        tell_end({gap_, 0, 0});
    }
    return d;
}

void stream_outlet::tell_end(const value_note& last) {
    ended_ = after_end_due_ = true;
    transmit_end(end_, last);
}

void stream_outlet::drop_front() noexcept {
    const std::uint64_t lost = waiting_.note(0).gap + 1;
    waiting_.pop();
    ++stats_.lost;
    if (waiting_.empty()) gap_ += lost;
    else waiting_.note(0).gap += lost;
}

// The last gap tells of them.
void stream_outlet::drop_waiting() noexcept {
    while (!waiting_.empty()) drop_front();
}

value_note stream_outlet::next_note() const noexcept { return {gap_, next_position_, next_epoch_}; }

void stream_outlet::note_accepted() noexcept {
    gap_ = 0;
    if (next_position_ != 0) ++next_position_;
}

void stream_outlet::keep(void* value, bool movable) {
    waiting_.push(value, movable, next_note());
    note_accepted();
}

void stream_outlet::place_next(std::uint64_t position, std::uint64_t epoch) noexcept {
    const std::lock_guard lock(mutex_);
    if (closed_ || ending_) return;  // no value follows that could tell
    const bool same_log = next_position_ != 0 && epoch == next_epoch_;
    if (same_log && position > next_position_) {
        gap_ += position - next_position_;
        stats_.lost += position - next_position_;
    }
    next_position_ = position;
    next_epoch_ = epoch;
}

bool stream_outlet::replace_same_key(void* value, bool movable) {
    if (!flow_.same_key) return false;
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
        if (!flow_.same_key(waiting_.at(i), value)) continue;
        if (movable || !ops_.copy) {
            ops_.assign(waiting_.at(i), value);
        } else {
            ops_.destroy(waiting_.at(i));
            ops_.copy(waiting_.at(i), value);
        }
        value_note& note = waiting_.note(i);
        ++note.gap;
        ++stats_.lost;
        note.position = next_position_;
        note.epoch = next_epoch_;
        if (next_position_ != 0) ++next_position_;
        return true;
    }
    return false;
}

departure stream_outlet::offer(void* value, bool movable) {
    if (closed_ || ending_) return departure::closed;
    begun_ = true;
    if (seek_pending_.load(std::memory_order_relaxed)) [[unlikely]]
        return offer_while_sought();
    if (waiting_.empty() && waiters_.empty()) {
        value_note note = next_note();
        const departure d = transmit_one(value, movable, note);
        if (d == departure::sent) note_accepted();
        if (d != departure::full) return d;
    }
    switch (flow_.overflow) {
        case overflow::block:
            if (waiting_.size() >= buffer_ || !waiters_.empty()) return departure::full;
            keep(value, movable);
            return departure::sent;
        case overflow::fail:
            if (waiting_.size() < buffer_) return keep(value, movable), departure::sent;
            end_ = error(errc::overloaded, "the receiver did not keep up");
            closed_ = end_;
            ending_ = lags_ = true;
            drop_waiting();
            end_if_drained();
            return departure::closed;
        case overflow::drop_new:
            if (waiting_.size() < buffer_) return keep(value, movable), departure::sent;
            lags_ = true;
            ++gap_;
            ++stats_.lost;
            if (next_position_ != 0) ++next_position_;
            return departure::dropped;
        case overflow::latest:
            if (replace_same_key(value, movable)) return lags_ = true, departure::dropped;
            [[fallthrough]];
        case overflow::drop_old: break;
    }
    const bool drops = waiting_.size() >= buffer_;
    if (drops) drop_front();
    lags_ |= drops;
    keep(value, movable);
    return drops ? departure::dropped : departure::sent;
}

void stream_outlet::end_if_drained() {
    if (!ending_ || ended_ || !waiting_.empty() || !waiters_.empty()) return;
    tell_end({gap_, 0, 0});
}

void stream_outlet::close(error why, base::list<outlet_waiter>& all) {
    if (!closed_) closed_ = std::move(why);
    acknowledgements_.fetch_add(1, std::memory_order_release);
    base::futex_wake_all(acknowledgements_);
    stats_.lost += waiting_.size();
    waiting_.clear();
    while (!waiters_.empty()) {
        outlet_waiter& w = stream_waiter::take_front(waiters_);
        w.outcome = departure::closed;
        all.push_back(w);
    }
}

// --- going on elsewhere ---

void stream_outlet::allow_seeking(std::weak_ptr<detail::seek_listener> told) {
    const std::lock_guard lock(mutex_);
    may_seek_ = true;
    seek_told_ = std::move(told);
}

std::optional<stream_start> stream_outlet::sought() noexcept {
    if (!seek_pending_.load(std::memory_order_acquire)) return std::nullopt;
    const std::lock_guard lock(mutex_);
    if (!may_seek_ || !seek_pending_.exchange(false)) return std::nullopt;
    seek_to_tell_ = seek_number_;
    gap_ = 0;
    next_position_ = 0;  // so that the next one is told
    next_epoch_ = told_position_ = told_epoch_ = 0;
    return seek_to_;
}

// Mutex held. The producer has not heard of it yet: this value is of before.
departure stream_outlet::offer_while_sought() {
    if (may_seek_) return departure::dropped;
    refuse_seek();
    return departure::closed;
}

// Mutex held.
void stream_outlet::refuse_seek() {
    end_ = error(errc::unsupported, "this source cannot go on elsewhere");
    closed_ = end_;
    ending_ = true;
    drop_waiting();
    tell_end({gap_, 0, 0});
}

turn stream_outlet::on_seek(std::uint32_t number, const stream_start& to) {
    base::list<outlet_waiter> done;
    std::shared_ptr<detail::seek_listener> told;
    bool ended;
    {
        const std::lock_guard lock(mutex_);
        const bool is_new = static_cast<std::int32_t>(number - seek_number_) > 0;
        if (closed_ || ending_ || !is_new) return turn::done;
        seek_number_ = number;
        seek_to_ = to;
        if (begun_ && !may_seek_) {
            refuse_seek();
            close(*closed_, done);
        } else {
            seek_pending_.store(true, std::memory_order_release);
            waiting_.clear();
            while (!waiters_.empty()) {
                outlet_waiter& w = stream_waiter::take_front(waiters_);
                w.outcome = departure::dropped;
                done.push_back(w);
            }
            told = seek_told_.lock();
        }
        ended = std::exchange(after_end_due_, false);
    }
    turn t = ended ? after_end() : turn::done;
    if (stream_waiter::finish_all(done) == turn::lost) t = turn::lost;
    if (told) told->on_seek();
    return t;
}

// --- sending ---

// Mutex held. `full`: it waits from now on.
departure stream_outlet::offer_or_wait(outlet_waiter& w) {
    const departure d = offer(w.value, w.movable);
    if (d != departure::full) return d;
    // A cancellation from here on finds it in the list.
    if (w.is_cancelled()) return departure::given_up;
    stream_waiter::add(waiters_, w);
    return d;
}

departure stream_outlet::try_send(void* value, bool movable) {
    bool ended = false;
    bool begins_to_lag = false;
    departure d;
    {
        const std::lock_guard lock(mutex_);
        d = offer(value, movable);
        if (d == departure::closed) ended = std::exchange(after_end_due_, false);
        if (lags_ && d != departure::sent) begins_to_lag = !std::exchange(lag_told_, true);
    }
    if (ended) (void)after_end();
    if (begins_to_lag) lagging();
    return d;
}

departure stream_outlet::send(void* value, bool movable, base::time_point until) {
    departure d = try_send(value, movable);
    if (d != departure::full) return d;
    loop::event_loop::before_blocking();
    outlet_waiter w;
    w.out = this;
    w.value = value;
    w.movable = movable;
    if (!w.as_thread()) return departure::given_up;
    bool ended;
    {
        const std::lock_guard lock(mutex_);
        d = offer_or_wait(w);
        ended = std::exchange(after_end_due_, false);
    }
    if (ended) (void)after_end();
    if (d != departure::full) return w.dismiss(), d;
    w.sleep(until, mutex_);
    return w.outcome;
}

bool stream_outlet::suspend(detail::stream_wait& wait, void* value, bool movable,
                            std::coroutine_handle<> h, const call_scope* scope) {
    auto& w = wait.make<outlet_waiter>();
    w.out = this;
    w.value = value;
    w.movable = movable;
    if (!w.as_coroutine(h, scope, fallback())) {
        w.outcome = departure::given_up;
        return false;
    }
    bool ended;
    {
        const std::lock_guard lock(mutex_);
        const departure d = offer_or_wait(w);
        if (d == departure::full) return true;  // and may go on, and let go of the stream
        w.outcome = d;
        ended = std::exchange(after_end_due_, false);
    }
    if (ended) (void)after_end();
    w.dismiss();
    return false;
}

void stream_outlet::finish() noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (closed_ || ending_) return;
        ending_ = true;
        end_if_drained();
        if (!std::exchange(after_end_due_, false)) return;
    }
    (void)after_end();
}

void stream_outlet::fail(error e) noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (closed_ || ending_) return;
        ending_ = true;
        end_ = std::move(e);
        end_if_drained();
        if (!std::exchange(after_end_due_, false)) return;
    }
    (void)after_end();
}

// --- events ---

// Mutex held. False: no room is left.
bool stream_outlet::send_waiting(base::list<outlet_waiter>& done) {
    while (!waiting_.empty()) {
        const departure d = transmit_one(waiting_.at(0), true, waiting_.note(0));
        if (d != departure::sent) return d != departure::full;
        waiting_.pop();
    }
    lags_ = lag_told_ = false;
    while (!waiters_.empty()) {
        outlet_waiter& w = waiters_.front();
        value_note note = next_note();
        const departure d = transmit_one(w.value, w.movable, note);
        if (d == departure::full) return false;
        if (d == departure::sent) note_accepted();
        w.outcome = d;
        done.push_back(stream_waiter::take_front(waiters_));
    }
    return true;
}

turn stream_outlet::on_room() {
    base::list<outlet_waiter> done;
    bool ended;
    {
        const std::lock_guard lock(mutex_);
        if (closed_) return turn::done;
        if (send_waiting(done)) end_if_drained();
        if (closed_) close(*closed_, done);  // a value could not be sent: nor can what waits
        ended = std::exchange(after_end_due_, false);
    }
    const turn t = ended ? after_end() : turn::done;
    return stream_waiter::finish_all(done) == turn::lost ? turn::lost : t;
}

turn stream_outlet::set_paused(bool paused) {
    {
        const std::lock_guard lock(mutex_);
        paused_ = paused;
    }
    return paused ? turn::done : on_room();
}

turn stream_outlet::on_closed(error why) {
    base::list<outlet_waiter> all;
    {
        const std::lock_guard lock(mutex_);
        close(std::move(why), all);
    }
    return stream_waiter::finish_all(all);
}

void stream_outlet::on_acknowledged(std::uint64_t number) noexcept {
    std::uint64_t before = acknowledged_.load(std::memory_order_relaxed);
    while (before < number && !acknowledged_.compare_exchange_weak(before, number)) {}
    acknowledgements_.fetch_add(1, std::memory_order_release);
    base::futex_wake_all(acknowledgements_);
}

bool stream_outlet::wait_acknowledged(std::uint64_t number, base::time_point until) {
    loop::event_loop::before_blocking();
    for (;;) {
        const std::uint32_t seen = acknowledgements_.load(std::memory_order_acquire);
        if (acknowledged() >= number) return true;
        {
            const std::lock_guard lock(mutex_);
            if (closed_) return acknowledged() >= number;
        }
        if (until == base::never) {
            base::futex_wait(acknowledgements_, seen);
            continue;
        }
        const auto now = base::time_source::steady().now();
        if (now >= until) return false;
        base::futex_wait_for(acknowledgements_, seen, until - now);
    }
}

error stream_outlet::failure() {
    const std::lock_guard lock(mutex_);
    if (closed_) return *closed_;
    if (!ending_) return error(errc::cancelled, "the stream has ended");
    return error(errc::conflict, "this end of the stream has been finished");
}

detail::flow_settings stream_outlet::flow() {
    const std::lock_guard lock(mutex_);
    return flow_;
}

void stream_outlet::set_flow(const detail::flow_settings& flow) {
    const std::lock_guard lock(mutex_);
    flow_ = flow;
    buffer_ = buffer_of(flow);
}

bool stream_outlet::is_open() noexcept {
    const std::lock_guard lock(mutex_);
    return !closed_ && !ending_;
}

stream_stats stream_outlet::stats() {
    const std::lock_guard lock(mutex_);
    stream_stats s = stats_;
    s.waiting = waiting_.size();
    if (told_position_ != 0) {
        s.position = told_position_ - 1;
        s.epoch = told_epoch_;
    }
    return s;
}

}  // namespace tenon::inline v0::rpc
