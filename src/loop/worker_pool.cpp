#include "loop/worker_pool.hpp"

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "base/futex.hpp"
#include "loop/thread.hpp"

namespace tenon::inline v0::loop {

class worker_pool::worker : public base::list_hook<> {
public:
    /// To be followed by futex_wake() on what is returned, also if the worker is gone by then.
    base::futex_word& call() noexcept {
        called_.store(1, std::memory_order_release);
        return called_;
    }
    /// Until call() was called since the last reset(), or the time is over.
    void wait() noexcept {
        while (called_.load(std::memory_order_acquire) == 0) base::futex_wait(called_, 0);
    }
    void wait_for(std::chrono::nanoseconds t) noexcept {
        if (called_.load(std::memory_order_acquire) == 0) base::futex_wait_for(called_, 0, t);
    }
    void reset() noexcept { called_.store(0, std::memory_order_relaxed); }

    std::thread thread;
    bool arriving = false;          // counted in arriving_
    bool guarding = false;          // holds back until a job has waited …
    base::nanoseconds patience{0};  // … that long

private:
    base::futex_word called_{0};
};

namespace {

// A thread that took a job so lately is likely to come back before another one would be awake.
constexpr std::chrono::microseconds quick_job{50};
// How long a job waits for it if it does not.
constexpr std::chrono::microseconds guard_patience{200};

}  // namespace

worker_pool::worker_pool(pool_options options) : options_(std::move(options)) {}

worker_pool::~worker_pool() {
    if (!stop(false)) std::terminate();
}

bool worker_pool::submit(job& j) noexcept {
    base::futex_word* called = nullptr;
    {
        const std::lock_guard lock(mutex_);
        const bool full = queue_.size_from(j.urgency) >= options_.queue_limit;
        if (stopping_ || full || (idle_.empty() && !grow() && live_ == 0)) {
            ++stats_.refused;
            return false;
        }
        j.submitted_ = base::time_source::steady().now();
        queue_.push_back(j, j.urgency);
        queued_.fetch_add(1, std::memory_order_relaxed);
        called = attend(j.submitted_);
    }
    if (called) base::futex_wake(*called);  // not under the lock, which is what it wants first
    return true;
}

/// Sees to it that somebody looks after the jobs that wait. To be followed by futex_wake(), if there
/// is something to wake.
base::futex_word* worker_pool::attend(base::time_point now) noexcept {
    if (idle_.empty() || arriving_ != 0) return nullptr;
    const bool attended = now < attended_until_;
    if (attended && guarded_) return nullptr;
    worker& w = idle_.pop_front();
    --idle_count_;
    if (attended) {
        w.guarding = guarded_ = true;
        w.patience = guard_patience;
    } else {
        w.arriving = true;
        ++arriving_;
    }
    return &w.call();
}

result<void> worker_pool::stop(bool drain) {
    if (this_thread().group == this)
        return tenon::error(errc::conflict, "a pool cannot be stopped by its own threads");
    base::list<job> dropped;
    std::vector<std::unique_ptr<worker>> workers;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        if (!drain) {
            queue_.drain_to(dropped);
            queued_.store(0, std::memory_order_relaxed);
        }
        idle_.clear();
        idle_count_ = 0;
        ended_.clear();
        for (const auto& w : workers_) base::futex_wake(w->call());
        workers.swap(workers_);
    }
    while (!dropped.empty()) dropped.pop_front().drop();
    for (const auto& w : workers) w->thread.join();
    return {};
}

pool_stats worker_pool::stats() const noexcept {
    const std::lock_guard lock(mutex_);
    pool_stats s = stats_;
    s.threads = live_;
    s.idle = idle_count_;
    s.queued = queued_.load(std::memory_order_relaxed);
    return s;
}

/// Makes a thread if one is due: at once up to the resident number, then one newcomer at a time.
bool worker_pool::grow() noexcept {
    const std::size_t counted = live_ - std::min(blocked_, options_.most_blocked);
    const bool newcomer = counted >= options_.resident;
    if (counted >= options_.max || (newcomer && guarded_)) return false;
    while (!ended_.empty()) {
        worker& w = ended_.pop_front();
        w.thread.join();  // it has nothing left to do but return
        std::erase_if(workers_, [&w](const auto& p) { return p.get() == &w; });
    }
    try {
        auto made = std::make_unique<worker>();
        workers_.reserve(workers_.size() + 1);
        worker& w = *made;
        w.guarding = newcomer;
        w.patience = options_.target_wait;
        w.arriving = !newcomer;
        w.thread = start_thread(options_.name, this, [this, &w] { main(w); });
        workers_.push_back(std::move(made));
    } catch (...) {  // no memory, or the system's limit of threads
        return false;
    }
    ++live_;
    if (newcomer) guarded_ = true;
    else ++arriving_;
    return true;
}

void worker_pool::note_blocked() noexcept {
    if (std::exchange(this_thread().blocked, true)) return;
    base::futex_word* called = nullptr;
    {
        const std::lock_guard lock(mutex_);
        ++blocked_;
        attended_until_ = {};
        if (queue_.empty() || stopping_) return;
        if (idle_.empty()) grow();
        else called = attend(base::time_source::steady().now());
    }
    if (called) base::futex_wake(*called);
}

void worker_pool::main(worker& w) noexcept {
    this_thread().pool = this;
    while (job* const j = next(w)) j->run();
}

/// Waits for a job. Null: the thread is to end.
job* worker_pool::next(worker& w) noexcept {
    std::unique_lock lock(mutex_);
    if (std::exchange(this_thread().blocked, false)) --blocked_;
    for (;;) {
        arrive(w);
        const base::time_point now = base::time_source::steady().now();
        if (queue_.empty()) {
            // While quick jobs come and go the guard stays: to wake it again and again costs more.
            const bool stays = w.guarding && w.patience == guard_patience && !stopping_;
            if (stays && now - taken_at_ < guard_patience) {
                hold_back(w, lock, guard_patience);
                continue;
            }
            settle(w);
            attended_until_ = {};  // others may be busy for long
            if (stopping_ || !rest(w, lock)) return nullptr;
            continue;
        }
        if (w.guarding && now - oldest() < w.patience && !stopping_) {
            hold_back(w, lock, w.patience - (now - oldest()));
            continue;
        }
        settle(w);
        job& j = queue_.pop_front();
        const base::nanoseconds waited = now - j.submitted_;
        queued_.fetch_sub(1, std::memory_order_relaxed);
        ++stats_.started;
        stats_.waited += waited;
        stats_.longest_wait = std::max(stats_.longest_wait, waited);
        taken_at_ = now;
        attended_until_ = now + quick_job;
        // This job may block for long: somebody has to watch over those that still wait.
        base::futex_word* called = nullptr;
        if (!queue_.empty() && !stopping_) {
            if (idle_.empty()) grow();
            else called = attend(now);
        }
        lock.unlock();
        if (called) base::futex_wake(*called);
        return &j;
    }
}

/// When the job that waits the longest was submitted; there is one.
base::time_point worker_pool::oldest() noexcept {
    base::time_point t = base::never;
    queue_.for_each_first([&t](const job& j) { t = std::min(t, j.submitted_); });
    return t;
}

/// A woken thread is here.
void worker_pool::arrive(worker& w) noexcept {
    if (std::exchange(w.arriving, false)) --arriving_;
}

/// A guard that has seen what it waited for is a worker like the others.
void worker_pool::settle(worker& w) noexcept {
    if (std::exchange(w.guarding, false)) guarded_ = false;
}

void worker_pool::hold_back(worker& w, std::unique_lock<base::mutex>& lock,
                            base::nanoseconds t) noexcept {
    w.reset();
    lock.unlock();
    w.wait_for(t);
    lock.lock();
}

/// Waits to be called. False if the thread is to end since it is one too many.
bool worker_pool::rest(worker& w, std::unique_lock<base::mutex>& lock) noexcept {
    const bool surplus = live_ > options_.resident;
    w.reset();
    idle_.push_front(w);
    ++idle_count_;
    lock.unlock();
    if (surplus) w.wait_for(options_.idle_time);
    else w.wait();
    lock.lock();
    if (!w.linked()) return true;  // called
    w.unlink();
    --idle_count_;
    if (live_ <= options_.resident || stopping_) return true;
    --live_;
    ended_.push_back(w);
    return false;
}

}  // namespace tenon::inline v0::loop
