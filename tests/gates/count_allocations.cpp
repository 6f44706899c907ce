#include "count_allocations.hpp"

#include <cerrno>
#include <cstddef>

// glibc's own names of what is replaced below.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* p, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace gates {
namespace {

std::atomic<std::uint64_t> before_main{0};
std::atomic<std::uint64_t>* counter = &before_main;

void count() noexcept { counter->fetch_add(1, std::memory_order_relaxed); }

}  // namespace

void count_allocations_in(std::atomic<std::uint64_t>& c) noexcept { counter = &c; }

}  // namespace gates

extern "C" {

void* malloc(std::size_t size) {
    gates::count();
    return __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) {
    gates::count();
    return __libc_calloc(count, size);
}

void* realloc(void* p, std::size_t size) {
    gates::count();
    return __libc_realloc(p, size);
}

void* memalign(std::size_t alignment, std::size_t size) {
    gates::count();
    return __libc_memalign(alignment, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
    gates::count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void** to, std::size_t alignment, std::size_t size) {
    gates::count();
    *to = __libc_memalign(alignment, size);
    return *to ? 0 : ENOMEM;
}

}  // extern "C"
