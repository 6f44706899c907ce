// What to_cpp() and to_text() make of manifests that no C++ contract of ours has made. Those that one
// has made are in tests/manifest and tests/golden.

#include <gtest/gtest.h>

#include "manifest/cpp_names.hpp"
#include "tenon/manifest.hpp"

namespace {

using tenon::manifest;

manifest of(const std::string& members, const std::string& shapes = "{}",
            const char* service = "s") {
    return manifest::parse(R"({"manifest": 1, "publisher": "my.app", "name": ")" +
                           std::string(service) + R"(", "version": "1", "purpose": "",
        "interfaces": {"s": {"purpose": "", "type": "send+recv",
                             "to_server": {"value": "any"}, "to_client": {"value": "any"}}},
        "members": )" + members +
                           R"(, "shapes": )" + shapes + "}")
        .value();
}
std::string refusal(const manifest& m) {
    try {
        return to_cpp(m);
    } catch (const tenon::failure& f) {
        EXPECT_EQ(f.code(), tenon::errc::unsupported);
        return std::string(f.error().message());
    }
}
std::string method(const std::string& shape) {
    return R"({"f": {"kind": "method", "params": [{"name": "a", "shape": )" + shape + "}]}}";
}
bool has(const std::string& text, const char* part) { return text.find(part) != text.npos; }

TEST(to_cpp, refuses_what_cannot_be_a_name) {
    const std::string no = "this manifest has no C++ header: ";
    EXPECT_EQ(refusal(of(R"({"get-it": {"kind": "method"}})")),
              no + "the method \"get-it\" cannot be a name in C++");
    EXPECT_EQ(refusal(of(R"({"class": {"kind": "method"}})")),
              no + "the method \"class\" cannot be a name in C++");
    EXPECT_EQ(refusal(of("{}", R"({"S": {"is": "map", "fields": {"int": "int"}}})")),
              no + "the field \"int\" of S cannot be a name in C++");
    EXPECT_EQ(refusal(of(R"({"f": {"kind": "kettle"}})")), no + "\"f\" is a kettle");
    EXPECT_EQ(refusal(of("{}", R"({"A": {"is": "map", "fields": {"b": "#B"}},
                                   "B": {"is": "map", "fields": {"a": "#A?"}, "optional": ["a"]}})")),
              no + "the type A contains itself");
    EXPECT_EQ(refusal(of(method("\"#L\""), R"({"L": {"is": "array", "of": "#L"},
                                               "S": {"is": "map", "fields": {"l": "#L"}}})")),
              no + "the type L contains itself");
    EXPECT_EQ(refusal(of(method("\"#L\""), R"({"L": {"is": "array", "of": "#L"}})")),
              no + "the type L contains itself");
    std::string laughs = R"({"S0": "int")";
    for (int i = 1; i < 40; ++i) {
        const std::string inner = "\"#S" + std::to_string(i - 1) + "\"";
        laughs += ", \"S" + std::to_string(i) +
                  R"(": {"is": "array", "of": "any", "min": 2, "max": 2, "items": [)" + inner +
                  "," + inner + "]}";
    }
    EXPECT_TRUE(has(refusal(of("{}", laughs + "}")), "is too large"));
    EXPECT_EQ(
        refusal(of(R"({"f": {"kind": "method", "errors": [{"name": "a b", "data": "int"}]}})")),
        no + "no type is called like the error \"a b\"");
}

TEST(to_cpp, gives_the_nearest_type_for_what_has_none) {
    EXPECT_TRUE(
        has(to_cpp(of(method(R"({"is": "int", "min": 1, "max": 9})"))), "void(std::int64_t)"));
    EXPECT_TRUE(has(to_cpp(of(method(R"({"is": "string", "match": "a"})"))), "void(std::string)"));
    EXPECT_TRUE(has(to_cpp(of(method(R"("symbol")"))), "void(tenon::value)"));
    EXPECT_TRUE(
        has(to_cpp(of(method(R"({"is": "union", "of": ["any", "int"]})"))), "void(tenon::value)"));
    EXPECT_TRUE(has(to_cpp(of(method(R"("#M")"), R"({"M": "int"})")), "void(std::int64_t)"));
    EXPECT_TRUE(has(to_cpp(of(method(R"("#M")"), R"({"M": {"is": "array", "of": "string"}})")),
                    "void(std::vector<std::string>)"));
}

TEST(to_cpp, knows_an_optional_of_an_optional) {
    constexpr const char* twice = R"({"is": "union", "of": ["nil", "int?"]})";
    EXPECT_TRUE(has(to_cpp(of(method(twice))), "void(std::optional<std::optional<std::int64_t>>)"));
    EXPECT_TRUE(
        has(to_cpp(of(method(R"({"is": "union", "of": ["nil", )" + std::string(twice) + "]}"))),
            "void(std::optional<std::optional<std::optional<std::int64_t>>>)"));
}

TEST(to_cpp, names_that_do_not_travel_are_made_valid) {
    EXPECT_TRUE(has(to_cpp(of("{}", "{}", "class")), "struct class_ {"));
    EXPECT_TRUE(has(to_cpp(of("{}", "{}", "2-d")), "struct n2_d {"));
    EXPECT_TRUE(has(to_cpp(of("{}", "{}", "std")), "struct std_ {"));
    EXPECT_TRUE(has(to_cpp(of("{}")), "namespace my::app {"));
    EXPECT_TRUE(has(to_cpp(of(R"({"s": {"kind": "method"}})")), "struct s_contract {"));
    EXPECT_EQ(tenon::manifests::to_cpp_name("tenon"), "my_tenon");
    EXPECT_EQ(tenon::manifests::to_cpp_name("__"), "n");
}

TEST(to_cpp, values_and_texts) {
    using tenon::value;
    using tenon::manifests::cpp_value;
    EXPECT_EQ(cpp_value(nullptr), "nullptr");
    EXPECT_EQ(cpp_value("a\"\x01"), "\"a\\\"\\001\"");
    EXPECT_EQ(cpp_value("?"
                        "?="),
              "\"?\\?=\"");
    EXPECT_EQ(cpp_value(INT64_MIN), "INT64_MIN");
    EXPECT_EQ(cpp_value(UINT64_MAX), "18446744073709551615u");
    EXPECT_EQ(cpp_value(1.0), "1.0");
    EXPECT_EQ(cpp_value(value::list({1, ")json"})),
              "tenon::parse_json(R\"json_([1,\")json\"])json_\").value()");
}

// A description from elsewhere must not command the terminal.
TEST(to_text, has_no_control_characters) {
    const std::string text = to_text(of(
        R"({"f": {"kind": "method", "doc": "a\u001b[31m\u009b", "params":
            [{"name": "p\u0007", "shape": "int", "default": "\u001b"}]}})",
        R"({"S": {"is": "enum", "of": ["x\u0000y"]}})"));
    for (const char c : text)
        EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << text;
    EXPECT_EQ(text.find("\xC2\x9B"), text.npos);
}

TEST(to_text, breaks_lines_at_the_width) {
    const manifest m = of(R"({"method": {"kind": "method", "idempotent": true, "doc":
        "Some words that are too many for forty columns", "params": [
        {"name": "first", "shape": "int"}, {"name": "second", "shape": "string?", "optional": true}],
        "result": "bool"}})");
    EXPECT_EQ(to_text(m, 40),
              "my.app/s 1\n\n  method(\n      first: int64,\n      second: string?,\n  ) -> bool   "
              "idempotent\n      Some words that are too many for\n      forty columns\n");
}

}  // namespace
