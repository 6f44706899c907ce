// Servers that go and come back, and what their clients do meanwhile.

#include "rpc/test_support.hpp"

namespace rpc_test {
namespace {

using tenon::errc;

TEST(restart, calls_fail_at_once_and_then_flow) {
    for (const char* transport : {"inproc", "unix", "path"}) {
        tenon::runtime runtime(test_runtime());
        const std::string at = fresh_endpoint(transport);
        const auto make = [&] {
            auto s = std::make_unique<tenon::server>(tenon::server_options{.runtime = &runtime});
            implement(s->publish<lab>());
            s->listen(at).start();
            return s;
        };
        tenon::client_options o;
        o.runtime = &runtime;
        o.backoff_first = 1ms;
        o.backoff_last = 10ms;
        auto c = tenon::connect<lab>(at, o);
        const auto early = c.plus.try_call(1, 2);
        ASSERT_FALSE(early);
        EXPECT_EQ(early.error().code(), errc::unavailable);
        EXPECT_FALSE(early.error().may_have_run());
        for (int i = 0; i < 3; ++i) {
            auto server = make();
            EXPECT_TRUE(c.wait_ready(5s)) << at;
            EXPECT_EQ(c.plus(1, i), 1 + i);
            EXPECT_EQ(get(c.plus.future(1, i)).value(), 1 + i);
            server.reset();
            const auto gone = c.plus.try_call(1, 2);
            ASSERT_FALSE(gone);
            EXPECT_EQ(gone.error().code(), errc::unavailable) << gone.error().to_string();
            const auto gone_too = get(c.plus.future(1, 2));
            ASSERT_FALSE(gone_too);
            EXPECT_EQ(gone_too.error().code(), errc::unavailable);
        }
        EXPECT_FALSE(c.wait_ready(1ms));
    }
}

TEST(restart, a_call_that_did_not_run_is_repeated_once) {
    // The connection breaks while nobody calls; the next call finds a new server there.
    tenon::runtime runtime(test_runtime());
    const std::string at = fresh_endpoint("path");
    const auto make = [&] {
        auto s = std::make_unique<tenon::server>(tenon::server_options{.runtime = &runtime});
        implement(s->publish<lab>());
        s->listen(at).start();
        return s;
    };
    auto server = make();
    auto c = tenon::connect<lab>(at, {.runtime = &runtime});
    EXPECT_EQ(c.plus(1, 2), 3);
    server.reset();
    server = make();
    EXPECT_TRUE(eventually([&] { return c.plus.try_call(1, 2).has_value(); }));
}

TEST(restart, retries_of_idempotent_methods) {
    tenon::runtime runtime(test_runtime());
    const std::string at = fresh_endpoint("path");
    std::atomic<int> runs{0};
    tenon::server server({.runtime = &runtime});
    auto& l = server.publish<lab>();
    const auto busy = [&](int n) -> tenon::result<int> {
        if (++runs < n) return tenon::error(errc::overloaded, "busy");
        return runs.load();
    };
    l.again = busy;
    l.nap = busy;
    server.listen(at).start();
    tenon::client_options o;
    o.runtime = &runtime;
    o.backoff_first = 1ms;
    o.backoff_last = 2ms;
    const auto call = [&](int retries, int needed) {
        runs = 0;
        o.retries = retries;
        auto c = tenon::connect<lab>(at, o);
        return c.again.try_call(needed);
    };
    EXPECT_FALSE(call(0, 2));
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(call(1, 2).value(), 2);
    EXPECT_FALSE(call(2, 4));
    EXPECT_EQ(runs, 3);
    EXPECT_EQ(call(3, 4).value(), 4);
    EXPECT_EQ(call(-1, 20).value(), 20);
    // Not idempotent: never repeated.
    runs = 0;
    o.retries = 5;
    auto c = tenon::connect<lab>(at, o);
    EXPECT_FALSE(c.nap.try_call(3));
    EXPECT_EQ(runs, 1);
    // -1 ends with the deadline.
    runs = 0;
    o.retries = -1;
    o.timeout = 30ms;
    EXPECT_FALSE(tenon::connect<lab>(at, o).again.try_call(1'000'000));
}

TEST(restart, giving_up_ends_the_wait_before_a_retry) {
    tenon::runtime runtime(test_runtime());
    tenon::client_options o;
    o.runtime = &runtime;
    o.retries = -1;
    o.backoff_first = o.backoff_last = 1'000'000ms;
    auto c = tenon::connect<lab>(fresh_endpoint("path"), o);
    tenon::cancellation enough;
    std::thread caller([&] {
        const auto r = c.again.with({.cancel = &enough}).try_call(5);
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().code(), errc::cancelled);
    });
    std::this_thread::sleep_for(20ms);
    enough.cancel();
    caller.join();
}

TEST(restart, retries_until_a_server_appears) {
    tenon::runtime runtime(test_runtime());
    const std::string at = fresh_endpoint("path");
    tenon::client_options o;
    o.runtime = &runtime;
    o.retries = -1;
    o.backoff_first = 1ms;
    o.backoff_last = 5ms;
    o.timeout = 20s;
    auto c = tenon::connect<lab>(at, o);
    std::thread caller([&] { EXPECT_EQ(c.again(5), 5); });
    std::this_thread::sleep_for(20ms);
    tenon::server server({.runtime = &runtime});
    implement(server.publish<lab>());
    server.listen(at).start();
    caller.join();
}

TEST(restart, wait_ready) {
    tenon::runtime runtime(test_runtime());
    for (const char* transport : {"inproc", "path"}) {
        const std::string at = fresh_endpoint(transport);
        tenon::client_options o;
        o.runtime = &runtime;
        o.backoff_first = 1ms;
        o.backoff_last = 2ms;
        auto c = tenon::connect<lab>(at, o);
        const auto absent = c.wait_ready(5ms);
        ASSERT_FALSE(absent);
        EXPECT_EQ(absent.error().code(), errc::unavailable);
        EXPECT_FALSE(c.handle().is_connected());
        std::thread waiting([&] { EXPECT_TRUE(c.wait_ready(20s)); });
        std::this_thread::sleep_for(5ms);
        tenon::server server({.runtime = &runtime});
        implement(server.publish<lab>());
        server.listen(at).start();
        waiting.join();
        EXPECT_TRUE(c.handle().is_connected());
    }
}

}  // namespace
}  // namespace rpc_test
