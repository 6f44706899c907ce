#include "tenon/codec.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace {

using tenon::parse_json;
using tenon::to_json;
using tenon::value;

std::string repeated(std::string_view s, int n) {
    std::string all;
    for (int i = 0; i < n; ++i) all += s;
    return all;
}

std::string error_of(std::string_view text, const tenon::decode_options& options = {}) {
    const auto v = parse_json(text, options);
    return v ? "accepted" : std::string(v.error().message());
}

TEST(json, accepts_what_the_standard_allows) {
    const std::string_view texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-1",
        "10",
        "123456789",
        "0.5",
        "-0.5",
        "1e3",
        "1E3",
        "1e+3",
        "1e-3",
        "1.5e10",
        "-1.5E-10",
        "0e1",
        "0e+1",
        "0E5",
        "20e1",
        "123e45",
        "1.23e65",
        "-123.456e78",
        "-0.0",
        "0.0000000000000000000000000000000000001",
        "1e-400",
        "-1e-999",
        "0e999999999999",
        "123123e-10000000",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "100000000000000000000000",
        "1.7976931348623157e308",
        "5e-324",
        "\"\"",
        "\"a\"",
        "\" \"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0000\"",
        "\"\\u0041\"",
        "\"\\uD834\\uDD1E\"",
        "\"\\ud834\\udd1e\"",
        "\"\\uFFFF\"",
        "\"\xC3\xA9\"",
        "\"\xE2\x82\xAC\"",
        "\"\xF0\x9D\x84\x9E\"",
        "\"\xF4\x8F\xBF\xBF\"",
        "\"\xEF\xBF\xBF\"",
        "\"\x7F\"",
        "\"/\"",
        "\"\\u002c\"",
        "\"a/*b*/c\"",
        "[]",
        "[ ]",
        "[\n]",
        "[1]",
        "[1,2]",
        "[ 1 , 2 ]",
        "[null]",
        "[[]]",
        "[[[[]]]]",
        "[1,[2,[3]]]",
        "[true,false,null]",
        "[\"a\"]",
        "[1,null,null,2]",
        "{}",
        "{ }",
        "{\"a\":1}",
        "{ \"a\" : 1 }",
        "{\"a\":1,\"b\":2}",
        "{\"\":0}",
        "{\"a\":{\"b\":{}}}",
        "{\"a\":[]}",
        "{\"\\u0061\":1}",
        "{\"a\":1,\"a\":2}",
        "{\"min\":-1.0e+28,\"max\":1.0e+28}",
        " 1",
        "1 ",
        "\t\n\r 1 \t\n\r",
        "\n{\n\"a\"\n:\n1\n}\n",
        "[-0]",
        "[-1]",
        "[1e1,2E2]",
        "\"\\u0022\"",
        "\"\\u005C\"",
        "\"\\u00e9\"",
        "\"\\u2028\"",
        "\"\\uDBFF\\uDFFF\"",
        "[0.1e1,1.0]",
        "[\"\\n\",\"\xC2\x80\"]",
        "\"\xED\x9F\xBF\"",
        "\"\xEE\x80\x80\"",
        "{\"a\":null,\"b\":[{}]}",
    };
    for (const auto text : texts) EXPECT_EQ(error_of(text), "accepted") << text;
    EXPECT_EQ(error_of(repeated("[", 64) + repeated("]", 64)), "accepted");
}

TEST(json, refuses_everything_else) {
    using namespace std::string_view_literals;
    const std::string_view texts[] = {
        ""sv,
        " "sv,
        "nul"sv,
        "nulll"sv,
        "True"sv,
        "TRUE"sv,
        "fals"sv,
        "truex"sv,
        "NaN"sv,
        "nan"sv,
        "Infinity"sv,
        "-Infinity"sv,
        "-"sv,
        "+1"sv,
        "01"sv,
        "-01"sv,
        "00"sv,
        "1."sv,
        ".5"sv,
        "-.5"sv,
        "1.e1"sv,
        "1e"sv,
        "1e+"sv,
        "1e-"sv,
        "1ee1"sv,
        "1.5.5"sv,
        "0x10"sv,
        "1_000"sv,
        "--1"sv,
        "-a"sv,
        "1a"sv,
        "0.e1"sv,
        "0e"sv,
        "0.1.2"sv,
        "1 2"sv,
        "1,"sv,
        "1e400"sv,
        "-1e400"sv,
        "1e9999999999"sv,
        "0.1e999"sv,
        "\""sv,
        "\"a"sv,
        "a\""sv,
        "'a'"sv,
        "\"\\\""sv,
        "\"\\x41\""sv,
        "\"\\a\""sv,
        "\"\\u\""sv,
        "\"\\u004\""sv,
        "\"\\u004g\""sv,
        "\"\\U0041\""sv,
        "\"\\\n\""sv,
        "\"\n\""sv,
        "\"\t\""sv,
        "\"\0\""sv,
        "\"\x1F\""sv,
        "\"\\uD800\""sv,
        "\"\\uDC00\""sv,
        "\"\\uD800\\n\""sv,
        "\"\\uD800\\u0041\""sv,
        "\"\\uD800\\uD800\""sv,
        "\"\\uDC00\\uD800\""sv,
        "\"\\uD800x\""sv,
        "\"\x80\""sv,
        "\"\xC3\""sv,
        "\"\xC3\x28\""sv,
        "\"\xC0\x80\""sv,
        "\"\xC1\xBF\""sv,
        "\"\xE0\x80\x80\""sv,
        "\"\xE2\x82\""sv,
        "\"\xED\xA0\x80\""sv,
        "\"\xED\xBF\xBF\""sv,
        "\"\xF0\x80\x80\x80\""sv,
        "\"\xF0\x9D\x84\""sv,
        "\"\xF4\x90\x80\x80\""sv,
        "\"\xF5\x80\x80\x80\""sv,
        "\"\xFF\""sv,
        "\"\xFE\""sv,
        "\"aaaaaaaaaaaaaaaa\xE9\""sv,
        "["sv,
        "]"sv,
        "[1"sv,
        "[1,"sv,
        "[,1]"sv,
        "[1,]"sv,
        "[1,,2]"sv,
        "[1 2]"sv,
        "[1:2]"sv,
        "[,]"sv,
        "[\"a\""sv,
        "[1]]"sv,
        "[[]"sv,
        "[1}"sv,
        "[1,\n"sv,
        "[a]"sv,
        "[-]"sv,
        "[\"\n\"]"sv,
        "{"sv,
        "}"sv,
        "{]"sv,
        "{\"a\"}"sv,
        "{\"a\":}"sv,
        "{\"a\" 1}"sv,
        "{\"a\":1,}"sv,
        "{,\"a\":1}"sv,
        "{\"a\":1,,\"b\":2}"sv,
        "{a:1}"sv,
        "{'a':1}"sv,
        "{1:1}"sv,
        "{\"a\":1 \"b\":2}"sv,
        "{\"a\":1"sv,
        "{\"a\":1}}"sv,
        "{\"a\":1}x"sv,
        "{\"a\"::1}"sv,
        "{\"a\":1,\"b\"}"sv,
        "{null:1}"sv,
        "{\"a\":1]"sv,
        "{\"a"sv,
        "{:1}"sv,
        "{{}}"sv,
        "[1]//"sv,
        "[1]/**/"sv,
        "/**/1"sv,
        "#1"sv,
        "\xEF\xBB\xBF"
        "1"sv,
        "\xC2\xA0"
        "1"sv,
        "\f1"sv,
        "\v1"sv,
        "1\0"sv,
        "\0"sv,
        "undefined"sv,
        "[undefined]"sv,
        "tru\0e"sv,
        "\"\\u\xC3\xA9\""sv,
        "*"sv,
        "[\xFF]"sv,
        "<null>"sv,
        "[True]"sv,
        "{\"a\":\"b\",\"c\":}"sv,
        "1\"a\""sv,
        "nullfalse"sv,
    };
    for (const auto text : texts) EXPECT_NE(error_of(text), "accepted") << text;
    EXPECT_EQ(error_of(repeated("[", 65) + repeated("]", 65)), "nested too deep");
    EXPECT_EQ(error_of(repeated("{\"a\":", 100'000)), "nested too deep");
    EXPECT_EQ(error_of(repeated("[", 100'000), {.max_depth = 1'000'000}), "nested too deep");
}

TEST(json, syntax_errors_say_where) {
    EXPECT_EQ(error_of("[1,x]"), "malformed JSON: expected a value at byte 3");
    EXPECT_EQ(error_of("{\"a\" 1}"), "malformed JSON: expected ':' at byte 5");
    EXPECT_EQ(error_of("[1 2]"), "malformed JSON: expected ',' or ']' at byte 3");
    EXPECT_EQ(error_of("[1"), "malformed JSON: ends where ',' or ']' is expected at byte 2");
    EXPECT_EQ(error_of("1 2"), "malformed JSON: expected the end at byte 2");
    EXPECT_EQ(error_of("{\"a\":[\"\xFF\"]}"), "[\"a\"][0]: text is not UTF-8");
}

TEST(json, numbers_are_exact) {
    const auto number = [](std::string_view text) { return parse_json(text).value(); };
    EXPECT_EQ(number("9223372036854775807"), value(INT64_MAX));
    EXPECT_EQ(number("-9223372036854775808"), value(INT64_MIN));
    EXPECT_EQ(number("18446744073709551615"), value(UINT64_MAX));
    EXPECT_EQ(number("18446744073709551616"), value(18446744073709551616.0));
    EXPECT_EQ(number("-9223372036854775809"), value(-9223372036854775808.0));
    EXPECT_EQ(number("-0"), value(0));
    EXPECT_TRUE(std::signbit(number("-0.0").as_double()));
    EXPECT_EQ(number("0.1"), value(0.1));
    EXPECT_EQ(number("1e-400"), value(0.0));
    EXPECT_EQ(number("2.2250738585072011e-308"), value(2.2250738585072011e-308));
    EXPECT_EQ(number("5e-324"), value(5e-324));
    EXPECT_EQ(number("0." + repeated("0", 400) + "1"), value(0.0));
    EXPECT_EQ(number("1" + repeated("0", 400) + "e-400"), value(1.0));
    EXPECT_EQ(error_of("1" + repeated("0", 400) + "e-50").substr(0, 19), "number out of range");
    EXPECT_EQ(error_of("1e400"), "number out of range: \"1e400\"");
}

TEST(json, writes_the_shortest_number_that_reads_back) {
    EXPECT_EQ(to_json(0.1), "0.1");
    EXPECT_EQ(to_json(1.0), "1.0") << "stays a double";
    EXPECT_EQ(to_json(-0.0), "-0.0");
    EXPECT_EQ(to_json(1e22), "1e+22");
    EXPECT_EQ(to_json(1.7976931348623157e308), "1.7976931348623157e+308");
    EXPECT_EQ(to_json(UINT64_MAX), "18446744073709551615");
    EXPECT_EQ(to_json(INT64_MIN), "-9223372036854775808");
    EXPECT_THROW(to_json(std::nan("")), tenon::failure);
    EXPECT_THROW(to_json(std::numeric_limits<double>::infinity()), tenon::failure);
    EXPECT_EQ(tenon::as_text(*tenon::encode(tenon::codec::json, 0.1f)), "0.1");
}

TEST(json, writes_strings) {
    EXPECT_EQ(to_json("plain"), "\"plain\"");
    EXPECT_EQ(to_json("a\"b\\c/d\b\f\n\r\t\x01\x1f\x7f"),
              "\"a\\\"b\\\\c/d\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    EXPECT_EQ(to_json("0123456789\"0123456789"), "\"0123456789\\\"0123456789\"");
    EXPECT_EQ(to_json("\xF0\x9D\x84\x9E"), "\"\xF0\x9D\x84\x9E\"");
    EXPECT_THROW(to_json("\xFF"), tenon::failure);
    EXPECT_EQ(parse_json("\"\\uD834\\uDD1E\\u20ac\\u00e9\\u0000\"").value().as_string(),
              std::string("\xF0\x9D\x84\x9E\xE2\x82\xAC\xC3\xA9\0", 10));
}

TEST(json, keeps_order_and_resolves_duplicates) {
    EXPECT_EQ(to_json(parse_json("{\"b\":1,\"a\":2,\"b\":3}").value()), "{\"b\":3,\"a\":2}");
    EXPECT_EQ(error_of("{\"b\":1,\"b\":3}", {.refuse_duplicate_keys = true}),
              "a key is given twice");
    std::string many = "{";
    for (int i = 0; i < 2000; ++i) many += "\"k" + std::to_string(i % 1000) + "\":1,";
    many.back() = '}';
    EXPECT_EQ(parse_json(many).value().size(), 1000u);
}

TEST(json, pretty) {
    const value v = value::object(
        {{"a", 1}, {"b", value::list({1, value::list({})})}, {"c", value::object({})}});
    EXPECT_EQ(to_json(v), "{\"a\":1,\"b\":[1,[]],\"c\":{}}");
    EXPECT_EQ(to_json(v, true), "{\n  \"a\": 1,\n  \"b\": [\n    1,\n    []\n  ],\n  \"c\": {}\n}");
    EXPECT_EQ(parse_json(to_json(v, true)).value(), v);
}

TEST(json, values_it_cannot_say) {
    EXPECT_EQ(to_json(tenon::bytes{std::byte{1}, std::byte{2}}), "\"AQI=\"");
    EXPECT_EQ(to_json(value::tagged{"time", "2026-01-02T03:04:05Z"}), "\"2026-01-02T03:04:05Z\"");
    try {
        to_json(value::object({{"x", value::tagged{"symbol", "s"}}}));
        FAIL();
    } catch (const tenon::failure& e) {
        EXPECT_EQ(e.code(), tenon::errc::unsupported);
        EXPECT_EQ(e.error().message(), "[\"x\"]: JSON cannot carry a value tagged \"symbol\"");
    }
    EXPECT_EQ(to_json(value::map{{5, "five"}, {UINT64_MAX, 1}}),
              "{\"5\":\"five\",\"18446744073709551615\":1}");
    EXPECT_THROW(to_json(value::map{{true, 1}}), tenon::failure);
}

TEST(json, memory_is_limited) {
    const std::string text = "[" + repeated("[],", 100'000) + "[]]";
    EXPECT_EQ(error_of(text), "accepted");
    EXPECT_EQ(error_of(text, {.max_memory = 100'000}), "too many elements for max_memory");
}

}  // namespace
