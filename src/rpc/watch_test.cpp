// tenon/control.watch: what a server tells of itself, and to whom.

#include <set>

#include "rpc/stream_test_support.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;
using tenon::server_event;

struct watched {
    tenon::method<int(int)> hold;
    tenon::method<std::string(int)> large;
    tenon::source<int(int)> flood;

    static void describe(tenon::description<watched>& d) {
        d[&watched::flood].overflow(tenon::overflow::drop_old, 2).window(1);
    }
};
TENON_INTERFACE(watched, "test", "watched", "1.0.0", (hold, ms), (large, size), (flood, n))

tenon::server_options small_output() {
    tenon::server_options o;
    o.limits.unsent = std::size_t{64} << 10;
    return o;
}

class watching : public testing::TestWithParam<const char*> {
protected:
    watching() : s_(GetParam(), test_runtime(), small_output()), local_(s_.is_local) {
        s_.members->hold = [](int ms) {
            std::this_thread::sleep_for(std::chrono::milliseconds(ms));
            return ms;
        };
        s_.members->large = [](int size) {
            return std::string(static_cast<std::size_t>(size), 'x');
        };
        s_.members->flood = [](tenon::writer<int> out, int n) {
            for (int i = 0; i < n; ++i) (void)out.send(i);
        };
        if (local_) s_.server->listen(unix_ = fresh_endpoint("unix"));
        s_.start();
        if (!local_) unix_ = s_.endpoint;
        tenon::client_options o;
        o.runtime = local_ ? &s_.runtime : &s_.client_runtime;
        control_.emplace(tenon::connect<tenon::control>(s_.endpoint, o));
        // In process nothing holds a loop, and streams are not listed: these go over a connection.
        o.runtime = &s_.client_runtime;
        calls_.emplace(tenon::connect<watched>(unix_, o));
    }
    ~watching() override {
        calls_.reset();
        control_.reset();
        s_.stop();
    }
    /// A watcher that is told from here on.
    tenon::reader<server_event> watch(tenon::stub<tenon::control>& by,
                                      const std::string& pattern = "*") {
        auto r = by.watch(pattern);
        EXPECT_EQ(next(r).what, "watching");
        return r;
    }
    static server_event next(tenon::reader<server_event>& r) {
        auto e = r.get_for(patience);
        if (!e || !*e) {
            ADD_FAILURE() << (e ? "the end" : e.error().to_string());
            return {};
        }
        return **e;
    }
    /// On a busy machine members hold their loops that are not meant to.
    template <class Wanted>
    static server_event next(tenon::reader<server_event>& r, Wanted is_wanted) {
        server_event e = next(r);
        while (!e.what.empty() && !is_wanted(e)) e = next(r);
        return e;
    }
    static bool is_of_stream(const server_event& e) { return e.stream.has_value(); }
    static testing::AssertionResult nothing_of_streams(tenon::reader<server_event>& r) {
        while (auto e = r.get_for(50ms))
            if (!*e || (*e)->stream) return testing::AssertionFailure();
        return testing::AssertionSuccess();
    }
    /// A monitor that gets no CPU meanwhile does not see it.
    server_event hold_until_told(tenon::reader<server_event>& r) {
        for (int i = 0; i < 100; ++i) {
            EXPECT_EQ(calls_->hold(50), 50);
            auto e = r.get_for(200ms);
            if (e && *e) return **e;
        }
        ADD_FAILURE() << "not told";
        return {};
    }
    bool knows_streams() const { return GetParam() != std::string_view("tcp"); }

    stream_server<watched> s_;
    const bool local_;
    std::string unix_;
    std::optional<tenon::stub<tenon::control>> control_;
    std::optional<tenon::stub<watched>> calls_;
};
INSTANTIATE_TEST_SUITE_P(over, watching, testing::ValuesIn(every_transport), name_of);

TEST_P(watching, a_server_that_stops_says_so_and_ends_the_stream) {
    auto r = watch(*control_);
    auto other = watch(*s_.control);
    const std::string instance = control_->info().instance;
    const auto before = std::chrono::steady_clock::now();
    s_.server->stop(20s);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 15s) << "it has waited for its watchers";
    for (auto* one : {&r, &other}) {
        const server_event e =
            next(*one, [](const server_event& any) { return any.what != "slow"; });
        EXPECT_EQ(e.what, "going_away");
        EXPECT_EQ(e.instance, instance);
        EXPECT_LT(std::chrono::system_clock::now() - e.at, 1min);
        EXPECT_EQ(one->get(), std::nullopt);
    }
}

TEST_P(watching, a_method_that_holds_its_loop_is_slow) {
    auto r = watch(*control_, "test/*");
    auto elsewhere = watch(*control_, "demo/*");
    server_event e = hold_until_told(r);
    EXPECT_EQ(e.what, "slow");
    EXPECT_EQ(e.member, "test/watched.hold");
    EXPECT_FALSE(e.connection || e.stream);
    EXPECT_EQ(e.note, "has held its event loop for more than 1 ms");
    e = hold_until_told(r);
    EXPECT_EQ(e.member, "test/watched.hold");
    EXPECT_TRUE(e.note.ends_with("runs on the pool from now on")) << e.note;
    EXPECT_EQ(calls_->hold(50), 50);  // which so holds nothing
    EXPECT_EQ(r.get_for(50ms).error().code(), errc::deadline);
    EXPECT_EQ(elsewhere.poll(), std::nullopt);
}

TEST_P(watching, a_receiver_that_does_not_keep_up_is_slow) {
    auto r = watch(*control_);
    auto lazy = calls_->flood(100);
    if (!knows_streams()) {
        EXPECT_TRUE(nothing_of_streams(r));
        return;
    }
    const server_event e = next(r, is_of_stream);
    EXPECT_EQ(e.what, "slow");
    EXPECT_EQ(e.member, "test/watched.flood");
    const auto all = s_.control->streams("test/*");
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(e.connection, all[0].connection);
    EXPECT_EQ(e.stream, all[0].stream);
    EXPECT_GT(all[0].lost, 0U);
    EXPECT_TRUE(nothing_of_streams(r)) << "told once";
}

TEST_P(watching, a_client_that_does_not_take_its_answers_is_slow) {
    auto r = watch(*control_);
    tenon::runtime sleepy = tenon::runtime::external();
    {
        tenon::client_options o;
        o.runtime = &sleepy;
        o.shared_memory = false;
        auto c = tenon::connect<watched>(
            unix_.starts_with("shm") ? "unix:" + unix_.substr(4) : unix_, o);
        EXPECT_TRUE(c.wait_ready(patience));
        for (int i = 0; i < 64; ++i) c.large.then([](tenon::result<std::string>) {}, 1 << 20);
        sleepy.run_ready();  // sends; from here on it sleeps
        if (knows_streams()) {
            server_event e = next(r);
            // On a busy machine making so much may be slow, too; answers made by the pool do not
            // keep the connection from reading.
            for (; !e.member.empty(); e = next(r)) {
                if (e.note.find("pool") == std::string::npos) continue;
                sleepy.stop();
                GTEST_SKIP() << "this machine was too busy to answer at once";
            }
            EXPECT_EQ(e.what, "slow");
            EXPECT_EQ(e.member, "");
            EXPECT_TRUE(e.connection.has_value());
            EXPECT_FALSE(e.stream);
            bool is_there = false;
            for (const auto& one : s_.control->connections()) is_there |= one.id == e.connection;
            EXPECT_TRUE(is_there);
        } else {
            while (auto e = r.get_for(100ms)) EXPECT_FALSE((*e)->connection);
        }
        sleepy.stop();  // ends the calls
    }
}

TEST_P(watching, one_that_does_not_look_costs_so_many_events_and_no_more) {
    constexpr int streams = 300;
    auto lazy = watch(*s_.control);
    auto eager = watch(*s_.control);
    std::vector<tenon::reader<int>> open;
    std::uint64_t told = 1;  // that it watches
    for (int i = 0; i < streams; ++i) {
        open.push_back(calls_->flood(100));
        // What else is slow on a busy machine is told of, too.
        for (bool is_stream = false; !is_stream; ++told) is_stream = next(eager).stream.has_value();
    }
    while (eager.get_for(20ms)) ++told;
    std::uint64_t seen = 1;
    while (lazy.get_for(seen + lazy.stats().lost < told ? patience : 20ms)) ++seen;
    EXPECT_EQ(lazy.stats().lost + seen, told);
    EXPECT_LE(seen, 1U + 64 + 64);
}

TEST(watchers, who_has_gone_is_forgotten) {
    stream_server<watched> s("inproc");
    s.members->hold = [](int ms) { return ms; };
    s.start();
    for (int i = 0; i < 1000; ++i) {
        auto r = s.control->watch("*");
        EXPECT_EQ(r.get()->what, "watching");
    }
    EXPECT_TRUE(eventually([&] {
        for (const auto& m : s.control->stats("tenon/*").methods)
            if (m.route == "tenon/control.watch") return m.streams <= 32;
        return false;
    }));
}

TEST(watchers, are_told_nothing_of_services_without_control) {
    stream_server<watched> s("unix");
    const auto hold = [](int ms) {
        std::this_thread::sleep_for(std::chrono::milliseconds(ms));
        return ms;
    };
    s.members->hold = hold;
    auto& hidden = s.server->publish<lab>(tenon::publish_options{.control = false});
    implement(hidden);
    hidden.again = hold;
    s.server->listen(fresh_endpoint("tcp"));
    s.start();
    std::string over_tcp;
    for (const std::string& e : s.server->endpoints())
        if (e.starts_with("tcp")) over_tcp = e;
    auto control = tenon::connect<tenon::control>(over_tcp);
    auto r = control.watch("*");
    EXPECT_EQ(r.get()->what, "watching");
    auto c = tenon::connect<lab>(s.endpoint);
    EXPECT_EQ(c.again(50), 50);
    EXPECT_EQ(s.connect().hold(50), 50);
    std::string member;
    do member = r.get()->member;
    while (member.starts_with("tenon/"));
    EXPECT_EQ(member, "test/watched.hold");
}

}  // namespace
