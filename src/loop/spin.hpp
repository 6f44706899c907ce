#pragma once
// Waiting without sleeping, where that pays: on virtual machines waking a sleeping CPU costs more
// than ten calls.
//
// One adaptive_spin belongs to one waiting place (a loop, a connection held by a blocking caller).
// A round is a few tries and a sched_yield(), so that a peer on the same CPU runs at once. The time
// allowed is learnt from how long success took; after 16 uses in a row without success the place
// gives up and tries again rarely. Time lost in vain is also bounded as a share of elapsed time.
// Where a third party wants the CPU, a yield costs its whole time slice: noticed by the first one,
// all places of the runtime stop yielding for a while, and those whose peer is on the same CPU stop
// spinning.

#include <atomic>
#include <cstdint>

#include "base/clock.hpp"
#include "base/futex.hpp"

namespace tenon::inline v0::loop {

/// Shared by all places of a runtime; may be changed at any time.
class spin_policy {
public:
    constexpr explicit spin_policy(bool on = true) noexcept : enabled(on) {}

    /// The global switch. Always without effect on a machine with one CPU.
    std::atomic<bool> enabled;
    /// The longest wait in nanoseconds.
    std::atomic<std::int64_t> max_budget{50'000};
    /// How much of the elapsed time one place may spin in vain, in 1/1000.
    std::atomic<std::int32_t> wasted_per_mille{100};

private:
    friend class adaptive_spin;

    // No place yields before this time (ns of the steady clock), because the CPU is crowded …
    mutable std::atomic<std::int64_t> crowded_until_{0};
    // … and for how long the next notice of it will count.
    mutable std::atomic<std::int64_t> crowded_for_{0};
};

/// Not thread-safe: used by whoever owns the waiting place.
class adaptive_spin {
public:
    explicit adaptive_spin(const spin_policy& policy) noexcept : policy_(policy) {}

    /// Calls `try_once` (bool, non-blocking) until it returns true, then returns true; false once
    /// the time is over, or at once while spinning is not worth it. `keep_on` is asked once per
    /// round and ends the wait with false (runnable work elsewhere, a stop).
    template <class Try, class KeepOn>
    bool spin(Try&& try_once, KeepOn&& keep_on) {
        if (!begin()) return false;
        for (;;) {
            for (int i = 0; i < tries_per_round; ++i) {
                if (try_once()) return end(i), true;
                base::cpu_pause();
            }
            if (!keep_on() || over()) return end(in_vain), false;
        }
    }
    template <class Try>
    bool spin(Try&& try_once) {
        return spin(static_cast<Try&&>(try_once), [] { return true; });
    }

    /// The parts of spin(), for a caller that may lose the object on the way (then it does not
    /// call end()): false if it is not worth trying …
    bool begin() noexcept;
    /// … after each round of `tries_per_round`: whether the time is over (else has yielded) …
    bool over() noexcept;
    /// … and at the end which try of the round succeeded, or `in_vain`.
    void end(int successful_try) noexcept;

    static constexpr int tries_per_round = 4;
    static constexpr int in_vain = -1;

private:
    static constexpr unsigned give_up_after = 16;

    void yield(base::time_point now) noexcept;

    const spin_policy& policy_;
    base::time_point started_{};
    base::time_point credited_{};     // up to when credit_ has grown
    std::int64_t budget_ = 0;         // of this use, ns
    std::int64_t typical_ = 0;        // recent time to success, ns
    std::int64_t credit_ = 0;         // ns that may still be lost in vain
    std::uint32_t yields_ = 0;        // in this use
    std::uint32_t quick_yields_ = 0;  // in a row
    std::uint32_t rounds_ = 0;        // in this use
    std::uint32_t beside_us_ = 4;     // evidence that the peer shares our CPU, 0 … most_evidence
    bool may_yield_ = true;           // in this use
    std::uint32_t misses_ = 0;        // uses in a row without success
    std::uint32_t skipped_ = 0;       // uses not tried since giving up
    std::uint32_t retry_interval_ = 0;  // how many to skip before the next trial
};

}  // namespace tenon::inline v0::loop
