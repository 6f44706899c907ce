#include "base/large_storage.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>

#include "base/buffer.hpp"
#include "base/mutex.hpp"

namespace tenon::inline v0::base {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t extra = std::size_t{64} << 10;
constexpr std::size_t smallest = std::size_t{512} << 10;
constexpr std::size_t most_kept = std::size_t{36} << 20;
constexpr std::size_t most_blocks = 128;
constexpr auto in_use_a_moment_ago = std::chrono::milliseconds(250);

// From here on huge pages, where the kernel has them: giving 64 MiB back in small ones takes 6 ms,
// for which a connection would stand still. Of smaller storage the unused part of the last page
// would be too much.
constexpr std::size_t wants_huge_pages = std::size_t{16} << 20;
constexpr std::size_t huge_page = std::size_t{2} << 20;

/// Of the mapping: the kernel aligns it to huge pages if it is so many of them long.
constexpr std::size_t length_of(std::size_t size) {
    return size < wants_huge_pages ? size : (size + huge_page - 1) / huge_page * huge_page;
}

#if defined(__SANITIZE_ADDRESS__)
// From malloc, which the sanitizer watches.
std::byte* map(std::size_t size) { return static_cast<std::byte*>(std::malloc(size)); }
void unmap(std::byte* data, std::size_t) noexcept { std::free(data); }
std::byte* remap(std::byte* data, std::size_t, std::size_t new_size) {
    return static_cast<std::byte*>(std::realloc(data, new_size));
}
constexpr bool keeps = false;  // what is used after it was given back is found
#else
std::byte* checked(void* p, std::size_t size) {
    if (p == MAP_FAILED) return nullptr;
    if (size >= wants_huge_pages) (void)::madvise(p, length_of(size), MADV_HUGEPAGE);
    return static_cast<std::byte*>(p);
}
std::byte* map(std::size_t size) {
    return checked(::mmap(nullptr, length_of(size), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
                   size);
}
void unmap(std::byte* data, std::size_t size) noexcept { ::munmap(data, length_of(size)); }
#if defined(__SANITIZE_THREAD__)
// Which does not see what mremap() does, and so takes the memory for that of whoever had it before.
std::byte* remap(std::byte* data, std::size_t size, std::size_t new_size) {
    std::byte* const moved = map(new_size);
    if (moved == nullptr) return nullptr;
    std::memcpy(moved, data, std::min(size, new_size));
    unmap(data, size);
    return moved;
}
#else
std::byte* remap(std::byte* data, std::size_t size, std::size_t new_size) {
    return checked(::mremap(data, length_of(size), length_of(new_size), MREMAP_MAYMOVE), new_size);
}
#endif
constexpr bool keeps = true;
#endif

std::byte* checked_new(std::byte* data) {
    if (data == nullptr) throw std::bad_alloc();
    return data;
}

struct block {
    std::byte* data;
    std::size_t capacity;
    clock::time_point since;
};

/// What is kept, the longest unused first. Thread-safe.
class store {
public:
    std::byte* take(std::size_t capacity) noexcept {
        const std::lock_guard lock(mutex_);
        for (std::size_t i = count_; i-- != 0;) {  // the last one used is the warmest
            if (blocks_[i].capacity != capacity) continue;
            std::byte* const data = blocks_[i].data;
            remove(i);
            return data;
        }
        return nullptr;
    }

    void give(std::byte* data, std::size_t capacity) noexcept {
        const std::size_t length = length_of(capacity);
        if (length > most_kept) return unmap(data, capacity);
        const auto now = clock::now();
        const std::lock_guard lock(mutex_);
        while (count_ == most_blocks || kept_ + length > most_kept) drop_first();
        blocks_[count_++] = {data, capacity, now};
        kept_ += length;
    }

    void trim(clock::time_point before) noexcept {
        const std::lock_guard lock(mutex_);
        while (count_ != 0 && blocks_[0].since < before) drop_first();
    }

private:
    void remove(std::size_t i) noexcept {
        kept_ -= length_of(blocks_[i].capacity);
        --count_;
        for (; i < count_; ++i) blocks_[i] = blocks_[i + 1];
    }
    void drop_first() noexcept {
        const block b = blocks_[0];
        remove(0);
        unmap(b.data, b.capacity);
    }

    base::mutex mutex_;
    std::array<block, most_blocks> blocks_{};
    std::size_t count_ = 0;
    std::size_t kept_ = 0;
};
constinit store kept;

}  // namespace

std::size_t large_capacity(std::size_t n) {
    if (n <= smallest + extra) return smallest + extra;
    if (n > std::numeric_limits<std::size_t>::max() / 4) throw std::bad_alloc();
    return std::bit_ceil(n - extra) + extra;
}

std::byte* take_large(std::size_t capacity) {
    if (std::byte* const data = kept.take(capacity)) return data;
    return checked_new(map(capacity));
}

void give_large(std::byte* data, std::size_t capacity) noexcept {
    if (keeps) kept.give(data, capacity);
    else unmap(data, capacity);
}

std::byte* grow_large(std::byte* data, std::size_t size, std::size_t capacity,
                      std::size_t new_capacity) {
    std::byte* const used = kept.take(new_capacity);
    if (used == nullptr) return checked_new(remap(data, capacity, new_capacity));
    std::memcpy(used, data, size);
    give_large(data, capacity);
    return used;
}

void trim_large_storage() noexcept { kept.trim(clock::now() - in_use_a_moment_ago); }

}  // namespace tenon::inline v0::base
