#include "wire/frame.hpp"

#include <gtest/gtest.h>

#include "wire/test_support.hpp"

namespace tenon::inline v0::wire {
namespace {

using test::hex;
using test::to_hex;

frame make(frame_type type, std::uint32_t stream, std::uint16_t flags = 0) {
    frame f;
    f.type = type;
    f.stream = stream;
    f.flags = flags;
    return f;
}

std::string written(const frame& f, bool prefix = false) {
    base::byte_buffer b;
    append_frame(b, f, prefix);
    return to_hex(b.view());
}

std::string parsed(std::string_view bytes_in_hex) {
    const bytes b = hex(bytes_in_hex);
    const auto f = parse_frame(b);
    return f ? to_string(*f) : std::string(f.error().message());
}

// Vectors computed by hand from the specification's figures.

TEST(frame, request_response) {
    frame f = make(frame_type::request_response, 1);
    f.has_metadata = true;
    f.metadata = as_bytes("m");
    f.data = as_bytes("dd");
    EXPECT_EQ(written(f), "00 00 00 01 11 00 00 00 01 6d 64 64");
    EXPECT_EQ(written(f, true), "00 00 0c 00 00 00 01 11 00 00 00 01 6d 64 64");
    const bytes b = hex("00 00 00 01 11 00 00 00 01 6d 64 64");
    const auto p = parse_frame(b);
    ASSERT_TRUE(p);
    EXPECT_EQ(to_string(*p), "REQUEST_RESPONSE #1 M metadata=1 data=2");
    EXPECT_EQ(as_text(p->metadata), "m");
    EXPECT_EQ(as_text(p->data), "dd");
}

TEST(frame, example_of_the_documentation) {
    EXPECT_EQ(parsed("00 00 00 01 11 00 00 00 0a fe 00 00 06 05 61 2f 62 2e 63 5b 31 5d"),
              "REQUEST_RESPONSE #1 M metadata=10 data=3");
}

TEST(frame, each_type_as_bytes) {
    frame f = make(frame_type::request_fnf, 0x7fffffff, flag::follows);
    EXPECT_EQ(written(f), "7f ff ff ff 14 80");
    f = make(frame_type::request_stream, 5);
    f.n = 0x01020304;
    EXPECT_EQ(written(f), "00 00 00 05 18 00 01 02 03 04");
    f = make(frame_type::request_channel, 5, flag::complete);
    f.n = max_n;
    f.data = as_bytes("x");
    EXPECT_EQ(written(f), "00 00 00 05 1c 40 7f ff ff ff 78");
    f = make(frame_type::request_n, 2);
    f.n = 3;
    EXPECT_EQ(written(f), "00 00 00 02 20 00 00 00 00 03");
    EXPECT_EQ(written(make(frame_type::cancel, 9)), "00 00 00 09 24 00");
    f = make(frame_type::payload, 9, flag::next | flag::complete);
    f.data = as_bytes("r");
    EXPECT_EQ(written(f), "00 00 00 09 28 60 72");
    f = make(frame_type::error, 9);
    f.code = error_code::rejected;
    f.data = as_bytes("no");
    EXPECT_EQ(written(f), "00 00 00 09 2c 00 00 00 02 02 6e 6f");
    f = make(frame_type::lease, 0);
    f.code = 1000;
    f.n = 2;
    EXPECT_EQ(written(f), "00 00 00 00 08 00 00 00 03 e8 00 00 00 02");
    f = make(frame_type::keepalive, 0, flag::respond);
    f.position = 0x0102030405060708;
    f.data = as_bytes("k");
    EXPECT_EQ(written(f), "00 00 00 00 0c 80 01 02 03 04 05 06 07 08 6b");
    f = make(frame_type::metadata_push, 0);
    f.has_metadata = true;
    f.metadata = as_bytes("mp");
    EXPECT_EQ(written(f), "00 00 00 00 31 00 6d 70");
    f = make(frame_type::resume_ok, 0);
    f.position = 7;
    EXPECT_EQ(written(f), "00 00 00 00 38 00 00 00 00 00 00 00 00 07");
    f = make(frame_type::ext, 3, flag::ignore);
    f.code = 0x11223344;
    f.has_metadata = true;
    f.metadata = as_bytes("a");
    f.data = as_bytes("b");
    EXPECT_EQ(written(f), "00 00 00 03 ff 00 11 22 33 44 00 00 01 61 62");
}

TEST(frame, each_type_reads_back) {
    EXPECT_EQ(parsed("7f ff ff ff 14 80"), "REQUEST_FNF #2147483647 F");
    EXPECT_EQ(parsed("00 00 00 05 18 00 01 02 03 04"), "REQUEST_STREAM #5 n=16909060");
    EXPECT_EQ(parsed("00 00 00 05 1c 40 7f ff ff ff 78"),
              "REQUEST_CHANNEL #5 C n=2147483647 data=1");
    EXPECT_EQ(parsed("00 00 00 02 20 00 00 00 00 03"), "REQUEST_N #2 n=3");
    EXPECT_EQ(parsed("00 00 00 09 24 00"), "CANCEL #9");
    EXPECT_EQ(parsed("00 00 00 09 28 60 72"), "PAYLOAD #9 CN data=1");
    EXPECT_EQ(parsed("00 00 00 09 2c 00 00 00 02 02 6e 6f"), "ERROR #9 code=514 data=2");
    EXPECT_EQ(parsed("00 00 00 00 08 00 00 00 03 e8 00 00 00 02"), "LEASE #0 n=2 ttl=1000");
    EXPECT_EQ(parsed("00 00 00 00 0c 80 00 00 00 00 00 00 00 07 6b"),
              "KEEPALIVE #0 R position=7 data=1");
    EXPECT_EQ(parsed("00 00 00 00 31 00 6d 70"), "METADATA_PUSH #0 M metadata=2");
    EXPECT_EQ(parsed("00 00 00 00 38 00 00 00 00 00 00 00 00 07"), "RESUME_OK #0 position=7");
    EXPECT_EQ(parsed("00 00 00 03 ff 00 11 22 33 44 00 00 01 61 62"),
              "EXT #3 IM code=287454020 metadata=1 data=1");
}

TEST(frame, setup_with_and_without_token) {
    setup_fields s;
    s.keepalive_ms = 20000;
    s.lifetime_ms = 90000;
    s.metadata_mime = "m/m";
    s.data_mime = "d";
    base::byte_buffer b;
    const bytes_view metadata = as_bytes("hi");
    append_setup(b, s, 0, &metadata, as_bytes("z"), true);
    EXPECT_EQ(to_hex(b.view()),
              "00 00 1e 00 00 00 00 05 00 00 01 00 00 00 00 4e 20 00 01 5f 90 "
              "03 6d 2f 6d 01 64 00 00 02 68 69 7a");
    const auto f = parse_frame(b.view().subspan(3));
    ASSERT_TRUE(f);
    EXPECT_EQ(setup_of(*f).metadata_mime, "m/m");
    EXPECT_EQ(setup_of(*f).data_mime, "d");
    EXPECT_EQ(setup_of(*f).lifetime_ms, 90000u);
    EXPECT_EQ(as_text(f->metadata), "hi");
    EXPECT_EQ(as_text(f->data), "z");

    b.clear();
    s.token = as_bytes("tok");
    append_setup(b, s, flag::resume | flag::lease, nullptr, {}, false);
    const auto g = parse_frame(b.view());
    ASSERT_TRUE(g);
    EXPECT_EQ(to_string(*g), "SETUP #0 RL");
    EXPECT_EQ(as_text(setup_of(*g).token), "tok");
    EXPECT_EQ(setup_of(*g).data_mime, "d");
    EXPECT_FALSE(g->has_metadata);
}

TEST(frame, setup_as_a_foreign_client_sends_it) {
    // rsocket-js with JSON data and composite metadata, 60 s and 180 s, no payload.
    const bytes b = hex(
        "00 00 00 00 04 00 00 01 00 00 00 00 ea 60 00 02 bf 20 "
        "27 6d 65 73 73 61 67 65 2f 78 2e 72 73 6f 63 6b 65 74 2e 63 6f 6d 70 6f 73 69 74 65 2d "
        "6d 65 74 61 64 61 74 61 2e 76 30 "
        "10 61 70 70 6c 69 63 61 74 69 6f 6e 2f 6a 73 6f 6e");
    const auto f = parse_frame(b);
    ASSERT_TRUE(f);
    const setup_fields s = setup_of(*f);
    EXPECT_EQ(s.major, 1);
    EXPECT_EQ(s.keepalive_ms, 60000u);
    EXPECT_EQ(s.lifetime_ms, 180000u);
    EXPECT_EQ(s.metadata_mime, "message/x.rsocket.composite-metadata.v0");
    EXPECT_EQ(s.data_mime, "application/json");
    EXPECT_TRUE(f->data.empty());
}

TEST(frame, resume) {
    resume_fields r;
    r.token = as_bytes("t");
    r.last_received = 1;
    r.first_available = 2;
    base::byte_buffer b;
    append_resume(b, r, false);
    EXPECT_EQ(to_hex(b.view()),
              "00 00 00 00 34 00 00 01 00 00 00 01 74 00 00 00 00 00 00 00 01 "
              "00 00 00 00 00 00 00 02");
    const auto f = parse_frame(b.view());
    ASSERT_TRUE(f);
    EXPECT_EQ(as_text(resume_of(*f).token), "t");
    EXPECT_EQ(resume_of(*f).first_available, 2u);
}

TEST(frame, illegal_ones_break_the_connection) {
    EXPECT_EQ(parsed(""), "frame shorter than its header");
    EXPECT_EQ(parsed("00 00 00 01 10"), "frame shorter than its header");
    EXPECT_EQ(parsed("80 00 00 01 10 00"), "stream id with the highest bit set");
    EXPECT_EQ(parsed("00 00 00 01 3c 00"), "unknown frame type");
    EXPECT_EQ(parsed("00 00 00 00 00 00"), "unknown frame type");
    EXPECT_EQ(parsed("00 00 00 00 10 00"), "request on stream 0");
    EXPECT_EQ(parsed("00 00 00 00 14 00"), "request on stream 0");
    EXPECT_EQ(parsed("00 00 00 00 18 00 00 00 00 01"), "request on stream 0");
    EXPECT_EQ(parsed("00 00 00 01 18 00 00 00 00 00"), "initial request n must be 1 to 2147483647");
    EXPECT_EQ(parsed("00 00 00 01 1c 00 80 00 00 00"), "initial request n must be 1 to 2147483647");
    EXPECT_EQ(parsed("00 00 00 01 20 00 00 00 00 00"), "request n must be 1 to 2147483647");
    EXPECT_EQ(parsed("00 00 00 01 20 00 ff ff ff ff"), "request n must be 1 to 2147483647");
    EXPECT_EQ(parsed("00 00 00 01 18 00 00 00 00"), "frame cut short");
    EXPECT_EQ(parsed("00 00 00 01 2c 00 00 00 00"), "frame cut short");
    EXPECT_EQ(parsed("00 00 00 00 0c 80 00 00 00 00 00 00 00"), "frame cut short");
    EXPECT_EQ(parsed("00 00 00 00 08 00 00 00 00 01"), "frame cut short");
    EXPECT_EQ(parsed("00 00 00 01 04 00 00 01 00 00 00 00 00 01 00 00 00 01 00 00"),
              "SETUP on a stream");
    EXPECT_EQ(parsed("00 00 00 00 04 00 00 01 00 00 00 00 00 00 00 00 00 01 00 00"),
              "SETUP with a bad keep-alive interval");
    EXPECT_EQ(parsed("00 00 00 00 04 00 00 01 00 00 00 00 00 01 80 00 00 00 00 00"),
              "SETUP with a bad lifetime");
}

TEST(frame, setup_and_resume_cut_at_every_byte) {
    const bytes setup =
        hex("00 00 00 00 04 80 00 01 00 00 00 00 00 01 00 00 00 01 00 02 74 6b 01 6d 01 64");
    ASSERT_TRUE(parse_frame(setup));
    for (std::size_t n = 6; n < setup.size(); ++n)
        EXPECT_FALSE(parse_frame(bytes_view(setup).first(n))) << n;
    const bytes resume = hex(
        "00 00 00 00 34 00 00 01 00 00 00 01 74 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02");
    ASSERT_TRUE(parse_frame(resume));
    for (std::size_t n = 6; n < resume.size(); ++n)
        EXPECT_FALSE(parse_frame(bytes_view(resume).first(n))) << n;
}

TEST(frame, long_metadata_and_setup_are_refused) {
    frame f = make(frame_type::request_response, 1);
    f.has_metadata = true;
    const bytes big(max_metadata_size + 1);
    f.metadata = bytes_view(big).first(max_metadata_size);
    base::byte_buffer b;
    append_frame(b, f, false);
    EXPECT_TRUE(parse_frame(b.view()));
    f.metadata = big;
    b.clear();
    append_frame(b, f, false);
    EXPECT_FALSE(parse_frame(b.view()));
    b.clear();
    setup_fields s;
    s.keepalive_ms = s.lifetime_ms = 1;
    append_setup(b, s, 0, nullptr, big, false);
    EXPECT_FALSE(parse_frame(b.view()));
}

TEST(frame, what_the_specification_says_to_ignore) {
    EXPECT_EQ(parsed("00 00 00 01 3e 00"), "ignored #1 I");  // unknown with I
    EXPECT_EQ(parsed("00 00 00 01 11 00 00 00 02 6d"),
              "ignored #1 M metadata=0");  // metadata too long
    EXPECT_EQ(parsed("00 00 00 01 11 00 00 00"), "ignored #1 M metadata=0");
    EXPECT_EQ(parsed("00 00 00 00 24 00"), "ignored #0");  // CANCEL, PAYLOAD on 0
    EXPECT_EQ(parsed("00 00 00 00 28 20"), "ignored #0");
    EXPECT_EQ(parsed("00 00 00 00 20 00 00 00 00 01"), "ignored #0 n=1");
    EXPECT_EQ(parsed("00 00 00 01 31 00"), "ignored #1 M metadata=0");  // METADATA_PUSH on 1
    EXPECT_EQ(parsed("00 00 00 01 0c 80 00 00 00 00 00 00 00 00"), "ignored #1");
    EXPECT_EQ(parsed("00 00 00 01 08 00 00 00 00 01 00 00 00 01"), "ignored #1 n=1 code=1");
}

TEST(frame, empty_metadata_differs_from_none) {
    const bytes with = hex("00 00 00 01 11 00 00 00 00 64");
    const bytes without = hex("00 00 00 01 10 00 64");
    EXPECT_TRUE(parse_frame(with)->has_metadata);
    EXPECT_EQ(parse_frame(with)->data.size(), 1u);
    EXPECT_FALSE(parse_frame(without)->has_metadata);
}

TEST(frame, metadata_flag_of_frames_without_metadata_is_not_read) {
    EXPECT_EQ(parsed("00 00 00 01 21 00 00 00 00 03"), "REQUEST_N #1 n=3");
    EXPECT_EQ(parsed("00 00 00 00 0d 00 00 00 00 00 00 00 00 00 61"), "KEEPALIVE #0 data=1");
}

}  // namespace
}  // namespace tenon::inline v0::wire
