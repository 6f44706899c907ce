// One row per kind of change: what the older and the newer manifest say of a method f, and what
// compare() makes of it.

#include <gtest/gtest.h>

#include "tenon/manifest.hpp"

namespace {

using tenon::manifest;

struct row {
    const char* older;  // content of the member f; or of several members and shapes
    const char* newer;
    const char* expected;  // "! where: what" is breaking; several are separated by "; "
};

manifest of(std::string_view text) {
    // "f | shapes": the member, and the named shapes if there are any.
    const std::size_t bar = text.find('|');
    std::string json =
        R"({"manifest": 1, "publisher": "p", "name": "s", "version": "1", "purpose": "",
        "interfaces": {"s": {"purpose": "", "type": "send+recv",
                             "to_server": {"value": "any"}, "to_client": {"value": "any"}}},
        "members": {"f": {"kind": "method", )";
    json.append(text.substr(0, bar)).append("}}");
    if (bar != text.npos) json.append(R"(, "shapes": {)").append(text.substr(bar + 1)).append("}");
    return manifest::parse(json + "}").value();
}

std::string said(const manifest& older, const manifest& newer) {
    std::string all;
    for (const tenon::change& c : compare(older, newer))
        all.append(all.empty() ? "" : "; ")
            .append(c.breaking ? "! " : "")
            .append(c.where + ": " + c.what);
    return all;
}

#define A R"("name": "a", "shape": )"
#define PARAM(shape) R"("params": [{)" A shape "}]"
#define RESULT(shape) R"("result": )" shape
#define INT32 R"({"is": "int", "min": -2147483648, "max": 2147483647})"
#define UINT64 R"({"is": "int", "min": 0, "max": 18446744073709551615})"
#define FLOAT32 R"({"is": "number", "bits": 32})"
#define STRUCT(fields) R"("S": {"is": "map", "fields": {)" fields "}}"
#define STRUCT_OPTIONAL(fields, names) \
    R"("S": {"is": "map", "fields": {)" fields R"(}, "optional": [)" names "]}"
#define ENUM(names) R"("S": {"is": "enum", "of": [)" names "]}"

// Parameters, flags, documentation.
const row members[] = {
    {RESULT(R"("int")"), RESULT(R"("int")"), ""},
    {R"("doc": "a")", R"("doc": "b")", "f: documentation changed"},
    {R"("idempotent": true)", R"("idempotent": false)", "! f: is no longer idempotent"},
    {R"("idempotent": false)", R"("idempotent": true)", "f: is now idempotent"},
    {R"("blocking": true)", R"("blocking": false)", "f: is no longer blocking"},
    {R"("serial": false)", R"("serial": true)", "f: is now serial"},
    {R"("priority": "low")", R"("priority": "high")", "f priority: was low, is high"},
    {R"("priority": "high")", R"("priority": "normal")", "f priority: was high, is normal"},
    {R"("params": [])", R"("priority": "normal")", ""},
    {R"("codec": "raw")", R"("codec": "json")", "! f codec: was raw, is json"},
    {R"("params": [])", R"("codec": "json")", "! f codec: was any, is json"},
    {R"("params": [])", PARAM(R"("int")"), "! f(a): parameter added without a default"},
    {R"("params": [])", PARAM(R"("int", "default": 1)"),
     "f(a): parameter added that may be left out"},
    {R"("params": [])", PARAM(R"("int?", "optional": true)"),
     "f(a): parameter added that may be left out"},
    {PARAM(R"("int")"), R"("params": [])", "! f(a): parameter removed"},
    {PARAM(R"("int")"), R"("params": [{"name": "b", "shape": "int"}])", "! f(a): renamed to b"},
    {R"("params": [{"name": "a", "shape": "int"}, {"name": "b", "shape": "int"}])",
     R"("params": [{"name": "b", "shape": "int"}, {"name": "a", "shape": "int"}])",
     "! f(a): parameter moved; ! f(b): parameter moved"},
    {PARAM(R"("int", "default": 1)"), PARAM(R"("int")"), "! f(a): must be given now"},
    {PARAM(R"("int")"), PARAM(R"("int", "default": 1)"), "f(a): may be left out now"},
    {PARAM(R"("int", "default": 1)"), PARAM(R"("int", "default": 2)"), "f(a): default was 1, is 2"},
    {PARAM(R"("int", "doc": "x")"), PARAM(R"("int", "doc": "y")"), "f(a): documentation changed"},
    {R"("params": [])", R"("errors": [{"name": "e", "data": "int"}])", "f error e: added"},
    {R"("errors": [{"name": "e", "data": "int"}])", R"("params": [])", "f error e: removed"},
    {R"("errors": [{"name": "e", "data": "int"}])",
     R"("errors": [{"name": "e", "data": "string"}])", "! f error e: was int64, is string"},
};

// The same change in an argument and in a result.
const row types[] = {
    {PARAM(INT32), PARAM(R"("int")"), "f(a): was int32, is int64"},
    {RESULT(INT32), RESULT(R"("int")"), "! f result: was int32, is int64"},
    {PARAM(R"("int")"), PARAM(INT32), "! f(a): was int64, is int32"},
    {RESULT(R"("int")"), RESULT(INT32), "f result: was int64, is int32"},
    {PARAM(R"("int")"), PARAM(UINT64), "! f(a): was int64, is uint64"},
    {PARAM(UINT64), PARAM(R"("int")"), "! f(a): was uint64, is int64"},
    {PARAM(R"("int")"), PARAM(R"("number")"), "f(a): was int64, is number"},
    {RESULT(R"("int")"), RESULT(R"("number")"), "! f result: was int64, is number"},
    {PARAM(R"("number")"), PARAM(R"("int")"), "! f(a): was number, is int64"},
    {PARAM(FLOAT32), PARAM(R"("number")"), "f(a): was float32, is number"},
    {PARAM(R"("number")"), PARAM(FLOAT32), "! f(a): was number, is float32"},
    {PARAM(R"("int")"), PARAM(R"("string")"), "! f(a): was int64, is string"},
    {PARAM(R"("int")"), PARAM(R"("any")"), "f(a): was int64, is any"},
    {RESULT(R"("any")"), RESULT(R"("int")"), "f result: was any, is int64"},
    {RESULT(R"("nil")"), RESULT(R"("int")"), "! f result: was nil, is int64"},
    {PARAM(R"("time")"), PARAM(R"({"is": "number", "unit": "s"})"),
     "! f(a): was time, is duration"},
    {PARAM(R"("int")"), PARAM(R"("int?")"), "f(a): may be nil now"},
    {RESULT(R"("int")"), RESULT(R"("int?")"), "! f result: may be nil now"},
    {RESULT(R"("int?")"), RESULT(R"("int")"), "f result: must not be nil now"},
    {PARAM(R"("int?", "optional": true)"), PARAM(R"("int", "default": 1)"),
     "! f(a): must not be nil now"},
    {PARAM(R"({"is": "bytes", "min": 4, "max": 4})"), PARAM(R"("bytes")"),
     "f(a): was bytes(4), is bytes"},
    {PARAM(R"("bytes")"), PARAM(R"({"is": "bytes", "min": 4, "max": 4})"),
     "! f(a): was bytes, is bytes(4)"},
    {PARAM(R"({"is": "array", "of": "int"})"), PARAM(R"({"is": "array", "of": "number"})"),
     "f(a): was int64, is number"},
    {PARAM(R"({"is": "array", "of": "int", "min": 2, "max": 2})"),
     PARAM(R"({"is": "array", "of": "int"})"), "f(a): was [int64; 2], is [int64]"},
    {PARAM(R"({"is": "array", "of": "int"})"),
     PARAM(R"({"is": "array", "of": "int", "min": 2, "max": 2})"),
     "! f(a): was [int64], is [int64; 2]"},
    {PARAM(R"({"is": "array", "of": "any", "min": 1, "max": 1, "items": ["int"]})"),
     PARAM(R"({"is": "array", "of": "any", "min": 1, "max": 1, "items": ["string"]})"),
     "! f(a)[0]: was int64, is string"},
    {PARAM(R"({"is": "map", "fields": {}, "extra": "int"})"),
     PARAM(R"({"is": "map", "fields": {}, "extra": "int", "keys": "int"})"),
     "! f(a) key: was string, is int64"},
    {PARAM(R"({"is": "union", "of": ["int", "string"]})"),
     PARAM(R"({"is": "union", "of": ["int", "string", "bool"]})"), "f(a): alternative bool added"},
    {RESULT(R"({"is": "union", "of": ["int", "string"]})"),
     RESULT(R"({"is": "union", "of": ["int", "string", "bool"]})"),
     "! f result: alternative bool added"},
    {PARAM(R"({"is": "union", "of": ["int", "string"]})"), PARAM(R"("int")"),
     "! f(a): was int64 | string, is int64"},
    {RESULT(R"({"is": "union", "of": ["int", "string"]})"), RESULT(R"("int")"),
     "f result: was int64 | string, is int64"},
    {PARAM(R"("int")"), PARAM(R"({"is": "union", "of": ["number", "string"]})"),
     "f(a): was int64, is number | string; f(a): was int64, is number"},
    {PARAM(R"({"is": "string", "match": "a"})"), PARAM(R"({"is": "string", "match": "b"})"),
     R"(! f(a): was {"is":"string","match":"a"}, is {"is":"string","match":"b"})"},
    {PARAM(R"({"is": "int", "min": 1, "max": 9})"), PARAM(R"({"is": "int", "min": 0, "max": 9})"),
     R"(f(a): was int64 of {"is":"int","min":1,"max":9}, is int64 of {"is":"int","min":0,"max":9})"},
    {PARAM(R"("symbol")"), PARAM(R"("gene")"), "! f(a): was \"symbol\", is \"gene\""},
};

// Named types.
const row named[] = {
    {PARAM(R"("#S")") "|" STRUCT(R"("x": "int")"),
     PARAM(R"("#S")") "|" STRUCT(R"("x": "int", "y": "int")"),
     "! S.y: field added that must be there"},
    {RESULT(R"("#S")") "|" STRUCT(R"("x": "int")"),
     RESULT(R"("#S")") "|" STRUCT(R"("x": "int", "y": "int")"),
     "S.y: field added that must be there"},
    {PARAM(R"("#S")") "|" STRUCT(R"("x": "int")"),
     PARAM(R"("#S")") "|" STRUCT_OPTIONAL(R"("x": "int", "y": "int?")", R"("y")"),
     "S.y: field added that may be missing"},
    {PARAM(R"("#S")") "|" STRUCT(R"("x": "int", "y": "int")"),
     PARAM(R"("#S")") "|" STRUCT(R"("x": "int")"), "S.y: field removed"},
    {RESULT(R"("#S")") "|" STRUCT(R"("x": "int", "y": "int")"),
     RESULT(R"("#S")") "|" STRUCT(R"("x": "int")"), "! S.y: field removed"},
    {PARAM(R"("#S")") "|" STRUCT(R"("x": "int")"),
     PARAM(R"("#S")") "|" STRUCT_OPTIONAL(R"("x": "int?")", R"("x")"), "S.x: may be missing now"},
    {RESULT(R"("#S")") "|" STRUCT(R"("x": "int")"),
     RESULT(R"("#S")") "|" STRUCT_OPTIONAL(R"("x": "int?")", R"("x")"),
     "! S.x: may be missing now"},
    {PARAM(R"("#S")") "|" STRUCT_OPTIONAL(R"("x": "int")", R"("x")"),
     PARAM(R"("#S")") "|" STRUCT(R"("x": "int")"), "! S.x: must be there now"},
    // Used in both directions, told once, as the worse.
    {PARAM(R"("#S")") "," RESULT(R"("#S")") "|" STRUCT(R"("x": "int")"),
     PARAM(R"("#S")") "," RESULT(R"("#S")") "|" STRUCT(R"("x": "number")"),
     "! S.x: was int64, is number"},
    {PARAM(R"("#S")") "|" STRUCT_OPTIONAL(R"("x": "int", "next": {"is": "array", "of": "#S"})",
                                          R"("next")"),
     PARAM(R"("#S")") "|" STRUCT_OPTIONAL(R"("x": "string", "next": {"is": "array", "of": "#S"})",
                                          R"("next")"),
     "! S.x: was int64, is string"},
    {PARAM(R"("#S")") "|" ENUM(R"("a")"), PARAM(R"("#S")") "|" ENUM(R"("a", "b")"),
     "S: value b added"},
    {RESULT(R"("#S")") "|" ENUM(R"("a")"), RESULT(R"("#S")") "|" ENUM(R"("a", "b")"),
     "! S: value b added"},
    {PARAM(R"("#S")") "|" ENUM(R"("a", "b")"), PARAM(R"("#S")") "|" ENUM(R"("a")"),
     "! S: value b removed"},
    {PARAM(R"("#S")") "|" ENUM(R"("a")"), PARAM(R"("string")"), "f(a): was S, is string"},
    {PARAM(R"("#S")") "|"
                      R"("S": {"is": "enum", "of": ["a"], "numbers": [1]})",
     PARAM(R"("#S")") "|"
                      R"("S": {"is": "enum", "of": ["a"], "numbers": [2]})",
     "! S: value a has another number"},
    // A type of another name is the same on the wire.
    {PARAM(R"("#S")") "|" STRUCT(R"("x": "int")"),
     PARAM(R"("#T")") R"(|"T": {"is": "map", "fields": {"x": "int"}})", ""},
};

TEST(compare, tells_breaking_from_compatible_changes) {
    for (const auto& table :
         {std::span<const row>(members), std::span<const row>(types), std::span<const row>(named)})
        for (const row& r : table)
            EXPECT_EQ(said(of(r.older), of(r.newer)), r.expected) << r.older << "\n" << r.newer;
}

TEST(compare, tells_of_the_service_and_its_members) {
    const auto with = [](const char* name, tenon::value v) {
        tenon::value content = of(R"("params": [])").content();
        content[name] = std::move(v);
        return manifest::from(content).value();
    };
    const manifest before = with("version", "1");
    EXPECT_EQ(said(before, with("version", "2")), "version: was 1, is 2");
    EXPECT_EQ(said(before, with("purpose", "x")), "purpose: documentation changed");
    EXPECT_EQ(said(before, with("publisher", "q")), "! publisher: was p, is q");
    const auto method = tenon::parse_json(R"({"g": {"kind": "method"}})").value();
    EXPECT_EQ(said(before, with("members", method)), "! f: removed; g: added");
    EXPECT_EQ(said(before, with("operations", method)), "g: added");
    EXPECT_EQ(said(before,
                   with("members",
                        tenon::parse_json(R"({"f": {"kind": "source", "value": "int"}})").value())),
              "! f: was method, is source");
    EXPECT_EQ(said(before, with("endpoints", tenon::value::list({}))), "");
}

}  // namespace
