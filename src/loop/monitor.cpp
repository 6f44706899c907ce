#include "loop/monitor.hpp"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>

#include "base/unique_fd.hpp"
#include "loop/crew.hpp"
#include "loop/thread.hpp"

namespace tenon::inline v0::loop {

namespace {

/// The beginning of a file of /proc about a thread of this process; empty if there is none.
std::string_view read_about(int thread, const char* file, std::span<char> into) noexcept {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/self/task/%d/%s", thread, file);
    const base::unique_fd fd(::open(path, O_RDONLY | O_CLOEXEC));
    const ssize_t n = fd ? ::read(fd.get(), into.data(), into.size()) : -1;
    return {into.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
}

/// How long the thread has been ready to run without a CPU, until it last got one; 0 if the kernel
/// does not tell. Format: Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat.
std::chrono::nanoseconds time_waited(int thread) noexcept {
    char buffer[128];
    const std::string_view text = read_about(thread, "schedstat", buffer);
    const std::size_t space = text.find(' ');
    std::int64_t waited = 0;
    if (space != text.npos)
        std::from_chars(text.data() + space + 1, text.data() + text.size(), waited);
    return std::chrono::nanoseconds(waited);
}

/// How long the thread has had a CPU.
std::chrono::nanoseconds time_run(int thread) noexcept {
    // As pthread_getcpuclockid() makes it, which wants a pthread_t (linux/posix-timers.h).
    constexpr int per_thread_of_scheduler = 6;
    timespec t{};
    if (::clock_gettime(static_cast<clockid_t>(~thread) * 8 | per_thread_of_scheduler, &t) != 0)
        return {};
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

/// Whether the thread runs, or would if there were a CPU for it. Format: proc_pid_stat(5); the name
/// in parentheses may hold anything.
bool is_runnable(int thread) noexcept {
    char buffer[256];
    const std::string_view text = read_about(thread, "stat", buffer);
    const std::size_t name_end = text.rfind(')');
    return name_end != text.npos && text.substr(name_end).starts_with(") R");
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

/// Whether user code that was seen for a while really does something, or sleeps: it has had a CPU,
/// or does not even want one.
bool monitor::is_slow(watched& w, base::time_point now) const noexcept {
    const int thread = w.loop->owner_.load(std::memory_order_relaxed);
    const auto ran = time_run(thread);
    const auto waited = time_waited(thread);
    if (!w.suspected) {
        w.suspected = true;
        w.suspected_at = now;
        w.ran = ran;
        w.waited = waited;
        return false;
    }
    const auto enough = options_.tick / 2;
    if (ran - w.ran >= enough) return true;
    // The kernel counts a wait for a CPU when it is over.
    return (now - w.suspected_at) - (waited - w.waited) >= enough && !is_runnable(thread);
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
