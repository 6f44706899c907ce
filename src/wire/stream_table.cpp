#include "wire/stream_table.hpp"

#include <utility>

namespace tenon::inline v0::wire {
namespace {

constexpr std::size_t first_capacity = 2;  // for one stream at a time

}  // namespace

stream_slot* stream_table::find(std::uint32_t id) noexcept {
    if (size_ == 0) return nullptr;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = home(id);; i = (i + 1) & mask) {
        stream_slot& s = slots_[i];
        if (s.id == id) return &s;
        if (s.id == 0) return nullptr;
    }
}

stream_slot& stream_table::insert(std::uint32_t id) {
    // At most half full, so that a hostile choice of ids costs little.
    if ((size_ + 1) * 2 > slots_.size()) grow();
    ++size_;
    if (stream_slot& s = slots_[home(id)]; s.id == 0) {
        s.id = id;
        return s;
    }
    stream_slot fresh;
    fresh.id = id;
    return place(std::move(fresh));
}

/// Puts a slot where it belongs: nobody is farther from home than the one after it would be in
/// its place. Returns where.
stream_slot& stream_table::place(stream_slot slot) noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t i = home(slot.id);
    std::size_t distance = 0;
    stream_slot* placed = nullptr;
    for (; slots_[i].id != 0; i = (i + 1) & mask, ++distance) {
        const std::size_t theirs = (i - home(slots_[i].id)) & mask;
        if (theirs >= distance) continue;
        std::swap(slots_[i], slot);
        distance = theirs;
        if (placed == nullptr) placed = &slots_[i];
    }
    slots_[i] = std::move(slot);
    return placed != nullptr ? *placed : slots_[i];
}

void stream_table::erase(stream_slot& slot) noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t hole = static_cast<std::size_t>(&slot - slots_.data());
    for (std::size_t i = (hole + 1) & mask; slots_[i].id != 0 && home(slots_[i].id) != i;
         i = (i + 1) & mask) {
        slots_[hole] = std::move(slots_[i]);
        hole = i;
    }
    slots_[hole] = stream_slot();
    --size_;
}

stream_slot* stream_table::any() noexcept {
    if (size_ == 0) return nullptr;
    const std::size_t mask = slots_.size() - 1;
    while (slots_[cursor_ & mask].id == 0) ++cursor_;
    return &slots_[cursor_ & mask];
}

void stream_table::grow() {
    std::vector<stream_slot> old = std::move(slots_);
    slots_ = std::vector<stream_slot>(old.empty() ? first_capacity : old.size() * 2);
    for (stream_slot& s : old)
        if (s.id != 0) place(std::move(s));
}

std::size_t stream_table::release_if_empty() noexcept {
    if (size_ != 0) return 0;
    const std::size_t n = slots_.size() * sizeof(stream_slot);
    slots_ = std::vector<stream_slot>();
    cursor_ = 0;
    return n;
}

std::uint32_t stream_ids::take(stream_table& used) noexcept {
    std::uint32_t id = next_;
    while (used.find(id) != nullptr) id = id >= max_stream_id - 1 ? first_ : id + 2;
    next_ = id >= max_stream_id - 1 ? first_ : id + 2;
    return id;
}

}  // namespace tenon::inline v0::wire
