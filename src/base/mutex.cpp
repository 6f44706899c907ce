#include "base/mutex.hpp"

namespace tenon::inline v0::base {

void mutex::lock_slow() noexcept {
    constexpr int spins = 100;
    for (int i = 0; i < spins; ++i) {
        cpu_pause();
        // Relaxed look first, so that waiting does not take the cache line from the holder.
        if (word_.load(std::memory_order_relaxed) == free && try_lock()) return;
    }
    // Whoever gets it here marks it contended although it may be the last sleeper: one needless
    // wake is cheaper than a lost one.
    while (word_.exchange(contended, std::memory_order_acquire) != free)
        futex_wait(word_, contended);
}

}  // namespace tenon::inline v0::base
