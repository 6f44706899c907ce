// Objects of described types through both codecs and value.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "codec/test_types.hpp"

namespace {

using namespace sample;
using namespace std::chrono_literals;
using namespace std::string_literals;
using tenon::codec;
using tenon::decode;
using tenon::decode_options;
using tenon::encode;
using tenon::value;

template <class T>
std::string json(const T& object) {
    const auto b = encode(codec::json, object);
    return b ? std::string(tenon::as_text(*b)) : std::string(b.error().message());
}

template <class T>
tenon::result<T> parse(std::string_view text, const decode_options& options = {}) {
    return decode<T>(codec::json, tenon::as_bytes(text), options);
}

template <class T>
std::string error_of(std::string_view text, const decode_options& options = {}) {
    const auto r = parse<T>(text, options);
    if (r) return "accepted";
    EXPECT_EQ(r.error().code(), tenon::errc::invalid);
    return std::string(r.error().message());
}

everything full() {
    everything e;
    e.flag = true;
    e.i8 = -128;
    e.i16 = -32768;
    e.i32 = INT32_MIN;
    e.i64 = INT64_MIN;
    e.u16 = 65535;
    e.u32 = UINT32_MAX;
    e.u64 = UINT64_MAX;
    e.f32 = 0.625f;
    e.f64 = 1.0 / 3;
    e.text = "tab\there, \xE2\x82\xAC";
    e.blob = {std::byte{0}, std::byte{255}};
    e.octets = {1, 2, 3};
    e.digest = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
    e.maybe = "there";
    e.numbers = {1, 2};
    e.vec = {1, 2.5f, -3};
    e.plain[1] = 7;
    e.bits = {true, false, true};
    e.rows = {{1}, {}, {2, 3}};
    e.by_name["key \"x\""] = {"n", 1.5, 3, side::sell};
    e.by_number = {{-1, "minus"}, {1 << 30, "big"}};
    e.by_side = {{side::buy, 1}, {side::sell, 2}};
    e.simple = point{1, 2};
    e.shapes = circle{{3, 4}, 5};
    e.triple = {1, "two", true};
    e.pair = {{5, 6}, 7.5};
    e.lev = level::high;
    e.at = std::chrono::system_clock::time_point(1'700'000'000'123'456'789ns);
    e.at_second = std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds>(-1s);
    e.wait = -1500ms;
    e.exact = std::chrono::duration<double>(0.25);
    e.hours = 5h;
    e.any = value::object({{"a", value::list({1, nullptr, 2.5})}});
    e.root = {"root", {{"leaf", {}}, {"branch", {{"leaf", {}}}}}};
    return e;
}

TEST(typed, everything_survives_each_codec_and_value) {
    for (const everything& e : {everything(), full()}) {
        for (const codec c : {codec::json, codec::msgpack}) {
            const auto written = encode(c, e);
            ASSERT_TRUE(written.has_value()) << written.error().message();
            const auto read = decode<everything>(c, *written);
            ASSERT_TRUE(read.has_value()) << to_string(c) << ": " << read.error().message();
            EXPECT_TRUE(*read == e) << to_string(c) << ": " << json(*read);
        }
        const value v = value::from(e);
        EXPECT_TRUE(v.as<everything>() == e);
        EXPECT_EQ(to_json(v), json(e));
        EXPECT_TRUE(tenon::parse_json(json(e)).value().as<everything>() == e);
    }
}

TEST(typed, looks_in_json) {
    EXPECT_EQ(json(point{1, 2}), "{\"x\":1,\"y\":2}");
    EXPECT_EQ(json(item{"n", 1, {}, side::sell}),
              "{\"name\":\"n\",\"price\":1.0,\"which\":\"sell\"}");
    EXPECT_EQ(json(full().by_side), "{\"buy\":1,\"sell\":2}");
    EXPECT_EQ(json(std::map<std::int64_t, int>{{-3, 1}}), "{\"-3\":1}");
    EXPECT_EQ(json(full().simple), "{\"x\":1,\"y\":2}");
    EXPECT_EQ(json(std::variant<int, std::string>("s")), "\"s\"");
    EXPECT_EQ(json(std::variant<std::monostate, int>()), "null");
    EXPECT_EQ(json(std::variant<int, double>(2.0)), "{\"float64\":2.0}");
    EXPECT_EQ(json(full().shapes), "{\"circle\":{\"centre\":{\"x\":3,\"y\":4},\"radius\":5.0}}");
    EXPECT_EQ(json(full().triple), "[1,\"two\",true]");
    EXPECT_EQ(json(full().at), "\"2023-11-14T22:13:20.123456789Z\"");
    EXPECT_EQ(json(full().at_second), "\"1969-12-31T23:59:59Z\"");
    EXPECT_EQ(json(full().wait), "-1.5");
    EXPECT_EQ(json(250ms), "0.25");
    EXPECT_EQ(json(3s), "3");
    EXPECT_EQ(json(2h), "7200");
    EXPECT_EQ(json(full().digest), "\"AQIDBA==\"");
    EXPECT_EQ(json(std::optional<int>()), "null");
    EXPECT_EQ(json(std::monostate()), "null");
}

TEST(typed, errors_name_the_path) {
    EXPECT_EQ(error_of<order>(R"({"id":"1","items":[{"name":"a","price":1,"which":"buy"},
                                  {"name":"b","price":"x","which":"buy"}]})"),
              "items[1].price: expected number, got string");
    EXPECT_EQ(error_of<order>(R"({"id":"1","items":[{"name":"a","which":"buy"}]})"),
              "items[0]: missing member \"price\"");
    EXPECT_EQ(
        error_of<order>(R"({"id":"1","items":[],"gift":{"name":"a","price":1,"which":"hold"}})"),
        "gift.which: expected one of buy, sell, got \"hold\"");
    EXPECT_EQ(error_of<order>(R"({"id":null,"items":[]})"), "id: expected string, got nil");
    EXPECT_EQ(error_of<order>("[]"), "expected map, got array");
    EXPECT_EQ(error_of<int>("\"x\""), "expected number, got string");
    EXPECT_EQ(error_of<int>("5000000000"), "expected int32, got 5000000000");
    EXPECT_EQ(error_of<int>("1.5"), "expected int32, got 1.5");
    EXPECT_EQ((error_of<std::map<std::string, int>>(R"({"a":1,"b \"q\"":{}})")),
              "[\"b \"q\"\"]: expected number, got map");
    EXPECT_EQ((error_of<std::map<int, int>>(R"({"a":1})")), "expected int32 as key, got \"a\"");
    EXPECT_EQ((error_of<std::map<side, int>>(R"({"a":1})")),
              "expected one of buy, sell as key, got \"a\"");
    EXPECT_EQ((error_of<std::tuple<int, int>>("[1]")), "expected 2 elements, got 1");
    EXPECT_EQ((error_of<std::tuple<int, int>>("[1,2,3]")), "expected 2 elements, got more");
    EXPECT_EQ((error_of<std::tuple<int, int>>("[1,[]]")), "[1]: expected number, got array");
    EXPECT_EQ((error_of<std::array<int, 2>>("[1,2,3]")), "expected 2 elements, got more");
    EXPECT_EQ((error_of<std::vector<bool>>("[true,0]")), "[1]: expected boolean, got number");
    EXPECT_EQ((error_of<std::array<std::byte, 4>>("\"AQI=\"")), "expected 4 bytes, got 2");
    EXPECT_EQ(error_of<tenon::bytes>("\"A*==\""), "expected base64, got text");
    EXPECT_EQ(error_of<tenon::bytes>("5"), "expected bytes, got number");
    EXPECT_EQ((error_of<std::variant<int, double>>("5")), "expected map, got number");
    EXPECT_EQ((error_of<std::variant<int, double>>("{}")),
              "expected one of int32, float64, got nothing");
    EXPECT_EQ((error_of<std::variant<int, double>>(R"({"int32":"x"})")),
              "int32: expected number, got string");
    EXPECT_EQ((error_of<std::variant<int, double>>(R"({"int32":1,"b":2})")),
              "expected one member, got a second, \"b\"");
    EXPECT_EQ((error_of<std::variant<int, double>>(R"({"text":"x"})")),
              "expected one of int32, float64, got \"text\"");
    EXPECT_EQ((error_of<std::variant<int, std::string>>("[]")),
              "expected one of int32, string, got array");
    EXPECT_EQ(error_of<point>(R"({"x":1,"y":2,)"),
              "malformed JSON: ends where a key is expected at byte 13");
    EXPECT_EQ(json(tree{"a", {{"b", {{"\xFF", {}}}}}}),
              "children[0].children[0].name: text is not UTF-8");
    EXPECT_EQ(json(std::vector<double>{1, std::nan("")}), "[1]: JSON has no NaN and no infinity");
    EXPECT_EQ(json(static_cast<side>(9)), "no listed enumerator: 9");
}

TEST(typed, integers_are_checked_against_their_range) {
    const auto fits = []<class T>(T, std::string_view text) { return parse<T>(text).has_value(); };
    EXPECT_TRUE(fits(std::int8_t{}, "-128"));
    EXPECT_FALSE(fits(std::int8_t{}, "-129"));
    EXPECT_TRUE(fits(std::int8_t{}, "127"));
    EXPECT_FALSE(fits(std::int8_t{}, "128"));
    EXPECT_TRUE(fits(std::uint16_t{}, "65535"));
    EXPECT_FALSE(fits(std::uint16_t{}, "65536"));
    EXPECT_FALSE(fits(std::uint16_t{}, "-1"));
    EXPECT_TRUE(fits(std::uint32_t{}, "4294967295"));
    EXPECT_FALSE(fits(std::uint32_t{}, "4294967296"));
    EXPECT_FALSE(fits(std::int64_t{}, "9223372036854775808"));
    EXPECT_TRUE(fits(std::uint64_t{}, "18446744073709551615"));
    EXPECT_FALSE(fits(std::uint64_t{}, "18446744073709551616"));
    EXPECT_FALSE(fits(std::uint64_t{}, "-1"));
    EXPECT_TRUE(fits(std::int32_t{}, "5.0"));
    EXPECT_TRUE(fits(std::int32_t{}, "1e3"));
    EXPECT_FALSE(fits(std::int32_t{}, "1e10"));
    EXPECT_FALSE(fits(std::int64_t{}, "1e30"));
    EXPECT_TRUE(fits(1.0f, "3e38"));
    EXPECT_FALSE(fits(1.0f, "4e38"));
    EXPECT_FALSE(fits(true, "1"));
    EXPECT_EQ(parse<double>("3").value(), 3.0);
}

TEST(typed, missing_unknown_and_doubled_members) {
    const auto minimal = parse<order>(R"({"id":"a","items":[]})");
    ASSERT_TRUE(minimal.has_value());
    EXPECT_EQ(minimal->priority, 3) << "what default construction gives";
    EXPECT_FALSE(minimal->gift.has_value());

    constexpr std::string_view extra = R"({"x":1,"more":[{"a":[1]}],"y":2})";
    EXPECT_EQ(parse<point>(extra).value(), (point{1, 2}));
    EXPECT_EQ(error_of<point>(extra, {.refuse_unknown_members = true}), "unknown member \"more\"");
    EXPECT_EQ(error_of<point>(R"({"x":1,"more":[nul],"y":2})").substr(0, 9), "malformed");

    constexpr std::string_view twice = R"({"id":"a","items":[],"gift":{"name":"a","price":1,
        "count":7,"which":"buy"},"gift":{"name":"b","price":2,"which":"sell"}})";
    const auto last = parse<order>(twice);
    ASSERT_TRUE(last.has_value());
    EXPECT_EQ(*last->gift, (item{"b", 2, {}, side::sell}));
    EXPECT_EQ(error_of<order>(twice, {.refuse_duplicate_keys = true}),
              "member \"gift\" given twice");

    constexpr std::string_view double_key =
        R"({"k":{"name":"a","price":1,"count":7,"which":"buy"},"k":{"name":"b","price":2,"which":"buy"}})";
    using map = std::map<std::string, item>;
    EXPECT_EQ(parse<map>(double_key).value().at("k"), (item{"b", 2, {}, side::buy}));
    EXPECT_EQ(error_of<map>(double_key, {.refuse_duplicate_keys = true}), "key \"k\" given twice");
    EXPECT_EQ(parse<point>(R"({"y":2,"x":1})").value(), (point{1, 2}));
}

TEST(typed, enumerators_by_name_or_listed_number) {
    EXPECT_EQ(parse<side>("\"sell\"").value(), side::sell);
    EXPECT_EQ(parse<side>("1").value(), side::buy);
    EXPECT_EQ(error_of<side>("3"), "expected one of buy, sell, got 3");
    EXPECT_EQ(error_of<side>("257"), "expected one of buy, sell, got 257");
    EXPECT_EQ(parse<level>("9223372036854775807").value(), level::high);
}

TEST(typed, times) {
    using clock = std::chrono::system_clock;
    using seconds = std::chrono::time_point<clock, std::chrono::seconds>;
    const auto at = [](std::string_view text) {
        return parse<seconds>('"' + std::string(text) + '"');
    };
    EXPECT_EQ(at("1970-01-01T00:00:00Z").value(), seconds(0s));
    EXPECT_EQ(at("1970-01-01t01:30:00+01:30").value(), seconds(0s));
    EXPECT_EQ(at("1969-12-31 23:59:59.999999999999Z").value(), seconds(-1s)) << "rounds down";
    EXPECT_EQ(at("2016-12-31T23:59:60Z").value(), at("2017-01-01T00:00:00Z").value());
    EXPECT_EQ(at("0000-01-01T00:00:00Z").value(), seconds(-62'167'219'200s));
    EXPECT_EQ(at("9999-12-31T23:59:59Z").value(), seconds(253'402'300'799s));
    EXPECT_EQ(at("2024-02-29T00:00:00Z").value(), seconds(1'709'164'800s));
    for (const char* bad :
         {"", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-01T24:00:00Z",
          "2024-01-01T00:00:00", "2024-01-01T00:00:00.Z", "2024-01-01", "2024-01-01T00:00:00+0100",
          "2024-01-01T00:00:00Zx", "2024-1-01T00:00:00Z", "2024-01-01T00:60:00Z"})
        EXPECT_FALSE(at(bad).has_value()) << bad;
    EXPECT_EQ(json(seconds(253'402'300'800s)), "time is outside the years 0 to 9999");
    EXPECT_EQ(json(clock::time_point(120ms)), "\"1970-01-01T00:00:00.120Z\"");
    EXPECT_EQ(json(std::chrono::time_point<clock, std::chrono::microseconds>(7us)),
              "\"1970-01-01T00:00:00.000007Z\"");
    EXPECT_FALSE(
        (parse<std::chrono::time_point<clock, std::chrono::nanoseconds>>("\"9999-01-01T00:00:00Z\"")
             .has_value()))
        << "out of range of int64 ns";
    EXPECT_EQ(error_of<seconds>("5"), "expected time, got number");
    // MessagePack takes text as well, and any time int64 seconds can say.
    const auto text = encode(codec::msgpack, std::string("1970-01-01T00:00:05Z"));
    EXPECT_EQ(decode<seconds>(codec::msgpack, *text).value(), seconds(5s));
    const seconds far(std::chrono::seconds(1'000'000'000'000));
    EXPECT_EQ(decode<seconds>(codec::msgpack, *encode(codec::msgpack, far)).value(), far);
}

TEST(typed, durations) {
    using std::chrono::nanoseconds;
    EXPECT_EQ(parse<nanoseconds>("1.000000001").value(), 1'000'000'001ns);
    EXPECT_EQ(parse<nanoseconds>("-0.1").value(), -100'000'000ns);
    EXPECT_EQ(parse<std::chrono::seconds>("1.9").value(), 1s) << "rounds down";
    EXPECT_EQ(parse<std::chrono::hours>("7199").value(), 1h);
    EXPECT_FALSE(parse<nanoseconds>("1e10").has_value());
    EXPECT_FALSE(parse<std::chrono::seconds>("1e19").has_value());
    EXPECT_FALSE((parse<std::chrono::duration<std::int16_t>>("40000").has_value()));
    for (const nanoseconds ns :
         {1ns, -1ns, 999'999'999ns, 4'000'000'000'000'001ns, -1'500'000'001ns})
        for (const codec c : {codec::json, codec::msgpack})
            EXPECT_EQ(decode<nanoseconds>(c, *encode(c, ns)).value(), ns);
    EXPECT_EQ(json(std::chrono::hours(INT64_MAX)), "duration out of range");
    EXPECT_EQ(json(std::chrono::duration<double>(std::nan(""))), "duration out of range");
}

TEST(typed, msgpack_structs_may_be_arrays) {
    const auto packed = encode(codec::msgpack, std::tuple(1, 2));
    EXPECT_EQ(decode<point>(codec::msgpack, *packed).value(), (point{1, 2}));
    const auto long_one = encode(codec::msgpack, std::tuple(1, 2, "x"s));
    EXPECT_EQ(decode<point>(codec::msgpack, *long_one).value(), (point{1, 2}));
    EXPECT_FALSE(decode<point>(codec::msgpack, *long_one, {.refuse_unknown_members = true}));
    const auto one = encode(codec::msgpack, std::vector{1});
    EXPECT_EQ(decode<point>(codec::msgpack, *one).error().message(), "missing member \"y\"");
}

TEST(typed, views_point_into_the_input) {
    const auto packed = encode(codec::msgpack, "text"s);
    const auto view = decode<std::string_view>(codec::msgpack, *packed);
    ASSERT_TRUE(view.has_value());
    EXPECT_EQ(static_cast<const void*>(view->data()), packed->data() + 1);
    EXPECT_EQ(parse<std::string_view>("\"plain\"").value(), "plain");
    const auto refused = parse<std::string_view>("\"a\\n\"");
    EXPECT_EQ(refused.error().code(), tenon::errc::unsupported);
}

TEST(typed, raw_is_bytes_or_text) {
    EXPECT_EQ(tenon::as_text(*encode(codec::raw, "ab"s)), "ab");
    EXPECT_EQ(decode<std::string>(codec::raw, tenon::as_bytes("ab")).value(), "ab");
    EXPECT_EQ(decode<tenon::bytes>(codec::raw, tenon::as_bytes("ab")).value().size(), 2u);
    EXPECT_EQ(
        (decode<std::array<std::byte, 3>>(codec::raw, tenon::as_bytes("ab")).error().message()),
        "expected 3 bytes, got 2");
    EXPECT_EQ(encode(codec::raw, 5).error().code(), tenon::errc::unsupported);
    EXPECT_EQ(decode<point>(codec::raw, {}).error().message(),
              "raw carries bytes or a string, not point");
    EXPECT_EQ(decode<value>(codec::raw, tenon::as_bytes("a")).value(),
              value(tenon::bytes(1, std::byte{'a'})));
}

TEST(typed, hostile_counts_do_not_allocate) {
    for (const std::string_view packed :
         {std::string_view("\xdd\xff\xff\xff\xff", 5), std::string_view("\xdc\xff\xff\x01", 4)})
        EXPECT_FALSE(decode<std::vector<everything>>(codec::msgpack, tenon::as_bytes(packed)));
    std::string many = "[";
    for (int i = 0; i < 5000; ++i) many += "{\"name\":\"\"},";
    many.back() = ']';
    EXPECT_TRUE(parse<std::vector<tree>>(many).has_value());
    EXPECT_EQ(error_of<std::vector<tree>>(many, {.max_memory = 5000}),
              "too many elements for max_memory");
}

TEST(typed, error_details) {
    tenon::error e(tenon::errc::failed, "no");
    EXPECT_FALSE(e.details_as<point>().has_value());
    e.set_details(*encode(codec::msgpack, point{1, 2}));
    EXPECT_EQ(e.details_as<point>(), (point{1, 2}));
    EXPECT_FALSE(e.details_as<std::string>().has_value());
}

TEST(codec, names_and_mime_types) {
    for (const codec c : {codec::raw, codec::json, codec::msgpack}) {
        EXPECT_EQ(tenon::codec_from_string(to_string(c)), c);
        EXPECT_EQ(tenon::codec_from_mime_type(mime_type(c)), c);
    }
    EXPECT_EQ(tenon::codec_from_mime_type("Application/JSON; charset=utf-8"), codec::json);
    EXPECT_EQ(tenon::codec_from_mime_type("application/vnd.msgpack"), codec::msgpack);
    EXPECT_FALSE(tenon::codec_from_mime_type("text/html").has_value());
    EXPECT_FALSE(tenon::codec_from_mime_type("").has_value());
    EXPECT_FALSE(tenon::codec_from_string("").has_value());
}

}  // namespace
