// Data of long messages that is read straight to its place.

#include <gtest/gtest.h>

#include <cstring>

#include "wire/session.hpp"
#include "wire/test_support.hpp"

namespace tenon::inline v0::wire {
namespace {

using namespace std::chrono_literals;
using test::pattern;
using test::said;

const time_point start{1000s};

struct serving {
    explicit serving(session_options o = {}) : s(role::server, with(o, budget), start) {
        session client(role::client, {}, start);
        EXPECT_TRUE(client.setup("m/m", "d/d"));
        const auto frames = test::frames_of(client.out());
        EXPECT_EQ(s.receive(*parse_frame(frames[0]), start).kind, event_kind::setup);
    }
    static session_options with(session_options o, byte_budget& budget) {
        o.shared_reassembly = &budget;
        return o;
    }
    event give(frame_type type, std::uint16_t flags, bytes_view data, bytes_view metadata = {}) {
        frame f;
        f.type = type;
        f.stream = 1;
        f.flags = flags;
        f.has_metadata = !metadata.empty();
        f.metadata = metadata;
        f.data = data;
        return s.receive(f, start);
    }
    event begin(std::size_t size = 3) {
        return give(frame_type::request_response, flag::follows, bytes(size, std::byte{'a'}),
                    as_bytes("meta"));
    }
    std::size_t counted() const { return budget.used.load(); }

    byte_budget budget{std::size_t{512} << 20};
    session s;
};

void fill(session::room& r, bytes_view from) {
    std::memcpy(r.span().data(), from.data(), from.size());
}

TEST(rooms, what_is_read_there_belongs_to_the_message) {
    serving v;
    v.begin();
    const bytes data = pattern(2'000'000);
    for (std::size_t at = 0; at < data.size();) {
        session::room r = v.s.take_room(1, data.size() - at);
        ASSERT_NE(r.n, 0u);
        const std::size_t n = std::min<std::size_t>(r.n, 300'000);
        fill(r, bytes_view(data).subspan(at, n));
        v.s.put_room(std::move(r), n);
        at += n;
        EXPECT_EQ(v.counted(), 7 + at);
    }
    const event e = v.give(frame_type::payload, flag::next, {});
    ASSERT_EQ(e.kind, event_kind::request);
    EXPECT_EQ(as_text(e.metadata), "meta");
    ASSERT_EQ(e.data.size(), 3 + data.size());
    EXPECT_TRUE(std::ranges::equal(e.data.subspan(3), data));
    EXPECT_EQ(v.counted(), 0u);
}

TEST(rooms, small_ones_are_as_large_as_they_say) {
    serving v;
    v.begin(1);
    for (std::size_t size = 1; size <= 70'000; size = size * 3 + 1) {
        session::room r = v.s.take_room(1, size);
        ASSERT_EQ(r.n, size);
        ASSERT_GE(r.bytes.capacity(), r.bytes.size() + size);
        fill(r, pattern(size));
        v.s.put_room(std::move(r), size);
    }
}

TEST(rooms, only_unfinished_messages_have_one) {
    serving v;
    EXPECT_EQ(v.s.take_room(1, 100).n, 0u);
    v.give(frame_type::request_response, 0, as_bytes("whole"));
    EXPECT_EQ(v.s.take_room(1, 100).n, 0u);
    EXPECT_EQ(v.counted(), 0u);
}

TEST(rooms, no_message_gets_longer_than_it_may_there) {
    session_options o;
    o.message_limit = 10'000;
    o.reassembly_limit = 20'000;
    serving v(o);
    v.begin();
    session::room r = v.s.take_room(1, 9'993);
    EXPECT_EQ(r.n, 9'993u);
    v.s.put_room(std::move(r), 0);
    EXPECT_EQ(v.counted(), 7u);
    EXPECT_EQ(v.s.take_room(1, 9'994).n, 0u);
    EXPECT_EQ(v.counted(), 7u);
    v.budget.used += v.budget.limit - 1000;
    EXPECT_EQ(v.s.take_room(1, 5'000).n, 0u);
    v.budget.used -= v.budget.limit - 1000;
    EXPECT_EQ(v.give(frame_type::payload, flag::next, bytes(9'994)).kind, event_kind::none);
    EXPECT_EQ(said(v.s.out()), "ERROR #1 code=516 data=16 message too long");
    EXPECT_EQ(v.counted(), 0u);
}

TEST(rooms, a_message_may_end_while_its_room_is_out) {
    serving v;
    v.begin();
    session::room r = v.s.take_room(1, 50'000);
    EXPECT_EQ(v.counted(), 50'007u);
    v.give(frame_type::cancel, 0, {});
    EXPECT_EQ(v.counted(), 0u);
    fill(r, pattern(50'000));
    v.s.put_room(std::move(r), 50'000);
    EXPECT_EQ(v.counted(), 0u);

    // The same id, but another stream.
    v.begin();
    r = v.s.take_room(1, 50'000);
    v.give(frame_type::cancel, 0, {});
    v.begin(5);
    v.s.put_room(std::move(r), 50'000);
    EXPECT_EQ(v.counted(), 9u);
    const event e = v.give(frame_type::payload, flag::next, {});
    EXPECT_EQ(e.data.size(), 5u);
    v.s.respond(e.stream, outgoing());

    v.begin();
    r = v.s.take_room(1, 50'000);
    v.s.expire(start + 60s);
    EXPECT_EQ(v.s.peer_streams(), 0u);
    v.s.put_room(std::move(r), 10);
    EXPECT_EQ(v.counted(), 0u);
}

}  // namespace
}  // namespace tenon::inline v0::wire
