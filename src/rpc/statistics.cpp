#include "rpc/statistics.hpp"

#include <cmath>
#include <new>

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

quantiles histogram::snapshot::summary() const noexcept {
    quantiles q;
    q.count = count;
    if (count != 0) q.mean = std::chrono::nanoseconds(static_cast<std::int64_t>(sum_ns / count));
    q.p50 = quantile(0.5);
    q.p90 = quantile(0.9);
    q.p99 = quantile(0.99);
    return q;
}

void histogram::snapshot::add(const snapshot& other) noexcept {
    for (std::size_t i = 0; i < buckets; ++i) counts[i] += other.counts[i];
    count += other.count;
    sum_ns += other.sum_ns;
}

counter_parts::~counter_parts() {
    for (auto& p : parts_)
        if (method_counters* const part = p.load(); part != &first_) delete part;
}

method_counters& counter_parts::make(unsigned i) noexcept {
    auto* const made = new (std::nothrow) method_counters;
    if (!made) return first_;
    method_counters* there = nullptr;
    // acq_rel: publishes the new part, or finds another thread's.
    if (parts_[i].compare_exchange_strong(there, made, std::memory_order_acq_rel)) return *made;
    delete made;
    return *there;
}

counter_parts::totals counter_parts::read() const noexcept {
    totals t;
    for (const auto& p : parts_) {
        const method_counters* const part = p.load(std::memory_order_acquire);
        if (!part) continue;
        t.calls += part->calls.load(std::memory_order_relaxed);
        t.slow += part->slow.load(std::memory_order_relaxed);
        t.in_flight += part->in_flight.load(std::memory_order_relaxed);
        for (std::size_t i = 0; i < t.errors.size(); ++i)
            t.errors[i] += part->errors[i].load(std::memory_order_relaxed);
        t.latency.add(part->latency.read());
        t.queue_wait.add(part->queue_wait.read());
    }
    return t;
}

std::uint64_t counter_parts::calls() const noexcept {
    std::uint64_t n = 0;
    for (const auto& p : parts_)
        if (const method_counters* const part = p.load(std::memory_order_acquire))
            n += part->calls.load(std::memory_order_relaxed);
    return n;
}

}  // namespace tenon::inline v0::rpc
