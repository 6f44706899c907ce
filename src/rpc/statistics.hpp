#pragma once
// What is counted of one method, by the threads that serve its calls. A quick call costs one
// addition; the clock is asked for a sample of them. All atomics are relaxed: they order nothing,
// and what is read is as of some moment of late.

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tenon/error.hpp"
#include "tenon/stats.hpp"

namespace tenon::inline v0::rpc {

/// Durations, counted in buckets: 4 ns wide up to 32 ns, above that 8 to each power of two, so that
/// a bucket's middle is at most 1/16, or 2 ns, away from what is in it.
class histogram {
public:
    /// Durations from here on, about five hours, are all in the last bucket.
    static constexpr unsigned top_bits = 44;
    static constexpr std::size_t buckets = std::size_t{top_bits - 4} * 8;

    static constexpr std::size_t index(std::uint64_t ns) noexcept {
        const std::uint64_t v = std::min(ns, (std::uint64_t{1} << top_bits) - 1) >> 2;
        if (v < 8) return v;
        const auto shift = static_cast<unsigned>(std::bit_width(v)) - 4;
        return (shift + 1) * 8 + ((v >> shift) - 8);
    }
    /// The least nanoseconds that are in bucket i; of the one behind the last: where that ends.
    static constexpr std::uint64_t begin_of(std::size_t i) noexcept {
        if (i < 8) return i << 2;
        return (i % 8 + 8) << (i / 8 - 1) << 2;
    }

    void add(std::chrono::nanoseconds duration, std::uint64_t weight) noexcept {
        const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration.count()));
        counts_[index(ns)].fetch_add(weight, std::memory_order_relaxed);
        sum_ns_.fetch_add(ns * weight, std::memory_order_relaxed);
    }

    /// A copy to compute with.
    struct snapshot {
        std::array<std::uint64_t, buckets> counts{};
        std::uint64_t count = 0;
        std::uint64_t sum_ns = 0;

        /// The middle of the bucket that holds the element of this rank; 0 if there is none.
        std::chrono::nanoseconds quantile(double q) const noexcept;
        /// Of all below 2^bits nanoseconds, for bits of 5 to top_bits.
        std::uint64_t below(unsigned bits) const noexcept;
        quantiles summary() const noexcept;
        void add(const snapshot& other) noexcept;
    };
    snapshot read() const noexcept;

private:
    std::array<std::atomic<std::uint64_t>, buckets> counts_{};
    std::atomic<std::uint64_t> sum_ns_{0};
};

/// What some of the threads counted; see counter_parts. On cache lines of its own.
struct alignas(64) method_counters {
    static constexpr std::uint64_t all_of_the_first = 64;
    /// Afterwards one in 2^bits: asking the clock twice takes about as long as an in-process call.
    static constexpr unsigned remote_bits = 4;
    static constexpr unsigned local_bits = 6;
    static constexpr std::size_t codes = static_cast<std::size_t>(errc::data_loss) + 1;

    /// Counts a call. Returns for how many its latency stands; 0: it need not be measured.
    unsigned begin_call(unsigned bits) noexcept {
        const std::uint64_t n = calls.fetch_add(1, std::memory_order_relaxed);
        if (n < all_of_the_first) return 1;
        // Multiples of the golden ratio spread evenly also over every k-th call, so that callers
        // who alternate between two kinds of call are sampled for both.
        return n * 0x9e37'79b9'7f4a'7c15U >> (64 - bits) == 0 ? 1U << bits : 0;
    }
    void count_error(errc code) noexcept {
        errors[std::min(static_cast<std::size_t>(code), codes - 1)].fetch_add(
            1, std::memory_order_relaxed);
    }

    std::atomic<std::uint64_t> calls{0};
    std::atomic<std::uint64_t> slow{0};
    std::atomic<std::uint64_t> in_flight{0};
    std::array<std::atomic<std::uint64_t>, codes> errors{};
    histogram latency;
    histogram queue_wait;
};

/// All that is counted of one method. Loops that serve it at the same time must not write to the
/// same cache line, which would cost each call more than everything else that is counted; so each
/// has a part of its own, made when it is first needed. Thread-safe.
class counter_parts {
public:
    /// Loops beyond that share parts.
    static constexpr unsigned most = 64;

    counter_parts() noexcept { parts_[0].store(&first_, std::memory_order_relaxed); }
    counter_parts(const counter_parts&) = delete;
    counter_parts& operator=(const counter_parts&) = delete;
    ~counter_parts();

    /// That of loop `i` of a runtime, or of any other division of the threads.
    method_counters& of(unsigned i) noexcept {
        // Acquire: the part was made by another thread.
        method_counters* const part = parts_[i % most].load(std::memory_order_acquire);
        return part ? *part : make(i % most);
    }
    /// For what is rare.
    method_counters& first() noexcept { return first_; }

    struct totals {
        std::uint64_t calls = 0;
        std::uint64_t slow = 0;
        std::uint64_t in_flight = 0;
        std::array<std::uint64_t, method_counters::codes> errors{};
        histogram::snapshot latency;
        histogram::snapshot queue_wait;
    };
    totals read() const noexcept;
    std::uint64_t calls() const noexcept;

private:
    method_counters& make(unsigned i) noexcept;

    std::array<std::atomic<method_counters*>, most> parts_{};
    method_counters first_;
};

}  // namespace tenon::inline v0::rpc
