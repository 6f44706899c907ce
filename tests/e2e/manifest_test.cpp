// The manifests of the examples' contracts against tests/golden, so that a change of what services
// say of themselves is seen, and their JSON Schema against a validator of others.
//
// To write the golden files again: TENON_GOLDEN=write build/release/tests/e2e_manifest

#include <gtest/gtest.h>

#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "tenon/control.hpp"
#include "tenon/manifest.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"

#include "../../examples/02_contract/shop.hpp"
#include "../../examples/echo.hpp"

// Each example has a main() and types of its own. All that they include is above.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wreturn-type"  // these are no longer the main()
namespace hello {
#include "../../examples/01_hello/main.cpp"
}  // namespace hello
namespace classes {
#include "../../examples/03_class/main.cpp"
}  // namespace classes
namespace async {
#include "../../examples/04_async/main.cpp"
}  // namespace async
namespace errors {
#include "../../examples/05_errors/main.cpp"
}  // namespace errors
namespace deadlines {
#include "../../examples/06_deadlines/main.cpp"
}  // namespace deadlines
namespace blocking {
#include "../../examples/07_blocking/main.cpp"
}  // namespace blocking
namespace dynamic {
#include "../../examples/10_dynamic/main.cpp"
}  // namespace dynamic
namespace logs {
#include "../../examples/11_log/main.cpp"
}  // namespace logs
namespace priorities {
#include "../../examples/19_priorities/main.cpp"
}  // namespace priorities
#pragma GCC diagnostic pop

namespace streams {

struct tick {
    std::string symbol;
    double price = 0;
};
TENON_STRUCT(tick, symbol, price)

struct closed {
    std::string until;
};
TENON_STRUCT(closed, until)

struct feed {
    tenon::source<tick(std::string)> ticks;
    tenon::sink<tick, std::int64_t> record;
    tenon::channel<std::string, tick, int> ask;
    tenon::method<int()> count;

    static void describe(tenon::description<feed>& d) {
        d.doc("Prices.");
        d[&feed::ticks]
            .doc("Prices as they come.")
            .latest(&tick::symbol, 100)
            .default_value("pattern", "*")
            .errors<closed>();
        d[&feed::record].doc("How many have been recorded.").window(500);
        d[&feed::ask].down().overflow(tenon::overflow::drop_old, 10);
    }
};
TENON_INTERFACE(feed, "demo", "feed", "1.0.0", (ticks, pattern), record, (ask, limit), count)

}  // namespace streams

namespace {

namespace fs = std::filesystem;
using tenon::value;

std::string contents_of(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// The root of the sources, which the build tree remembers.
fs::path source_dir() {
    const std::string key = "CMAKE_HOME_DIRECTORY:INTERNAL=";
    std::ifstream cache(fs::path(TENON_BIN_DIR) / "CMakeCache.txt");
    for (std::string line; std::getline(cache, line);)
        if (line.starts_with(key)) return line.substr(key.size());
    return {};
}

struct golden {
    const char* name;
    tenon::manifest manifest;
};

std::vector<golden> all() {
    return {
        {"hello.math", tenon::manifest_of<hello::math>()},
        {"contract.shop", tenon::manifest_of<demo::shop>()},
        {"class.shop", tenon::detail::make_manifest(tenon::detail::service_of<classes::shop>())},
        {"class.counter", tenon::manifest_of<classes::counter>()},
        {"async.math", tenon::manifest_of<async::math>()},
        {"errors.bank", tenon::manifest_of<errors::bank>()},
        {"deadlines.kitchen", tenon::manifest_of<deadlines::kitchen>()},
        {"deadlines.waiter", tenon::manifest_of<deadlines::waiter>()},
        {"blocking.places", tenon::manifest_of<blocking::places>()},
        {"dynamic.geometry", tenon::manifest_of<dynamic::geometry>()},
        {"log.library", tenon::manifest_of<logs::library>()},
        {"priorities.depot", tenon::manifest_of<priorities::depot>()},
        {"streams.feed", tenon::manifest_of<streams::feed>()},
        {"echo", tenon::manifest_of<example::echo>()}};
}

void compare_with_golden(const std::string& name, const std::string& text) {
    const fs::path file = source_dir() / "tests/golden" / name;
    const char* wish = std::getenv("TENON_GOLDEN");
    if (wish != nullptr && std::string(wish) == "write") std::ofstream(file) << text;
    EXPECT_EQ(contents_of(file), text) << "TENON_GOLDEN=write writes the golden files again";
}

TEST(manifest_of_examples, is_as_it_was) {
    for (const golden& g : all())
        compare_with_golden(std::string(g.name) + ".json", g.manifest.to_json(true) + "\n");
}

TEST(manifest_of_examples, reads_and_generates_as_it_did) {
    const auto shop = tenon::manifest_of<demo::shop>();
    const auto feed = tenon::manifest_of<streams::feed>();
    for (const auto& [name, m] : {std::pair("contract.shop", shop), {"streams.feed", feed}}) {
        compare_with_golden(std::string(name) + ".txt", to_text(m));
        compare_with_golden(std::string(name) + ".hpp", to_cpp(m));
        compare_with_golden(std::string(name) + ".schema.json",
                            tenon::to_json(to_json_schema(m), true) + "\n");
    }
    compare_with_golden("echo.txt", to_text(tenon::manifest_of<example::echo>()));
}

template <class T>
value json_of(const T& object) {
    const tenon::bytes text = tenon::encode(tenon::codec::json, object).value();
    return tenon::parse_json(tenon::as_text(text)).value();
}

// What is checked: a definition of the schema, a JSON text, and whether it is one.
value row(const tenon::manifest& m, const char* definition, value instance, bool fits) {
    return value::object({{"schema", to_json_schema(m)},
                          {"definition", definition},
                          {"instance", std::move(instance)},
                          {"fits", fits}});
}

value::array schema_rows() {
    const auto shop = tenon::manifest_of<demo::shop>();
    const auto echo = tenon::manifest_of<example::echo>();
    const auto control = tenon::manifest_of<tenon::control>();
    const demo::item apple{"apple", 2};
    const demo::receipt receipt{1, 2.5, "EUR"};
    const value items = value::list({json_of(apple)});
    tenon::server_info info;
    info.endpoints = {"inproc:x"};
    return {
        row(shop, "item", json_of(apple), true),
        row(shop, "item", value::object({{"name", "pear"}}), true),
        row(shop, "item", value::object({{"count", 1}}), false),
        row(shop, "item", value::object({{"name", "pear"}, {"count", 3'000'000'000}}), false),
        row(shop, "order.params", value::list({items, "USD"}), true),
        row(shop, "order.params", value::list({items}), true),
        row(shop, "order.params", value::object({{"items", items}}), true),
        row(shop, "order.params", value::list({}), false),
        row(shop, "order.params", value::object({{"thing", items}}), false),
        row(shop, "order.params", value::list({items, "USD", 3}), false),
        row(shop, "order.result", json_of(receipt), true),
        row(shop, "order.result", json_of(apple), false),
        row(shop, "order.error.sold_out", json_of(demo::sold_out{"pear", 1}), true),
        row(shop, "price.params", "apple", true),
        row(shop, "price.params", value::list({"apple"}), true),
        row(shop, "price.params", 7, false),
        row(echo, "greet.result", json_of(example::greeting{"hi", {"Ada", std::nullopt}}), true),
        row(echo, "greet.result", json_of(example::greeting{"hi", {"Ada", 36}}), true),
        row(echo, "greet.params", value::list({"Ada"}), false),
        row(echo, "echo.params", value::list({json_of(tenon::bytes(5))}), true),
        row(echo, "echo.params", value::list({5}), false),
        row(echo, "fail.result", nullptr, true),
        row(control, "info.result", json_of(info), true),
        row(control, "info.params", value::list({}), true),
        row(control, "info.params", value::list({1}), false),
    };
}

TEST(json_schema, agrees_with_a_validator) {
    if (std::system("python3 -c 'import jsonschema' 2>/dev/null") != 0)
        GTEST_SKIP() << "needs the package python3-jsonschema";
    const fs::path file =
        fs::temp_directory_path() / ("tenon-schema-" + std::to_string(::getpid()) + ".json");
    std::ofstream(file) << tenon::to_json(schema_rows());
    const std::string check = "python3 " +
                              (source_dir() / "tests/manifest/check_schema.py").string() + " " +
                              file.string();
    EXPECT_EQ(std::system(check.c_str()), 0);
    fs::remove(file);
}

}  // namespace
