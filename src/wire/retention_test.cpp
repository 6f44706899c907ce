#include "wire/retention.hpp"

#include <gtest/gtest.h>

#include "wire/test_support.hpp"

namespace tenon::inline v0::wire {
namespace {

bytes frame_bytes(frame_type type, std::uint32_t stream, std::size_t data, bool prefix = true) {
    const bytes content(data);
    frame f;
    f.type = type;
    f.stream = stream;
    f.n = 1;
    f.data = content;
    if (type == frame_type::request_n) f.data = {};
    if (type == frame_type::metadata_push) {
        f.has_metadata = true;
        f.metadata = content;
        f.data = {};
    }
    base::byte_buffer b;
    append_frame(b, f, prefix);
    return bytes(b.view().begin(), b.view().end());
}

void write(retention& r, const bytes& b) { r.wrote(b.data(), b.size(), true); }

TEST(retention, counts_frames_of_streams_without_their_prefix) {
    retention r(framing::stream, 1000);
    write(r, frame_bytes(frame_type::request_response, 1, 4));
    EXPECT_EQ(r.sent(), 10u);
    EXPECT_EQ(r.bytes(), 13u);
    write(r, frame_bytes(frame_type::request_n, 1, 0));
    EXPECT_EQ(r.sent(), 20u);
    write(r, frame_bytes(frame_type::ext, 1, 5));
    write(r, frame_bytes(frame_type::metadata_push, 0, 5));
    EXPECT_EQ(r.sent(), 20u);
    write(r, frame_bytes(frame_type::cancel, 1, 0));
    EXPECT_EQ(r.sent(), 26u);
    write(r, frame_bytes(frame_type::error, 2, 1));
    EXPECT_EQ(r.sent(), 37u);
    EXPECT_EQ(r.first(), 0u);
}

TEST(retention, finds_frames_in_parts_of_any_size) {
    bytes all;
    for (std::uint32_t i = 0; i < 40; ++i) {
        const bytes b = frame_bytes(i % 5 == 0 ? frame_type::ext : frame_type::payload, 1, i);
        all.insert(all.end(), b.begin(), b.end());
    }
    retention whole(framing::stream, 1 << 20);
    write(whole, all);
    for (std::size_t step = 1; step < 30; ++step) {
        retention r(framing::stream, 1 << 20);
        for (std::size_t at = 0; at < all.size(); at += step)
            r.wrote(all.data() + at, std::min(step, all.size() - at), false);
        EXPECT_EQ(r.sent(), whole.sent());
        EXPECT_EQ(r.unfinished(), 0u);
    }
}

TEST(retention, messages_end_where_they_are_said_to) {
    retention r(framing::messages, 1000);
    const bytes b = frame_bytes(frame_type::payload, 1, 20, false);
    r.wrote(b.data(), 10, false);
    EXPECT_NE(r.unfinished(), 0u);
    r.wrote(b.data() + 10, b.size() - 10, true);
    EXPECT_EQ(r.unfinished(), 0u);
    EXPECT_EQ(r.sent(), 26u);
    std::size_t dropped = 99;
    EXPECT_FALSE(r.rewind(10, dropped));
    EXPECT_TRUE(r.rewind(26, dropped));
    EXPECT_EQ(dropped, 26u);
}

TEST(retention, drops_whole_frames_that_were_acknowledged) {
    retention r(framing::stream, 1000);
    for (int i = 0; i < 4; ++i) write(r, frame_bytes(frame_type::payload, 1, 4));
    r.acknowledge(19);  // in the middle of the second
    EXPECT_TRUE(r.may_drop());
    EXPECT_EQ(r.drop(), 13u);
    EXPECT_EQ(r.first(), 10u);
    r.acknowledge(5);
    EXPECT_EQ(r.drop(), 0u);
    r.acknowledge(40);
    EXPECT_EQ(r.drop(), 39u);
    EXPECT_EQ(r.bytes(), 0u);
    EXPECT_FALSE(r.may_drop());
}

TEST(retention, keeps_what_has_no_position_until_something_behind_it_arrived) {
    retention r(framing::stream, 1000);
    write(r, frame_bytes(frame_type::payload, 1, 4));
    write(r, frame_bytes(frame_type::metadata_push, 0, 4));
    write(r, frame_bytes(frame_type::payload, 1, 4));
    r.acknowledge(10);
    EXPECT_EQ(r.drop(), 13u);
    EXPECT_EQ(r.bytes(), 26u);
    r.acknowledge(20);
    EXPECT_EQ(r.drop(), 26u);
}

TEST(retention, a_peer_that_acknowledges_holds_back_and_is_asked) {
    retention r(framing::stream, 1000);
    r.expect_acknowledgements();
    int asked = 0;
    int written = 0;
    while (!r.holds_back()) {
        write(r, frame_bytes(frame_type::payload, 1, 83));  // 92 with prefix, 100 with its record
        asked += r.asks() ? 1 : 0;
        ++written;
    }
    EXPECT_EQ(written, 10);
    EXPECT_EQ(asked, 2);  // beyond a half, and a quarter later
    EXPECT_EQ(r.drop(), 0u);
    r.acknowledge(89);
    EXPECT_EQ(r.drop(), 92u);
    EXPECT_FALSE(r.holds_back());
}

TEST(retention, a_frame_that_has_begun_is_not_held_back) {
    retention r(framing::stream, 50);
    r.expect_acknowledgements();
    const bytes b = frame_bytes(frame_type::payload, 1, 200);
    r.wrote(b.data(), 100, false);
    EXPECT_TRUE(r.full());
    EXPECT_FALSE(r.holds_back());
    r.wrote(b.data() + 100, b.size() - 100, false);
    EXPECT_TRUE(r.holds_back());
}

TEST(retention, of_a_peer_that_never_acknowledges_the_oldest_are_dropped) {
    retention r(framing::stream, 1000);
    for (int i = 0; i < 50; ++i) {
        write(r, frame_bytes(frame_type::payload, 1, 83));
        EXPECT_FALSE(r.holds_back());
        r.drop();
        EXPECT_LT(r.bytes(), 1000u);
    }
    EXPECT_EQ(r.sent(), 50u * 89);
    EXPECT_EQ(r.first(), 41u * 89);
    std::size_t dropped = 0;
    EXPECT_FALSE(r.rewind(40u * 89, dropped));
    EXPECT_TRUE(r.rewind(41u * 89, dropped));
    EXPECT_EQ(dropped, 0u);
}

TEST(retention, advisory_frames_make_room_first) {
    retention r(framing::stream, 1000);
    r.expect_acknowledgements();
    for (int i = 0; i < 20; ++i) {
        write(r, frame_bytes(frame_type::metadata_push, 0, 83));
        if (r.may_drop()) r.drop();
    }
    EXPECT_FALSE(r.holds_back());
}

TEST(retention, rewinds_to_where_the_peer_is_and_nowhere_else) {
    retention r(framing::stream, 1000);
    for (int i = 0; i < 3; ++i) write(r, frame_bytes(frame_type::payload, 1, 4));
    const bytes b = frame_bytes(frame_type::payload, 1, 4);
    r.wrote(b.data(), 5, false);  // cut in the middle
    std::size_t dropped = 0;
    for (const std::uint64_t position : {5u, 29u, 31u, 40u})
        EXPECT_FALSE(r.rewind(position, dropped));
    EXPECT_TRUE(r.rewind(20, dropped));
    EXPECT_EQ(dropped, 26u);
    EXPECT_EQ(r.first(), 20u);
    EXPECT_EQ(r.sent(), 20u);
    EXPECT_EQ(r.bytes(), 0u);
    EXPECT_EQ(r.unfinished(), 0u);
    write(r, b);  // once more from the start of a frame
    EXPECT_EQ(r.sent(), 30u);
    EXPECT_FALSE(r.rewind(10, dropped));
}

TEST(retention, keeps_nothing_that_nobody_will_ask_for) {
    for (const bool acknowledging : {false, true}) {
        retention r(framing::stream, 1000);
        if (acknowledging) r.expect_acknowledgements();
        for (int i = 0; i < 10; ++i) write(r, frame_bytes(frame_type::payload, 1, 40));
        r.finish_writing();
        EXPECT_FALSE(r.holds_back());
        EXPECT_TRUE(r.may_drop());
        const std::size_t kept = r.bytes();
        EXPECT_EQ(r.drop(), kept);
        for (int i = 0; i < 100; ++i) {
            write(r, frame_bytes(frame_type::payload, 1, 40));
            r.drop();
            EXPECT_EQ(r.bytes(), 0u);
        }
    }
}

TEST(retention, owes_an_acknowledgement_for_each_quarter) {
    retention r(framing::stream, 1000);
    r.received(249);
    EXPECT_FALSE(r.owes());
    r.received(1);
    EXPECT_TRUE(r.owes());
    EXPECT_EQ(r.tell(), 250u);
    EXPECT_FALSE(r.owes());
}

}  // namespace
}  // namespace tenon::inline v0::wire
