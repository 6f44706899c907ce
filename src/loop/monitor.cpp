#include "loop/monitor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <mutex>
#include <utility>

#include "base/unique_fd.hpp"
#include "loop/crew.hpp"
#include "loop/thread.hpp"

namespace tenon::inline v0::loop {

namespace {

/// How long a thread of this process has been ready to run without a CPU; 0 if the kernel does not
/// tell. Format: Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat.
std::chrono::nanoseconds time_waited_for_cpu(int thread) noexcept {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", thread);
    const base::unique_fd file(::open(path, O_RDONLY | O_CLOEXEC));
    char text[128];
    const ssize_t n = file ? ::read(file.get(), text, sizeof text) : -1;
    const char* const end = text + std::max<ssize_t>(n, 0);
    const char* const space = std::find(static_cast<const char*>(text), end, ' ');
    std::int64_t waited = 0;
    if (space != end) std::from_chars(space + 1, end, waited);
    return std::chrono::nanoseconds(waited);
}

}  // namespace

monitor::monitor(monitor_options options) : options_(std::move(options)) {}

monitor::~monitor() {
    if (!stop()) std::terminate();
}

result<void> monitor::watch(event_loop& loop) {
    const std::lock_guard lock(mutex_);
    loop.monitor_ = this;
    loops_.push_back(watched(loop));
    if (thread_.joinable()) return {};
    try {
        thread_ = start_thread(options_.name, this, [this] { main(); });
    } catch (const std::exception& e) {
        loops_.pop_back();
        loop.monitor_ = nullptr;
        return tenon::error(errc::unavailable, std::string("no monitor thread: ") + e.what());
    }
    return {};
}

void monitor::unwatch(event_loop& loop) noexcept {
    const std::lock_guard lock(mutex_);
    std::erase_if(loops_, [&loop](const watched& w) { return w.loop == &loop; });
    loop.monitor_ = nullptr;
}

result<void> monitor::stop() {
    if (this_thread().group == this)
        return tenon::error(errc::conflict, "the monitor cannot be stopped from within");
    stop_.store(true, std::memory_order_seq_cst);
    wake();
    std::thread ended;
    {
        const std::lock_guard lock(mutex_);
        ended.swap(thread_);
    }
    if (ended.joinable()) ended.join();
    return {};
}

void monitor::wake() noexcept {
    if (resting_.exchange(0, std::memory_order_seq_cst) != 0) base::futex_wake(resting_);
}

void monitor::main() noexcept {
    const base::time_source& time = base::time_source::steady();
    base::time_point last_active = time.now();
    while (!stop_.load(std::memory_order_seq_cst)) {
        const bool active = look();
        ticks_.fetch_add(1, std::memory_order_relaxed);
        const base::time_point now = time.now();
        if (active) {
            last_active = now;
        } else if (now - last_active >= options_.rest_after) {
            // Announce the rest, then look once more: a loop that became active in between either
            // shows here or sees resting_; see notice(). The same for stop().
            resting_.store(1, std::memory_order_seq_cst);
            if (look() || stop_.load(std::memory_order_seq_cst))
                resting_.store(0, std::memory_order_relaxed);
            else rest();
            last_active = time.now();
            continue;
        }
        base::futex_wait_for(resting_, 0, options_.tick);  // stop() need not hurry
    }
}

void monitor::rest() noexcept {
    {
        const std::lock_guard lock(mutex_);
        for (watched& w : loops_) {
            w.busy = 0;
            w.loop->busy_.store(0, std::memory_order_relaxed);
        }
    }
    while (resting_.load(std::memory_order_seq_cst) != 0) base::futex_wait(resting_, 1);
}

/// A moving average over about a hundred looks.
void monitor::sample(watched& w) noexcept {
    constexpr unsigned looks = 128;
    constexpr unsigned whole = 1'000 * looks;
    const bool awake = !w.loop->sleeping_.load(std::memory_order_relaxed);
    w.busy = w.busy - w.busy / looks + (awake ? whole / looks : 0);
    w.loop->busy_.store(w.busy / looks, std::memory_order_relaxed);
}

/// Whether user code that was seen for a while really does something, or sleeps.
bool monitor::is_slow(watched& w, base::time_point now) const noexcept {
    const auto waited = time_waited_for_cpu(w.loop->owner_.load(std::memory_order_relaxed));
    if (!w.suspected) {
        w.suspected = true;
        w.suspected_at = now;
        w.waited = waited;
        return false;
    }
    return (now - w.suspected_at) - (waited - w.waited) >= options_.tick / 2;
}

/// Whether anything has happened since the last look, or may without our hearing of it: a loop that
/// spins, or waits for a CPU, tells of user code it comes to only before it sleeps the next time.
bool monitor::look() noexcept {
    const base::time_point now = base::time_source::steady().now();
    const std::lock_guard lock(mutex_);
    bool active = false;
    for (watched& w : loops_) {
        const std::uint64_t turns = w.loop->turns_.load(std::memory_order_seq_cst);
        const std::uint64_t word = w.loop->ticket_.load(std::memory_order_acquire);
        active = active || turns != w.turns || !w.loop->sleeping_.load(std::memory_order_relaxed);
        sample(w);
        w.turns = turns;
        if (!(word & event_loop::user_bit)) continue;
        active = true;
        if (word != w.word) {
            w.word = word;
            w.since = now;
            w.reported = w.suspected = false;
            continue;
        }
        const auto held = now - w.since;
        if (held < options_.report_after || !is_slow(w, now)) continue;
        if (!w.reported && options_.on_slow) {
            w.reported = true;
            // Acquire, as the ticket once more: if that has not changed, the name belongs to it.
            const void* what = w.loop->what_.load(std::memory_order_acquire);
            if (w.loop->ticket_.load(std::memory_order_acquire) == word)
                options_.on_slow(*w.loop, what);
        }
        if (held >= options_.take_over_after && w.loop->crew_)
            w.loop->crew_->hand_over(*w.loop, word);
    }
    return active;
}

}  // namespace tenon::inline v0::loop
