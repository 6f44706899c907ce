#pragma once
// Latencies in nanoseconds, counted in buckets of at most 1/64 of their value. Not thread-safe.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace cli {

class histogram {
public:
    void add(std::uint64_t ns) {
        ++counts_[index(ns)];
        ++count_;
        sum_ += ns;
        most_ = std::max(most_, ns);
    }

    void add(const histogram& other) {
        for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
        count_ += other.count_;
        sum_ += other.sum_;
        most_ = std::max(most_, other.most_);
    }

    std::uint64_t count() const noexcept { return count_; }
    std::uint64_t most() const noexcept { return most_; }
    double mean() const noexcept {
        return count_ ? static_cast<double>(sum_) / static_cast<double>(count_) : 0;
    }

    /// What the fraction `q` of all stays at or below: the end of its bucket. 0 if empty.
    std::uint64_t quantile(double q) const {
        const auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(count_));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > wanted || (seen == count_ && seen > 0)) return std::min(end_of(i), most_);
        }
        return 0;
    }

private:
    // Bucket i below 64 is the value i; above, each doubling has 64 of them.
    static constexpr unsigned fine_bits = 6;
    static constexpr std::uint64_t fine = 1U << fine_bits;

    static std::size_t index(std::uint64_t v) noexcept {
        if (v < fine) return v;
        const auto shift = static_cast<unsigned>(std::bit_width(v)) - fine_bits - 1;
        return (shift + 1) * fine + ((v >> shift) - fine);
    }
    static std::uint64_t end_of(std::size_t i) noexcept {
        if (i < fine) return i;
        const std::size_t shift = i / fine - 1;
        return ((i % fine + fine + 1) << shift) - 1;
    }

    std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>((64 - fine_bits + 1) * fine);
    std::uint64_t count_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t most_ = 0;
};

}  // namespace cli
