#include "rpc/stream/inlet.hpp"

#include <algorithm>
#include <mutex>

namespace tenon::inline v0::rpc {

using detail::arrival;
using loop::turn;

// In process nothing is set apart, and mutex_ is enough.
class stream_inlet::takers {
public:
    explicit takers(stream_inlet& in) noexcept : mutex_(in.is_connected_ ? &in.taking_ : nullptr) {
        if (mutex_) mutex_->lock();
    }
    takers(const takers&) = delete;
    takers& operator=(const takers&) = delete;
    ~takers() {
        if (mutex_) mutex_->unlock();
    }

private:
    base::mutex* const mutex_;
};

class stream_inlet::whole {
public:
    explicit whole(stream_inlet& in) noexcept : taking_(in), rest_(in.mutex_) {}

private:
    const takers taking_;
    const std::lock_guard<base::mutex> rest_;
};

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
        if (is_over()) return turn::done;
        if (reached_ != sought_) [[unlikely]] {
            if (!misfit) ++taken_, grant = due_grant(!waiters_.empty());
        } else if (is_skipped(note, data.in.size())) {
            // In process the sender, whose mutex is held, sees the room itself.
            if (!misfit) grant = due_grant(!waiters_.empty());
        } else if (waiters_.empty()) {
            flooded = !memory_.reaches(apart_bytes_ + encoded_.bytes() + data.in.size());
            if (!flooded) encoded_.push(data.in, std::move(owner), note);
        } else if (decode(data, waiters_.front().to)) {
            waiter = &stream_waiter::take_front(waiters_);
            waiter->outcome = arrival::value;
            note_taken(note, data.in.size());  // granted anew when somebody asks for more
        } else {
            is_misfit = true;
            end_at_misfit();
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

// mutex_ held. They wait in vain.
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
        if (is_over() || reached_ != sought_) return true;  // nobody misses it
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
        lost_at_end_ = last.gap;
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
    if (taken_ == 0 || (!at_once_ && taken_ < worth_it)) return 0;
    if (ended_.load(std::memory_order_relaxed)) return 0;
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
    apart_.clear();
    encoded_.clear();
    objects_.clear();
    apart_bytes_ = 0;
    memory_.fell_to(0);
}

// False: it is not what it should be; end_at_misfit() is due.
bool stream_inlet::decode(const coding::source& from, void* to) {
    result<void> done;
    if (from.may_change() && !coding::reads_once(codec_, *ops_.type)) {
        base::byte_buffer copy;
        copy.append(from.in);
        done = coding::decode_object(codec_, *ops_.type, to, copy.view(), decoding_);
    } else {
        done = coding::decode_object(codec_, *ops_.type, to, from, decoding_);
    }
    if (!done) misfit_ = std::move(done).error();
    return done.has_value();
}

void stream_inlet::end_at_misfit() {
    ended_ = true;
    failure_ = error(errc::invalid,
                     "a value is not what the contract says: " + std::string(misfit_->message()));
}

// Few bytes only, because all of what is set apart counts until none of it is left.
void stream_inlet::set_apart() noexcept {
    constexpr std::size_t most = std::size_t{64} << 10;
    apart_bytes_ = 0;
    if (!is_connected_ || encoded_.size() < 2 || encoded_.bytes() > most) return;
    apart_.swap(encoded_);
    apart_bytes_ = apart_.bytes();
}

arrival stream_inlet::take_encoded(encoded_queue& from, void* to, news& n) {
    const encoded_queue::item next = from.pop();
    if (!decode({next.data, next.owner.get()}, to)) return n.misfit = true, arrival::ended;
    note_taken(next.note, next.data.size());
    n.grant = due_grant(false);
    return arrival::value;
}

arrival stream_inlet::take(void* to, news& n) {
    if (apart_.empty()) set_apart();
    if (!apart_.empty()) return take_encoded(apart_, to, n);
    if (!encoded_.empty()) {
        const arrival a = take_encoded(encoded_, to, n);
        memory_.fell_to(encoded_.bytes());
        return a;
    }
    if (objects_.empty()) return is_over() ? arrival::ended : arrival::none;
    note_taken(objects_.note(0), 0);
    ops_.assign(to, objects_.at(0));
    objects_.pop();
    n.grant = due_grant(false);
    return arrival::value;
}

// `none`: it waits from now on.
arrival stream_inlet::take_or_wait(inlet_waiter& w, news& n) {
    const arrival a = take(w.to, n);
    if (n.misfit) end_at_misfit(), clear();
    if (a != arrival::none) return a;
    // A cancellation from here on finds it in the list.
    if (w.is_cancelled()) return arrival::given_up;
    stream_waiter::add(waiters_, w);
    return a;
}

arrival stream_inlet::try_take(void* to, bool grant_all) {
    news n;
    arrival a = arrival::none;
    {
        const takers lock(*this);
        if (!apart_.empty()) a = take_encoded(apart_, to, n);
        if (a != arrival::value) {
            const std::lock_guard rest(mutex_);
            if (a == arrival::none) a = take(to, n);
            if (n.misfit) end_at_misfit(), clear();
            if (a == arrival::none && grant_all) n.grant = due_grant(true);
        }
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
        const whole lock(*this);
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
        const whole lock(*this);
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
        const whole lock(*this);
        skip_ += n;
        for (encoded_queue* const q : {&apart_, &encoded_})
            while (!q->empty() && is_skipped(q->front_note(), 0)) bytes_ += q->pop().data.size();
        memory_.fell_to(apart_.bytes() + encoded_.bytes());
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
        const whole lock(*this);
        if (ended_ && failure_) return *failure_;
        if (ended_ || stopped_) return error(errc::conflict, "the stream has ended");
        if (++sought_ == 0) ++sought_;
        number = sought_;
        taken_ += static_cast<std::uint32_t>(apart_.size() + encoded_.size() + objects_.size());
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
        const whole lock(*this);
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
    const whole lock(*this);
    stream_stats s = stats_;
    s.lost += lost_at_end_;
    s.waiting = apart_.size() + encoded_.size() + objects_.size();
    return s;
}

}  // namespace tenon::inline v0::rpc
