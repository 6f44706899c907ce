#include "loop/timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace tenon::inline v0::loop {
namespace {

using tick_length = std::chrono::duration<std::int64_t, std::milli>;

}  // namespace

std::uint64_t timer_wheel::tick_of(base::time_point t) const noexcept {
    if (t <= start_) return 0;
    return static_cast<std::uint64_t>(std::chrono::floor<tick_length>(t - start_).count());
}

void timer_wheel::arm(timer& t, base::time_point deadline) noexcept {
    t.unlink();
    t.deadline_ = deadline;
    // Up to the next tick, so that no timer is early; at least the next one that advance() sees.
    const std::uint64_t tick = tick_of(deadline);
    const bool exact =
        deadline <= start_ || start_ + tick_length(static_cast<std::int64_t>(tick)) == deadline;
    t.tick_ = std::max(tick + (exact ? 0 : 1), now_ + 1);
    insert(t);
}

void timer_wheel::insert(timer& t) noexcept {
    // Beyond the span: the last slot of the top level, placed again when the wheel gets there.
    const std::uint64_t tick = std::min(t.tick_, now_ + span - (span >> bits));
    // Not zero, since a timer is always placed ahead of now_.
    const auto highest = static_cast<unsigned>(std::bit_width(tick ^ now_) - 1);
    const unsigned level = std::min(highest / bits, levels - 1);
    const unsigned slot = static_cast<unsigned>(tick >> (level * bits)) % slots;
    occupied_[level] |= std::uint64_t(1) << slot;
    wheel_[level][slot].push_back(t);
}

bool timer_wheel::first_slot(unsigned& level, unsigned& slot, std::uint64_t& tick) noexcept {
    for (level = 0; level < levels; ++level) {
        const unsigned shift = level * bits;
        const unsigned present = static_cast<unsigned>(now_ >> shift) % slots;
        while (occupied_[level] != 0) {
            // In the order in which the wheel turns; only the top level wraps around.
            const unsigned ahead = static_cast<unsigned>(
                std::countr_zero(std::rotr(occupied_[level], static_cast<int>(present))));
            slot = (present + ahead) % slots;
            if (!wheel_[level][slot].empty()) {
                tick = ((now_ >> shift) + ahead) << shift;
                return true;
            }
            occupied_[level] &= ~(std::uint64_t(1) << slot);
        }
    }
    return false;
}

void timer_wheel::advance(base::time_point now, base::list<timer>& due) noexcept {
    const std::uint64_t target = tick_of(now);
    unsigned level = 0;
    unsigned slot = 0;
    std::uint64_t tick = 0;
    while (first_slot(level, slot, tick) && tick <= target) {
        now_ = std::max(now_, tick);
        occupied_[level] &= ~(std::uint64_t(1) << slot);
        base::list<timer>& from = wheel_[level][slot];
        if (level == 0) {
            due.splice_back(from);
            continue;
        }
        base::list<timer> moving;
        moving.splice_back(from);
        while (!moving.empty()) {
            timer& t = moving.pop_front();
            if (t.tick_ <= now_) due.push_back(t);
            else insert(t);
        }
    }
    now_ = std::max(now_, target);
}

base::time_point timer_wheel::next() noexcept {
    unsigned level = 0;
    unsigned slot = 0;
    std::uint64_t tick = 0;
    if (!first_slot(level, slot, tick)) return base::never;
    if (level != 0) {
        constexpr int few = 16;
        std::uint64_t soonest = ~std::uint64_t(0);
        int seen = 0;
        for (const timer& t : wheel_[level][slot]) {
            soonest = std::min(soonest, t.tick_);
            if (++seen == few) break;
        }
        // A timer beyond the span says nothing about the slots that follow.
        if (seen < few) tick = std::min(soonest, tick + (std::uint64_t(1) << (level * bits)));
    }
    return start_ + tick_length(static_cast<std::int64_t>(tick));
}

}  // namespace tenon::inline v0::loop
