#pragma once
// The kernel's futex, for one process: sleep until a 32-bit word changes, wake its sleepers.
//
// Spurious returns of futex_wait are ordinary; callers re-check their condition in a loop.

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tenon::inline v0::base {

using futex_word = std::atomic<std::uint32_t>;

/// Sleeps while `word` holds `expected`, until woken.
void futex_wait(futex_word& word, std::uint32_t expected) noexcept;

/// The same for at most `timeout` (none if zero or negative). False if the time ran out.
bool futex_wait_for(futex_word& word, std::uint32_t expected,
                    std::chrono::nanoseconds timeout) noexcept;

/// Wakes up to `count` sleepers. Never fails; the word's memory need not live any longer.
void futex_wake(futex_word& word, int count = 1) noexcept;
void futex_wake_all(futex_word& word) noexcept;

/// One step of a short busy wait: tells the CPU, not the kernel.
inline void cpu_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield" ::: "memory");
#endif
}

}  // namespace tenon::inline v0::base
