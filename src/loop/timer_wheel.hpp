#pragma once
// A hierarchical timing wheel (Varghese and Lauck): 4 levels of 64 slots, ticks of 1 ms.
//
// Arming and disarming are O(1) and allocate nothing. A timer's level is the highest group of six
// bits in which its tick differs from the wheel's present one, so every timer of a lower level is
// due before any of a higher level. Timers further away than the wheel's span (4.6 hours) wait in
// its last slots and are placed again. No timer fires early; rounding is up to the next tick.

#include <array>
#include <cstdint>

#include "base/clock.hpp"
#include "base/intrusive.hpp"

namespace tenon::inline v0::loop {

class event_loop;
enum class turn : std::uint8_t;

/// Something to do at a time. Used by one loop's thread; disarms itself when destroyed (which must
/// happen on the loop's thread, or once the loop does not run any more).
class timer : public base::list_hook<> {
public:
    timer() noexcept = default;

    /// Armed, or due and about to be called.
    bool armed() const noexcept { return linked(); }
    base::time_point deadline() const noexcept { return deadline_; }

    /// The timer is disarmed already; it may be armed again or destroyed in here.
    virtual turn on_timer(event_loop& loop) = 0;

protected:
    ~timer() = default;

private:
    friend class timer_wheel;

    base::time_point deadline_{};
    std::uint64_t tick_ = 0;
};

/// Calls `(owner.*Member)(loop)` when due: a timer as a data member.
template <auto Member>
class member_timer;
template <class Owner, turn (Owner::*Member)(event_loop&)>
class member_timer<Member> final : public timer {
public:
    explicit member_timer(Owner& owner) noexcept : owner_(owner) {}
    turn on_timer(event_loop& loop) override { return (owner_.*Member)(loop); }

private:
    Owner& owner_;
};

/// Not thread-safe.
class timer_wheel {
public:
    explicit timer_wheel(base::time_point start) noexcept : start_(start) {}

    /// Moves the timer if it is armed already.
    void arm(timer& t, base::time_point deadline) noexcept;

    /// Moves all timers due at `now` to the end of `due`, the earlier ones first.
    void advance(base::time_point now, base::list<timer>& due) noexcept;

    /// When to call advance() next; `never` if no timer is armed. Exact when few timers share the
    /// next slot and it is within the span, otherwise possibly earlier than the next timer.
    base::time_point next() noexcept;

private:
    static constexpr unsigned levels = 4;
    static constexpr unsigned bits = 6;
    static constexpr unsigned slots = 1u << bits;
    static constexpr std::uint64_t span = std::uint64_t(1) << (bits * levels);

    class place;
    void insert(timer& t) noexcept;
    bool first_slot(unsigned& level, unsigned& slot, std::uint64_t& tick) noexcept;
    std::uint64_t tick_of(base::time_point t) const noexcept;

    const base::time_point start_;
    std::uint64_t now_ = 0;  // ticks since start_ that advance() has dealt with
    // Bit set: the slot may hold timers. A disarmed timer leaves its bit behind.
    std::array<std::uint64_t, levels> occupied_{};
    std::array<std::array<base::list<timer>, slots>, levels> wheel_;
};

}  // namespace tenon::inline v0::loop
