// The fast paths allocate nothing once buffers are warm. Counts operator new of the whole program;
// byte_buffer takes its storage from malloc but keeps it.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "codec/codec.hpp"
#include "codec/test_types.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
}  // namespace

// NOLINTBEGIN(misc-new-delete-overloads)
void* operator new(std::size_t n) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* p = std::malloc(n == 0 ? 1 : n)) return p;
    throw std::bad_alloc();
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
    allocations.fetch_add(1, std::memory_order_relaxed);
    return std::malloc(n == 0 ? 1 : n);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
// NOLINTEND(misc-new-delete-overloads)

namespace {

using tenon::codec;
using tenon::shape_of;
using tenon::coding::parameter;

template <class Function>
std::size_t allocations_of(Function f) {
    f();
    const std::size_t before = allocations.load();
    for (int i = 0; i < 100; ++i) f();
    return allocations.load() - before;
}

TEST(allocations, none_for_an_argument_list) {
    const std::vector<parameter> parameters{{"a", &shape_of<std::int64_t>()},
                                            {"b", &shape_of<std::int64_t>()}};
    const std::int64_t a = 123456789012;
    const std::int64_t b = -5;
    const void* from[] = {&a, &b};
    for (const codec c : {codec::msgpack, codec::json}) {
        tenon::base::byte_buffer out;
        std::int64_t x = 0;
        std::int64_t y = 0;
        void* to[] = {&x, &y};
        EXPECT_EQ(
            allocations_of([&] {
                out.clear();
                ASSERT_TRUE(tenon::coding::encode_arguments(c, parameters, from, out));
                ASSERT_TRUE(tenon::coding::decode_arguments(c, parameters, to, out.view(), {}));
            }),
            0u);
        EXPECT_EQ(x, a);
        EXPECT_EQ(y, b);
    }
}

TEST(allocations, none_for_a_small_struct) {
    const sample::item in{"short", 1.5, 7, sample::side::sell};
    for (const codec c : {codec::msgpack, codec::json}) {
        tenon::base::byte_buffer out;
        sample::item back;
        EXPECT_EQ(
            allocations_of([&] {
                out.clear();
                ASSERT_TRUE(tenon::coding::encode_object(c, shape_of<sample::item>(), &in, out));
                ASSERT_TRUE(tenon::coding::decode_object(c, shape_of<sample::item>(), &back,
                                                         out.view(), {}));
            }),
            0u);
        EXPECT_EQ(back, in);
    }
}

}  // namespace
