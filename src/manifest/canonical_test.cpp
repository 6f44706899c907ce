#include "manifest/canonical.hpp"

#include <gtest/gtest.h>

#include "tenon/manifest.hpp"

namespace {

using tenon::value;

TEST(canonical, numbers_and_texts) {
    const auto text = [](const value& v) { return tenon::manifests::canonical_text(v); };
    const std::pair<double, const char*> reals[] = {{0.00001, "0.00001"},
                                                    {1.0, "1.0"},
                                                    {123456789.125, "123456789.125"},
                                                    {1e15, "1000000000000000.0"},
                                                    {1e16, "1.0e16"},
                                                    {1e21, "1.0e21"},
                                                    {5e-324, "5.0e-324"},
                                                    {-0.0, "-0.0"},
                                                    {0.1, "0.1"},
                                                    {-1.5e-7, "-1.5e-7"},
                                                    {100000000000.0, "100000000000.0"}};
    for (const auto& [number, expected] : reals) EXPECT_EQ(text(number), expected);
    EXPECT_EQ(text(INT64_MIN), "-9223372036854775808");
    EXPECT_EQ(text(UINT64_MAX), "(gene/int \"18446744073709551615\")");
    EXPECT_EQ(text("a\nb\tc\rd\"e\\f/g\bh\f\x7f\xE4\xB8\xAD"),
              "\"a\\nb\\tc\\rd\\\"e\\\\f/g\\bh\\u000c\\u007f\xE4\xB8\xAD\"");
    EXPECT_EQ(text(tenon::parse_json(R"({"b": [1, null, true], "a": {}})").value()),
              "{^a {} ^b [1 nil true]}");
    EXPECT_EQ(text(tenon::parse_json(R"({"a b": 1, "": 2})").value()),
              "(gene/map [\"\" 2] [\"a b\" 1])");
    EXPECT_EQ(text(tenon::parse_json(R"({"$gene": [{"$sym": "x"}, {"a": 1}, [2]]})").value()),
              "(x ^a 1 2)");
    EXPECT_EQ(text(tenon::parse_json(R"({"$$k": 1})").value()), "{^$k 1}");
    EXPECT_EQ(tenon::manifests::sha256_of("abc"),
              "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// The example of the Gene manifest schema, with the digest that its specification gives.
constexpr const char* shop = R"(
{
 "manifest": 1,
 "name": "shop",
 "version": "1.2.0",
 "purpose": "Prices, telemetry and orders of the demo shop",
 "endpoints": [
  {"address": "unix:/run/shop.sock", "priority": 0, "weight": 1},
  {"address": "tcp:127.0.0.1:7007", "priority": 10, "weight": 1}
 ],
 "shapes": {"Money": "int", "Item": {"is": "map", "fields": {"sku": "string", "count": {"is": "int", "min": 1}}}},
 "interfaces": {
  "ticker": {
   "purpose": "Live prices, one value per change",
   "type": "send",
   "to_client": {
    "value": {"is": "map", "fields": {"sku": "string", "price": "#Money", "at": "time"}},
    "overflow": "latest",
    "key": "sku",
    "replay": {"kind": "memory", "keep": 10000},
    "window": 256,
    "example": {"at": {"$time": ["2020-12-02T10:11:12Z"]}, "price": 1999, "sku": "A-1"}
   },
   "control": {"ops": ["position", "seek", "watch"]}
  },
  "metrics": {
   "purpose": "Clients report counters; nothing comes back but flow signals",
   "type": "recv",
   "to_server": {
    "value": {"is": "gene", "name": "metric", "props": {"name": "string", "value": "number"}, "rest": "string"},
    "overflow": "drop_old",
    "queue": 1024,
    "max_message": 4096,
    "example": {"$gene": [{"$sym": "metric"}, {"name": "cpu", "value": 0.5}, ["host-1"]]}
   },
   "control": false
  },
  "orders": {
   "purpose": "Place orders and hear what became of them",
   "type": "send+recv",
   "pattern": "request-reply",
   "correlate": "id",
   "codecs": ["gene", "json", "msgpack"],
   "to_server": {
    "value": {
     "is": "map",
     "fields": {"id": "string", "items": {"is": "array", "of": "#Item", "min": 1}, "note": "string?"},
     "optional": ["note"]
    },
    "ack": true
   },
   "to_client": {
    "value": {
     "is": "union",
     "of": [
      {"is": "map", "fields": {"id": "string", "ok": {"is": "const", "value": true}, "total": "#Money"}},
      {"is": "map", "fields": {"id": "string", "ok": {"is": "const", "value": false}, "error": "string"}}
     ]
    }
   },
   "control": {"ops": ["watch"]},
   "max_connections": 1000
  }
 }
})";

TEST(canonical, example_of_the_gene_schema) {
    const value v = tenon::parse_json(shop).value();
    const std::string text = tenon::manifests::canonical_text(v);
    EXPECT_EQ(text.size(), 1537u);
    EXPECT_EQ(tenon::manifests::sha256_of(text),
              "sha256:52cb8b0a39994ddf353d16dca514e0027eb11f667ff1545a961048cc5a55777f");
    EXPECT_TRUE(tenon::manifest::parse(shop));
}

}  // namespace
