#include "tenon/manifest.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>

#include "../../examples/02_contract/shop.hpp"
#include "../../examples/echo.hpp"

namespace sample {

struct defaults {
    tenon::method<void(tenon::bytes, std::chrono::system_clock::time_point, double)> f;
    static void describe(tenon::description<defaults>& d) {
        d[&defaults::f]
            .default_value("data", tenon::bytes{std::byte{'h'}, std::byte{'i'}})
            .default_value("at", std::chrono::system_clock::time_point(std::chrono::seconds(1)))
            .default_value("real", std::numeric_limits<double>::quiet_NaN());
    }
};
TENON_INTERFACE(defaults, "test", "defaults", "1", (f, data, at, real))

}  // namespace sample

namespace {

using tenon::manifest;
using tenon::value;

std::string message(const tenon::result<manifest>& r) {
    return r ? "fine" : std::string(r.error().message());
}

// A small manifest with one part replaced.
value with(const char* where, value part) {
    value v = tenon::parse_json(R"({
        "manifest": 1, "publisher": "demo", "name": "math", "version": "1.0.0", "purpose": "",
        "interfaces": {"math": {"purpose": "", "type": "send+recv",
                                "to_server": {"value": "any"}, "to_client": {"value": "any"}}},
        "members": {"plus": {"kind": "method", "params": [{"name": "a", "shape": "int"}],
                             "result": "int"}}})")
                  .value();
    v[where] = std::move(part);
    return v;
}
std::string shape_said(const char* shape) {
    return message(
        manifest::from(with("shapes", value::object({{"S", tenon::parse_json(shape).value()}}))));
}

TEST(manifest, tells_everything_of_a_contract) {
    const manifest m = tenon::manifest_of<demo::shop>();
    EXPECT_EQ(m.publisher(), "demo");
    EXPECT_EQ(m.service(), "shop");
    EXPECT_EQ(m.version(), "1.0.0");
    EXPECT_EQ(m.purpose(), "Sells fruit.");
    const value& order = m.content()["members"]["order"];
    EXPECT_EQ(tenon::to_json(order),
              R"({"kind":"method","doc":"Buys all of the items or nothing.",)"
              R"("params":[{"name":"items","shape":{"is":"array","of":"#item"}},)"
              R"({"name":"currency","shape":"string","default":"EUR"}],)"
              R"("result":"#receipt","errors":[{"name":"sold_out","data":"#sold_out"}]})");
    EXPECT_EQ(tenon::to_json(m.content()["shapes"]["item"]),
              R"({"is":"map","fields":{"name":"string",)"
              R"("count":{"is":"int","min":-2147483648,"max":2147483647}},"optional":["count"]})");
    std::string order_of_fields;
    for (const auto& [key, v] : m.content().as_map()) order_of_fields += key.as_string() + " ";
    EXPECT_EQ(order_of_fields,
              "manifest publisher name version purpose interfaces members shapes hash ");
}

TEST(manifest, defaults_are_as_json_has_them) {
    const tenon::manifest m = tenon::manifest_of<sample::defaults>();
    const value& params = m.content()["members"]["f"]["params"];
    EXPECT_EQ(params[0]["default"], value("aGk="));
    EXPECT_EQ(params[1]["default"], value("1970-01-01T00:00:01Z"));
    EXPECT_EQ(params[2].find("default"), nullptr);  // JSON has no NaN
    EXPECT_EQ(params[2]["optional"], value(true));
    EXPECT_TRUE(m.check_call("f", value::list({})));
}

TEST(manifest, survives_json) {
    const manifest m = tenon::manifest_of<example::echo>();
    for (const bool pretty : {false, true}) {
        const manifest again = manifest::parse(m.to_json(pretty)).value();
        EXPECT_EQ(again.content(), m.content());
        EXPECT_EQ(again.hash(), m.hash());
    }
    EXPECT_EQ(m.content()["hash"].as_string(), m.hash());
    EXPECT_EQ(m.hash().size(), 7 + 64u);
}

TEST(manifest, hash_is_of_the_meaning) {
    const std::string hash = manifest::from(with("version", "1.0.0")).value().hash();
    for (const char* ignored : {"hash", "endpoints", "instances"})
        EXPECT_EQ(manifest::from(with(ignored, "whatever")).value().hash(), hash);
    EXPECT_NE(manifest::from(with("version", "1.0.1")).value().hash(), hash);
    EXPECT_NE(manifest::from(with("x_private", 1)).value().hash(), hash);

    value turned = value::map();
    const value straight = with("version", "1.0.0");
    for (auto at = straight.as_map().rbegin(); at != straight.as_map().rend(); ++at)
        turned[at->first.as_string()] = at->second;
    EXPECT_EQ(manifest::from(turned).value().hash(), hash);
}

TEST(manifest, keeps_what_it_does_not_know) {
    const manifest m = manifest::from(with("x_private", value::list({1, nullptr}))).value();
    EXPECT_EQ(m.content()["x_private"], value::list({1, nullptr}));
}

TEST(manifest, names_what_is_wrong) {
    EXPECT_FALSE(manifest::parse("{"));
    EXPECT_EQ(message(manifest::parse("[]")), "expected a map, got array");
    EXPECT_EQ(message(manifest::parse("{}")), "missing member \"manifest\"");
    EXPECT_EQ(message(manifest::from(with("manifest", 2))), "manifest: expected 1, got int64");
    EXPECT_EQ(message(manifest::from(with("name", 3))), "name: expected string, got int64");
    EXPECT_EQ(message(manifest::from(with("name", "a b"))), "name: expected a name, got \"a b\"");
    EXPECT_EQ(message(manifest::from(with("interfaces", value::map()))),
              "interfaces: expected a map of interfaces, got map");
    EXPECT_EQ(message(manifest::from(with("members", tenon::parse_json(R"(
                  {"f": {"kind": "method", "params": [{"name": "a", "shape": "intt"}]}})")
                                                         .value()))),
              "members.f.params[0].shape: unknown shape \"intt\"");
    EXPECT_EQ(message(manifest::from(with("x", tenon::bytes(3)))),
              "x: expected what JSON can say, got bytes");
}

TEST(manifest, shapes_must_be_shapes) {
    EXPECT_EQ(shape_said(R"("int?")"), "fine");
    EXPECT_EQ(shape_said(R"({"is": "string", "match": "a*", "x_note": 1})"), "fine");
    EXPECT_EQ(shape_said(R"({"is": "map", "fields": {"next": "#S"}, "optional": ["next"]})"),
              "fine");
    EXPECT_EQ(shape_said(R"({"is": "thing"})"), "shapes.S.is: unknown shape \"thing\"");
    EXPECT_EQ(shape_said(R"("#T")"), "shapes.S: unknown shape \"#T\"");
    EXPECT_EQ(shape_said(R"("int??")"), "shapes.S: unknown shape \"int??\"");
    EXPECT_EQ(shape_said(R"(3)"), "shapes.S: expected a shape, got int64");
    EXPECT_EQ(shape_said(R"({"is": "map", "fields": {}, "optional": ["a"]})"),
              "shapes.S.optional: expected a field, got \"a\"");
    EXPECT_EQ(shape_said(R"({"is": "union", "of": ["int", {"is": "array", "of": 1}]})"),
              "shapes.S.of[1].of: expected a shape, got int64");
    EXPECT_EQ(shape_said(R"({"is": "enum", "of": ["a"], "numbers": [1, 2]})"),
              "shapes.S.numbers: expected as many numbers as names, got array");
}

TEST(manifest, shapes_that_are_nothing_but_themselves_are_refused) {
    for (const char* shape : {R"("#S")", R"("#S?")", R"({"is": "union", "of": ["int", "#S"]})"})
        EXPECT_EQ(shape_said(shape), "shape \"S\" is nothing but itself") << shape;
    EXPECT_EQ(shape_said(R"({"is": "array", "of": "#S"})"), "fine");

    value shapes = value::map();
    for (int i = 0; i < 4000; ++i)
        shapes["S" + std::to_string(i)] = "#S" + std::to_string(i + 1) + "?";
    shapes["S4000"] = "int";
    EXPECT_EQ(message(manifest::from(with("shapes", std::move(shapes)))), "shapes nested too deep");
}

TEST(manifest, is_limited) {
    std::string deep;
    for (int i = 0; i < 40; ++i) deep += R"({"is":"array","of":)";
    EXPECT_EQ(message(manifest::parse(std::string(5 << 20, ' '))),
              "a manifest is at most 4 MiB long");
    value v = "int";
    for (int i = 0; i < 80; ++i) v = value::object({{"is", "array"}, {"of", std::move(v)}});
    EXPECT_NE(
        message(manifest::from(with("shapes", value::object({{"S", v}})))).find("nested too deep"),
        std::string::npos);
    value::array many(401'000);
    EXPECT_NE(message(manifest::from(with("x", many))).find("too many values"), std::string::npos);
}

}  // namespace
