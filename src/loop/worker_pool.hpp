#pragma once
// Threads for work that may block: handlers declared `blocking`, slow methods, name resolution.
//
// The most urgent first, then first in, first out, with a bounded queue; a less urgent job that waits
// is taken every eighth time at least. An idle thread is woken at once, unless a thread has
// taken a job just now and so will soon look for the next: waking a thread takes far longer than a
// quick job. Meanwhile another one, the guard, watches the clock, and steps in when a job has waited
// for a moment. A new thread is only made when the oldest job has waited longer than the target, so
// a burst of quick jobs makes at most one. Threads beyond the resident ones end after some time
// without a job. All threads block every signal and are named.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/futex.hpp"
#include "base/intrusive.hpp"
#include "base/mutex.hpp"
#include "base/priority_lines.hpp"
#include "tenon/result.hpp"

namespace tenon::inline v0::loop {

/// One piece of work, owned by whoever submits it; must live until run() or drop() is called.
class job : public base::list_hook<> {
public:
    /// Before it is submitted.
    tenon::priority urgency = priority::normal;

    /// On a thread of the pool; may destroy the object. Must not throw.
    virtual void run() noexcept = 0;
    /// Instead of run(), if the pool is stopped without draining; on the stopping thread.
    virtual void drop() noexcept = 0;

protected:
    job() noexcept = default;
    ~job() = default;

private:
    friend class worker_pool;
    base::time_point submitted_{};
};

struct pool_options {
    /// Threads that are kept (made when first needed) and threads at most.
    std::size_t resident = 2;
    std::size_t max = 128;
    /// Besides, as many as wait for something that another job may have to do; of those at most
    /// this many. Otherwise jobs that wait for jobs could fill the pool and wait for ever.
    std::size_t most_blocked = 1'024;
    /// How long a job may wait before there is another thread.
    std::chrono::microseconds target_wait{1'000};
    /// How long a thread beyond the resident ones waits for a job before it ends.
    std::chrono::milliseconds idle_time{10'000};
    /// Jobs of the same or a higher priority that may wait, so that there is room for what is urgent.
    std::size_t queue_limit = 4'096;
    std::string name = "tenon-pool";

    /// A pool of exactly `n` threads.
    static pool_options fixed(std::size_t n) {
        pool_options o;
        o.resident = o.max = n;
        return o;
    }
};

struct pool_stats {
    std::size_t threads = 0;
    std::size_t idle = 0;
    std::size_t queued = 0;
    std::uint64_t started = 0;  ///< jobs that ran or are running
    std::uint64_t refused = 0;
    std::chrono::nanoseconds waited{0};  ///< sum over all started jobs
    std::chrono::nanoseconds longest_wait{0};
};

/// Thread-safe.
class worker_pool {
public:
    explicit worker_pool(pool_options options = {});
    worker_pool(const worker_pool&) = delete;
    worker_pool& operator=(const worker_pool&) = delete;
    /// stop(false); aborts if called on one of its own threads.
    ~worker_pool();

    /// False, and nothing happens, if the queue is full, no thread can be made, or it is stopped.
    bool submit(job& j) noexcept;

    /// Refuses new jobs, runs (drain) or drops the waiting ones, and joins the threads. `conflict`
    /// on one of its own threads, and then nothing happens.
    result<void> stop(bool drain);

    /// Whether jobs wait: then spinning elsewhere would only take CPU from them.
    bool has_runnable() const noexcept { return queued_.load(std::memory_order_relaxed) != 0; }

    /// On one of its threads: the running job is about to wait for what another job may have to
    /// do, so that until it ends its thread does not count. Called by event_loop::before_blocking().
    void note_blocked() noexcept;

    pool_stats stats() const noexcept;

private:
    class worker;

    void main(worker& w) noexcept;
    job* next(worker& w) noexcept;
    base::time_point oldest() noexcept;
    bool rest(worker& w, std::unique_lock<base::mutex>& lock) noexcept;
    void arrive(worker& w) noexcept;
    void settle(worker& w) noexcept;
    bool grow() noexcept;
    base::futex_word* attend(base::time_point now) noexcept;
    void hold_back(worker& w, std::unique_lock<base::mutex>& lock, base::nanoseconds t) noexcept;

    const pool_options options_;
    std::atomic<std::size_t> queued_{0};
    mutable base::mutex mutex_;  // guards all below
    base::priority_lines<job> queue_;
    base::list<worker> idle_;   // the last one to become idle is at the front
    base::list<worker> ended_;  // to be joined
    std::vector<std::unique_ptr<worker>> workers_;
    std::size_t live_ = 0;
    std::size_t blocked_ = 0;  // of the live ones
    std::size_t idle_count_ = 0;
    std::size_t arriving_ = 0;     // woken to take a job, and not here yet
    bool guarded_ = false;         // a thread is being made, or watches over the jobs that wait
    base::time_point taken_at_{};  // when the last job was taken …
    base::time_point attended_until_{};  // … and how long its thread is expected back soon
    bool stopping_ = false;
    pool_stats stats_;
};

}  // namespace tenon::inline v0::loop
