#include "wire/metadata.hpp"

#include <gtest/gtest.h>

#include "wire/test_support.hpp"

namespace tenon::inline v0::wire {
namespace {

using test::hex;
using test::to_hex;

TEST(metadata, route_as_bytes) {
    base::byte_buffer b;
    put_route(b, "a/b.c");
    EXPECT_EQ(to_hex(b.view()), "fe 00 00 06 05 61 2f 62 2e 63");
    b.clear();
    put_plain_route(b, "a/b.c");
    EXPECT_EQ(to_hex(b.view()), "05 61 2f 62 2e 63");
}

TEST(metadata, spelled_out_type_has_its_length_less_one) {
    base::byte_buffer b;
    put_entry(b, "x/y", as_bytes("z"));
    EXPECT_EQ(to_hex(b.view()), "02 78 2f 79 00 00 01 7a");
}

TEST(metadata, all_entries_read_back) {
    base::byte_buffer b;
    put_route(b, "pub/svc.plus");
    const std::size_t route_size = b.size();
    put_data_type(b, mime::json);
    put_entry(b, mime::accepted_types,
              hex("85 86 14 61 70 70 6c 69 63 61 74 69 6f 6e 2f 78 2d 6d "
                  "73 67 70 61 63 6b"));
    put_deadline(b, 1500);
    put_priority(b, priority::high);
    put_trace(b, "00-1-2-03");
    put_entry(b, mime::authentication, as_bytes("au"));
    put_hello(b, as_bytes("\x80"));
    put_status(b, as_bytes("\x81"));
    put_entry(b, "application/vnd.other.v9", as_bytes("ignored"));
    const auto m = read_request_metadata(b.view(), metadata_format::composite);
    ASSERT_TRUE(m);
    EXPECT_EQ(m->route, "pub/svc.plus");
    EXPECT_EQ(m->routing_entry.data(), b.data());
    EXPECT_EQ(m->routing_entry.size(), route_size);
    EXPECT_EQ(m->codec, "application/json");
    EXPECT_TRUE(accepts(m->accept, mime::json));
    EXPECT_TRUE(accepts(m->accept, mime::octets));
    EXPECT_TRUE(accepts(m->accept, mime::msgpack));
    EXPECT_FALSE(accepts(m->accept, mime::gene));
    EXPECT_EQ(m->deadline_ms, 1500u);
    EXPECT_EQ(m->priority, priority::high);
    EXPECT_EQ(m->trace, "00-1-2-03");
    EXPECT_EQ(as_text(m->auth), "au");
    EXPECT_EQ(as_text(m->hello), "\x80");
    EXPECT_EQ(as_text(m->status), "\x81");
}

/// An entry with its type spelled out, although it has an id.
void put_spelled(base::byte_buffer& b, std::string_view mime, bytes_view content) {
    b.push_back(static_cast<std::byte>(mime.size() - 1));
    b.append(as_bytes(mime));
    std::byte size[3];
    store_be24(size, static_cast<std::uint32_t>(content.size()));
    b.append(bytes_view(size));
    b.append(content);
}

TEST(metadata, id_and_spelling_are_the_same) {
    base::byte_buffer b;
    put_spelled(b, mime::routing, hex("03 61 2e 62"));
    put_spelled(b, mime::data_type, hex("0f 61 70 70 6c 69 63 61 74 69 6f 6e 2f 6a 73 6f 6e"));
    const auto m = read_request_metadata(b.view(), metadata_format::composite);
    ASSERT_TRUE(m);
    EXPECT_EQ(m->route, "a.b");
    EXPECT_EQ(m->codec, "application/json");
    EXPECT_EQ(leading_entry(b.view(), metadata_format::composite).size(), 1u + 28 + 3 + 4);
}

TEST(metadata, first_of_repeated_entries_counts) {
    base::byte_buffer b;
    put_priority(b, priority::low);
    put_priority(b, priority::high);
    put_route(b, "first");
    put_route(b, "second");
    const auto m = read_request_metadata(b.view(), metadata_format::composite);
    ASSERT_TRUE(m);
    EXPECT_EQ(m->priority, priority::low);
    EXPECT_EQ(m->route, "first");
}

TEST(metadata, routing_format) {
    const bytes two_tags = hex("03 61 2e 62 01 78");
    const auto m = read_request_metadata(two_tags, metadata_format::routing);
    ASSERT_TRUE(m);
    EXPECT_EQ(m->route, "a.b");
    EXPECT_EQ(leading_entry(two_tags, metadata_format::routing).size(), two_tags.size());
    EXPECT_FALSE(read_request_metadata(hex("04 61"), metadata_format::routing));
    EXPECT_TRUE(read_request_metadata({}, metadata_format::routing)->route.empty());
}

TEST(metadata, unknown_format_and_damage) {
    EXPECT_TRUE(read_request_metadata({}, metadata_format::unknown));
    EXPECT_FALSE(read_request_metadata(as_bytes("x"), metadata_format::unknown));
    const auto bad = [](std::string_view h) {
        const bytes b = hex(h);
        return !read_request_metadata(b, metadata_format::composite);
    };
    EXPECT_TRUE(bad("fe"));
    EXPECT_TRUE(bad("fe 00 00"));
    EXPECT_TRUE(bad("fe 00 00 02 01"));
    EXPECT_TRUE(bad("fe 00 00 02 05 61"));  // tag longer than the entry
    EXPECT_TRUE(bad("7f 61"));              // type longer than the rest
    EXPECT_TRUE(bad("fa 00 00 00"));        // data type without a type
    EXPECT_TRUE(bad("fa 00 00 02 85 85"));  // two data types
    EXPECT_FALSE(bad("b0 00 00 01 00"));    // unassigned id: skipped
    EXPECT_FALSE(bad("fe 00 00 00"));       // no tag: no route
    base::byte_buffer b;
    put_entry(b, mime::deadline, as_bytes("123"));
    EXPECT_FALSE(read_request_metadata(b.view(), metadata_format::composite));
}

TEST(metadata, formats_and_ids) {
    EXPECT_EQ(metadata_format_of(mime::composite), metadata_format::composite);
    EXPECT_EQ(metadata_format_of(mime::routing), metadata_format::routing);
    EXPECT_EQ(metadata_format_of(mime::json), metadata_format::unknown);
    EXPECT_EQ(well_known_mime(0x05), "application/json");
    EXPECT_EQ(well_known_mime(0x28), "application/cloudevents+json");
    EXPECT_EQ(well_known_mime(0x29), "");
    EXPECT_EQ(well_known_mime(0x7a), mime::data_type);
    EXPECT_EQ(well_known_mime(0x7f), mime::composite);
    EXPECT_EQ(well_known_mime(0x80), "");
    for (unsigned id = 0; id < 128; ++id) {
        const std::string_view name = well_known_mime(id);
        if (name.empty()) continue;
        EXPECT_EQ(well_known_id(name), static_cast<int>(id));
    }
    EXPECT_EQ(well_known_id(mime::msgpack), -1);
}

}  // namespace
}  // namespace tenon::inline v0::wire
