#include "wire/output.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "wire/test_support.hpp"

namespace tenon::inline v0::wire {
namespace {

using test::frames_of;
using test::pattern;
using test::said;
using test::write_some;
using dropped = output_queue::dropped;

frame payload(std::uint32_t stream, std::uint16_t flags = flag::next | flag::complete) {
    frame f;
    f.type = frame_type::payload;
    f.stream = stream;
    f.flags = flags;
    return f;
}

frame request(std::uint32_t stream) {
    frame f;
    f.type = frame_type::request_response;
    f.stream = stream;
    return f;
}

TEST(output, small_frames_share_one_segment) {
    output_queue q;
    const bytes data = pattern(10);
    for (std::uint32_t i = 1; i <= 3; ++i) q.add(payload(i), outgoing(data));
    segment s[4];
    EXPECT_EQ(q.gather(s), 1u);
    EXPECT_EQ(s[0].size, 3u * (3 + 6 + 10));
    EXPECT_EQ(q.pending(), s[0].size);
    EXPECT_EQ(said(q), "PAYLOAD #1 CN data=10; PAYLOAD #2 CN data=10; PAYLOAD #3 CN data=10");
    EXPECT_TRUE(q.empty());
    EXPECT_EQ(q.gather(s), 0u);
}

TEST(output, owned_payload_is_not_copied) {
    output_queue q;
    base::byte_buffer b;
    b.append(pattern(10'000));
    const std::byte* at = b.data();
    q.add(payload(1), outgoing(b.view().subspan(100), &b));
    segment s[4];
    ASSERT_EQ(q.gather(s), 2u);
    EXPECT_EQ(s[1].data, at + 100);
    EXPECT_EQ(s[1].size, 9900u);
    EXPECT_EQ(said(q), "PAYLOAD #1 CN data=9900");
}

/// Counts how many still hold it.
class counted_block final : public base::block {
public:
    explicit counted_block(std::span<std::byte> room) : block(memory::own, room) {}
    bool is_free = false;

private:
    void dispose() noexcept override { is_free = true; }
};

TEST(output, a_block_is_held_until_it_is_written) {
    for (const std::size_t size : {std::size_t{10'000}, std::size_t{500'000}}) {
        output_queue q;
        bytes room = pattern(size);
        counted_block b(room);
        q.add(payload(1), outgoing(room, &b));
        b.release();
        EXPECT_FALSE(b.is_free);
        segment s[4];
        ASSERT_EQ(q.gather(s), 2u);
        EXPECT_EQ(s[1].data, room.data());
        (void)frames_of(q);
        EXPECT_TRUE(b.is_free);
    }
}

TEST(output, a_dropped_message_gives_its_block_back) {
    output_queue q;
    bytes room = pattern(500'000);
    counted_block b(room);
    q.add(request(1), outgoing(room, &b));
    b.release();
    bool begun = true;
    EXPECT_EQ(q.drop(1, &begun), dropped::request);
    EXPECT_TRUE(b.is_free);
}

TEST(output, lent_memory_is_not_copied_unless_it_is_taken_back) {
    output_queue q;
    bytes lent = pattern(10'000);
    const bytes other = pattern(10'000, 5);
    q.add(payload(1), outgoing::lend(lent));
    q.add(payload(3), outgoing::lend(other));
    segment s[4];
    ASSERT_EQ(q.gather(s), 4u);
    EXPECT_EQ(s[1].data, lent.data());
    q.consume(5000);
    q.take_back(lent);
    std::ranges::fill(lent, std::byte{0xee});
    ASSERT_EQ(q.gather(s), 3u);
    EXPECT_EQ(s[2].data, other.data());
    const bytes expected = pattern(10'000);
    const bytes rest(s[0].data, s[0].data + s[0].size);
    EXPECT_TRUE(rest ==
                bytes(expected.end() - static_cast<std::ptrdiff_t>(rest.size()), expected.end()));
    q.consume(rest.size());
    EXPECT_EQ(said(q), "PAYLOAD #3 CN data=10000");
}

TEST(output, what_is_left_of_a_long_lent_message_is_copied_when_it_is_taken_back) {
    output_queue q;
    bytes lent = pattern(700'000);
    q.add(request(1), outgoing::lend(lent));
    bytes all = write_some(q, 100'000);
    q.take_back(lent);
    std::ranges::fill(lent, std::byte{0xee});
    for (bytes more; !(more = write_some(q)).empty();)
        all.insert(all.end(), more.begin(), more.end());
    bytes data;
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t size = load_be24(all.data() + at);
        const auto f = parse_frame(bytes_view(all).subspan(at + 3, size));
        ASSERT_TRUE(f);
        data.insert(data.end(), f->data.begin(), f->data.end());
        at += 3 + size;
    }
    EXPECT_TRUE(data == pattern(700'000));
}

TEST(output, a_cancelled_message_leaves_nothing_of_lent_memory) {
    output_queue q;
    bytes lent = pattern(700'000);
    q.add(request(1), outgoing::lend(lent));
    (void)write_some(q, 1000);
    bool begun = false;
    EXPECT_EQ(q.drop(1, &begun), dropped::request);
    EXPECT_TRUE(begun);
    q.take_back(lent);
    segment s[8];
    const std::size_t n = q.gather(s);
    for (std::size_t i = 0; i < n; ++i)
        EXPECT_FALSE(s[i].data >= lent.data() && s[i].data < lent.data() + lent.size());
}

TEST(output, borrowed_payload_is_copied_once) {
    output_queue q;
    {
        bytes b = pattern(10'000);
        q.add(payload(1), outgoing(b));
        std::ranges::fill(b, std::byte{0});
    }
    const auto frames = frames_of(q);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_TRUE(std::ranges::equal(parse_frame(frames[0])->data, pattern(10'000)));
}

TEST(output, segments_stay_valid_while_frames_are_added) {
    output_queue q;
    q.add(payload(1), outgoing(pattern(100, 1)));
    q.add(payload(3), outgoing(pattern(9000, 2)));
    segment s[4];
    const std::size_t n = q.gather(s);
    ASSERT_EQ(n, 2u);
    bytes before;
    for (std::size_t i = 0; i < n; ++i)
        before.insert(before.end(), s[i].data, s[i].data + s[i].size);
    for (std::uint32_t i = 0; i < 500; ++i) q.add(payload(5 + 2 * i), outgoing(pattern(200)));
    bytes after;
    for (std::size_t i = 0; i < n; ++i) after.insert(after.end(), s[i].data, s[i].data + s[i].size);
    EXPECT_EQ(before, after);
    q.consume(before.size());
    EXPECT_EQ(frames_of(q).size(), 500u);
}

TEST(output, alone_a_large_message_goes_in_256_kib_frames) {
    output_queue q;
    frame f = request(1);
    f.has_metadata = true;
    const bytes metadata = pattern(20);
    f.metadata = metadata;
    const bytes data = pattern(600 * 1024);
    q.add(f, outgoing(data));
    const auto frames = frames_of(q);
    ASSERT_EQ(frames.size(), 3u);
    EXPECT_EQ(frames[0].size(), 256u * 1024);
    EXPECT_EQ(frames[1].size(), 256u * 1024);
    EXPECT_EQ(to_string(*parse_frame(frames[0])), "REQUEST_RESPONSE #1 MF metadata=20 data=262115");
    EXPECT_EQ(to_string(*parse_frame(frames[1])), "PAYLOAD #1 FN data=262138");
    EXPECT_EQ(to_string(*parse_frame(frames[2])), "PAYLOAD #1 N data=90147");
    bytes all;
    for (const bytes& b : frames) {
        const auto p = parse_frame(b);
        all.insert(all.end(), p->data.begin(), p->data.end());
    }
    EXPECT_EQ(all, data);
}

TEST(output, complete_goes_with_the_last_fragment) {
    output_queue q;
    q.add(payload(2), outgoing(pattern(300 * 1024)));
    const auto frames = frames_of(q);
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(to_string(*parse_frame(frames[0])), "PAYLOAD #2 FN data=262138");
    EXPECT_EQ(to_string(*parse_frame(frames[1])), "PAYLOAD #2 CN data=45062");
}

TEST(output, large_messages_take_turns_and_small_ones_pass) {
    output_queue q;
    q.add(payload(1), outgoing(pattern(700 * 1024)));
    q.add(payload(3), outgoing(pattern(700 * 1024)));
    std::vector<std::uint32_t> order;
    bool added = false;
    bytes all;
    while (true) {
        const bytes part = write_some(q, 100'000);
        if (part.empty()) break;
        all.insert(all.end(), part.begin(), part.end());
        if (!added) q.add(payload(5), outgoing(pattern(10)));
        added = true;
    }
    for (std::size_t at = 0; at < all.size(); at += 3 + load_be24(all.data() + at)) {
        const auto f = parse_frame(bytes_view(all).subspan(at + 3, load_be24(all.data() + at)));
        ASSERT_TRUE(f);
        EXPECT_LE(f->data.size(), 64u * 1024);
        order.push_back(f->stream);
    }
    ASSERT_GE(order.size(), 10u);
    EXPECT_LE(std::ranges::find(order, 5u) - order.begin(), 2);
    std::erase(order, 5u);
    EXPECT_EQ(order[0], 1u);
    EXPECT_EQ(order[1], 3u);
    EXPECT_EQ(order[2], 1u);
}

TEST(output, frames_of_one_stream_do_not_overtake) {
    output_queue q;
    frame n;
    n.type = frame_type::request_n;
    n.stream = 1;
    n.n = 7;
    q.add(payload(1, flag::next), outgoing(pattern(100 * 1024)));
    q.add(n);
    q.add(payload(1, flag::next), outgoing(pattern(5)));
    q.add(payload(1, flag::next), outgoing(pattern(5000)));
    q.add(payload(1, flag::complete));
    q.add(payload(3), outgoing(pattern(6)));
    EXPECT_EQ(said(q),
              "REQUEST_N #1 n=7; PAYLOAD #3 CN data=6; PAYLOAD #1 FN data=65530; "
              "PAYLOAD #1 N data=36870; PAYLOAD #1 N data=5; PAYLOAD #1 N data=5000; "
              "PAYLOAD #1 C");
    EXPECT_TRUE(q.empty());
}

TEST(output, drop_before_and_after_the_first_fragment) {
    output_queue q;
    bool begun = true;
    EXPECT_EQ(q.drop(1, &begun), dropped::nothing);
    const std::uint64_t mark = q.add(request(1), outgoing(pattern(100 * 1024)));
    EXPECT_FALSE(q.may_have_left(mark, 1));
    EXPECT_EQ(q.drop(1, &begun), dropped::request);
    EXPECT_FALSE(begun);
    EXPECT_TRUE(q.empty());

    q.add(payload(1, flag::next), outgoing(pattern(100 * 1024)));
    q.add(payload(1, flag::complete));
    EXPECT_EQ(q.drop(1, &begun), dropped::rest);
    EXPECT_TRUE(q.empty());

    const std::uint64_t again = q.add(request(1), outgoing(pattern(1000 * 1024)));
    write_some(q, 10);
    EXPECT_FALSE(q.may_have_left(again, 1));
    segment s[8];
    const std::size_t n = q.gather(s);
    EXPECT_EQ(q.drop(1, &begun), dropped::request);
    EXPECT_TRUE(begun);
    bytes rest;  // what was given out stays readable
    for (std::size_t i = 0; i < n; ++i) rest.insert(rest.end(), s[i].data, s[i].data + s[i].size);
    q.consume(rest.size());
    EXPECT_TRUE(q.empty());
}

TEST(output, tells_what_may_have_left) {
    output_queue q;
    const std::uint64_t first = q.add(request(1), outgoing(pattern(10)));
    segment s[4];
    EXPECT_FALSE(q.may_have_left(first, 1));
    q.gather(s);
    const std::uint64_t second = q.add(request(3), outgoing(pattern(10)));
    EXPECT_TRUE(q.may_have_left(first, 1));
    EXPECT_FALSE(q.may_have_left(second, 3));
    q.shut();
    EXPECT_EQ(q.gather(s), 0u);
    EXPECT_TRUE(q.empty());
}

TEST(output, message_framing_gives_one_frame_at_a_time) {
    output_queue q(framing::messages);
    q.add(payload(1), outgoing(pattern(10)));
    q.add(payload(3), outgoing(pattern(10'000)));
    q.add(payload(5), outgoing(pattern(100 * 1024)));
    q.add(payload(7), outgoing(pattern(10)));
    q.add(payload(5), outgoing(pattern(20)));
    std::string order;
    for (bytes b = write_some(q); !b.empty(); b = write_some(q)) {
        const auto f = parse_frame(b);
        ASSERT_TRUE(f);
        order.append(to_string(*f)).append("; ");
    }
    EXPECT_EQ(order,
              "PAYLOAD #1 CN data=10; PAYLOAD #3 CN data=10000; PAYLOAD #7 CN data=10; "
              "PAYLOAD #5 FN data=65530; PAYLOAD #5 CN data=36870; PAYLOAD #5 CN data=20; ");
}

TEST(output, random_traffic_keeps_every_stream_in_order) {
    const auto seed = std::random_device()();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    output_queue q;
    std::map<std::uint32_t, bytes> sent, got;
    bytes stream;
    const auto write = [&] {
        const bytes b = write_some(q, 1 + random() % 300'000);
        stream.insert(stream.end(), b.begin(), b.end());
        return !b.empty();
    };
    for (unsigned i = 0; i < 400; ++i) {
        const std::uint32_t id = 1 + 2 * (random() % 9);
        const std::size_t size = random() % 8 == 0 ? random() % 700'000 : random() % 6'000;
        const bytes data = pattern(size, i);
        sent[id].insert(sent[id].end(), data.begin(), data.end());
        base::byte_buffer own;
        own.append(data);
        if (random() % 2) q.add(payload(id, flag::next), outgoing(own.view(), &own));
        else q.add(payload(id, flag::next), outgoing(data));
        if (random() % 3 == 0) write();
        if (random() % 50 == 0) q.release_if_empty();
    }
    while (write()) {}
    EXPECT_TRUE(q.empty());
    for (std::size_t at = 0; at < stream.size();) {
        const std::size_t size = load_be24(stream.data() + at);
        const auto f = parse_frame(bytes_view(stream).subspan(at + 3, size));
        ASSERT_TRUE(f);
        got[f->stream].insert(got[f->stream].end(), f->data.begin(), f->data.end());
        at += 3 + size;
    }
    EXPECT_EQ(sent, got);
}

}  // namespace
}  // namespace tenon::inline v0::wire
