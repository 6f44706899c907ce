#include <gtest/gtest.h>

#include "codec/codec.hpp"
#include "codec/test_types.hpp"

namespace {

using sample::point;
using tenon::codec;
using tenon::shape_of;
using tenon::value;
using tenon::coding::parameter;

// Decodes into T… and shows them, or the error.
template <class... T>
std::string decoded_packed(codec c, std::vector<parameter> parameters, tenon::bytes_view in,
                           tenon::base::byte_buffer* arena = nullptr) {
    std::tuple<T...> objects{};
    const auto all = std::apply([](auto&... o) { return std::vector<void*>{&o...}; }, objects);
    const auto done = tenon::coding::decode_arguments(c, parameters, all, in, {}, arena);
    if (!done) {
        EXPECT_TRUE(done.error().code() == tenon::errc::invalid ||
                    done.error().code() == tenon::errc::unsupported);
        return std::string(done.error().message());
    }
    return std::string(tenon::as_text(*tenon::encode(codec::json, objects)));
}

// JSON given; checked in JSON and in MessagePack alike.
template <class... T>
std::string decoded(std::vector<parameter> parameters, std::string_view json) {
    const std::string text = decoded_packed<T...>(codec::json, parameters, tenon::as_bytes(json));
    if (json.find_first_not_of(" ") == std::string_view::npos) return text;
    tenon::base::byte_buffer packed;
    if (tenon::coding::transcode(codec::json, tenon::as_bytes(json), codec::msgpack, packed)) {
        EXPECT_EQ(decoded_packed<T...>(codec::msgpack, parameters, packed.view()), text) << json;
    }
    return text;
}

const parameter a{"a", &shape_of<int>()};
const parameter b{"b", &shape_of<int>()};

std::string plus(std::string_view json) { return decoded<int, int>({a, b}, json); }

TEST(arguments, by_position) {
    EXPECT_EQ(plus("[1,2]"), "[1,2]");
    EXPECT_EQ(plus("[1]"), "missing argument \"b\"");
    EXPECT_EQ(plus("[]"), "missing argument \"a\"");
    EXPECT_EQ(plus("[1,2,3]"), "too many arguments: expected at most 2");
    EXPECT_EQ(plus("[1,\"x\"]"), "b: expected number, got string");
    EXPECT_EQ(plus("[1,5000000000]"), "b: expected int32, got 5000000000");
}

TEST(arguments, by_name) {
    EXPECT_EQ(plus(R"({"b":2,"a":1})"), "[1,2]");
    EXPECT_EQ(plus(R"({"a":1,"c":2})"), "unknown argument \"c\"");
    EXPECT_EQ(plus(R"({"a":1})"), "missing argument \"b\"");
    EXPECT_EQ(plus("{}"), "missing argument \"a\"");
    EXPECT_EQ(plus(R"({"a":1,"b":2,"a":3})"), "argument \"a\" given twice");
    EXPECT_EQ(plus(R"({"a":null,"b":2})"), "a: expected number, got nil");
}

TEST(arguments, several_parameters_need_an_array_or_a_map) {
    EXPECT_EQ(plus("5"), "expected an array or a map of arguments, got number");
    EXPECT_EQ(plus("null"), "expected an array or a map of arguments, got nil");
    EXPECT_EQ(plus(""), "missing argument \"a\"");
    EXPECT_EQ(plus("  "), "missing argument \"a\"");
    EXPECT_EQ(plus("[1,2] 3"), "malformed JSON: expected the end at byte 6");
}

TEST(arguments, one_parameter_may_stand_bare) {
    const parameter who{"who", &shape_of<std::string>()};
    EXPECT_EQ(decoded<std::string>({who}, "\"x\""), "[\"x\"]");
    EXPECT_EQ(decoded<std::string>({who}, "[\"x\"]"), "[\"x\"]");
    EXPECT_EQ(decoded<std::string>({who}, R"({"who":"x"})"), "[\"x\"]");
    EXPECT_EQ(decoded<std::string>({who}, R"({"who":"x","who":"y"})"),
              "argument \"who\" given twice");
    EXPECT_EQ(decoded<std::string>({who}, R"({"whom":"x"})"), "who: expected string, got map");
    EXPECT_EQ(decoded<std::string>({who}, "5"), "who: expected string, got number");
    EXPECT_EQ(decoded<std::string>({who}, ""), "missing argument \"who\"");
    EXPECT_EQ(decoded<std::string>({who}, "{}"), "missing argument \"who\"");
}

TEST(arguments, a_map_may_be_the_value_of_the_one_parameter) {
    const parameter p{"p", &shape_of<point>()};
    EXPECT_EQ(decoded<point>({p}, R"({"x":1,"y":2})"), R"([{"x":1,"y":2}])");
    EXPECT_EQ(decoded<point>({p}, R"({"p":{"x":1,"y":2}})"), R"([{"x":1,"y":2}])");
    EXPECT_EQ(decoded<point>({p}, R"([{"x":1,"y":2}])"), R"([{"x":1,"y":2}])");
    EXPECT_EQ(decoded<point>({p}, R"({"x":1})"), "p: missing member \"y\"");
    EXPECT_EQ(decoded<point>({p}, R"({"p":1,"x":1,"y":2})"), R"([{"x":1,"y":2}])");
    using map = std::map<std::string, int>;
    const parameter m{"m", &shape_of<map>()};
    EXPECT_EQ(decoded<map>({m}, R"({"k":1})"), R"([{"k":1}])");
    EXPECT_EQ(decoded<map>({m}, R"({"k":"v"})"), "m[\"k\"]: expected number, got string");
    const parameter v{"v", &shape_of<std::vector<int>>()};
    EXPECT_EQ(decoded<std::vector<int>>({v}, "[[1,2]]"), "[[1,2]]");
    EXPECT_EQ(decoded<std::vector<int>>({v}, "[1,2]"), "v: expected array, got number");
    const parameter any{"any", &shape_of<value>()};
    EXPECT_EQ(decoded<value>({any}, "null"), "[null]");
    EXPECT_EQ(decoded<value>({any}, R"({"k":[1]})"), R"([{"k":[1]}])");
}

TEST(arguments, none) {
    for (const char* text : {"", " ", "null", "[]", "{}"}) EXPECT_EQ(decoded<>({}, text), "[]");
    EXPECT_EQ(decoded<>({}, "[1]"), "too many arguments: expected at most 0");
    EXPECT_EQ(decoded<>({}, R"({"a":1})"), "unknown argument \"a\"");
    EXPECT_EQ(decoded<>({}, "1"), "expected an array or a map of arguments, got number");
}

TEST(arguments, defaults_and_optional_ones) {
    const value seven = 7;
    const value text = "world";
    const value bad = "x";
    const parameter d{"d", &shape_of<int>(), false, &seven};
    const parameter o{"o", &shape_of<std::optional<int>>()};
    using three = std::vector<parameter>;
    const auto call = [&](std::string_view json) {
        return decoded<int, int, std::optional<int>>(three{a, d, o}, json);
    };
    EXPECT_EQ(call("[1]"), "[1,7,null]");
    EXPECT_EQ(call("[1,2]"), "[1,2,null]");
    EXPECT_EQ(call("[1,2,3]"), "[1,2,3]");
    EXPECT_EQ(call(R"({"o":3,"a":1})"), "[1,7,3]");
    EXPECT_EQ(call(R"({"d":3})"), "missing argument \"a\"");
    EXPECT_EQ(decoded<int>({{"a", &shape_of<int>(), true}}, "[]"), "[0]");
    EXPECT_EQ(decoded<int>({d}, ""), "[7]");
    EXPECT_EQ(decoded<std::string_view>({{"s", &shape_of<std::string_view>(), false, &text}}, "{}"),
              "[\"world\"]");
    EXPECT_EQ(decoded<int>({{"a", &shape_of<int>(), false, &bad}}, "[]"),
              "a: expected number, got string");
}

TEST(arguments, many) {
    std::vector<parameter> parameters;
    std::vector<std::string> names;
    std::vector<int> objects(100);
    std::vector<void*> at;
    for (int i = 0; i < 100; ++i) names.push_back("p" + std::to_string(i));
    for (std::size_t i = 0; i < 100; ++i) {
        parameters.push_back({names[i].c_str(), &shape_of<int>()});
        at.push_back(&objects[i]);
    }
    std::string json = "{";
    for (int i = 99; i >= 0; --i)
        json += '"' + names[static_cast<std::size_t>(i)] + "\":" + std::to_string(i) + ",";
    json.back() = '}';
    ASSERT_TRUE(
        tenon::coding::decode_arguments(codec::json, parameters, at, tenon::as_bytes(json), {}));
    for (int i = 0; i < 100; ++i) EXPECT_EQ(objects[static_cast<std::size_t>(i)], i);
}

TEST(arguments, raw_is_the_one_parameter) {
    const parameter data{"data", &shape_of<tenon::bytes_view>()};
    tenon::bytes_view view;
    void* at = &view;
    const auto in = tenon::as_bytes("[1]");
    ASSERT_TRUE(tenon::coding::decode_arguments(codec::raw, {&data, 1}, {&at, 1}, in, {}));
    EXPECT_EQ(view.data(), in.data());
    EXPECT_EQ(decoded_packed<std::string>(codec::raw, {{"s", &shape_of<std::string>()}}, in),
              "[\"[1]\"]");
    EXPECT_EQ((decoded_packed<int, int>(codec::raw, {a, b}, in)),
              "raw carries one argument of bytes or a string only");
    EXPECT_EQ(decoded_packed<>(codec::raw, {}, {}), "[]");
    EXPECT_EQ(decoded_packed<int>(codec::raw, {a}, {}), "missing argument \"a\"");
}

TEST(arguments, views_use_the_arena_where_they_must) {
    const std::vector<parameter> parameters{{"s", &shape_of<std::string_view>()},
                                            {"t", &shape_of<std::string_view>()},
                                            {"v", &shape_of<std::vector<std::string_view>>()}};
    constexpr std::string_view json = R"(["a\nb","plain",["\u00e9","c","\t\t\t"]])";
    tenon::base::byte_buffer arena;
    using views = std::vector<std::string_view>;
    EXPECT_EQ((decoded_packed<std::string_view, std::string_view, views>(
                  codec::json, parameters, tenon::as_bytes(json), &arena)),
              "[\"a\\nb\",\"plain\",[\"\xC3\xA9\",\"c\",\"\\t\\t\\t\"]]");
    EXPECT_EQ((decoded_packed<std::string_view, std::string_view, views>(codec::json, parameters,
                                                                         tenon::as_bytes(json))),
              "s: a view cannot hold text with escapes, nor base64");
    tenon::bytes_view content;
    const parameter data{"data", &shape_of<tenon::bytes_view>()};
    void* at = &content;
    ASSERT_TRUE(tenon::coding::decode_arguments(codec::json, {&data, 1}, {&at, 1},
                                                tenon::as_bytes("[\"aGk=\"]"), {}, &arena));
    EXPECT_EQ(tenon::as_text(content), "hi");
}

TEST(arguments, are_encoded_as_an_array) {
    const int x = 1;
    const int y = 2;
    const std::vector<parameter> parameters{a, b};
    const void* objects[] = {&x, &y};
    const auto encoded = [&](codec c, std::size_t n) {
        tenon::base::byte_buffer out;
        out.append("head", 4);
        const auto done =
            tenon::coding::encode_arguments(c, parameters, std::span(objects).first(n), out);
        return done ? std::string(tenon::as_text(out.view())) : std::string(done.error().message());
    };
    EXPECT_EQ(encoded(codec::json, 2), "head[1,2]");
    EXPECT_EQ(encoded(codec::json, 1), "head[1]");
    EXPECT_EQ(encoded(codec::json, 0), "head[]");
    EXPECT_EQ(encoded(codec::msgpack, 2), "head\x92\x01\x02");
    EXPECT_EQ(encoded(codec::raw, 2), "raw carries one argument of bytes or a string only");
    EXPECT_EQ(encoded(codec::raw, 0), "head");
}

TEST(arguments, failed_encoding_leaves_the_buffer_alone) {
    const std::string good(1000, 'x');
    const std::string bad = "\xFF";
    const std::vector<parameter> parameters{{"s", &shape_of<std::string>()},
                                            {"t", &shape_of<std::string>()}};
    const void* objects[] = {&good, &bad};
    tenon::base::byte_buffer out;
    out.append("head", 4);
    const auto done = tenon::coding::encode_arguments(codec::json, parameters, objects, out);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().message(), "t: text is not UTF-8");
    EXPECT_EQ(tenon::as_text(out.view()), "head");
}

}  // namespace
