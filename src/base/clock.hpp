#pragma once
// Where time comes from. Everything that waits or measures asks a time_source, so that tests can
// run hours of timers in no time with a virtual one.

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tenon::inline v0::base {

using time_point = std::chrono::steady_clock::time_point;
using std::chrono::nanoseconds;

/// A deadline that never comes.
inline constexpr time_point never = time_point::max();

/// Monotonic time. Thread-safe.
class time_source {
public:
    virtual time_point now() const noexcept = 0;

    /// The machine's own, CLOCK_MONOTONIC.
    static const time_source& steady() noexcept;

protected:
    ~time_source() = default;
};

/// Stands still until told otherwise. Thread-safe. A loop that sleeps does not notice a jump by
/// itself: call event_loop::wake() after it.
class virtual_clock final : public time_source {
public:
    explicit virtual_clock(time_point start = time_point(std::chrono::hours(1))) noexcept
        : now_(start.time_since_epoch().count()) {}

    time_point now() const noexcept override {
        return time_point(nanoseconds(now_.load(std::memory_order_relaxed)));
    }
    void advance(nanoseconds by) noexcept { now_.fetch_add(by.count(), std::memory_order_relaxed); }

private:
    std::atomic<std::int64_t> now_;
};

/// `at + by` without overflow: saturates at `never`.
constexpr time_point add_time(time_point at, nanoseconds by) noexcept {
    return by > never - at ? never : at + by;
}

}  // namespace tenon::inline v0::base
