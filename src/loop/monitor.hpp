#pragma once
// Watches loops for user code that does not return, and has such loops taken over.
//
// One thread. It sleeps while no loop does anything, so an idle process has no wake-ups; a loop that
// becomes active wakes it, at most once per `rest_after`. While it is awake it looks at each loop
// every `tick`. It reads no clock on the loops' path: user code is slow when it is still the same
// after so many ticks, and its thread was not just waiting for a CPU. On the way it finds out how
// busy each loop is.

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/futex.hpp"
#include "base/mutex.hpp"
#include "loop/loop.hpp"

namespace tenon::inline v0::loop {

struct monitor_options {
    std::chrono::microseconds tick{1'000};
    /// User code that holds a loop longer than this loses it.
    std::chrono::microseconds take_over_after{2'000};
    /// User code that holds a loop longer than this is reported, once per run.
    std::chrono::microseconds report_after{1'000};
    /// The thread goes to sleep after this time without activity.
    std::chrono::milliseconds rest_after{50};
    /// Called on the monitor's thread with what enter() was given. Must be quick, must not throw.
    std::function<void(event_loop& loop, const void* what)> on_slow;
    std::string name = "tenon-monitor";
};

/// Thread-safe. Watched loops must be unwatched, or the monitor stopped, before they are destroyed.
class monitor {
public:
    explicit monitor(monitor_options options = {});
    monitor(const monitor&) = delete;
    monitor& operator=(const monitor&) = delete;
    ~monitor();

    /// Before the loop runs. The thread starts with the first one.
    result<void> watch(event_loop& loop);
    /// When it runs no more.
    void unwatch(event_loop& loop) noexcept;

    /// Ends and joins the thread. `conflict` on its own thread.
    result<void> stop();

    /// Looks that were taken so far; stands still while all loops are idle.
    std::uint64_t ticks() const noexcept { return ticks_.load(std::memory_order_relaxed); }

private:
    friend class event_loop;
    struct watched {
        explicit watched(event_loop& l) noexcept : loop(&l) {}
        event_loop* loop;
        std::uint64_t turns = 0;   // when last looked
        unsigned busy = 0;         // busy() in fine steps
        std::uint64_t word = 0;    // of the bracket that was open then …
        base::time_point since{};  // … and since when it is known
        bool reported = false;
        // Once the same user code was seen for long: when, and how long its thread had had a CPU and
        // waited for one by then. Waiting for a CPU is not the handler's fault.
        bool suspected = false;
        base::time_point suspected_at{};
        std::chrono::nanoseconds ran{0};
        std::chrono::nanoseconds waited{0};
    };

    /// The loop is about to do something. Cheap while the monitor is awake.
    void notice() noexcept {
        // seq_cst, after the loop's seq_cst store of turns_: either we see that the monitor has
        // gone to rest, or it sees the new turn when it looks once more before resting.
        if (resting_.load(std::memory_order_seq_cst) != 0) wake();
    }
    void wake() noexcept;
    void main() noexcept;
    bool look() noexcept;
    void rest() noexcept;
    static void sample(watched& w) noexcept;
    bool is_slow(watched& w, base::time_point now) const noexcept;

    const monitor_options options_;
    std::atomic<std::uint64_t> ticks_{0};
    std::atomic<bool> stop_{false};
    base::futex_word resting_{0};
    base::mutex mutex_;  // guards all below
    std::vector<watched> loops_;
    std::thread thread_;
};

}  // namespace tenon::inline v0::loop
