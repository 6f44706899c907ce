// Counts operator new: a log that has had its size allocates nothing for another record.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>

#include "journal/file_log.hpp"
#include "journal/memory_log.hpp"
#include "journal/test_support.hpp"

namespace {

std::atomic<long> allocations{0};

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* p = std::malloc(size)) return p;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace tenon::inline v0::journal {
namespace {

/// Allocations of 10,000 records, appended, posted and read, after as many before.
long count(record_log& log) {
    const std::string text(100, 'x');
    cursor c = log.read(1);
    std::uint64_t n = 0;
    bool wrong = false;
    const auto work = [&] {
        for (const auto end = n + 10'000; n < end; ++n) {
            const entry e{as_bytes(text), 1, {session(n % 7), n / 7 + 1}};
            if (n % 8 == 0 ? !log.append_once(e) : !log.post_once(e)) wrong = true;
            while (c.next() == cursor::step::record) {}
        }
    };
    work();
    const long before = allocations;
    work();
    const long after = allocations;
    EXPECT_FALSE(wrong);
    EXPECT_EQ(c.at() >> 3, log.next() >> 3);
    return after - before;
}

TEST(Allocations, MemoryLog) {
    memory_log log({.max_bytes = 200'000});
    EXPECT_EQ(count(log), 0);
}

TEST(Allocations, FileLog) {
    const temporary_directory dir;
    const auto log = *file_log::open(dir.log(), {.own_thread = false});
    EXPECT_LT(count(*log), 100) << "marks of the segment, one for each 64 KiB";
}

}  // namespace
}  // namespace tenon::inline v0::journal
