#include "base/buffer.hpp"

#include <gtest/gtest.h>

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
        EXPECT_EQ(large.capacity(), std::size_t{4} << 20);
        large.resize(large.capacity());
        large.data()[large.size() - 1] = std::byte{1};
    }
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
