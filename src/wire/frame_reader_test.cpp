#include "wire/frame_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "wire/test_support.hpp"

namespace tenon::inline v0::wire {
namespace {

using test::pattern;

void feed(frame_reader& r, bytes_view b) {
    while (!b.empty()) {
        const auto room = r.space();
        ASSERT_FALSE(room.empty());
        const std::size_t n = std::min(room.size(), b.size());
        std::memcpy(room.data(), b.data(), n);
        r.commit(n);
        b = b.subspan(n);
    }
}

void put(bytes& to, bytes_view frame_bytes) {
    std::byte prefix[3];
    store_be24(prefix, static_cast<std::uint32_t>(frame_bytes.size()));
    to.insert(to.end(), prefix, prefix + 3);
    to.insert(to.end(), frame_bytes.begin(), frame_bytes.end());
}

TEST(frame_reader, cuts_what_came_together) {
    bytes stream;
    put(stream, pattern(6));
    put(stream, pattern(10, 3));
    frame_reader r;
    EXPECT_FALSE(r.next());
    EXPECT_GE(r.space().size(), 64u * 1024);
    feed(r, stream);
    const auto first = r.next();
    const auto second = r.next();
    ASSERT_TRUE(first && second);
    EXPECT_TRUE(std::ranges::equal(*first, pattern(6)));
    EXPECT_TRUE(std::ranges::equal(*second, pattern(10, 3)));
    EXPECT_FALSE(r.next());
}

TEST(frame_reader, random_cuts) {
    const auto seed = std::random_device()();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<bytes> frames;
    bytes stream;
    for (int i = 0; i < 300; ++i) {
        std::size_t size = 6 + random() % 100;
        if (i % 50 == 7) size = 6 + random() % 900'000;
        frames.push_back(pattern(size, static_cast<unsigned>(i)));
        put(stream, frames.back());
    }
    frame_reader r;
    std::size_t got = 0;
    for (std::size_t at = 0; at < stream.size();) {
        const auto room = r.space();
        ASSERT_FALSE(room.empty());
        std::size_t n =
            std::min({room.size(), stream.size() - at, std::size_t{1} + random() % 70'000});
        if (random() % 4 == 0) n = std::min<std::size_t>(n, 1 + random() % 5);
        std::memcpy(room.data(), stream.data() + at, n);
        r.commit(n);
        at += n;
        while (const auto f = r.next()) {
            ASSERT_LT(got, frames.size());
            ASSERT_TRUE(std::ranges::equal(*f, frames[got])) << got;
            ++got;
        }
        if (random() % 10 == 0) r.release_if_empty();
    }
    EXPECT_EQ(got, frames.size());
    EXPECT_EQ(r.unfinished(), 0u);
    EXPECT_TRUE(r.error().empty());
}

TEST(frame_reader, announced_length_alone_costs_no_memory) {
    frame_reader r;
    const bytes head = test::hex("ff ff ff 00");
    feed(r, head);
    EXPECT_FALSE(r.next());
    EXPECT_EQ(r.missing(), 3u + 0xffffff - 4);
    EXPECT_LT(r.space().size(), 1024u * 1024);
}

TEST(frame_reader, large_frame_gets_its_room_at_once) {
    frame_reader r;
    bytes stream;
    put(stream, pattern(256 * 1024));
    feed(r, bytes_view(stream).first(1000));
    EXPECT_FALSE(r.next());
    EXPECT_GE(r.space().size(), stream.size() - 1000);
    feed(r, bytes_view(stream).subspan(1000));
    EXPECT_EQ(r.next()->size(), 256u * 1024);
}

TEST(frame_reader, refuses_bad_lengths) {
    frame_reader r(1000);
    feed(r, test::hex("00 03 e9"));
    EXPECT_FALSE(r.next());
    EXPECT_EQ(r.error(), "frame too long");
    frame_reader s;
    feed(s, test::hex("00 00 05 00 00 00 00 00"));
    EXPECT_FALSE(s.next());
    EXPECT_EQ(s.error(), "frame shorter than its header");
    EXPECT_FALSE(s.next());
    EXPECT_FALSE(s.space().empty());
}

/// A request with metadata and `size` bytes of data, in one frame.
bytes long_request(std::size_t size, std::uint16_t flags = 0) {
    frame f;
    f.type = frame_type::request_response;
    f.stream = 5;
    f.flags = flags;
    f.has_metadata = true;
    f.metadata = as_bytes("meta");
    bytes out(head_size(f) + f.metadata.size());
    std::memcpy(write_head(out.data(), f), f.metadata.data(), f.metadata.size());
    const bytes data = pattern(size);
    out.insert(out.end(), data.begin(), data.end());
    return out;
}

TEST(frame_reader, a_long_frame_is_given_out_in_parts) {
    frame_reader r;
    bytes stream;
    put(stream, long_request(300'000));
    put(stream, pattern(6));
    feed(r, bytes_view(stream).first(8));
    EXPECT_FALSE(r.next());
    EXPECT_FALSE(r.next_part());  // its head is not here
    feed(r, bytes_view(stream).subspan(8, 2));
    EXPECT_FALSE(r.next());
    EXPECT_FALSE(r.next_part());
    feed(r, bytes_view(stream).subspan(10, 990));
    EXPECT_FALSE(r.next());
    const auto first = r.next_part();
    ASSERT_TRUE(first);
    EXPECT_EQ(to_string(*first).substr(0, 19), "REQUEST_RESPONSE #5");
    EXPECT_TRUE(first->has(flag::follows));
    EXPECT_EQ(as_text(first->metadata), "meta");
    bytes data(first->data.begin(), first->data.end());
    EXPECT_EQ(r.part_missing(), 300'000 - data.size());
    EXPECT_EQ(r.part_stream(), 5u);
    EXPECT_NE(r.unfinished(), 0u);

    // Some of it goes elsewhere, some through the reader, and the next frame comes with the end.
    std::size_t at = 1000;
    data.insert(data.end(), stream.begin() + 1000, stream.begin() + 200'000);
    r.skip(199'000);
    at = 200'000;
    feed(r, bytes_view(stream).subspan(at, 50'000));
    EXPECT_EQ(r.part_missing(), 0u);
    EXPECT_FALSE(r.next());
    const auto middle = r.next_part();
    ASSERT_TRUE(middle);
    EXPECT_EQ(middle->type, frame_type::payload);
    EXPECT_TRUE(middle->has(flag::follows) && middle->has(flag::next));
    data.insert(data.end(), middle->data.begin(), middle->data.end());
    EXPECT_FALSE(r.next_part());
    feed(r, bytes_view(stream).subspan(at + 50'000));
    EXPECT_FALSE(r.next());
    const auto last = r.next_part();
    ASSERT_TRUE(last);
    EXPECT_FALSE(last->has(flag::follows) || last->has(flag::complete));
    data.insert(data.end(), last->data.begin(), last->data.end());
    EXPECT_TRUE(data == pattern(300'000));
    const auto next = r.next();
    ASSERT_TRUE(next);
    EXPECT_TRUE(std::ranges::equal(*next, pattern(6)));
    EXPECT_EQ(r.unfinished(), 0u);
}

TEST(frame_reader, a_long_frame_whose_rest_was_read_elsewhere_ends_with_an_empty_part) {
    frame_reader r;
    bytes stream;
    put(stream, long_request(300'000, flag::follows));
    feed(r, bytes_view(stream).first(1000));
    EXPECT_FALSE(r.next());
    ASSERT_TRUE(r.next_part());
    r.skip(r.part_missing());
    EXPECT_NE(r.unfinished(), 0u);
    const auto last = r.next_part();
    ASSERT_TRUE(last);
    EXPECT_TRUE(last->data.empty());
    EXPECT_TRUE(last->has(flag::follows));  // as the frame said
    EXPECT_EQ(r.unfinished(), 0u);
    EXPECT_FALSE(r.next_part());
}

TEST(frame_reader, only_messages_are_given_out_in_parts) {
    for (const char* head : {"04 93 e0 00 00 00 00 0c 00", "04 93 e0 00 00 00 05 ff 00"}) {
        frame_reader r;
        feed(r, test::hex(head));
        feed(r, pattern(1000));
        EXPECT_FALSE(r.next());
        EXPECT_FALSE(r.next_part());
        EXPECT_TRUE(r.error().empty());
    }
}

TEST(frame_reader, detached_storage_keeps_views) {
    frame_reader r;
    bytes stream;
    put(stream, pattern(50, 1));
    put(stream, pattern(60, 2));
    put(stream, pattern(70, 3));
    feed(r, bytes_view(stream).first(stream.size() - 5));
    const auto first = r.next();
    ASSERT_TRUE(first);
    const base::byte_buffer kept = r.detach();
    const auto second = r.next();
    ASSERT_TRUE(second);
    EXPECT_TRUE(std::ranges::equal(*second, pattern(60, 2)));
    feed(r, bytes_view(stream).last(5));
    const auto third = r.next();
    ASSERT_TRUE(third);
    EXPECT_TRUE(std::ranges::equal(*third, pattern(70, 3)));
    EXPECT_TRUE(std::ranges::equal(*first, pattern(50, 1)));
    r.release_if_empty();
    const base::byte_buffer none = r.detach();
    EXPECT_EQ(none.size(), 0u);
}

}  // namespace
}  // namespace tenon::inline v0::wire
