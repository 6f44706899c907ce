#include "base/buffer.hpp"

#include <array>
#include <bit>
#include <cstdlib>
#include <limits>
#include <new>

#include "base/large_storage.hpp"

// Blocks of 256 B to 256 KiB, in powers of two, are kept per thread for reuse; for larger ones see
// large_storage.hpp. Each size keeps at most 256 KiB or two blocks, so a thread holds at most 3 MiB.
// A block freed by another thread joins that thread's cache.

namespace tenon::inline v0::base {
namespace {

constexpr std::size_t smallest = 256;
constexpr std::size_t largest = std::size_t{256} << 10;
constexpr std::size_t kept_per_class = std::size_t{256} << 10;
constexpr std::size_t classes = std::bit_width(largest / smallest);

struct free_block {
    free_block* next;
};
struct free_list {
    free_block* head;
    std::size_t count;
};

// Trivially destructible, so it stays usable while other thread-local objects are destroyed.
struct cache {
    std::array<free_list, classes> lists;
    bool registered;
    bool closed;
};
constinit thread_local cache local{};

// Frees the thread's blocks at its end; from then on the cache stays empty.
struct closer {
    ~closer() {
        local.closed = true;
        for (free_list& list : local.lists)
            while (free_block* block = list.head) {
                list.head = block->next;
                std::free(block);
            }
    }
    void touch() noexcept {}
};
thread_local closer at_thread_end;

// Of a capacity between smallest and largest.
std::size_t class_of(std::size_t capacity) {
    return static_cast<std::size_t>(std::bit_width(capacity / smallest / 2));
}

std::byte* take(std::size_t capacity) {
    if (capacity > largest) return take_large(capacity);
    free_list& list = local.lists[class_of(capacity)];
    if (free_block* block = list.head) {
        list.head = block->next;
        --list.count;
        return reinterpret_cast<std::byte*>(block);
    }
    // malloc aligns to 8 only where pointers have 32 bits.
    void* fresh = std::aligned_alloc(byte_buffer::alignment, capacity);
    if (fresh == nullptr) throw std::bad_alloc();
    return static_cast<std::byte*>(fresh);
}

void give(std::byte* data, std::size_t capacity) noexcept {
    if (capacity > largest) return give_large(data, capacity);
    if (!local.closed) {
        free_list& list = local.lists[class_of(capacity)];
        if (list.count < 2 || (list.count + 1) * capacity <= kept_per_class) {
            if (!local.registered) {
                at_thread_end.touch();
                local.registered = true;
            }
            list.head = ::new (data) free_block{list.head};
            ++list.count;
            return;
        }
    }
    std::free(data);
}

std::size_t capacity_for(std::size_t n) {
    if (n <= smallest) return smallest;
    if (n > std::numeric_limits<std::size_t>::max() / 2) throw std::bad_alloc();
    return n <= largest ? std::bit_ceil(n) : large_capacity(n);
}

}  // namespace

void byte_buffer::give_back() noexcept {
    give(data_, capacity_);
    data_ = nullptr;
    size_ = capacity_ = 0;
}

void byte_buffer::grow(std::size_t at_least) {
    if (at_least < size_) throw std::bad_alloc();  // size_ + n overflowed
    const std::size_t capacity = capacity_for(at_least);
    if (capacity_ > largest) {
        data_ = grow_large(data_, size_, capacity_, capacity);
        capacity_ = capacity;
        return;
    }
    std::byte* data = take(capacity);
    if (size_ != 0) std::memcpy(data, data_, size_);
    if (data_ != nullptr) give(data_, capacity_);
    data_ = data;
    capacity_ = capacity;
}

}  // namespace tenon::inline v0::base
