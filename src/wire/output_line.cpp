#include "wire/output_line.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "wire/endian.hpp"

namespace tenon::inline v0::wire {
namespace {

constexpr std::size_t block_size = storage_pool::block_size;
// The first one; enough for a small answer now and then, as on most of very many connections.
constexpr std::size_t first_block_size = 512;

std::byte* store(std::byte* p, bytes_view b) noexcept {
    if (!b.empty()) std::memcpy(p, b.data(), b.size());
    return p + b.size();
}

}  // namespace

// --- storage_pool ---

output_storage* storage_pool::take() {
    output_storage* s = free_;
    if (s != nullptr) free_ = s->next_free;
    else s = new output_storage;
    s->refs = 1;
    return s;
}

output_storage* storage_pool::take(outgoing& payload) {
    output_storage* s = take();
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

output_storage* storage_pool::take_block(std::size_t size) {
    if (spare_ != nullptr && size <= block_size) {
        output_storage* const s = std::exchange(spare_, spare_->next_free);
        --spare_count_;
        s->refs = 1;
        return s;
    }
    base::byte_buffer bytes;
    bytes.resize(size);
    output_storage* const s = take();
    s->bytes = std::move(bytes);
    return s;
}

void storage_pool::give_back(output_storage* s) noexcept {
    if (s->bytes.size() == block_size && s->bytes.capacity() == block_size &&
        spare_count_ != most_spare) {
        s->next_free = std::exchange(spare_, s);
        ++spare_count_;
        return;
    }
    s->bytes.reset();
    s->block.reset();
    s->is_lent = false;
    s->next_free = free_;
    free_ = s;
}

bool storage_pool::own(output_storage*& owner, bytes_view& part, bytes_view memory) {
    const std::less<const std::byte*> before;
    if (!owner->is_lent || before(part.data(), memory.data()) ||
        !before(part.data(), memory.data() + memory.size()))
        return false;
    output_storage* const s = take();
    s->bytes.append(part);
    part = s->bytes.view();
    unref(std::exchange(owner, s));
    return true;
}

std::size_t storage_pool::release() noexcept {
    while (free_ != nullptr) delete std::exchange(free_, free_->next_free);
    while (spare_ != nullptr) delete std::exchange(spare_, spare_->next_free);
    return std::exchange(spare_count_, 0) * block_size;
}

// --- output_line ---

output_line::~output_line() {
    for (; count_ != 0; --count_) pool_.unref(ring_[head_++ & (ring_.size() - 1)].owner);
    if (block_ != nullptr) pool_.unref(block_);
}

// Inline: once for every frame.
[[gnu::always_inline]] inline void output_line::push(const chunk& c) {
    if (count_ == ring_.size()) {
        std::vector<chunk> bigger(std::max<std::size_t>(8, ring_.size() * 2));
        for (std::size_t i = 0; i < count_; ++i)
            bigger[i] = ring_[(head_ + i) & (ring_.size() - 1)];
        ring_.swap(bigger);
        head_ = 0;
    }
    ring_[(head_ + count_++) & (ring_.size() - 1)] = c;
}

void output_line::new_block(std::size_t size) {
    const std::size_t usual = block_ == nullptr ? first_block_size : block_size;
    if (block_ != nullptr) pool_.unref(block_);
    block_ = nullptr;
    block_ = pool_.take_block(std::max(usual, size));
    block_used_ = 0;
}

/// Room for `size` bytes at the end of the line.
std::byte* output_line::small(std::size_t size, bool ends_frame) {
    if (block_ == nullptr || block_->bytes.size() - block_used_ < size) new_block(size);
    std::byte* at = block_->bytes.data() + block_used_;
    chunk* before = count_ == 0 ? nullptr : &last();
    if (before != nullptr && before->owner == block_ && before->data + before->size == at &&
        !(framing_ == framing::messages && before->frame_end)) {
        before->size += size;
        before->frame_end = ends_frame;
    } else {
        push({at, size, block_, ends_frame});
        ++block_->refs;
    }
    block_used_ += size;
    bytes_ += size;
    return at;
}

void output_line::add(bytes_view frame_bytes) {
    store(open(frame_bytes.size(), frame_bytes.size()), frame_bytes);
}

void output_line::add_reference(const frame& f, outgoing& payload) {
    output_storage* s = pool_.take(payload);
    add(f, s, payload.data);
    pool_.unref(s);
}

void output_line::add(const frame& f, output_storage* payload, bytes_view part) {
    const std::size_t head = head_size(f) + f.metadata.size();
    store(write_head(open(head + part.size(), head), f), f.metadata);
    if (part.empty()) return;
    push({part.data(), part.size(), payload, true});
    ++payload->refs;
    bytes_ += part.size();
}

/// The line is empty.
inline void output_line::reuse_block() noexcept {
    head_ = 0;  // so that one frame after the other uses the same cache line
    if (block_ == nullptr || block_->refs != 1) return;
    block_used_ = 0;
    if (block_->bytes.size() > block_size) {
        pool_.unref(block_);
        block_ = nullptr;
    }
}

std::size_t output_line::move_to(output_line& to, std::size_t quota) {
    std::size_t moved = 0;
    bool whole = true;
    while (count_ != 0 && (!whole || moved == 0 || moved + (*this)[0].size <= quota)) {
        const chunk& c = (*this)[0];
        to.push(c);  // and the reference with it
        moved += c.size;
        whole = c.frame_end;
        ++head_;
        --count_;
    }
    to.bytes_ += moved;
    bytes_ -= moved;
    if (count_ == 0) reuse_block();
    else head_ &= ring_.size() - 1;
    return moved;
}

void output_line::move_front(output_line& to, std::size_t n) {
    chunk& c = ring_[head_ & (ring_.size() - 1)];
    const bool all = n == c.size;
    const bool ends = all && c.frame_end;
    chunk* before = to.count_ == 0 ? nullptr : &to.last();
    if (before != nullptr && before->owner == c.owner && before->data + before->size == c.data &&
        !(framing_ == framing::messages && before->frame_end)) {
        before->size += n;
        before->frame_end = ends;
        if (all) pool_.unref(c.owner);
    } else {
        to.push({c.data, n, c.owner, ends});
        if (!all) ++c.owner->refs;
    }
    to.bytes_ += n;
    bytes_ -= n;
    if (!all) {
        c.data += n;
        c.size -= n;
        return;
    }
    ++head_;
    if (--count_ == 0) reuse_block();
    else head_ &= ring_.size() - 1;
}

void output_line::put_in_front(output_line& front) {
    for (; count_ != 0; --count_) {
        front.push((*this)[0]);
        ++head_;
    }
    ring_.swap(front.ring_);
    head_ = std::exchange(front.head_, 0);
    count_ = std::exchange(front.count_, 0);
    bytes_ += std::exchange(front.bytes_, 0);
}

void output_line::consume(std::size_t n) noexcept {
    bytes_ -= n;
    while (n != 0) {
        chunk& c = ring_[head_ & (ring_.size() - 1)];
        if (n < c.size) {
            c.data += n;
            c.size -= n;
            return;
        }
        n -= c.size;
        pool_.unref(c.owner);
        ++head_;
        --count_;
    }
    if (count_ == 0) reuse_block();
    else head_ &= ring_.size() - 1;
}

void output_line::take_back(bytes_view memory) {
    for (std::size_t i = 0; i < count_; ++i) {
        chunk& c = ring_[(head_ + i) & (ring_.size() - 1)];
        bytes_view part(c.data, c.size);
        if (pool_.own(c.owner, part, memory)) c.data = part.data();
    }
}

std::size_t output_line::release_if_empty() noexcept {
    if (count_ != 0) return 0;
    std::size_t n = ring_.size() * sizeof(chunk);
    if (block_ != nullptr) {
        // Else the pool has it now, and counts it.
        if (block_->bytes.capacity() != block_size) n += block_->bytes.capacity();
        pool_.unref(block_);
    }
    block_ = nullptr;
    ring_ = std::vector<chunk>();
    head_ = 0;
    return n;
}

}  // namespace tenon::inline v0::wire
