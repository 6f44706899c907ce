#include "wire/retention.hpp"

#include <algorithm>

#include "wire/endian.hpp"

namespace tenon::inline v0::wire {

/// A frame begins at `data`.
void retention::begin(const std::byte* data) noexcept {
    size_ = 0;
    rest_ = 1;  // in messages the end is not known before it comes
    if (framing_ == framing::stream) {
        size_ = prefix_size + load_be24(data);
        rest_ = size_;
        data += prefix_size;
    }
    const std::uint32_t stream = load_be32(data);
    counted_ = moves_position(static_cast<frame_type>(load_be16(data + 4) >> 10), stream);
}

void retention::finish() {
    if (count_ == ring_.size()) {
        std::vector<std::uint32_t> bigger(std::max<std::size_t>(64, ring_.size() * 2));
        for (std::size_t i = 0; i < count_; ++i)
            bigger[i] = ring_[(head_ + i) & (ring_.size() - 1)];
        ring_.swap(bigger);
        head_ = 0;
    }
    ring_[(head_ + count_++) & (ring_.size() - 1)] = size_ << 1 | (counted_ ? 1 : 0);
    since_asked_ += size_ + cost_of_frame;
    if (counted_) sent_ += size_ - (framing_ == framing::stream ? prefix_size : 0);
    rest_ = 0;
}

void retention::wrote(const std::byte* data, std::size_t n, bool frame_end) {
    bytes_ += n;
    if (framing_ == framing::messages) {
        if (rest_ == 0) begin(data);
        size_ += static_cast<std::uint32_t>(n);
        if (frame_end) finish();
        return;
    }
    while (n != 0) {
        if (rest_ == 0) begin(data);
        const std::size_t part = std::min(n, rest_);
        rest_ -= part;
        data += part;
        n -= part;
        if (rest_ == 0) finish();
    }
}

void retention::acknowledge(std::uint64_t position) noexcept {
    if (position <= acked_) return;
    acked_ = position;
    acknowledging_ = true;
}

/// Takes the oldest frame out.
void retention::pop() noexcept {
    const std::uint32_t frame = front();
    const std::size_t size = frame >> 1;
    if ((frame & 1) != 0) first_ += size - (framing_ == framing::stream ? prefix_size : 0);
    bytes_ -= size;
    ++head_;
    --count_;
}

std::size_t retention::drop() noexcept {
    const std::size_t before = bytes_;
    const std::size_t prefix = framing_ == framing::stream ? prefix_size : 0;
    while (count_ != 0) {
        const std::uint32_t frame = front();
        const bool counted = (frame & 1) != 0;
        const bool received = counted ? first_ + (frame >> 1) - prefix <= acked_ : first_ < acked_;
        if (!received && !finishing() && (!full() || (counted && acknowledging_))) break;
        pop();
    }
    if (count_ == 0) head_ = 0;
    return before - bytes_;
}

bool retention::reaches(std::uint64_t position) const noexcept {
    const std::size_t prefix = framing_ == framing::stream ? prefix_size : 0;
    std::uint64_t at = first_;
    for (std::size_t i = 0; i < count_ && at < position; ++i) {
        const std::uint32_t frame = ring_[(head_ + i) & (ring_.size() - 1)];
        if ((frame & 1) != 0) at += (frame >> 1) - prefix;
    }
    return at == position;
}

bool retention::rewind(std::uint64_t position, std::size_t& dropped) noexcept {
    if (!reaches(position)) return false;
    const std::size_t before = bytes_;
    while (first_ < position) pop();
    dropped = before - bytes_;
    acked_ = std::max(acked_, position);
    ever_sent_ = ever_sent();
    sent_ = first_;
    head_ = count_ = bytes_ = rest_ = 0;
    since_asked_ = 0;
    return true;
}

bool retention::asks() noexcept {
    if (used() <= limit_ / 2 || since_asked_ < limit_ / 4) return false;
    since_asked_ = 0;
    return true;
}

}  // namespace tenon::inline v0::wire
