#include "rpc/stream/inlet.hpp"

#include <algorithm>

namespace tenon::inline v0::rpc {

using detail::arrival;
using loop::turn;

void inlet_waiter::on_cancel() noexcept { in->leave(*this); }

void stream_inlet::leave(inlet_waiter& w) noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (!w.leave()) return;  // it gets a value just now
        w.outcome = arrival::given_up;
    }
    (void)w.finish();
}

// --- feeding ---

bool stream_inlet::has_room() {
    const std::lock_guard lock(mutex_);
    return objects_.size() + encoded_.size() < window_;
}

bool stream_inlet::is_stopped() {
    const std::lock_guard lock(mutex_);
    return stopped_;
}

turn stream_inlet::push(const coding::source& data, base::block_ref owner, const value_note& note,
                        bool* misfit) {
    inlet_waiter* waiter = nullptr;
    base::list<inlet_waiter> others;  // that wait in vain
    bool is_misfit = false;
    bool flooded = false;
    std::uint32_t grant = 0;
    {
        const std::lock_guard lock(mutex_);
        if (ended_ || stopped_) return turn::done;
        if (reached_ != sought_) [[unlikely]] {
            if (!misfit) ++taken_, grant = due_grant(!waiters_.empty());
        } else if (is_skipped(note, data.in.size())) {
            // In process the sender, whose mutex is held, sees the room itself.
            if (!misfit) grant = due_grant(!waiters_.empty());
        } else if (waiters_.empty()) {
            flooded = !memory_.reaches(encoded_.bytes() + data.in.size());
            if (!flooded) encoded_.push(data.in, std::move(owner), note);
        } else if (decode(data, waiters_.front().to)) {
            waiter = &stream_waiter::take_front(waiters_);
            waiter->outcome = arrival::value;
            note_taken(note, data.in.size());  // granted anew when somebody asks for more
        } else {
            is_misfit = true;  // decode() has ended the stream
            take_waiters(others);
        }
    }
    news_.fetch_add(1, std::memory_order_release);
    if (flooded)
        return fail_here(
            error(errc::overloaded,
                  "values came faster than they were taken, and there is no more memory "
                  "for what waits"));
    if (grant != 0) feeder_.consumed(grant);
    if (is_misfit && misfit) *misfit = true;
    else if (is_misfit) feeder_.stopped();
    return waiter ? waiter->finish() : stream_waiter::finish_all(others);
}

// Mutex held. They wait in vain.
void stream_inlet::take_waiters(base::list<inlet_waiter>& to) noexcept {
    while (!waiters_.empty()) {
        inlet_waiter& w = stream_waiter::take_front(waiters_);
        w.outcome = arrival::ended;
        to.push_back(w);
    }
}

void stream_inlet::tell(const news& n) noexcept {
    if (n.misfit) feeder_.stopped();
    if (n.grant != 0) feeder_.consumed(n.grant);
}

bool stream_inlet::push_object(void* value, bool movable, const value_note& note, turn& t) {
    inlet_waiter* waiter = nullptr;
    {
        const std::lock_guard lock(mutex_);
        if (ended_ || stopped_ || reached_ != sought_) return true;  // nobody misses it
        if (is_skipped(note, 0)) {
            --taken_;  // it has taken no room
        } else if (!waiters_.empty()) {
            waiter = &stream_waiter::take_front(waiters_);
            if (movable || !ops_.copy) {
                ops_.assign(waiter->to, value);
            } else {
                objects_.push(value, false, {});
                ops_.assign(waiter->to, objects_.at(0));
                objects_.pop();
            }
            waiter->outcome = arrival::value;
            note_taken(note, 0);
            taken_ = 0;  // nothing was in the queue
        } else {
            if (objects_.size() >= window_) return false;
            objects_.push(value, movable, note);
        }
    }
    news_.fetch_add(1, std::memory_order_release);
    t = waiter ? waiter->finish() : turn::done;
    return true;
}

turn stream_inlet::end(std::optional<error> why, const value_note& last) {
    base::list<inlet_waiter> all;
    {
        const std::lock_guard lock(mutex_);
        if (ended_) return turn::done;
        ended_ = true;
        if (!stopped_) failure_ = std::move(why);  // who has stopped does not ask
        stats_.lost += last.gap;
        take_waiters(all);
    }
    news_.fetch_add(1, std::memory_order_release);
    return stream_waiter::finish_all(all);
}

turn stream_inlet::fail_here(error e) {
    const turn t = end(std::move(e));
    feeder_.stopped();
    return t;
}

// --- taking ---

// Those that the sender dropped count.
bool stream_inlet::is_skipped(const value_note& n, std::size_t size) noexcept {
    if (skip_ == 0) [[likely]]
        return false;
    skip_ -= std::min(skip_, n.gap);
    if (skip_ == 0) return false;
    --skip_;
    note_taken(n, size);
    return true;
}

void stream_inlet::note_taken(const value_note& n, std::size_t size) noexcept {
    ++stats_.passed;
    bytes_ += size;
    stats_.lost += n.gap;
    if (n.epoch != 0) stats_.epoch = n.epoch;
    if (n.position != 0) stats_.position = n.position;
    else if (stats_.position != 0) ++stats_.position;
    ++taken_;
}

// For each value that a coroutine waits for a frame of its own would cost more than the value.
std::uint32_t stream_inlet::due_grant(bool waits) noexcept {
    const std::uint32_t worth_it = waits ? granted_ / 8 : granted_ - granted_ / 2;
    if (taken_ == 0 || ended_ || (!at_once_ && taken_ < worth_it)) return 0;
    std::uint32_t n = std::exchange(taken_, 0);
    if (granted_ < window_ && stats_.passed != 0 &&
        bytes_ / stats_.passed * granted_ * 2 <= wanted_bytes) {
        const std::uint32_t more = std::min(granted_, window_ - granted_);
        granted_ += more;
        n += more;
    }
    return n;
}

void stream_inlet::clear() noexcept {
    encoded_.clear();
    objects_.clear();
    memory_.fell_to(0);
}

// False: it is not what it should be, and the stream has ended with that.
bool stream_inlet::decode(const coding::source& from, void* to) {
    result<void> done;
    if (from.may_change() && !coding::reads_once(codec_, *ops_.type)) {
        base::byte_buffer copy;
        copy.append(from.in);
        done = coding::decode_object(codec_, *ops_.type, to, copy.view(), decoding_);
    } else {
        done = coding::decode_object(codec_, *ops_.type, to, from, decoding_);
    }
    if (done) return true;
    ended_ = true;
    failure_ = error(errc::invalid, "a value is not what the contract says: " +
                                        std::string(done.error().message()));
    clear();
    return false;
}

arrival stream_inlet::take(void* to, news& n) {
    if (!encoded_.empty()) {
        encoded_queue::item next = encoded_.pop();
        if (!decode({next.data, next.owner.get()}, to)) return n.misfit = true, arrival::ended;
        note_taken(next.note, next.data.size());
        memory_.fell_to(encoded_.bytes());
    } else if (!objects_.empty()) {
        note_taken(objects_.note(0), 0);
        ops_.assign(to, objects_.at(0));
        objects_.pop();
    } else {
        return ended_ || stopped_ ? arrival::ended : arrival::none;
    }
    n.grant = due_grant(false);
    return arrival::value;
}

// Mutex held. `none`: it waits from now on.
arrival stream_inlet::take_or_wait(inlet_waiter& w, news& n) {
    const arrival a = take(w.to, n);
    if (a != arrival::none) return a;
    // A cancellation from here on finds it in the list.
    if (w.is_cancelled()) return arrival::given_up;
    stream_waiter::add(waiters_, w);
    return a;
}

arrival stream_inlet::try_take(void* to, bool grant_all) {
    news n;
    arrival a;
    {
        const std::lock_guard lock(mutex_);
        a = take(to, n);
        if (a == arrival::none && grant_all) n.grant = due_grant(true);
    }
    tell(n);
    return a;
}

arrival stream_inlet::poll(void* to) { return try_take(to, true); }

arrival stream_inlet::wait(void* to, base::time_point until) {
    arrival a = try_take(to, false);
    if (a != arrival::none) return a;
    loop::event_loop::before_blocking();
    if (!spinning_.exchange(true, std::memory_order_acquire)) {
        const std::uint64_t seen = news_.load(std::memory_order_acquire);
        const bool any = spin_.spin([&] { return news_.load(std::memory_order_acquire) != seen; });
        spinning_.store(false, std::memory_order_release);
        if (any && (a = try_take(to, false)) != arrival::none) return a;
    }
    inlet_waiter w;
    w.in = this;
    w.to = to;
    if (!w.as_thread()) return arrival::given_up;
    news n;
    {
        const std::lock_guard lock(mutex_);
        a = take_or_wait(w, n);
        if (a == arrival::none) n.grant = due_grant(true);
    }
    tell(n);
    if (a != arrival::none) return w.dismiss(), a;
    w.sleep(until, mutex_);
    return w.outcome;
}

bool stream_inlet::suspend(detail::stream_wait& wait, void* to, std::coroutine_handle<> h,
                           const call_scope* scope) {
    auto& w = wait.make<inlet_waiter>();
    w.in = this;
    w.to = to;
    if (!w.as_coroutine(h, scope, feeder_.fallback())) {
        w.outcome = arrival::given_up;
        return false;
    }
    news n;
    {
        const std::lock_guard lock(mutex_);
        const arrival a = take_or_wait(w, n);
        if (a == arrival::none) return true;
        w.outcome = a;
    }
    tell(n);
    w.dismiss();
    return false;
}

void stream_inlet::hop(detail::stream_wait& wait, std::coroutine_handle<> h,
                       const call_scope* scope) {
    wait.make<inlet_waiter>().hop(h, scope, *feeder_.fallback());
}

std::optional<error> stream_inlet::failure() {
    const std::lock_guard lock(mutex_);
    return failure_;
}

void stream_inlet::skip(std::uint64_t n) {
    std::uint32_t grant;
    {
        const std::lock_guard lock(mutex_);
        skip_ += n;
        while (!encoded_.empty() && is_skipped(encoded_.front_note(), 0))
            bytes_ += encoded_.pop().data.size();
        memory_.fell_to(encoded_.bytes());
        while (!objects_.empty() && is_skipped(objects_.note(0), 0)) objects_.pop();
        grant = due_grant(false);
    }
    if (grant != 0) feeder_.consumed(grant);
}

void stream_inlet::reached(std::uint32_t number) noexcept {
    const std::lock_guard lock(mutex_);
    if (number == sought_) reached_ = number;
}

bool stream_inlet::is_stale() {
    const std::lock_guard lock(mutex_);
    return reached_ != sought_;
}

result<void> stream_inlet::seek(const stream_start& to) {
    if (auto why = feeder_.cannot_seek()) return *std::move(why);
    std::uint32_t number;
    std::uint32_t grant;
    {
        const std::lock_guard lock(mutex_);
        if (ended_ && failure_) return *failure_;
        if (ended_ || stopped_) return error(errc::conflict, "the stream has ended");
        if (++sought_ == 0) ++sought_;
        number = sought_;
        taken_ += static_cast<std::uint32_t>(encoded_.size() + objects_.size());
        clear();
        grant = due_grant(true);
    }
    feeder_.seek(number, to);
    if (grant != 0) feeder_.consumed(grant);
    return {};
}

void stream_inlet::stop() noexcept {
    base::list<inlet_waiter> all;
    bool told;
    {
        const std::lock_guard lock(mutex_);
        if (stopped_) return;
        stopped_ = true;
        told = !ended_;
        clear();
        take_waiters(all);
    }
    news_.fetch_add(1, std::memory_order_release);
    (void)stream_waiter::finish_all(all);
    if (told) feeder_.stopped();
}

stream_stats stream_inlet::stats() {
    const std::lock_guard lock(mutex_);
    stream_stats s = stats_;
    s.waiting = encoded_.size() + objects_.size();
    return s;
}

}  // namespace tenon::inline v0::rpc
