#pragma once
// A mutex of four bytes for short critical sections: spins briefly, then sleeps on a futex.
//
// Not recursive, not fair. Works with std::lock_guard and std::unique_lock. The three states are
// those of Drepper, "Futexes are tricky" (mutex 2): free, held, held with possible sleepers.

#include <cstdint>

#include "base/futex.hpp"

namespace tenon::inline v0::base {

class mutex {
public:
    constexpr mutex() noexcept = default;
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;

    void lock() noexcept {
        // Acquire: what the last holder wrote before its releasing unlock() is visible.
        std::uint32_t expected = free;
        if (!word_.compare_exchange_strong(expected, held, std::memory_order_acquire,
                                           std::memory_order_relaxed))
            lock_slow();
    }
    bool try_lock() noexcept {
        std::uint32_t expected = free;
        return word_.compare_exchange_strong(expected, held, std::memory_order_acquire,
                                             std::memory_order_relaxed);
    }
    void unlock() noexcept {
        if (word_.exchange(free, std::memory_order_release) == contended) futex_wake(word_);
    }

private:
    static constexpr std::uint32_t free = 0;
    static constexpr std::uint32_t held = 1;
    static constexpr std::uint32_t contended = 2;

    void lock_slow() noexcept;

    futex_word word_{free};
};

}  // namespace tenon::inline v0::base
