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
    const bool large = data.size() > copy_limit;
    const head h{static_cast<std::uint32_t>(data.size()), large, note.says_something()};
    if (at_ == row_.size()) {
        row_.clear();
        at_ = 0;
    } else if (at_ > row_.capacity() / 2) {
        const std::size_t left = row_.size() - at_;
        std::memmove(row_.data(), row_.data() + at_, left);
        row_.resize(left);
        at_ = 0;
    }
    std::byte* to =
        row_.extend(sizeof h + (h.has_note ? sizeof note : 0) + (large ? 0 : data.size()));
    std::memcpy(to, &h, sizeof h);
    to += sizeof h;
    if (h.has_note) {
        std::memcpy(to, &note, sizeof note);
        to += sizeof note;
    }
    if (large) {
        if (!owner) {
            base::byte_buffer copy(data.size());
            copy.append(data);
            owner = base::make_block(std::move(copy));
            data = bytes_view(owner->room()).first(data.size());
        }
        large_.push_back({data, std::move(owner), {}});
    } else if (!data.empty()) {
        std::memcpy(to, data.data(), data.size());
    }
    ++count_;
    bytes_ += data.size();
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
    const value_note note = front_note();
    at_ += sizeof h + (h.has_note ? sizeof note : 0);
    item i;
    if (h.is_large) {
        i = std::move(large_.front());
        large_.pop_front();
    } else {
        i.data = {row_.data() + at_, h.size};
        at_ += h.size;
    }
    i.note = note;
    --count_;
    bytes_ -= i.data.size();
    return i;
}

void encoded_queue::clear() noexcept {
    row_.reset();
    large_.clear();
    at_ = count_ = bytes_ = 0;
}

}  // namespace tenon::inline v0::rpc
