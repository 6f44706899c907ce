#include "journal/record.hpp"

#include <gtest/gtest.h>

#include <string>

#include "journal/sessions.hpp"
#include "journal/test_support.hpp"

namespace tenon::inline v0::journal {
namespace {

bytes stored(const record& r, std::uint64_t unsettled, std::uint32_t seed) {
    bytes b(stored_size(r.data.size(), r.tag.number != 0), std::byte{0xee});
    put_record(b.data(), r);
    seal_record(b.data(), unsettled, seed);
    return b;
}

std::string hex(bytes_view b) {
    std::string out;
    for (const std::byte x : b) {
        char two[3];
        std::snprintf(two, sizeof two, "%02x", std::to_integer<unsigned>(x));
        out += two;
    }
    return out;
}

TEST(Record, HasTheBytesThatAreDocumented) {
    // The checksum was computed by another program: python3 -c 'import zlib; zlib.crc32(…)'.
    EXPECT_EQ(hex(stored({7, 0x0102030405060708, {}, as_bytes("hello")}, 2, 0)),
              "7b787ead"
              "05000000"
              "0700000000000000"
              "0807060504030201"
              "02000000"
              "0000"
              "544a"
              "68656c6c6f000000");
}

TEST(Record, ComesBackAsItWas) {
    const std::string long_text(1000, 'x');
    for (const std::string_view text : {std::string_view(), std::string_view("a"),
                                        std::string_view("12345678"), std::string_view(long_text)})
        for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{77}}) {
            const record r{
                123, -5, {number != 0 ? session(3) : session_id{}, number}, as_bytes(text)};
            const bytes b = stored(r, 3, 99);
            const record_check check = check_record(b, 99);
            EXPECT_EQ(check.state, record_state::whole);
            EXPECT_EQ(check.size, b.size());
            EXPECT_EQ(stored_size_at(b.data()), b.size());
            const record read = view_record(b.data());
            EXPECT_EQ(read.at, r.at);
            EXPECT_EQ(read.time, r.time);
            EXPECT_EQ(read.tag, r.tag);
            EXPECT_EQ(as_text(read.data), text);
            EXPECT_FALSE(is_closed_mark(b.data()));
            EXPECT_EQ(settled_before(b.data()), 120U);
        }
}

TEST(Record, AnyChangedBitIsNoticed) {
    bytes b = stored({5, 6, {session(1), 9}, as_bytes("some data")}, 0, 42);
    for (std::size_t i = 0; i < b.size() * 8; ++i) {
        b[i / 8] ^= static_cast<std::byte>(1 << (i % 8));
        EXPECT_NE(check_record(b, 42).state, record_state::whole) << "bit " << i;
        b[i / 8] ^= static_cast<std::byte>(1 << (i % 8));
    }
    EXPECT_EQ(check_record(b, 42).state, record_state::whole);
    EXPECT_EQ(check_record(b, 43).state, record_state::damaged);
}

TEST(Record, SaysWhatItStillNeeds) {
    const bytes b = stored({1, 2, {}, as_bytes("0123456789")}, 0, 0);
    EXPECT_EQ(check_record({}, 0).size, record_header);
    for (std::size_t n = 0; n < b.size(); ++n) {
        const record_check check = check_record(bytes_view(b).first(n), 0);
        EXPECT_EQ(check.state, record_state::incomplete);
        EXPECT_EQ(check.size, n < record_header ? record_header : b.size());
    }
}

TEST(Record, TheMarkOfAClosedLogIsOne) {
    bytes b(record_header);
    put_closed(b.data(), 12, 5);
    seal_record(b.data(), 0, 7);
    EXPECT_EQ(check_record(b, 7).state, record_state::whole);
    EXPECT_TRUE(is_closed_mark(b.data()));
    EXPECT_EQ(settled_before(b.data()), 12U);
}

TEST(Sessions, KeepTheHighestNumber) {
    session_table t(10);
    EXPECT_EQ(t.find(session(1)).number, 0U);
    t.note({session(1), 3}, 1, 1);
    t.note({session(1), 2}, 2, 2);
    t.note({session(2), 8}, 3, 3);
    EXPECT_EQ(t.find(session(1)).number, 3U);
    EXPECT_EQ(t.find(session(1)).at, 1U);
    EXPECT_EQ(t.find(session(2)).number, 8U);
}

TEST(Sessions, TheLongestUnusedIsForgotten) {
    session_table t(2);
    t.note({session(1), 1}, 1, 1);
    t.note({session(2), 1}, 2, 2);
    t.note({session(1), 2}, 3, 3);
    t.note({session(3), 1}, 4, 4);
    EXPECT_EQ(t.find(session(1)).number, 2U);
    EXPECT_EQ(t.find(session(2)).number, 0U);
    EXPECT_EQ(t.find(session(3)).number, 1U);
    EXPECT_EQ(t.settled_tags(5), (std::vector<tag>{{session(1), 2}, {session(3), 1}}));
}

TEST(Sessions, WhatFailsIsTakenBack) {
    session_table t(10);
    t.note({session(1), 1}, 1, 1);
    t.note({session(1), 2}, 2, 2);  // 1 is settled
    t.note({session(1), 3}, 3, 2);  // 2 and 3 are under way
    t.note({session(2), 1}, 4, 2);
    EXPECT_EQ(t.settled_tags(2), (std::vector<tag>{{session(1), 1}}));
    t.roll_back(2);
    EXPECT_EQ(t.find(session(1)).number, 1U);
    EXPECT_EQ(t.find(session(2)).number, 0U);
    EXPECT_EQ(t.settled_tags(2), (std::vector<tag>{{session(1), 1}}));
}

}  // namespace
}  // namespace tenon::inline v0::journal
