#include "loop/spin.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>

namespace tenon::inline v0::loop {
namespace {

constexpr std::int64_t shortest_budget = 10'000;
constexpr std::int64_t budget_in_typical = 4;
constexpr std::int64_t credit_in_budgets = 40;
constexpr std::int64_t long_yield = 500'000;
constexpr std::int64_t first_pause = 20'000'000;
constexpr std::int64_t last_pause = 200'000'000;
constexpr std::uint32_t calm_after = 1'000;
constexpr std::uint32_t rounds_per_rare_yield = 8;
constexpr std::uint32_t enough_evidence = 8;
constexpr std::uint32_t most_evidence = 12;
constexpr std::uint32_t first_retry = 32;
constexpr std::uint32_t last_retry = 1'024;

bool several_cpus() noexcept {
    static const bool several = ::sysconf(_SC_NPROCESSORS_ONLN) > 1;
    return several;
}

}  // namespace

bool adaptive_spin::begin() noexcept {
    if (!policy_.enabled.load(std::memory_order_relaxed) || !several_cpus()) return false;
    if (misses_ >= give_up_after) {
        if (++skipped_ < retry_interval_) return false;
        skipped_ = 0;
    }
    const std::int64_t crowded = policy_.crowded_until_.load(std::memory_order_relaxed);
    const bool yield_first = beside_us_ >= enough_evidence;
    started_ = {};
    rounds_ = 0;
    yields_ = 0;
    may_yield_ = true;
    // Otherwise the clock is first read after a round in vain: quick success costs nothing.
    if (crowded == 0 && !yield_first) return true;
    const base::time_point now = base::time_source::steady().now();
    if (now.time_since_epoch().count() < crowded) {
        // A peer on this CPU could not answer without our yielding, so rather sleep; for one on
        // another CPU it pays to wait all the same.
        may_yield_ = false;
        return !yield_first;
    }
    if (crowded != 0) policy_.crowded_until_.store(0, std::memory_order_relaxed);
    // A peer on this CPU cannot have answered yet: it needs the CPU first.
    if (yield_first) yield(now);
    return true;
}

bool adaptive_spin::over() noexcept {
    const base::time_point now = base::time_source::steady().now();
    const std::int64_t longest = policy_.max_budget.load(std::memory_order_relaxed);
    if (started_ == base::time_point{}) {
        const std::int64_t share = policy_.wasted_per_mille.load(std::memory_order_relaxed);
        const std::int64_t most = credit_in_budgets * longest;
        // Since the first use: all of it. The difference is cut before it can overflow.
        const std::int64_t since = std::min((now - credited_).count(), most * 1'000);
        credit_ = std::min(most, credit_ + since * share / 1'000);
        credited_ = started_ = now;
        budget_ = typical_ == 0 ? longest
                                : std::clamp(budget_in_typical * typical_,
                                             std::min(shortest_budget, longest), longest);
        budget_ = std::min(budget_, credit_);
        if (budget_ <= 0) return true;
    } else if ((now - started_).count() >= budget_) {
        return true;
    }
    // With a peer on another CPU yielding only gives time away to third parties.
    const bool rarely = beside_us_ == 0;
    if (may_yield_ && (++rounds_ % rounds_per_rare_yield == 0 || !rarely)) yield(now);
    return false;
}

/// Lets others on this CPU run. Notices if that was not just the peer with its answer.
void adaptive_spin::yield(base::time_point now) noexcept {
    ++yields_;
    sched_yield();
    const base::time_point back = base::time_source::steady().now();
    if ((back - now).count() < long_yield) {
        if (++quick_yields_ == calm_after) policy_.crowded_for_.store(0, std::memory_order_relaxed);
        return;
    }
    quick_yields_ = 0;
    // Places that notice at the same time may lose one another's doubling: no harm.
    const std::int64_t before = policy_.crowded_for_.load(std::memory_order_relaxed);
    const std::int64_t span = std::clamp(2 * before, first_pause, last_pause);
    policy_.crowded_for_.store(span, std::memory_order_relaxed);
    policy_.crowded_until_.store(back.time_since_epoch().count() + span, std::memory_order_relaxed);
}

void adaptive_spin::end(int successful_try) noexcept {
    // A peer on this CPU has always answered when the first yield returns; one on another CPU
    // hardly ever has at that very moment.
    if (yields_ == 1 && successful_try == 0) beside_us_ = std::min(beside_us_ + 1, most_evidence);
    else if (beside_us_ > 0) --beside_us_;
    const std::int64_t took =
        started_ == base::time_point{} ? 0 : (base::time_source::steady().now() - started_).count();
    if (successful_try != in_vain) {
        typical_ += (took - typical_) / 8;
        misses_ = 0;
        return;
    }
    credit_ -= took;
    if (misses_ < give_up_after) {
        if (++misses_ == give_up_after) retry_interval_ = first_retry;
    } else {
        retry_interval_ = std::min(2 * retry_interval_, last_retry);
    }
}

}  // namespace tenon::inline v0::loop
