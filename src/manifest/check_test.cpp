// check_call against what a server's decoder says of the same arguments.

#include <gtest/gtest.h>

#include <random>

#include "codec/codec.hpp"
#include "codec/test_types.hpp"
#include "tenon/manifest.hpp"
#include "tenon/tenon.hpp"

namespace sample {

struct checked {
    tenon::method<int(int, std::optional<int>, std::string)> three;
    tenon::method<void(everything)> all;
    tenon::method<void(point)> one;
    tenon::method<void()> none;
    tenon::method<void(std::vector<item>, std::map<side, std::vector<level>>, tenon::value)> lists;
    tenon::method<void(std::variant<std::monostate, int>,
                       std::array<std::array<tenon::value, 2>, 2>)>
        odd;
    tenon::method<void(bool, std::int8_t, std::uint64_t, float)> numbers;
    tenon::method<void(std::string_view, tenon::bytes_view, std::array<std::byte, 4>)> texts;

    static void describe(tenon::description<checked>& d) {
        d[&checked::three].default_value("text", "none");
    }
};
TENON_INTERFACE(checked, "test", "checked", "1.0.0", (three, a, b, text), (all, everything),
                (one, where), none, (lists, items, levels, any), (odd, maybe, matrix),
                (numbers, flag, small, big, real), (texts, view, data, digest))

}  // namespace sample

namespace {

using tenon::codec;
using tenon::value;
using sample::checked;

// What the server's decoder says of these arguments.
class real_decoder {
public:
    explicit real_decoder(const tenon::detail::method_info& info) {
        const auto& types = *info.signature;
        for (std::uint32_t i = 0; i < types.param_count; ++i) {
            tenon::coding::parameter p{info.param_names[i].c_str(), types.params[i]};
            for (const auto& [name, v] : info.defaults)
                if (name == info.param_names[i]) p.default_value = &v;
            parameters_.push_back(p);
        }
    }

    std::string say(const value& arguments, codec c) const {
        std::vector<std::unique_ptr<std::byte[]>> memory;
        std::vector<void*> objects;
        for (const auto& p : parameters_) {
            objects.push_back(memory.emplace_back(new std::byte[p.type->size]).get());
            p.type->construct(objects.back());
        }
        tenon::base::byte_buffer encoded;
        tenon::base::byte_buffer arena;
        std::string said;
        if (auto e = tenon::coding::encode_value(c, arguments, encoded); !e) {
            said = e.error().to_string();
        } else if (auto d = tenon::coding::decode_arguments(c, parameters_, objects, encoded.view(),
                                                            {}, &arena);
                   !d) {
            said = d.error().to_string();
        }
        for (std::size_t i = 0; i < objects.size(); ++i) parameters_[i].type->destroy(objects[i]);
        return said;
    }

private:
    std::vector<tenon::coding::parameter> parameters_;
};

std::string check(std::string_view member, const char* arguments) {
    static const tenon::manifest m = tenon::manifest_of<checked>();
    const auto done = m.check_call(member, tenon::parse_json(arguments).value());
    return done ? "fine" : done.error().to_string();
}

TEST(check_call, names_what_is_wrong) {
    EXPECT_EQ(check("three", "[1, 2]"), "fine");
    EXPECT_EQ(check("three", R"({"a": 1, "text": "x"})"), "fine");
    EXPECT_EQ(check("three", R"({"*": [1], "b": null})"), "fine");
    EXPECT_EQ(check("three", R"([1, "two"])"), "invalid: b: expected number, got string");
    EXPECT_EQ(check("three", R"([3000000000])"), "invalid: a: expected int32, got 3000000000");
    EXPECT_EQ(check("three", "[]"), "invalid: missing argument \"a\"");
    EXPECT_EQ(check("three", R"({"a": 1, "c": 2})"), "invalid: unknown argument \"c\"");
    EXPECT_EQ(check("three", "[1, 2, \"x\", 4]"),
              "invalid: too many arguments: expected at most 3");
    EXPECT_EQ(check("one", R"({"x": 1, "y": true})"),
              "invalid: where.y: expected number, got boolean");
    EXPECT_EQ(check("none", "[]"), "fine");
    EXPECT_EQ(check("lists", R"([[{"name": "a", "price": 1, "which": "hold"}], {}, 0])"),
              "invalid: items[0].which: expected one of buy, sell, got \"hold\"");
    EXPECT_EQ(check("odd", "[7, [[1, \"a\"], [[], {}]]]"), "fine");
    EXPECT_EQ(check("odd", "{\"matrix\": [[1, 2], [3, 4]]}"),
              "invalid: missing argument \"maybe\"");
    EXPECT_EQ(check("gone", "[]"),
              "unsupported: no method \"gone\"; the service has three, all, one, none, lists, odd, "
              "numbers, texts");
}

class random_damage {
public:
    explicit random_damage(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t below(std::uint64_t n) { return engine_() % n; }

    value anything() {
        switch (below(14)) {
            case 0: return nullptr;
            case 1: return below(2) == 0;
            case 2: return static_cast<std::int64_t>(below(300)) - 150;
            case 3: return engine_();
            case 4: return 1.5;
            case 5: return 2.0;
            case 6: return "sell";
            case 7: return "aGk=";
            case 8: return "2026-11-20T21:45:43Z";
            case 9: return tenon::bytes(below(6), std::byte{1});
            case 10: return value::list({1, "two"});
            case 11: return value::object({{"int32", 3}});
            case 12: return value::object({{"x", 1}, {"y", 2}});
            default: return value::tagged{"time", "2026-11-20T21:45:43Z"};
        }
    }

    // Replaces, removes or adds something somewhere.
    void damage(value& v) {
        if (v.size() == 0 || below(4) == 0 || (!v.is_array() && !v.is_map())) {
            v = anything();
        } else if (v.is_array()) {
            value::array& all = v.as_array();
            const auto at = all.begin() + static_cast<std::ptrdiff_t>(below(all.size()));
            switch (below(5)) {
                case 0: all.erase(at); break;
                case 1: all.insert(at, anything()); break;
                default: damage(*at);
            }
        } else {
            value::map& all = v.as_map();
            const auto at = all.begin() + static_cast<std::ptrdiff_t>(below(all.size()));
            switch (below(6)) {
                case 0: all.erase(at); break;
                case 1: v["added"] = anything(); break;
                case 2: at->first = below(2) == 0 ? value("17") : value(17); break;
                default: damage(at->second);
            }
        }
    }

private:
    std::mt19937_64 engine_;
};

// Good arguments of each method.
value arguments_of(const std::string& method) {
    sample::everything e;
    e.maybe = "m";
    e.numbers = {1, 2};
    e.bits = {true, false};
    e.rows = {{1}, {2, 3}};
    e.by_name = {{"k", {"n", 2, 3, sample::side::sell}}};
    e.by_number = {{5, "five"}};
    e.by_side = {{sample::side::buy, 1}};
    e.simple = sample::point{1, 2};
    e.shapes = 5;
    e.any = value::list({1, value::object({{"a", nullptr}})});
    e.root = {"r", {{"c", {}}}};
    const sample::item item{"i", 1.5, 2, sample::side::sell};
    if (method == "three") return value::list({1, 2, "x"});
    if (method == "all") return value::list({value::from(e)});
    if (method == "one") return value::object({{"x", 1}, {"y", 2}});
    if (method == "lists")
        return value::object({{"items", value::list({value::from(item), value::from(item)})},
                              {"levels", value::object({{"buy", value::list({"low", "high"})}})},
                              {"any", value::list({1, 2})}});
    if (method == "odd")
        return value::list({7, value::list({value::list({1, "a"}), value::list({2, nullptr})})});
    if (method == "numbers") return value::list({true, -5, 7, 1.5});
    if (method == "texts") return value::list({"v\n", "aGk=", tenon::bytes(4)});
    return value::list({});
}

TEST(check_call, says_what_the_server_says) {
    const tenon::manifest m = tenon::manifest_of<checked>();
    std::size_t accepted = 0;
    std::size_t refused = 0;
    for (const auto& info : tenon::detail::contract_of<checked>().methods) {
        const real_decoder real(info);
        for (const codec c : {codec::msgpack, codec::json, codec::raw}) {
            if (c != codec::raw) {
                EXPECT_EQ(real.say(arguments_of(info.name), c), "") << info.name;
            }
            for (std::uint64_t seed = 0; seed < 2000; ++seed) {
                random_damage random(seed);
                value arguments = arguments_of(info.name);
                for (std::uint64_t n = random.below(3); n > 0; --n) random.damage(arguments);
                const auto done = m.check_call(info.name, arguments, c);
                const std::string said = real.say(arguments, c);
                ASSERT_EQ(done ? "" : done.error().to_string(), said)
                    << info.name << " in " << to_string(c) << ", seed " << seed;
                ++(said.empty() ? accepted : refused);
            }
        }
    }
    EXPECT_GT(accepted, 10'000u);
    EXPECT_GT(refused, 10'000u);
}

}  // namespace
