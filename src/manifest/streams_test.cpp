// Sources, sinks and channels in manifests: made from a contract, read, shown, generated, compared.

#include <gtest/gtest.h>

#include "tenon/manifest.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/struct.hpp"

namespace sample {

struct tick {
    std::string symbol;
    double price = 0;
};
TENON_STRUCT(tick, symbol, price)

struct said {
    std::string text;
};
TENON_STRUCT(said, text)

struct closed {
    std::string until;
};
TENON_STRUCT(closed, until)

struct feed {
    tenon::source<tick(std::string, int)> ticks;
    tenon::source<std::optional<int>()> numbers;
    tenon::sink<tick> record;
    tenon::sink<double, std::vector<double>, int> window_means;
    tenon::channel<said, std::string, std::string> chat;
    tenon::method<int()> count;

    static void describe(tenon::description<feed>& d) {
        d.doc("Prices and talk.");
        d[&feed::ticks]
            .doc("Prices as they come.")
            .latest(&tick::symbol, 100)
            .window(500)
            .errors<closed>()
            .default_value("speed", 1);
        d[&feed::numbers].latest([](const std::optional<int>& n) { return n.has_value(); });
        d[&feed::record].overflow(tenon::overflow::drop_old, 10).blocking();
        d[&feed::chat].up().window(4).down().overflow(tenon::overflow::block, 20);
        d[&feed::window_means].codec(tenon::codec::json);
    }
};
TENON_INTERFACE(feed, "test", "feed", "1.0.0", (ticks, pattern, speed), numbers, record,
                (window_means, size), (chat, room), count)

struct only_sources {
    tenon::source<int()> ticks;
};
TENON_INTERFACE(only_sources, "test", "only", "1.0.0", ticks)

// Mistakes of descriptions.
struct nested {
    std::vector<std::optional<std::string_view>> texts;
};
TENON_STRUCT(nested, texts)
struct with_views {
    tenon::source<nested()> texts;
};
TENON_INTERFACE(with_views, "test", "views", "1", texts)

struct large_window {
    tenon::source<int()> ticks;
    static void describe(tenon::description<large_window>& d) {
        d[&large_window::ticks].window(0x8000'0000);
    }
};
TENON_INTERFACE(large_window, "test", "large", "1", ticks)

struct as_images {
    tenon::sink<tenon::value> lines;
    static void describe(tenon::description<as_images>& d) {
        d[&as_images::lines].codec(tenon::codec::marshal);
    }
};
TENON_INTERFACE(as_images, "test", "images", "1", lines)

}  // namespace sample

namespace {

using tenon::manifest;
using tenon::value;

manifest feed() { return tenon::manifest_of<sample::feed>(); }

template <class Contract>
std::string mistake_of() {
    try {
        (void)tenon::manifest_of<Contract>();
    } catch (const tenon::failure& f) {
        return f.error().to_string();
    }
    return "none";
}

TEST(manifest_streams, tells_what_passes_and_how_it_flows) {
    const value members = feed().content()["members"];
    EXPECT_EQ(
        tenon::to_json(members["ticks"]),
        R"({"kind":"source","doc":"Prices as they come.",)"
        R"("params":[{"name":"pattern","shape":"string"},{"name":"speed","shape":{"is":"int",)"
        R"("min":-2147483648,"max":2147483647},"default":1}],"value":"#tick",)"
        R"("flow":{"down":{"overflow":"latest","key":"symbol","queue":100,"window":500}},)"
        R"("errors":[{"name":"closed","data":"#closed"}]})");
    EXPECT_EQ(tenon::to_json(members["numbers"]["flow"]), R"({"down":{"overflow":"latest"}})");
    EXPECT_EQ(tenon::to_json(members["record"]),
              R"({"kind":"sink","params":[],"value":"#tick","result":"nil",)"
              R"("flow":{"up":{"overflow":"drop_old","queue":10}},"blocking":true})");
    EXPECT_EQ(tenon::to_json(members["window_means"]["result"]), R"({"is":"array","of":"number"})");
    EXPECT_EQ(tenon::to_json(members["chat"]),
              R"({"kind":"channel","params":[{"name":"room","shape":"string"}],"up":"#said",)"
              R"("down":"string","flow":{"up":{"window":4},"down":{"queue":20}}})");
}

TEST(manifest_streams, each_is_an_interface) {
    const value interfaces = feed().content()["interfaces"];
    std::string names;
    for (const auto& [name, content] : interfaces.as_map()) names += name.as_string() + " ";
    EXPECT_EQ(names, "feed feed.ticks feed.numbers feed.record feed.window_means feed.chat ");
    EXPECT_EQ(tenon::to_json(interfaces["feed.ticks"]),
              R"({"purpose":"Prices as they come.","type":"send","pattern":"stream",)"
              R"("codecs":["msgpack","json"],"control":{"ops":[]},"to_client":{"value":"#tick",)"
              R"("overflow":"latest","key":"symbol","queue":100,"window":500}})");
    EXPECT_EQ(interfaces["feed.record"]["type"], value("recv"));
    EXPECT_EQ(interfaces["feed.chat"]["type"], value("send+recv"));
    EXPECT_EQ(tenon::to_json(interfaces["feed.chat"]["to_server"]),
              R"({"value":"#said","window":4})");

    const manifest only = tenon::manifest_of<sample::only_sources>();
    EXPECT_EQ(only.content()["interfaces"].size(), 1u);
    EXPECT_EQ(manifest::parse(only.to_json()).value().hash(), only.hash());
}

TEST(manifest_streams, mistakes_are_named) {
    EXPECT_EQ(mistake_of<sample::with_views>(),
              "invalid: views.texts is a source whose values hold views, which they would outlive: "
              "use std::string or tenon::bytes");
    EXPECT_EQ(mistake_of<sample::large_window>(),
              "invalid: large.ticks is a source with too large a window");
    EXPECT_NE(mistake_of<sample::as_images>().find("images.lines"), std::string::npos);
}

TEST(manifest_streams, are_shown_as_people_read_them) {
    EXPECT_EQ(to_text(feed(), 100),
              R"(test/feed 1.0.0
Prices and talk.

  ticks(pattern: string, speed: int32 = 1) -> stream of tick
      source, latest by symbol 100 window 500
      Prices as they come.
      fails with closed
  numbers() -> stream of int32?   source, latest
  record(stream of tick)   sink, blocking, drop_old 10
  window_means(size: int32, stream of number) -> [number]   sink, json
  chat(room: string, stream of said) -> stream of string   channel, up window 4, down queue 20
  count() -> int32

Types
  tick    { symbol: string, price: number }
  closed  { until: string }
  said    { text: string }
)");
}

TEST(manifest_streams, become_the_same_contract_again) {
    const std::string header = to_cpp(feed());
    const auto has = [&](const char* part) {
        EXPECT_NE(header.find(part), std::string::npos) << part << "\n" << header;
    };
    has("#include \"tenon/stream_members.hpp\"\n");
    has("    tenon::source<tick(std::string, std::int32_t)> ticks;\n");
    has("    tenon::source<std::optional<std::int32_t>()> numbers;\n");
    has("    tenon::sink<tick> record;\n");
    has("    tenon::sink<double, std::vector<double>, std::int32_t> window_means;\n");
    has("    tenon::channel<said, std::string, std::string> chat;\n");
    has("            .errors<closed>()\n            .latest(&tick::symbol, 100)\n"
        "            .window(500);\n");
    has(".overflow(tenon::overflow::latest);\n");
    has("d[&feed::chat].up().window(4).down().overflow(tenon::overflow::block, 20);\n");
    EXPECT_EQ(to_cpp(tenon::manifest_of<sample::only_sources>()).find("describe"),
              std::string::npos);
}

TEST(manifest_streams, have_schemas) {
    const value defs = to_json_schema(feed())["$defs"];
    EXPECT_EQ(defs["ticks.value"], defs["tick"]);
    EXPECT_EQ(defs["ticks.params"]["description"], value("Prices as they come."));
    EXPECT_EQ(defs.find("ticks.result"), nullptr);
    EXPECT_EQ(tenon::to_json(defs["window_means.value"]), R"({"type":"number"})");
    EXPECT_EQ(defs["window_means.result"]["type"], value("array"));
    EXPECT_EQ(defs["chat.up"], defs["said"]);
    EXPECT_EQ(tenon::to_json(defs["chat.down"]), R"({"type":"string"})");
}

TEST(manifest_streams, arguments_are_checked_for_opening_only) {
    const manifest m = feed();
    const auto said = [](const tenon::result<void>& r) {
        return r ? std::string("fine") : r.error().to_string();
    };
    EXPECT_EQ(said(m.check_open("ticks", value::list({"*"}))), "fine");
    EXPECT_EQ(said(m.check_open("ticks", value::list({1}))),
              "invalid: pattern: expected string, got number");
    EXPECT_EQ(said(m.check_open("chat", value::list({}))), "invalid: missing argument \"room\"");
    EXPECT_EQ(said(m.check_open("count", value::list({}))),
              "unsupported: \"count\" is a method, which is called");
    EXPECT_EQ(said(m.check_open("gone", value::list({}))),
              "unsupported: no stream \"gone\"; the service has ticks, numbers, record, "
              "window_means, chat");
    EXPECT_EQ(said(m.check_call("ticks", value::list({"*"}))),
              "unsupported: \"ticks\" is a source, which is subscribed to, not called");
    EXPECT_EQ(said(m.check_call("record", value::list({}))),
              "unsupported: \"record\" is a sink, to which values are sent; it is not called");
    EXPECT_EQ(said(m.check_call("chat", value::list({"x"}))),
              "unsupported: \"chat\" is a channel, which is opened, not called");
    EXPECT_EQ(said(m.check_call("gone", value::list({}))),
              "unsupported: no method \"gone\"; the service has count");
}

// --- from elsewhere ---

value with(const std::string& member) {
    return tenon::parse_json(R"({"manifest": 1, "publisher": "p", "name": "s", "version": "1",
        "purpose": "", "interfaces": {"s.f": {"purpose": "", "type": "send",
        "to_client": {"value": "any"}, "control": false}}, "members": {"f": )" +
                             member + R"(}, "shapes": {"S": {"is": "map",
        "fields": {"x": "int"}}}})")
        .value();
}
manifest of(const std::string& member) { return manifest::from(with(member)).value(); }
std::string read(const std::string& member) {
    const auto m = manifest::from(with(member));
    return m ? "fine" : std::string(m.error().message());
}
std::string refused(const std::string& member) {
    try {
        return to_cpp(of(member));
    } catch (const tenon::failure& f) {
        return std::string(f.error().message())
            .substr(std::string("this manifest has no C++ header: ").size());
    }
}

TEST(manifest_streams, must_say_what_passes) {
    EXPECT_EQ(read(R"({"kind": "source", "value": "int"})"), "fine");
    EXPECT_EQ(read(R"({"kind": "source"})"), "members.f: missing member \"value\"");
    EXPECT_EQ(read(R"({"kind": "sink", "value": "intt"})"),
              "members.f.value: unknown shape \"intt\"");
    EXPECT_EQ(read(R"({"kind": "channel", "up": "int"})"), "members.f: missing member \"down\"");
    EXPECT_EQ(read(R"({"kind": "source", "value": "int", "flow": 3})"),
              "members.f.flow: expected a map, got int64");
    EXPECT_EQ(read(R"({"kind": "source", "value": "int", "flow": {"down": {"window": -1}}})"),
              "members.f.flow.down.window: expected a number of values, got int64");
    EXPECT_EQ(read(R"({"kind": "source", "value": "int", "flow": {"up": 3}})"), "fine");
    EXPECT_EQ(read(R"({"kind": "kettle"})"), "fine");
}

TEST(manifest_streams, that_cannot_be_written_in_cpp) {
    EXPECT_EQ(refused(R"({"kind": "kettle"})"), "\"f\" is a kettle");
    EXPECT_EQ(refused(R"({"kind": "source", "value": "int", "serial": true})"),
              "the stream \"f\" is idempotent or serial");
    EXPECT_EQ(refused(R"({"kind": "source", "value": "int",
                          "flow": {"down": {"overflow": "spill"}}})"),
              "the overflow policy of \"f\" is unknown");
    for (const char* shape : {"\"int\"", "\"#S\""})
        EXPECT_EQ(refused(std::string(R"({"kind": "source", "value": )") + shape +
                          R"(, "flow": {"down": {"overflow": "latest", "key": "y"}}})"),
                  "the key of \"f\" is no field of its values");
    const std::string fine = to_cpp(of(R"({"kind": "source", "value": "#S",
                          "flow": {"down": {"overflow": "latest", "key": "x"}}})"));
    EXPECT_NE(fine.find("d[&s::f].latest(&S::x);"), std::string::npos) << fine;
    EXPECT_NE(to_cpp(of(R"({"kind": "source", "value": "nil"})"))
                  .find("tenon::source<std::monostate()> f;"),
              std::string::npos);
}

std::string change_of(const std::string& older, const std::string& newer) {
    std::string all;
    for (const tenon::change& c : compare(of(older), of(newer)))
        all.append(all.empty() ? "" : "; ")
            .append(c.breaking ? "! " : "")
            .append(c.where + ": " + c.what);
    return all;
}
std::string source(const char* content) {
    return std::string(R"({"kind": "source", "value": "int")") + content + "}";
}
std::string source_flow(const char* flow) {
    return source((std::string(R"(, "flow": {"down": {)") + flow + "}}").c_str());
}

TEST(manifest_streams, changes_break_who_reads_the_values) {
    constexpr const char* small = R"({"is": "int", "min": -2147483648, "max": 2147483647})";
    const auto make = [](const char* kind, const char* what, const std::string& shape,
                         const char* more = "") {
        return std::string(R"({"kind": ")") + kind + R"(", ")" + what + "\": " + shape + more + "}";
    };
    // A wider type is fine for the server, not for the client.
    EXPECT_EQ(change_of(make("source", "value", small), make("source", "value", "\"int\"")),
              "! f value: was int32, is int64");
    EXPECT_EQ(change_of(make("source", "value", "\"int\""), make("source", "value", small)),
              "f value: was int64, is int32");
    EXPECT_EQ(change_of(make("sink", "value", small), make("sink", "value", "\"int\"")),
              "f value: was int32, is int64");
    EXPECT_EQ(change_of(make("sink", "value", "\"int\""), make("sink", "value", small)),
              "! f value: was int64, is int32");
    EXPECT_EQ(change_of(make("sink", "value", "\"int\""),
                        make("sink", "value", "\"int\"", R"(, "result": "int")")),
              "! f result: was nil, is int64");
    EXPECT_EQ(change_of(make("channel", "up", small, R"(, "down": "int")"),
                        make("channel", "up", "\"int\"", R"(, "down": "string")")),
              "! f down: was int64, is string; f up: was int32, is int64");
    EXPECT_EQ(change_of(make("source", "value", "\"int\""), make("sink", "value", "\"int\"")),
              "! f: was source, is sink");
    EXPECT_EQ(change_of(source(""), R"({"kind": "method", "result": "int"})"),
              "! f: was source, is method");
    EXPECT_EQ(change_of(source(""), source(R"(, "params": [{"name": "a", "shape": "int"}])")),
              "! f(a): parameter added without a default");
}

TEST(manifest_streams, changes_of_flow_break_who_counts_on_every_value) {
    EXPECT_EQ(change_of(source(""), source_flow(R"("overflow": "drop_old")")),
              "! f value overflow: was block, is drop_old");
    EXPECT_EQ(change_of(source_flow(R"("overflow": "drop_old")"), source("")),
              "f value overflow: was drop_old, is block");
    EXPECT_EQ(change_of(source_flow(R"("overflow": "drop_old")"),
                        source_flow(R"("overflow": "latest", "key": "x")")),
              "f value overflow: was drop_old, is latest; f value key: was nothing, is x");
    EXPECT_EQ(change_of(source(""), source_flow(R"("queue": 3, "window": 4)")),
              "f value queue: was the default, is 3; f value window: was the default, is 4");
    EXPECT_EQ(change_of(R"({"kind": "sink", "value": "int"})",
                        R"({"kind": "sink", "value": "int",
                            "flow": {"up": {"overflow": "drop_new"}}})"),
              "f value overflow: was block, is drop_new");
}

}  // namespace
