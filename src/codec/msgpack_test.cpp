#include "codec/codec.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace {

using tenon::bytes;
using tenon::codec;
using tenon::value;

bytes from_hex(std::string_view hex) {
    bytes b;
    unsigned n = 0;
    int digits = 0;
    for (const char c : hex) {
        if (c == ' ') continue;
        n = n * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
        if (++digits % 2 == 0) b.push_back(static_cast<std::byte>(n & 255));
    }
    return b;
}

std::string to_hex(tenon::bytes_view b) {
    std::string s;
    for (const std::byte x : b) {
        s += "0123456789abcdef"[std::to_integer<int>(x) >> 4];
        s += "0123456789abcdef"[std::to_integer<int>(x) & 15];
    }
    return s;
}

std::string encoded(const value& v) {
    const auto b = tenon::encode(codec::msgpack, v);
    return b ? to_hex(*b) : std::string(b.error().message());
}

std::string error_of(std::string_view hex, const tenon::decode_options& options = {}) {
    const auto v = tenon::decode<value>(codec::msgpack, from_hex(hex), options);
    return v ? "accepted" : std::string(v.error().message());
}

struct vector {
    const char* hex;
    value v;
};

// The smallest form of each, which is the one written.
std::vector<vector> smallest() {
    const auto text = [](std::size_t n) { return std::string(n, 'a'); };
    std::vector<vector> all = {
        {"c0", nullptr},
        {"c2", false},
        {"c3", true},
        {"00", 0},
        {"7f", 127},
        {"cc80", 128},
        {"ccff", 255},
        {"cd0100", 256},
        {"cdffff", 65535},
        {"ce00010000", 65536},
        {"ceffffffff", 4294967295u},
        {"cf0000000100000000", 4294967296},
        {"cf7fffffffffffffff", INT64_MAX},
        {"cf8000000000000000", std::uint64_t{1} << 63},
        {"cfffffffffffffffff", UINT64_MAX},
        {"ff", -1},
        {"e0", -32},
        {"d0df", -33},
        {"d080", -128},
        {"d1ff7f", -129},
        {"d18000", -32768},
        {"d2ffff7fff", -32769},
        {"d280000000", INT32_MIN},
        {"d3ffffffff7fffffff", std::int64_t{INT32_MIN} - 1},
        {"d38000000000000000", INT64_MIN},
        {"cb3ff8000000000000", 1.5},
        {"cb8000000000000000", -0.0},
        {"a0", ""},
        {"a161", "a"},
        {"a3e282ac", "\xE2\x82\xAC"},
        {"c400", bytes()},
        {"c40101", bytes{std::byte{1}}},
        {"90", value::array()},
        {"80", value::map()},
        {"93010203", value::list({1, 2, 3})},
        {"81a16101", value::object({{"a", 1}})},
        {"8105a135", value::map{{5, "5"}}},
        {"82c001c302", value::map{{nullptr, 1}, {true, 2}}},
        {"d6ff00000000", value::tagged{"time", "1970-01-01T00:00:00Z"}},
        {"d6ffffffffff", value::tagged{"time", "2106-02-07T06:28:15Z"}},
        {"d7ff0000000100000000", value::tagged{"time", "2106-02-07T06:28:16Z"}},
        {"d7ff0000000400000000", value::tagged{"time", "1970-01-01T00:00:00.000000001Z"}},
        {"c70cff00000000ffffffffffffffff", value::tagged{"time", "1969-12-31T23:59:59Z"}},
        {"c70cff3b9ac9ffffffffffffffffff", value::tagged{"time", "1969-12-31T23:59:59.999999999Z"}},
        {"d40501", value::tagged{"ext:5", bytes(1, std::byte{1})}},
        {"c711800000000000000000000000000000000000", value::tagged{"ext:-128", bytes(17)}},
        {"d88000000000000000000000000000000000", value::tagged{"ext:-128", bytes(16)}},
        {"c70005", value::tagged{"ext:5", bytes()}},
        {"c70305000000", value::tagged{"ext:5", bytes(3)}},
    };
    all.push_back({"bf", text(31)});
    all.push_back({"d920", text(32)});
    all.push_back({"d9ff", text(255)});
    all.push_back({"da0100", text(256)});
    all.push_back({"daffff", text(65535)});
    all.push_back({"db00010000", text(65536)});
    all.push_back({"c5", bytes(256)});
    all.push_back({"c600010000", bytes(65536)});
    all.push_back({"9f", value::array(15)});
    all.push_back({"dc0010", value::array(16)});
    all.push_back({"dd00010000", value::array(65536)});
    all.push_back({"c8", value::tagged{"ext:1", bytes(300)}});
    return all;
}

TEST(msgpack, writes_the_smallest_form_and_reads_it) {
    for (const auto& [hex, v] : smallest()) {
        const std::string written = encoded(v);
        if (v.size() < 15 && !v.is_tagged()) EXPECT_EQ(written, hex);
        else EXPECT_TRUE(written.starts_with(hex)) << hex << " " << written.substr(0, 100);
        const auto back = tenon::decode<value>(codec::msgpack, from_hex(written));
        ASSERT_TRUE(back.has_value()) << hex << ": " << back.error().message();
        EXPECT_EQ(*back, v) << hex;
    }
}

TEST(msgpack, reads_longer_forms) {
    const auto read = [](std::string_view hex) {
        return tenon::decode<value>(codec::msgpack, from_hex(hex)).value();
    };
    for (const char* five : {"05", "cc05", "cd0005", "ce00000005", "cf0000000000000005", "d005",
                             "d10005", "d200000005", "d30000000000000005"})
        EXPECT_EQ(read(five), value(5)) << five;
    EXPECT_EQ(read("ca3fc00000"), value(1.5));
    EXPECT_EQ(read("d900"), value(""));
    EXPECT_EQ(read("da000161"), value("a"));
    EXPECT_EQ(read("db0000000161"), value("a"));
    EXPECT_EQ(read("dc000101"), value::list({1}));
    EXPECT_EQ(read("dd0000000101"), value::list({1}));
    EXPECT_EQ(read("de0001a16101"), value::object({{"a", 1}}));
    EXPECT_EQ(read("df00000001a16101"), value::object({{"a", 1}}));
    EXPECT_EQ(read("c6000000010a"), value(bytes(1, std::byte{10})));
    EXPECT_EQ(read("c900000001050a"), value(value::tagged{"ext:5", bytes(1, std::byte{10})}));
    EXPECT_TRUE(std::isnan(read("cb7ff8000000000000").as_double()));
}

TEST(msgpack, refuses_what_is_damaged) {
    for (const char* hex : {"",
                            "c1",
                            "cc",
                            "cd00",
                            "ce000000",
                            "cf00000000000000",
                            "d0",
                            "d3",
                            "ca000000",
                            "cb00000000000000",
                            "a1",
                            "a3e282",
                            "d9",
                            "d905",
                            "da00",
                            "db000000",
                            "dbffffffff61",
                            "c4",
                            "c401",
                            "c5ffff00",
                            "c6ffffffff00",
                            "91",
                            "9201",
                            "dc",
                            "dcffff",
                            "ddffffffff",
                            "ddffffffff00",
                            "81",
                            "81a161",
                            "8101",
                            "deffff",
                            "dfffffffff",
                            "df80000000a16101",
                            "d4",
                            "d405",
                            "c7",
                            "c705",
                            "c70505",
                            "c9ffffffff05",
                            "d6ff000000",
                            "d5ff0000",
                            "d7ffffffffff00000000",
                            "c70cffee6b280000000000000000",
                            "a1ff",
                            "a2c328",
                            "a3eda080",
                            "c0c0",
                            "0000",
                            "8190c0",
                            "8180c0",
                            "81d40500c0",
                            "c70cff000000007fffffffffffffff"})
        EXPECT_NE(error_of(hex), "accepted") << hex;
    EXPECT_EQ(error_of("9201"), "malformed MessagePack: ends too early at byte 1");
    EXPECT_EQ(error_of("9291c1"), "malformed MessagePack: has the byte 0xC1 at byte 2");
    EXPECT_EQ(error_of("0102"), "malformed MessagePack: has bytes after its end at byte 1");
}

TEST(msgpack, depth_and_memory_are_limited) {
    std::string deep(64 * 2, '9');
    for (std::size_t i = 1; i < deep.size(); i += 2) deep[i] = '1';
    EXPECT_EQ(error_of(deep + "c0"), "accepted");
    EXPECT_EQ(error_of("91" + deep + "c0"), "nested too deep");
    std::string wide = "dc03e8";
    for (int i = 0; i < 1000; ++i) wide += "90";
    EXPECT_EQ(error_of(wide), "accepted");
    EXPECT_EQ(error_of(wide, {.max_memory = 1000}), "too many elements for max_memory");
}

TEST(msgpack, refuses_values_without_a_form) {
    EXPECT_EQ(encoded(value::tagged{"symbol", "x"}),
              "MessagePack cannot carry a value tagged \"symbol\"");
    EXPECT_EQ(encoded(value::tagged{"ext:-1", bytes(4)}),
              "MessagePack cannot carry a value tagged \"ext:-1\"");
    EXPECT_EQ(encoded(value::tagged{"ext:200", bytes(4)}),
              "MessagePack cannot carry a value tagged \"ext:200\"");
    EXPECT_EQ(encoded(value::tagged{"time", "noon"}), "expected RFC 3339 time, got \"noon\"");
    EXPECT_EQ(encoded(value::map{{value::list({1}), 1}}),
              "MessagePack cannot carry a map key of type array");
    EXPECT_EQ(encoded("\xFF"), "text is not UTF-8");
}

TEST(msgpack, transcodes_to_json_and_back) {
    const auto through = [](codec from, tenon::bytes_view in, codec to) {
        tenon::base::byte_buffer out;
        const auto done = tenon::coding::transcode(from, in, to, out);
        return done ? std::string(tenon::as_text(out.view())) : std::string(done.error().message());
    };
    std::string many = "[";
    for (int i = 0; i < 70'000; ++i) many += "1,";
    many.back() = ']';
    for (const std::string_view text :
         {std::string_view("{\"a\":[1,2.5,\"x\",null,true],\"b\":{}}"), std::string_view("[]"),
          std::string_view("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,[17,{\"k\":-1}]]"),
          std::string_view("18446744073709551615"), std::string_view(many)}) {
        const std::string packed = through(codec::json, tenon::as_bytes(text), codec::msgpack);
        EXPECT_EQ(packed, tenon::as_text(*tenon::encode(codec::msgpack, *tenon::parse_json(text))));
        EXPECT_EQ(through(codec::msgpack, tenon::as_bytes(packed), codec::json), text);
    }
    EXPECT_EQ(through(codec::msgpack, from_hex("c403010203"), codec::json), "\"AQID\"");
    EXPECT_EQ(through(codec::msgpack, from_hex("d6ff00000000"), codec::json),
              "\"1970-01-01T00:00:00Z\"");
    EXPECT_EQ(through(codec::msgpack, from_hex("8105c3"), codec::json), "{\"5\":true}");
    EXPECT_EQ(through(codec::msgpack, from_hex("81a16191d40500"), codec::json),
              "[\"a\"][0]: JSON cannot carry a value tagged \"ext:5\"");
    EXPECT_EQ(through(codec::raw, tenon::as_bytes("h\xC3\xA9"), codec::json), "\"h\xC3\xA9\"");
    EXPECT_EQ(through(codec::raw, tenon::as_bytes("\xFF"), codec::json), "\"/w==\"");
    EXPECT_EQ(through(codec::raw, tenon::as_bytes("x"), codec::msgpack), "\xC4\x01x");
    EXPECT_EQ(through(codec::json, tenon::as_bytes("\"x\""), codec::raw), "x");
    EXPECT_EQ(through(codec::json, tenon::as_bytes("1"), codec::raw),
              "raw carries bytes or a string, not int64");
    EXPECT_EQ(through(codec::json, tenon::as_bytes("[1,"), codec::msgpack),
              "malformed JSON: ends where a value is expected at byte 3");
}

}  // namespace
