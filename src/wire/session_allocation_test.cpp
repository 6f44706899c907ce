// Counts operator new: after warm-up calls and streams must not allocate, on either side.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "wire/frame_reader.hpp"
#include "wire/metadata.hpp"
#include "wire/session.hpp"

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

namespace tenon::inline v0::wire {
namespace {

struct side {
    side(role r, time_point now) : s(r, {}, now) {}

    template <class F>
    void take_from(side& other, F&& handle) {
        segment segments[8];
        while (const std::size_t n = other.s.out().gather(segments)) {
            std::size_t size = 0;
            for (std::size_t i = 0; i < n; ++i) {
                const auto room = reader.space();
                ASSERT_GE(room.size(), segments[i].size);
                std::memcpy(room.data(), segments[i].data, segments[i].size);
                reader.commit(segments[i].size);
                size += segments[i].size;
            }
            other.s.out().consume(size);
        }
        while (const auto b = reader.next()) {
            const auto f = parse_frame(*b);
            ASSERT_TRUE(f);
            handle(s.receive(*f, time_point{}));
        }
    }

    session s;
    frame_reader reader;
};

TEST(session_allocation, none_in_steady_state) {
    side client(role::client, {}), server(role::server, {});
    ASSERT_TRUE(client.s.setup("m/m", "d/d"));
    base::byte_buffer metadata;
    put_route(metadata, "demo/math.plus");
    const std::array<std::byte, 100> argument{};
    const std::array<std::byte, 6000> result{};
    const auto answer = [&](const event& e) {
        if (e.kind == event_kind::request && e.request == request_kind::response) {
            server.s.respond(e.stream, outgoing(result));
        } else if (e.kind == event_kind::request) {
            server.s.send(e.stream, outgoing(argument));
            server.s.send(e.stream, outgoing(argument), {}, true);
        }
    };
    int ended = 0;
    long before = 0;
    for (int round = 0; round < 200; ++round) {
        if (round == 20) before = allocations;
        for (int i = 0; i < 30; ++i) {
            const auto kind = i % 3 == 0 ? request_kind::stream : request_kind::response;
            ASSERT_TRUE(client.s.request(kind, metadata.view(), outgoing(argument), &client, 2));
        }
        server.take_from(client, answer);
        client.take_from(server, [&](const event& e) { ended += e.ended ? 1 : 0; });
    }
    EXPECT_EQ(allocations - before, 0);
    EXPECT_EQ(ended, 200 * 30);
}

}  // namespace
}  // namespace tenon::inline v0::wire
