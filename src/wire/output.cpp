#include "wire/output.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <new>
#include <utility>

#include "wire/endian.hpp"

namespace tenon::inline v0::wire {
namespace {

constexpr std::size_t block_size = std::size_t{16} * 1024;
// The first one; enough for a small answer now and then, as on most of very many connections.
constexpr std::size_t first_block_size = 512;
constexpr std::uint64_t cut_later = ~std::uint64_t{0};  // mark of a message in a lane

std::byte* store(std::byte* p, bytes_view b) noexcept {
    if (!b.empty()) std::memcpy(p, b.data(), b.size());
    return p + b.size();
}

}  // namespace

output_queue::~output_queue() {
    for (; count_ != 0; --count_) unref(ring_[head_++ & (ring_.size() - 1)].owner);
    for (auto& l : lanes_)
        for (message& m : l->messages) forget_message(m);
    lanes_.clear();
    if (block_ != nullptr) unref(block_);
    while (free_ != nullptr) delete std::exchange(free_, free_->next_free);
}

output_queue::storage* output_queue::take_storage() {
    storage* s = free_;
    if (s != nullptr) free_ = s->next_free;
    else s = new storage;
    s->refs = 1;
    return s;
}

void output_queue::unref(storage* s) noexcept {
    if (--s->refs != 0) return;
    s->bytes.reset();
    s->block.reset();
    s->is_lent = false;
    s->next_free = free_;
    free_ = s;
}

/// Storage for the payload; payload.data then points to what it holds.
output_queue::storage* output_queue::take_payload(outgoing& payload) {
    storage* s = take_storage();
    if (payload.owned != nullptr) {
        s->bytes = std::move(*payload.owned);
    } else if (payload.block != nullptr) {
        s->block = base::block_ref::share(payload.block);
    } else if (payload.is_lent) {
        s->is_lent = true;
    } else {
        s->bytes.append(payload.data);
        payload.data = s->bytes.view();
    }
    return s;
}

void output_queue::push(const chunk& c) {
    if (count_ == ring_.size()) {
        std::vector<chunk> bigger(std::max<std::size_t>(8, ring_.size() * 2));
        for (std::size_t i = 0; i < count_; ++i)
            bigger[i] = ring_[(head_ + i) & (ring_.size() - 1)];
        ring_.swap(bigger);
        head_ = 0;
    }
    ring_[(head_ + count_++) & (ring_.size() - 1)] = c;
}

void output_queue::new_block(std::size_t size) {
    const std::size_t usual = block_ == nullptr ? first_block_size : block_size;
    if (block_ != nullptr) unref(block_);
    block_ = nullptr;
    storage* s = take_storage();
    s->bytes.resize(std::max(usual, size));
    block_ = s;
    block_used_ = 0;
}

/// Room for `size` bytes at the end of the line.
std::byte* output_queue::small(std::size_t size) {
    if (block_ == nullptr || block_->bytes.size() - block_used_ < size) new_block(size);
    std::byte* at = block_->bytes.data() + block_used_;
    chunk* last = count_ == 0 ? nullptr : &ring_[(head_ + count_ - 1) & (ring_.size() - 1)];
    if (last != nullptr && last->owner == block_ && last->data + last->size == at &&
        !(framing_ == framing::messages && last->frame_end)) {
        last->size += size;
        last->frame_end = false;
    } else {
        push({at, size, block_, false});
        ++block_->refs;
    }
    block_used_ += size;
    committed_ += size;
    return at;
}

/// Begins a frame of which `in_block` bytes are written into the returned room.
std::byte* output_queue::open_frame(std::size_t frame_size, std::size_t in_block) {
    if (framing_ == framing::messages) return small(in_block);
    return store_be24(small(prefix_size + in_block), static_cast<std::uint32_t>(frame_size));
}

void output_queue::put_small(bytes_view frame_bytes) {
    store(open_frame(frame_bytes.size(), frame_bytes.size()), frame_bytes);
    ring_[(head_ + count_ - 1) & (ring_.size() - 1)].frame_end = true;
}

void output_queue::put_reference(storage* owner, bytes_view part) {
    push({part.data(), part.size(), owner, true});
    ++owner->refs;
    committed_ += part.size();
}

std::uint64_t output_queue::add(const frame& f, outgoing payload) {
    if (!lanes_.empty() && f.stream != 0) {
        if (lane* l = find_lane(f.stream)) {
            wait_in(*l, f, payload);
            return cut_later;
        }
    }
    const std::size_t head = head_size(f) + f.metadata.size();
    const std::size_t size = head + payload.data.size();
    if (payload.data.size() <= copy_limit) {
        std::byte* p = open_frame(size, size);
        store(store(write_head(p, f), f.metadata), payload.data);
        ring_[(head_ + count_ - 1) & (ring_.size() - 1)].frame_end = true;
    } else if (size <= large_limit || !may_be_cut(f.type)) {
        std::byte* p = open_frame(size, head);
        store(write_head(p, f), f.metadata);
        storage* s = take_payload(payload);
        put_reference(s, payload.data);
        unref(s);
    } else {
        lanes_.push_back(std::make_unique<lane>());
        lanes_.back()->stream = f.stream;
        wait_in(*lanes_.back(), f, payload);
        return cut_later;
    }
    return plain_end_ = consumed_ + committed_;
}

void output_queue::add_raw(bytes_view frame_bytes) {
    put_small(frame_bytes);
    plain_end_ = consumed_ + committed_;
}

output_queue::lane* output_queue::find_lane(std::uint32_t stream) noexcept {
    for (auto& l : lanes_)
        if (l->stream == stream) return l.get();
    return nullptr;
}

void output_queue::wait_in(lane& l, const frame& f, outgoing& payload) {
    const std::size_t size = head_size(f) + f.metadata.size() + payload.data.size();
    if (payload.data.size() <= copy_limit && !l.messages.empty()) {
        base::byte_buffer& after = l.messages.back().after;
        std::byte* p =
            store_be24(after.extend(prefix_size + size), static_cast<std::uint32_t>(size));
        store(store(write_head(p, f), f.metadata), payload.data);
        waiting_ += prefix_size + size;
        return;
    }
    message& m = l.messages.emplace_back();
    m.head = f;
    m.metadata.append(f.metadata);
    m.head.metadata = m.metadata.view();
    m.head.data = {};
    m.owner = take_payload(payload);
    m.rest = payload.data;
    waiting_ += m.metadata.size() + m.rest.size();
}

/// Moves one frame of the lane whose turn it is to the end of the line.
void output_queue::cut_next() {
    if (turn_ >= std::min(lanes_.size(), lanes_at_once)) turn_ = 0;
    const std::size_t index = turn_++;
    message& m = lanes_[index]->messages.front();
    const bool others = lanes_.size() > 1 || plain_end_ > consumed_;
    const std::size_t limit =
        may_be_cut(m.head.type) ? (others ? large_limit : fragment_limit) : max_frame_size;
    frame f = m.head;
    if (m.begun) {
        f.type = frame_type::payload;
        f.flags = flag::next;
        f.has_metadata = false;
        f.metadata = {};
    }
    const std::size_t head = head_size(f) + f.metadata.size();
    const std::size_t room = head < limit ? limit - head : 0;
    const std::size_t part = std::min(m.rest.size(), room);
    const bool last = part == m.rest.size();
    f.flags = static_cast<std::uint16_t>(f.flags & ~(flag::follows | flag::complete));
    if (!last) f.flags |= flag::follows;
    else f.flags |= m.head.flags & flag::complete;
    store(write_head(open_frame(head + part, head), f), f.metadata);
    if (part != 0) put_reference(m.owner, m.rest.first(part));
    else ring_[(head_ + count_ - 1) & (ring_.size() - 1)].frame_end = true;
    waiting_ -= part + f.metadata.size();
    m.rest = m.rest.subspan(part);
    m.begun = true;
    if (last) finish_front(index);
}

/// The first message of a lane has been cut to its end: brings on what waited behind it.
void output_queue::finish_front(std::size_t index) {
    lane& l = *lanes_[index];
    message done = std::move(l.messages.front());
    l.messages.pop_front();
    unref(std::exchange(done.owner, nullptr));
    bytes_view after = done.after.view();
    waiting_ -= after.size();
    while (!after.empty()) {
        const std::size_t size = load_be24(after.data());
        put_small(after.subspan(prefix_size, size));
        after = after.subspan(prefix_size + size);
    }
    if (!l.messages.empty()) return;
    lanes_.erase(lanes_.begin() + static_cast<std::ptrdiff_t>(index));
    if (turn_ > index) --turn_;
}

void output_queue::forget_message(message& m) noexcept {
    waiting_ -= (m.begun ? 0 : m.metadata.size()) + m.rest.size() + m.after.size();
    unref(m.owner);
}

output_queue::dropped output_queue::drop_lane(std::uint32_t stream, bool* begun) noexcept {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        lane& l = *lanes_[i];
        if (l.stream != stream) continue;
        *begun = l.messages.front().begun;
        const bool request = is_request(l.messages.front().head.type);
        for (message& m : l.messages) forget_message(m);
        lanes_.erase(lanes_.begin() + static_cast<std::ptrdiff_t>(i));
        if (turn_ > i) --turn_;
        return request ? dropped::request : dropped::rest;
    }
    return dropped::nothing;
}

void output_queue::drop_all() noexcept {
    bool begun = false;
    while (!lanes_.empty()) drop(lanes_.back()->stream, &begun);
}

/// Copies `part` if it was lent and lies in `memory`.
bool output_queue::own(storage*& owner, bytes_view& part, bytes_view memory) {
    const std::less<const std::byte*> before;
    if (!owner->is_lent || before(part.data(), memory.data()) ||
        !before(part.data(), memory.data() + memory.size()))
        return false;
    storage* const s = take_storage();
    s->bytes.append(part);
    part = s->bytes.view();
    unref(std::exchange(owner, s));
    return true;
}

void output_queue::take_back(bytes_view memory) noexcept {
    if (shut_) return;
    try {
        for (std::size_t i = 0; i < count_; ++i) {
            chunk& c = ring_[(head_ + i) & (ring_.size() - 1)];
            bytes_view part(c.data, c.size);
            if (own(c.owner, part, memory)) c.data = part.data();
        }
        for (auto& l : lanes_)
            for (message& m : l->messages) own(m.owner, m.rest, memory);
    } catch (const std::bad_alloc&) {
        shut();
    }
}

std::size_t output_queue::gather(std::span<segment> to) {
    if (shut_) return 0;
    while (!lanes_.empty() && committed_ < fragment_limit) cut_next();
    std::size_t n = 0;
    std::uint64_t size = 0;
    for (; n < count_ && n < to.size(); ++n) {
        const chunk& c = ring_[(head_ + n) & (ring_.size() - 1)];
        to[n] = {c.data, c.size};
        size += c.size;
        if (framing_ == framing::messages && c.frame_end) {
            ++n;
            break;
        }
    }
    gathered_ = std::max(gathered_, consumed_ + size);
    return n;
}

void output_queue::consume(std::size_t n) noexcept {
    committed_ -= n;
    consumed_ += n;
    while (n != 0) {
        chunk& c = ring_[head_ & (ring_.size() - 1)];
        if (n < c.size) {
            c.data += n;
            c.size -= n;
            return;
        }
        n -= c.size;
        unref(c.owner);
        ++head_;
        --count_;
    }
    if (count_ != 0) {
        head_ &= ring_.size() - 1;
        return;
    }
    head_ = 0;  // so that one frame after the other uses the same cache line
    if (block_ == nullptr || block_->refs != 1) return;
    block_used_ = 0;
    if (block_->bytes.size() > block_size) {
        unref(block_);
        block_ = nullptr;
    }
}

bool output_queue::may_have_left(std::uint64_t mark, std::uint32_t stream) const noexcept {
    return mark == cut_later ? !waits(stream) : gathered_ >= mark;
}

bool output_queue::waits(std::uint32_t stream) const noexcept {
    for (const auto& l : lanes_)
        if (l->stream == stream) return is_request(l->messages.front().head.type);
    return false;
}

std::size_t output_queue::release_if_empty() noexcept {
    if (committed_ + waiting_ != 0) return 0;
    std::size_t n = ring_.size() * sizeof(chunk);
    if (block_ != nullptr) n += block_->bytes.capacity();
    if (block_ != nullptr) unref(block_);
    block_ = nullptr;
    while (free_ != nullptr) delete std::exchange(free_, free_->next_free);
    ring_ = std::vector<chunk>();
    lanes_ = std::vector<std::unique_ptr<lane>>();
    head_ = count_ = 0;
    return n;
}

}  // namespace tenon::inline v0::wire
