#include "loop/monitor.hpp"

#include <algorithm>
#include <exception>
#include <mutex>
#include <utility>

#include "loop/crew.hpp"
#include "loop/thread.hpp"

namespace tenon::inline v0::loop {

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
            if (look() || stop_.load(std::memory_order_seq_cst)) {
                resting_.store(0, std::memory_order_relaxed);
            } else {
                while (resting_.load(std::memory_order_seq_cst) != 0) base::futex_wait(resting_, 1);
            }
            last_active = time.now();
            continue;
        }
        base::futex_wait_for(resting_, 0, options_.tick);  // stop() need not hurry
    }
}

/// Whether anything has happened since the last look.
bool monitor::look() noexcept {
    const base::time_point now = base::time_source::steady().now();
    const std::lock_guard lock(mutex_);
    bool active = false;
    for (watched& w : loops_) {
        const std::uint64_t turns = w.loop->turns_.load(std::memory_order_seq_cst);
        const std::uint64_t word = w.loop->ticket_.load(std::memory_order_acquire);
        active = active || turns != w.turns;
        w.turns = turns;
        if (!(word & event_loop::user_bit)) continue;
        active = true;
        if (word != w.word) {
            w.word = word;
            w.since = now;
            w.reported = false;
            continue;
        }
        const auto held = now - w.since;
        if (held >= options_.report_after && !w.reported && options_.on_slow) {
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
