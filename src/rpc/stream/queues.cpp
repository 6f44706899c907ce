#include "rpc/stream/queues.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace tenon::inline v0::rpc {

void object_queue::grow() {
    const std::size_t wider = std::max<std::size_t>(capacity_ * 2, 16);
    const std::size_t align = std::max(ops_.align, alignof(std::max_align_t));
    memory room(static_cast<std::byte*>(::operator new (wider* ops_.size, std::align_val_t{align})),
                {align});
    auto notes = std::make_unique<value_note[]>(wider);
    for (std::size_t i = 0; i < count_; ++i) {
        ops_.move(room.get() + i * ops_.size, at(i));
        notes[i] = note(i);
    }
    memory_ = std::move(room);
    notes_ = std::move(notes);
    capacity_ = wider;
    head_ = 0;
}

void object_queue::push(void* value, bool movable, const value_note& n) {
    if (count_ == capacity_) grow();
    void* const to = slot(head_ + count_);
    if (movable || !ops_.copy) ops_.take(to, value);
    else ops_.copy(to, value);
    notes_[(head_ + count_) & (capacity_ - 1)] = n;
    ++count_;
}

void object_queue::pop() noexcept {
    ops_.destroy(at(0));
    head_ = (head_ + 1) & (capacity_ - 1);
    --count_;
}

void encoded_queue::push(bytes_view data, base::block_ref owner, const value_note& note) {
    const head h{static_cast<std::uint32_t>(data.size()), data.size() > copy_limit,
                 note.says_something()};
    if (at_ == row_.size()) {
        row_.clear();
        at_ = 0;
    } else if (at_ > row_.capacity() / 2) {
        const std::size_t left = row_.size() - at_;
        std::memmove(row_.data(), row_.data() + at_, left);
        row_.resize(left);
        at_ = 0;
    }
    large where{};
    if (h.is_large) {
        if (!owner) {
            base::byte_buffer copy(data.size());
            copy.append(data);
            owner = base::make_block(std::move(copy));
            data = bytes_view(owner->room()).first(data.size());
        }
        where.data = data.data();
        data = bytes_view(reinterpret_cast<const std::byte*>(&where), sizeof where);
    }
    std::byte* to = row_.extend(sizeof h + (h.has_note ? sizeof note : 0) + data.size());
    if (h.is_large) where.owner = owner.release();
    std::memcpy(to, &h, sizeof h);
    to += sizeof h;
    if (h.has_note) {
        std::memcpy(to, &note, sizeof note);
        to += sizeof note;
    }
    if (!data.empty()) std::memcpy(to, data.data(), data.size());
    ++count_;
    bytes_ += h.size;
}

value_note encoded_queue::front_note() const noexcept {
    head h;
    std::memcpy(&h, row_.data() + at_, sizeof h);
    value_note note;
    if (h.has_note) std::memcpy(&note, row_.data() + at_ + sizeof h, sizeof note);
    return note;
}

encoded_queue::item encoded_queue::pop() noexcept {
    head h;
    std::memcpy(&h, row_.data() + at_, sizeof h);
    item i;
    i.note = front_note();
    at_ += sizeof h + (h.has_note ? sizeof i.note : 0);
    if (h.is_large) {
        large where;
        std::memcpy(&where, row_.data() + at_, sizeof where);
        at_ += sizeof where;
        i.data = {where.data, h.size};
        i.owner = base::block_ref(where.owner);
    } else {
        i.data = {row_.data() + at_, h.size};
        at_ += h.size;
    }
    --count_;
    bytes_ -= h.size;
    return i;
}

void encoded_queue::clear() noexcept {
    while (count_ != 0) (void)pop();
    row_.reset();
    at_ = 0;
}

void encoded_queue::swap(encoded_queue& o) noexcept {
    std::swap(row_, o.row_);
    std::swap(at_, o.at_);
    std::swap(count_, o.count_);
    std::swap(bytes_, o.bytes_);
}

}  // namespace tenon::inline v0::rpc
