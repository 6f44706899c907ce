#include "base/buffer.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace {

using tenon::base::byte_buffer;

TEST(byte_buffer, grows_by_size_classes_and_keeps_its_content) {
    byte_buffer b;
    EXPECT_EQ(b.data(), nullptr);
    std::string expected;
    for (int i = 0; i < 100'000; ++i) {
        const char c = static_cast<char>(i * 7);
        b.append(&c, 1);
        expected += c;
    }
    EXPECT_EQ(tenon::as_text(b.view()), expected);
    EXPECT_EQ(b.capacity(), std::size_t{131072});

    byte_buffer tiny(1);
    EXPECT_EQ(tiny.capacity(), 256u);
    tiny.resize(257);
    EXPECT_EQ(tiny.capacity(), 512u);
}

TEST(byte_buffer, reuses_storage_of_the_same_class) {
    const std::byte* first = nullptr;
    {
        byte_buffer b(5000);
        first = b.data();
    }
    byte_buffer smaller(300);
    EXPECT_NE(smaller.data(), first);
    byte_buffer again(8000);
    EXPECT_EQ(again.data(), first);
}

TEST(byte_buffer, moves_and_resets) {
    byte_buffer a(10);
    a.append("abc", 3);
    byte_buffer b(std::move(a));
    EXPECT_EQ(a.data(), nullptr);
    EXPECT_EQ(a.size(), 0u);
    a = std::move(b);
    EXPECT_EQ(tenon::as_text(a.view()), "abc");
    a.clear();
    EXPECT_EQ(a.capacity(), 256u);
    a.reset();
    EXPECT_EQ(a.capacity(), 0u);
    a.append("d", 1);
    EXPECT_EQ(tenon::as_text(a.view()), "d");
}

TEST(byte_buffer, large_blocks_and_many_blocks_are_returned) {
    for (int round = 0; round < 3; ++round) {
        std::vector<byte_buffer> many;
        for (int i = 0; i < 3000; ++i) many.emplace_back(256u << (i % 8));
        byte_buffer large(std::size_t{3} << 20);
        EXPECT_EQ(large.capacity(), (std::size_t{4} << 20) + 65536);
        large.resize(large.capacity());
        large.data()[large.size() - 1] = std::byte{1};
    }
}

TEST(byte_buffer, a_large_one_has_room_for_what_goes_in_front_of_a_round_size) {
    for (std::size_t size = std::size_t{512} << 10; size <= std::size_t{64} << 20; size *= 2) {
        EXPECT_EQ(byte_buffer(size + 60'000).capacity(), size + 65536);
        EXPECT_EQ(byte_buffer(size + 65'537).capacity(), 2 * size + 65536);
    }
}

TEST(byte_buffer, storage_is_aligned_as_messages_are) {
    const auto is_aligned = [](const byte_buffer& b) {
        return reinterpret_cast<std::uintptr_t>(b.data()) % byte_buffer::alignment == 0;
    };
    for (std::size_t size = 1; size <= std::size_t{4} << 20; size *= 2) {
        std::vector<byte_buffer> several;  // not only the first of a page, nor only used ones
        for (int i = 0; i < 5; ++i) {
            several.emplace_back(size);
            EXPECT_TRUE(is_aligned(several.back())) << size;
        }
        several[0].resize(2 * size);
        EXPECT_TRUE(is_aligned(several[0])) << size;
    }
}

TEST(byte_buffer, keeps_its_content_while_it_grows_large) {
    byte_buffer b;
    for (std::size_t i = 0; b.size() < std::size_t{10} << 20; ++i) {
        const std::uint64_t words[512] = {i};
        b.append(words, sizeof words);
    }
    for (std::size_t i = 0; i * 4096 < b.size(); ++i) {
        std::uint64_t word;
        std::memcpy(&word, b.data() + i * 4096, sizeof word);
        ASSERT_EQ(word, i);
    }
}

#if !defined(__SANITIZE_ADDRESS__)
TEST(byte_buffer, another_thread_reuses_large_storage) {
    byte_buffer b(std::size_t{3} << 20);
    const std::byte* const at = b.data();
    const std::byte* again = nullptr;
    std::thread([moved = std::move(b)]() mutable { moved.reset(); }).join();
    byte_buffer other(std::size_t{3} << 20);
    again = other.data();
    EXPECT_EQ(again, at);
}
#endif

TEST(byte_buffer, large_storage_that_is_not_used_goes_back_to_the_system) {
    const auto mapped = [] {
        long pages = 0;
        std::FILE* f = std::fopen("/proc/self/statm", "r");
        EXPECT_EQ(std::fscanf(f, "%ld", &pages), 1);
        std::fclose(f);
        return pages * 4096;
    };
#if !defined(__SANITIZE_ADDRESS__)
    // qemu-user tells of the emulator's own memory, which does not shrink.
    {
        constexpr std::size_t size = std::size_t{20} << 20;
        void* const at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT_NE(at, MAP_FAILED);
        const long with = mapped();
        ::munmap(at, size);
        if (mapped() > with - static_cast<long>(size))
            GTEST_SKIP() << "here /proc/self/statm does not tell what munmap() gives back";
    }
#endif
    byte_buffer(std::size_t{20} << 20).resize(1);
    const long before = mapped();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    tenon::base::trim_large_storage();
#if defined(__SANITIZE_ADDRESS__)
    EXPECT_LE(mapped(), before);
#else
    EXPECT_LE(mapped(), before - (long{20} << 20));
#endif
}

TEST(byte_buffer, refuses_impossible_sizes) {
    byte_buffer b;
    b.append("x", 1);
    EXPECT_THROW(b.reserve(SIZE_MAX), std::bad_alloc);
    EXPECT_THROW(b.extend(SIZE_MAX), std::bad_alloc);
    EXPECT_EQ(tenon::as_text(b.view()), "x");
}

TEST(byte_buffer, may_be_released_on_another_thread) {
    std::vector<byte_buffer> made;
    for (int i = 0; i < 100; ++i) made.emplace_back(1000);
    std::thread([moved = std::move(made)]() mutable { moved.clear(); }).join();
}

// Constructed before the cache's own thread-local objects, hence destroyed after them.
struct late {
    byte_buffer held;
    ~late() {
        held.reset();
        byte_buffer fresh(4096);
        fresh.resize(4096);
    }
};
thread_local late outlives_the_cache;

TEST(byte_buffer, works_after_the_thread_cache_is_gone) {
    std::thread([] {
        outlives_the_cache.held.reserve(600);
        byte_buffer(700).reset();
    }).join();
}

}  // namespace
