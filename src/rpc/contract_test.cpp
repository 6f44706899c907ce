// Contracts: descriptions and their mistakes, calls by name, sides that differ, configuration.

#include "rpc/test_support.hpp"
#include "tenon/log.hpp"

namespace rpc_test {
namespace {

using tenon::errc;
using tenon::value;

errc code_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const tenon::failure& e) {
        return e.code();
    }
    ADD_FAILURE() << "no failure";
    return errc::internal;
}

class by_name : public testing::TestWithParam<const char*> {
protected:
    by_name() : s(GetParam()) {
        s.start();
        tenon::client_options o;
        o.runtime = &s.runtime;
        c.emplace(s.endpoint, o);
    }
    served s;
    std::optional<tenon::client> c;
};
INSTANTIATE_TEST_SUITE_P(transports, by_name, testing::Values("inproc", "unix", "shm", "tcp"),
                         name_of);

TEST_P(by_name, positional_arguments) {
    EXPECT_EQ(c->call("test/lab.plus", 10, 20).as<int>(), 30);
    EXPECT_EQ(c->call("test/lab.greet", "you").as<std::string>(), "hello you");
    EXPECT_EQ(c->call("test/lab.count").as<int>(), 42);
    EXPECT_TRUE(c->call("test/lab.poke", 1).is_nil());
    EXPECT_EQ(c->call("test/lab.older", person{"bo", 1}).as<person>().age, 2);
}

TEST_P(by_name, named_and_defaulted_arguments) {
    EXPECT_EQ(c->try_call("test/lab.plus", value::object({{"a", 1}, {"b", 5}})).value(), value(6));
    EXPECT_EQ(c->try_call("test/lab.plus", value::object({{"a", 1}})).value(), value(2));
    EXPECT_EQ(c->try_call("test/lab.plus", value::list({1})).value(), value(2));
    EXPECT_EQ(c->try_call("test/lab.greet", value("solo")).value(), value("hello solo"));
}

TEST_P(by_name, wrong_arguments_are_named) {
    const auto wrong = [&](value arguments) {
        const auto r = c->try_call("test/lab.plus", arguments);
        EXPECT_FALSE(r);
        EXPECT_EQ(r.error().code(), errc::invalid);
        EXPECT_FALSE(r.error().may_have_run());
        return std::string(r.error().message());
    };
    EXPECT_NE(wrong(value::object({{"a", 1}, {"zzz", 5}})).find("zzz"), std::string::npos);
    EXPECT_NE(wrong(value::object({{"b", 1}})).find("a"), std::string::npos);
    EXPECT_NE(wrong(value::object({{"a", "text"}})).find("a"), std::string::npos);
    wrong(value::list({1, 2, 3}));
    wrong(value::list({}));
}

TEST_P(by_name, unknown_routes) {
    const auto method = c->try_call("test/lab.nothing", value());
    EXPECT_EQ(method.error().code(), errc::unsupported);
    EXPECT_NE(method.error().message().find("plus"), std::string::npos) << "tells what there is";
    EXPECT_EQ(c->try_call("test/nowhere.nothing", value()).error().code(), errc::not_found);
    EXPECT_EQ(c->try_call("nonsense", value()).error().code(), errc::not_found);
    const auto empty = c->try_call("", value());
    ASSERT_FALSE(empty);
    const auto longest = c->try_call(std::string(300, 'x'), value());
    ASSERT_FALSE(longest);
    EXPECT_EQ(c->call("test/lab.count").as<int>(), 42) << "the connection is as before";
}

TEST_P(by_name, method_with_its_own_codec) {
    EXPECT_EQ(c->call("test/lab.numbers", std::vector<int>{1, 2}).as<std::vector<int>>(),
              (std::vector<int>{1, 2}));
}

TEST_P(by_name, encoded) {
    const auto json =
        c->try_call_encoded("test/lab.plus", tenon::codec::json, tenon::as_bytes("{\"a\": 4}"));
    ASSERT_TRUE(json) << json.error().to_string();
    EXPECT_EQ(tenon::as_text(*json), "5");
    const auto raw =
        c->try_call_encoded("test/lab.echo", tenon::codec::raw, tenon::as_bytes("\x01\xff"));
    ASSERT_TRUE(raw) << raw.error().to_string();
    EXPECT_EQ(tenon::as_text(*raw), "\x01\xff");
    const auto broken =
        c->try_call_encoded("test/lab.plus", tenon::codec::json, tenon::as_bytes("{\"a\":"));
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().code(), errc::invalid);
}

// --- the same service, seen differently ---

struct person_without_age {
    std::string name;
};
TENON_STRUCT(person_without_age, name)

struct other_lab {
    tenon::method<person_without_age(person_without_age)> older;
    tenon::method<std::string(std::string)> plus;
    tenon::method<std::string(int)> again;
    tenon::method<int(int)> newer;
    tenon::method<long(long, int)> count;
};
TENON_INTERFACE(other_lab, "test", "lab", "2.0.0", (older, who), (plus, a), (again, n), (newer, n),
                (count, a, b))

TEST_P(by_name, contracts_that_differ_fail_per_call) {
    tenon::client_options o;
    o.runtime = &s.runtime;
    auto other = tenon::connect<other_lab>(s.endpoint, o);
    const auto field = other.older.try_call(person_without_age{"x"});
    ASSERT_FALSE(field);
    EXPECT_EQ(field.error().code(), errc::invalid);
    EXPECT_NE(field.error().message().find("age"), std::string::npos) << field.error().to_string();
    EXPECT_EQ(other.plus.try_call("x").error().code(), errc::invalid);
    const auto answer = other.again.try_call(1);
    ASSERT_FALSE(answer);
    EXPECT_TRUE(answer.error().may_have_run()) << answer.error().to_string();
    EXPECT_EQ(other.newer.try_call(1).error().code(), errc::unsupported);
    EXPECT_EQ(other.count.try_call(1, 2).error().code(), errc::invalid);
    EXPECT_EQ(get(other.older.future(person_without_age{"x"})).error().code(), errc::invalid);
    EXPECT_FALSE(get(other.again.future(1)));
}

TEST_P(by_name, fire_and_forget) {
    // The handler's effect is the only sign of it.
    tenon::server_options so;
    so.runtime = &s.runtime;
    tenon::server server(so);
    auto& l = server.publish<lab>();
    std::atomic<int> poked{0};
    l.poke = [&](int n) { poked += n; };
    l.block = [&](int n) { return poked += n; };
    l.nap = [&](int n) -> tenon::task<int> {
        poked += n;
        co_return n;
    };
    server.listen(fresh_endpoint(GetParam())).start();
    {
        tenon::client_options o;
        o.runtime = &s.runtime;
        tenon::client to(server.endpoints().at(0), o);
        for (int i = 0; i < 100; ++i) ASSERT_TRUE(to.send("test/lab.poke", value::list({1})));
        ASSERT_TRUE(to.send("test/lab.block", value::list({1000})));
        ASSERT_TRUE(to.send("test/lab.nap", value::list({10000})));
        (void)to.send("test/lab.nothing", value::list({1}));
        EXPECT_TRUE(eventually([&] { return poked == 11100; })) << poked;
    }
}

// --- describing ---

struct bad_default {
    tenon::method<int(int)> f;
    static void describe(tenon::description<bad_default>& d) {
        d[&bad_default::f].default_value("nope", 1);
    }
};
TENON_INTERFACE(bad_default, "test", "bad", "1", (f, n))

struct bad_count {
    tenon::method<int(int, int)> f;
};
TENON_INTERFACE(bad_count, "test", "bad", "1", (f, n))

struct bad_name {
    tenon::method<int(int)> f;
};
TENON_INTERFACE(bad_name, "test", "no.dots here", "1", (f, n))

struct bad_raw {
    tenon::method<int(int, int)> f;
    static void describe(tenon::description<bad_raw>& d) {
        d[&bad_raw::f].codec(tenon::codec::raw);
    }
};
TENON_INTERFACE(bad_raw, "test", "bad", "1", (f, a, b))

struct unnamed {
    tenon::method<int(int, int)> f;
};
TENON_INTERFACE(unnamed, "test", "unnamed", "1", f)

TEST(contract, mistakes_are_invalid) {
    tenon::server s;
    EXPECT_EQ(code_of([&] { s.publish<bad_default>(); }), errc::invalid);
    EXPECT_EQ(code_of([&] { s.publish<bad_count>(); }), errc::invalid);
    EXPECT_EQ(code_of([&] { s.publish<bad_name>(); }), errc::invalid);
    EXPECT_EQ(code_of([&] { s.publish<bad_raw>(); }), errc::invalid);
    EXPECT_EQ(code_of([&] { tenon::connect<bad_default>("inproc:x"); }), errc::invalid);
    s.publish<unnamed>();
}

TEST(contract, description_is_kept) {
    const auto& info = tenon::detail::contract_of<lab>();
    EXPECT_EQ(info.doc, "For tests.");
    EXPECT_EQ(info.methods.at(0).doc, "Adds.");
    EXPECT_EQ(info.methods.at(0).param_names, (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(info.methods.at(7).flags.blocking);
    EXPECT_TRUE(info.methods.at(8).flags.serial);
    EXPECT_TRUE(info.methods.at(9).flags.idempotent);
}

TEST(contract, a_default_that_does_not_fit_is_reported_to_the_caller) {
    served s("inproc");
    s.start();
    EXPECT_EQ(tenon::client(s.endpoint, {.runtime = &s.runtime})
                  .try_call("test/lab.plus", value::list({1}))
                  .value(),
              value(2));
}

TEST(server, configuration_after_start_is_a_conflict) {
    served s("unix");
    s.start();
    EXPECT_EQ(code_of([&] { s.l->plus = [](int, int) { return 0; }; }), errc::conflict);
    EXPECT_EQ(code_of([&] { s.server->publish<unnamed>(); }), errc::conflict);
    EXPECT_EQ(code_of([&] { s.server->listen(fresh_endpoint("unix")); }), errc::conflict);
    EXPECT_EQ(code_of([&] { s.server->start(); }), errc::conflict);
    EXPECT_EQ(s.connect().plus(1, 2), 3);
    s.server->stop();
    EXPECT_EQ(code_of([&] { s.server->start(); }), errc::conflict);
    EXPECT_EQ(code_of([&] { s.l->plus = [](int, int) { return 0; }; }), errc::conflict);
}

TEST(server, publishing_twice_is_a_conflict) {
    tenon::server s;
    s.publish<lab>();
    EXPECT_EQ(code_of([&] { s.publish<lab>(); }), errc::conflict);
}

TEST(server, an_endpoint_is_served_once) {
    for (const char* transport : {"inproc", "unix", "path"}) {
        const std::string at = fresh_endpoint(transport);
        tenon::server first;
        first.listen(at);
        tenon::server second;
        EXPECT_EQ(code_of([&] { second.listen(at); }), errc::conflict) << at;
    }
    tenon::server s;
    EXPECT_EQ(code_of([&] { s.listen("nonsense"); }), errc::invalid);
    EXPECT_EQ(code_of([&] { s.listen("tcp://0.0.0.0:0"); }), errc::denied);
    EXPECT_EQ(code_of([&] { tenon::connect("nonsense"); }), errc::invalid);
}

TEST(server, a_name_is_free_again_after_the_server_has_gone) {
    tenon::runtime runtime(test_runtime());
    for (const char* transport : {"inproc", "unix", "path"}) {
        const std::string at = fresh_endpoint(transport);
        for (int i = 0; i < 3; ++i) {
            tenon::server s({.runtime = &runtime});
            implement(s.publish<lab>());
            s.listen(at);
            if (i == 0) continue;  // never started
            s.start();
            EXPECT_EQ(tenon::connect<lab>(at, {.runtime = &runtime}).plus(1, i), 1 + i);
        }
    }
}

TEST(server, tells_where_it_listens) {
    tenon::runtime runtime(test_runtime());
    tenon::server s({.runtime = &runtime});
    implement(s.publish<lab>());
    std::vector<std::string> told;
    s.listen("tcp://127.0.0.1:0").listen(fresh_endpoint("unix")).listen(fresh_endpoint("inproc"));
    s.on_started([&](const std::vector<std::string>& at) { told = at; });
    s.start();
    ASSERT_EQ(told.size(), 3U);
    EXPECT_EQ(told, s.endpoints());
    EXPECT_NE(told[0], "tcp://127.0.0.1:0");
    for (const std::string& at : told)
        EXPECT_EQ(tenon::connect<lab>(at, {.runtime = &runtime}).plus(1, 2), 3) << at;
}

TEST(contract, objects_that_are_not_bound) {
    lab loose;
    EXPECT_EQ(code_of([&] { loose.plus(1, 2); }), errc::conflict);
    EXPECT_EQ(code_of([&] { loose.plus = [](int, int) { return 0; }; }), errc::conflict);
    EXPECT_EQ(code_of([&] { (void)loose.plus.future(1, 2); }), errc::conflict);
    EXPECT_EQ(code_of([&] { (void)loose.plus.async(1, 2); }), errc::conflict);

    served s("inproc");
    auto c = tenon::connect<lab>("inproc:nobody-there", {.runtime = &s.runtime});
    EXPECT_EQ(code_of([&] { c.plus = [](int, int) { return 0; }; }), errc::conflict);
    EXPECT_EQ(s.l->plus.try_call(1, 2).error().code(), errc::conflict) << "a server's member";
    EXPECT_EQ(get(s.l->plus.future(1, 2)).error().code(), errc::conflict);
}

TEST(contract, stats_count) {
    served s("unix");
    s.start();
    auto c = s.connect();
    for (int i = 0; i < 5; ++i) c.plus(1, 2);
    (void)c.check.try_call(101);
    for (const auto& m : s.server->stats()) {
        if (m.route == "test/lab.plus") {
            EXPECT_EQ(m.calls, 5U);
        }
        if (m.route == "test/lab.check") {
            EXPECT_EQ(m.errors, 1U);
        }
        if (m.route == "test/lab.block") {
            EXPECT_TRUE(m.on_pool);
        }
    }
}

}  // namespace
}  // namespace rpc_test
