// tenon/control: what it tells, and to whom.

#include "tenon/control.hpp"

#include <algorithm>
#include <thread>

#include "base/wildcard.hpp"
#include "rpc/metrics.hpp"
#include "rpc/test_support.hpp"
#include "tenon/manifest.hpp"

namespace {

using namespace rpc_test;

struct hidden {
    tenon::method<int()> secret;
};
TENON_INTERFACE(hidden, "test", "hidden", "2.0.0", secret)

struct local {
    tenon::method<int()> near;
};
TENON_INTERFACE(local, "test", "local", "3.0.0", near)

class control : public testing::TestWithParam<const char*> {
protected:
    control() : s(GetParam()) {
        s.server->publish<hidden>({.control = false}).secret = [] { return 1; };
        s.server->publish<local>(tenon::scope::process).near = [] { return 2; };
        s.start();
    }
    tenon::stub<tenon::control> connect() {
        tenon::client_options o;
        o.runtime = &s.runtime;
        return tenon::connect<tenon::control>(s.endpoint, o);
    }
    bool in_process() const { return std::string_view(GetParam()) == "inproc"; }
    bool is_remote() const { return std::string_view(GetParam()) == "tcp"; }

    served s;
};

INSTANTIATE_TEST_SUITE_P(over, control, testing::Values("inproc", "unix", "shm", "tcp"), name_of);

std::vector<std::string> names(const std::vector<tenon::service_summary>& list) {
    std::vector<std::string> n;
    for (const auto& x : list) n.push_back(x.publisher + "/" + x.service);
    return n;
}

using strings = std::vector<std::string>;

TEST_P(control, ping_gives_its_argument_back) {
    auto c = connect();
    EXPECT_EQ(c.ping(42).as_int64(), 42);
    const auto thing = tenon::value::object({{"a", tenon::value::list({1, "two", nullptr})}});
    EXPECT_EQ(c.ping(thing), thing);
    EXPECT_TRUE(c.handle().call("tenon/control.ping").is_nil());
}

TEST_P(control, info_says_who_serves) {
    const auto i = connect().info();
    EXPECT_EQ(i.instance.size(), 12u);
    EXPECT_EQ(i.pid, ::getpid());
    EXPECT_EQ(i.uid, ::geteuid());
    EXPECT_FALSE(i.host.empty());
    EXPECT_NE(i.version.find('.'), std::string::npos);
    EXPECT_EQ(i.wire, 1u);
    EXPECT_EQ(i.endpoints, s.server->endpoints());
    EXPECT_EQ(i.limits.depth, 64u);
    EXPECT_EQ(i.limits.stall_time, 30s);
    EXPECT_GT(i.uptime.count(), 0);
    EXPECT_LE(i.started, std::chrono::system_clock::now());
    EXPECT_GT(i.started, std::chrono::system_clock::now() - 1h);
}

TEST_P(control, is_reached_by_the_instance_in_process) {
    const auto instance = connect().info().instance;
    tenon::client_options o;
    o.runtime = &s.runtime;
    EXPECT_EQ(tenon::connect<tenon::control>("inproc:" + instance, o).info().instance, instance);
}

TEST_P(control, list_tells_what_the_caller_may_see) {
    auto c = connect();
    const auto all = c.list("*");
    EXPECT_EQ(names(all), in_process() ? strings({"test/lab", "test/hidden", "test/local"})
                                       : strings({"test/lab", "test/hidden"}));
    EXPECT_EQ(all[0].version, "1.0.0");
    EXPECT_EQ(all[0].doc, "For tests.");
    EXPECT_EQ(all[0].instance, c.info().instance);
    EXPECT_EQ(all[0].seen, strings({"process", "os", "lan", "wan"}));
    EXPECT_TRUE(all[0].control);
    EXPECT_FALSE(all[1].control);
    EXPECT_EQ(names(c.list("test/h*")), strings({"test/hidden"}));
    EXPECT_EQ(names(c.list("tenon/*")), strings({"tenon/control"}));
    EXPECT_EQ(names(c.list("nobody/*")), strings());
}

TEST_P(control, manifests_come_with_their_hash) {
    auto c = connect();
    const auto lab_manifest = tenon::manifest_of<lab>();
    const auto got = tenon::manifest::from(c.manifest("test/lab", "")).value();
    EXPECT_EQ(got.hash(), lab_manifest.hash());
    EXPECT_EQ(got.to_json(), lab_manifest.to_json());
    EXPECT_TRUE(c.manifest("test/lab", got.hash()).is_nil());
    EXPECT_FALSE(c.manifest("test/lab", "sha256:0").is_nil());
    EXPECT_FALSE(c.handle().call("tenon/control.manifest", "test/lab").is_nil());
    EXPECT_EQ(c.list("test/lab").at(0).hash, got.hash());
    EXPECT_EQ(c.list("test/hidden").at(0).hash, "");

    const auto own = tenon::manifest::from(c.manifest("tenon/control", "")).value();
    EXPECT_EQ(own.hash(), tenon::manifest_of<tenon::control>().hash());
    EXPECT_EQ(own.service(), "control");
}

TEST_P(control, manifests_that_are_not_told) {
    auto c = connect();
    const auto nobody = c.manifest.try_call("test/nobody", "");
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code(), tenon::errc::not_found);
    const auto kept = c.manifest.try_call("test/hidden", "");
    ASSERT_FALSE(kept);
    EXPECT_EQ(kept.error().code(), tenon::errc::unsupported);
    EXPECT_EQ(kept.error().message(), "test/hidden is published without control");
    const auto near = c.manifest.try_call("test/local", "");
    EXPECT_EQ(near.has_value(), in_process());
    if (!near) {
        EXPECT_EQ(near.error().code(), tenon::errc::not_found);
    }
}

TEST_P(control, calls_by_name_are_checked_before_they_are_sent) {
    auto c = connect();
    tenon::client client = c.handle();
    tenon::client copy = client;
    const auto calls = [&] { return s.server->status().calls; };
    const auto wrong = tenon::value::list({1, "two"});
    EXPECT_FALSE(client.try_call("test/lab.plus", wrong));
    EXPECT_EQ(calls(), 1u);  // the server found out

    ASSERT_TRUE(client.manifest("test/lab"));
    const auto before = calls();
    for (tenon::client* each : {&client, &copy}) {
        const auto refused = each->try_call("test/lab.plus", wrong);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), tenon::errc::invalid);
        EXPECT_EQ(refused.error().message(), "b: expected number, got string");
        EXPECT_FALSE(refused.error().may_have_run());
    }
    const auto unknown = client.try_call("test/lab.minus", tenon::value::list({}));
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code(), tenon::errc::unsupported);
    const auto named = client.try_call("test/lab.plus", tenon::value::object({{"a", 1}, {"c", 2}}));
    ASSERT_FALSE(named);
    EXPECT_NE(named.error().message().find("\"c\""), std::string_view::npos);
    EXPECT_FALSE(client.send("test/lab.poke", tenon::value::list({"x"})));
    EXPECT_EQ(calls(), before);

    EXPECT_EQ(client.call("test/lab.plus", 10, 20).as<int>(), 30);
    EXPECT_EQ(client.call("test/lab.plus", 10).as<int>(), 11);
    EXPECT_EQ(client.call("test/lab.numbers", std::vector<int>{1, 2}).as<std::vector<int>>(),
              (std::vector<int>{1, 2}));
    // What has no manifest is not checked.
    EXPECT_EQ(client.call("test/hidden.secret").as<int>(), 1);
    EXPECT_EQ(client.manifest("test/lab").value().hash(), tenon::manifest_of<lab>().hash());
    EXPECT_EQ(client.manifest("test/hidden").error().code(), tenon::errc::unsupported);
}

TEST_P(control, stats_leave_out_what_is_not_told_of) {
    auto c = connect();
    auto l = s.connect();
    for (int n = 0; n < 10; ++n) l.plus(n, n);
    EXPECT_FALSE(l.check.try_call(200));
    EXPECT_FALSE(l.missing.try_call(1));
    const tenon::server_stats all = c.stats("*");
    EXPECT_EQ(all.instance, c.info().instance);
    EXPECT_EQ(all.calls, 12u);
    EXPECT_EQ(all.errors, 2u);
    EXPECT_EQ(all.connections, in_process() ? 0u : 2u);
    EXPECT_EQ(all.accepted, in_process() ? 0u : 2u);
    for (const auto& m : all.methods) {
        EXPECT_TRUE(m.route.starts_with("test/lab.") || m.route == "test/local.near") << m.route;
        if (m.route == "test/lab.plus") {
            EXPECT_EQ(m.calls, 10u);
            EXPECT_EQ(m.latency.count, 10u);
            EXPECT_EQ(m.in_flight, 0u);
        } else if (m.route == "test/lab.check") {
            EXPECT_EQ(m.errors_by_code, (std::map<std::string, std::uint64_t>{{"failed", 1}}));
        } else if (m.route == "test/lab.missing") {
            EXPECT_EQ(m.errors_by_code, (std::map<std::string, std::uint64_t>{{"unsupported", 1}}));
        }
    }
    EXPECT_EQ(c.stats("test/local").methods.size(), in_process() ? 1u : 0u);
    EXPECT_TRUE(c.stats("test/hidden").methods.empty());
    const auto own = c.stats("tenon/control");
    ASSERT_FALSE(own.methods.empty());
    EXPECT_EQ(own.methods[0].route, "tenon/control.ping");
}

TEST_P(control, connections_are_for_the_owner) {
    auto c = connect();
    auto l = s.connect();
    l.plus(1, 2);
    l.plus(1, 2);
    const auto got = c.connections.try_call();
    if (is_remote()) {
        ASSERT_FALSE(got);
        EXPECT_EQ(got.error().code(), tenon::errc::denied);
        EXPECT_FALSE(got.error().may_have_run());
    } else {
        ASSERT_TRUE(got) << got.error().to_string();
    }
    // Over shared memory an answer is there before the server has counted it.
    std::vector<tenon::connection_stats> all;
    EXPECT_TRUE(eventually([&] {
        all = s.server->connections();
        return std::all_of(all.begin(), all.end(), [](auto& one) { return one.bytes_out != 0; });
    }));
    ASSERT_EQ(all.size(), in_process() ? 0u : 2u);
    for (const auto& one : all) {
        EXPECT_EQ(one.transport, GetParam());
        EXPECT_EQ(one.scope, "os");
        EXPECT_GT(one.calls, 0u);
        EXPECT_GT(one.bytes_in, 50u);
        EXPECT_GT(one.bytes_out, 0u);
        EXPECT_GE(one.id, 1u);
        EXPECT_EQ(one.uid.has_value(), !is_remote());
        EXPECT_NE(one.address.empty(), is_remote());
    }
}

TEST_P(control, the_log_level_is_for_the_owner_to_set) {
    auto c = connect();
    EXPECT_EQ(c.log_level(std::nullopt), "warning");
    const auto set = c.log_level.try_call("debug");
    if (is_remote()) {
        ASSERT_FALSE(set);
        EXPECT_EQ(set.error().code(), tenon::errc::denied);
        EXPECT_EQ(c.log_level(std::nullopt), "warning");
        return;
    }
    EXPECT_EQ(set.value(), "debug");
    EXPECT_EQ(c.log_level(std::nullopt), "debug");
    const auto wrong = c.log_level.try_call("loud");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code(), tenon::errc::invalid);
    EXPECT_EQ(c.log_level("off"), "off");
}

}  // namespace

namespace before {
struct pair {
    tenon::method<int(int)> sum;
};
TENON_INTERFACE(pair, "test", "pair", "1.0.0", (sum, a))
}  // namespace before

namespace after {
struct pair {
    tenon::method<int(int, int)> sum;
};
TENON_INTERFACE(pair, "test", "pair", "2.0.0", (sum, a, b))
}  // namespace after

namespace {

TEST(manifest_of_a_client, is_asked_for_again_if_a_call_does_not_fit) {
    const std::string endpoint = fresh_endpoint("unix");
    std::optional<tenon::server> server;
    server.emplace();
    server->publish<before::pair>().sum = [](int a) { return a; };
    server->listen(endpoint).start();
    tenon::client client = tenon::connect(endpoint);
    EXPECT_EQ(client.manifest("test/pair").value().version(), "1.0.0");
    EXPECT_EQ(client.call("test/pair.sum", 1).as<int>(), 1);
    EXPECT_FALSE(client.try_call("test/pair.sum", tenon::value::list({1, 2})));

    server.emplace();
    server->publish<after::pair>().sum = [](int a, int b) { return a + b; };
    server->listen(endpoint).start();
    EXPECT_TRUE(eventually([&] {
        const auto sum = client.try_call("test/pair.sum", tenon::value::list({1, 2}));
        return sum && sum->as_int64() == 3;
    }));
    const auto refused = client.try_call("test/pair.sum", tenon::value::list({1}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "missing argument \"b\"");
    EXPECT_EQ(server->status().calls, 1u);
    server.reset();
    // With nobody to ask, what is known counts.
    const auto alone = client.try_call("test/pair.sum", tenon::value::list({1}));
    ASSERT_FALSE(alone);
    EXPECT_EQ(alone.error().code(), tenon::errc::invalid);
}

struct usurper {
    tenon::method<int()> ping;
};
TENON_INTERFACE(usurper, "tenon", "control", "9.0.0", ping)

TEST(control_name, is_taken) {
    tenon::server server;
    try {
        server.publish<usurper>();
        FAIL() << "published";
    } catch (const tenon::failure& f) {
        EXPECT_EQ(f.code(), tenon::errc::conflict);
    }
}

TEST(metrics, labels_are_escaped) {
    EXPECT_EQ(tenon::rpc::escape_label("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
}

TEST(wildcard, stars_and_question_marks) {
    using tenon::base::matches;
    EXPECT_TRUE(matches("*", ""));
    EXPECT_TRUE(matches("*", "a/b"));
    EXPECT_TRUE(matches("", ""));
    EXPECT_FALSE(matches("", "a"));
    EXPECT_TRUE(matches("demo/*", "demo/"));
    EXPECT_TRUE(matches("demo/*", "demo/math"));
    EXPECT_FALSE(matches("demo/*", "demos/math"));
    EXPECT_TRUE(matches("*a*b*c", "xxaxbxbcc"));
    EXPECT_FALSE(matches("*a*b*c", "xxaxcxbcx"));
    EXPECT_TRUE(matches("?/?", "a/b"));
    EXPECT_FALSE(matches("?", ""));
    EXPECT_TRUE(matches("a**", "a"));
    EXPECT_FALSE(matches("abc", "ab"));
    EXPECT_FALSE(matches("ab", "abc"));
}

}  // namespace
