#include "rpc/statistics.hpp"

#include <cmath>

namespace tenon::inline v0::rpc {

histogram::snapshot histogram::read() const noexcept {
    snapshot s;
    for (std::size_t i = 0; i < buckets; ++i) {
        s.counts[i] = counts_[i].load(std::memory_order_relaxed);
        s.count += s.counts[i];
    }
    s.sum_ns = sum_ns_.load(std::memory_order_relaxed);
    return s;
}

std::chrono::nanoseconds histogram::snapshot::quantile(double q) const noexcept {
    if (count == 0) return {};
    const auto rank = std::max(1.0, std::ceil(q * static_cast<double>(count)));
    std::uint64_t seen = 0;
    std::size_t last = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
        if (counts[i] == 0) continue;
        seen += counts[i];
        last = i;
        if (static_cast<double>(seen) >= rank) break;
    }
    return std::chrono::nanoseconds((begin_of(last) + begin_of(last + 1)) / 2);
}

std::uint64_t histogram::snapshot::below(unsigned bits) const noexcept {
    std::uint64_t n = 0;
    const std::size_t end = bits >= top_bits ? buckets : index(std::uint64_t{1} << bits);
    for (std::size_t i = 0; i < end; ++i) n += counts[i];
    return n;
}

quantiles histogram::summary() const noexcept {
    const snapshot s = read();
    quantiles q;
    q.count = s.count;
    if (s.count != 0)
        q.mean = std::chrono::nanoseconds(static_cast<std::int64_t>(s.sum_ns / s.count));
    q.p50 = s.quantile(0.5);
    q.p90 = s.quantile(0.9);
    q.p99 = s.quantile(0.99);
    return q;
}

}  // namespace tenon::inline v0::rpc
