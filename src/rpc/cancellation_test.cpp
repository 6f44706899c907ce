// Deadlines and cancellation: blocking and asynchronous, remote and in process, inherited.

#include "rpc/test_support.hpp"

namespace rpc_test {
namespace {

using tenon::errc;

class giving_up : public testing::TestWithParam<const char*> {
protected:
    giving_up() : s(GetParam()) {}
    bool local() const { return GetParam() == std::string("inproc"); }

    // A coroutine handler that waits until it is cancelled.
    void nap_until_cancelled() {
        s.l->nap = [this](tenon::context& c, int) -> tenon::task<int> {
            return until_cancelled(*this, c);
        };
    }
    static tenon::task<int> until_cancelled(giving_up& test, tenon::context& c) {
        test.entered.open();
        // Looking at the deadline too would compete with the caller's.
        while (!c.cancellation().is_cancelled()) co_await tenon::sleep_for(100ms);
        test.seen.open();
        co_return 1;
    }
    gate entered;
    gate seen;
    served s;  // the first to go: handlers look at the others
};
INSTANTIATE_TEST_SUITE_P(transports, giving_up, testing::Values("inproc", "unix", "shm", "tcp"),
                         name_of);

TEST_P(giving_up, deadline_of_a_blocking_call) {
    nap_until_cancelled();
    s.start();
    auto c = s.connect();
    const auto r = c.nap.with({.timeout = 20ms}).try_call(1);
    EXPECT_TRUE(seen.wait()) << "the handler is told";
    if (local()) return;  // there the call ends when the handler does
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code(), errc::deadline);
    EXPECT_EQ(c.plus(1, 2), 3) << "the connection is as before";
}

TEST_P(giving_up, deadline_of_a_blocking_call_on_the_pool) {
    s.l->block = [this](tenon::context& c, int) {
        EXPECT_TRUE(c.deadline());
        while (!c.cancelled()) std::this_thread::sleep_for(1ms);
        std::this_thread::sleep_for(50ms);  // the caller does not wait for that
        seen.open();
        return 1;
    };
    s.start();
    auto c = s.connect();
    (void)c.wait_ready(5s);  // else a busy machine may let the call expire before it is sent
    const auto r = c.block.with({.timeout = 400ms}).try_call(1);
    EXPECT_TRUE(seen.wait());
    if (!local()) {
        EXPECT_EQ(r.error().code(), errc::deadline);
    }
}

TEST_P(giving_up, deadline_of_asynchronous_calls) {
    nap_until_cancelled();
    s.start();
    tenon::client_options o;
    o.timeout = 20ms;
    auto c = s.connect(o);
    const auto r = get(c.nap.future(1));
    EXPECT_TRUE(seen.wait()) << "the handler is told";
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code(), errc::deadline);
    // Many, with deadlines in no order.
    std::vector<std::future<tenon::result<int>>> all;
    for (int i = 0; i < 50; ++i)
        all.push_back(c.nap.with({.timeout = std::chrono::milliseconds(1 + i * 7 % 31)}).future(1));
    for (auto& f : all) {
        const auto one = get(std::move(f));
        ASSERT_FALSE(one);
        EXPECT_EQ(one.error().code(), errc::deadline);
    }
}

TEST_P(giving_up, no_deadline_per_call_overrides_the_clients) {
    s.start();
    tenon::client_options o;
    o.timeout = 1ms;
    auto c = s.connect(o);
    (void)c.wait_ready(5s);
    EXPECT_EQ(c.nap.with({.timeout = 0ms})(50), 50);
}

TEST_P(giving_up, cancelled_before) {
    s.start();
    auto c = s.connect();
    tenon::cancellation stop;
    stop.cancel();
    const auto with = c.plus.with({.cancel = &stop});
    const auto r = with.try_call(1, 2);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code(), errc::cancelled);
    EXPECT_FALSE(r.error().may_have_run());
    EXPECT_EQ(get(with.future(1, 2)).error().code(), errc::cancelled);
    EXPECT_EQ(get(c.nap.with({.cancel = &stop}).future(1)).error().code(), errc::cancelled);
    EXPECT_EQ(c.plus(1, 2), 3);
}

TEST_P(giving_up, cancelled_during_a_blocking_call) {
    nap_until_cancelled();
    s.start();
    auto c = s.connect();
    tenon::cancellation stop;
    std::thread other([&] {
        EXPECT_TRUE(entered.wait());
        stop.cancel();
    });
    const auto r = c.nap.with({.cancel = &stop}).try_call(1);
    other.join();
    EXPECT_TRUE(seen.wait());
    if (!local()) {
        EXPECT_EQ(r.error().code(), errc::cancelled);
    }
    EXPECT_EQ(c.plus(1, 2), 3);
}

TEST_P(giving_up, cancelled_during_asynchronous_calls) {
    nap_until_cancelled();
    s.start();
    auto c = s.connect();
    tenon::cancellation stop;
    std::vector<std::future<tenon::result<int>>> all;
    for (int i = 0; i < 20; ++i) all.push_back(c.nap.with({.cancel = &stop}).future(i));
    EXPECT_TRUE(entered.wait());
    std::thread other([&] { stop.cancel(); });
    for (auto& f : all) {
        const auto r = get(std::move(f));
        if (!local()) {
            EXPECT_EQ(r.error().code(), errc::cancelled);
        }
    }
    other.join();
    EXPECT_TRUE(seen.wait());
}

TEST_P(giving_up, cancelled_after) {
    s.start();
    auto c = s.connect();
    {
        tenon::cancellation stop;
        EXPECT_EQ(c.plus.with({.cancel = &stop})(1, 2), 3);
        auto f = c.plus.with({.cancel = &stop}).future(1, 2);
        EXPECT_EQ(get(std::move(f)).value(), 3);
        stop.cancel();
        stop.cancel();
    }
    EXPECT_EQ(c.plus(1, 2), 3);
}

TEST_P(giving_up, cancelled_at_any_moment) {
    s.start();
    auto c = s.connect();
    for (int i = 0; i < 300; ++i) {
        tenon::cancellation stop;
        std::thread other([&, i] {
            for (int n = 0; n < i * 20; ++n) std::atomic_signal_fence(std::memory_order_seq_cst);
            stop.cancel();
        });
        const auto with = c.plus.with({.cancel = &stop});
        auto f1 = with.future(i, 1);
        auto f2 = c.block.with({.cancel = &stop}).future(0);
        auto f3 = c.nap.with({.cancel = &stop}).future(0);
        const auto r = with.try_call(i, 1);
        if (r) {
            EXPECT_EQ(*r, i + 1);
        } else {
            EXPECT_EQ(r.error().code(), errc::cancelled);
        }
        for (auto* f : {&f1, &f2, &f3}) {
            const auto one = get(std::move(*f));
            if (!one) {
                EXPECT_EQ(one.error().code(), errc::cancelled);
            }
        }
        other.join();
    }
    EXPECT_EQ(c.plus(1, 2), 3);
}

TEST_P(giving_up, a_quick_handler_that_turned_out_slow) {
    if (local()) GTEST_SKIP() << "it runs on the caller's thread";
    s.l->plus = [&](tenon::context& c, int, int) {
        entered.open();
        while (!c.cancelled()) ::usleep(1'000);
        seen.open();
        return 1;
    };
    s.start();
    auto c = s.connect();
    for (int round = 0; round < 2; ++round) {
        tenon::cancellation stop;
        auto f = c.plus.with({.cancel = &stop}).future(1, 2);
        EXPECT_TRUE(entered.wait());
        // Its loop goes on without it, which is when it can be told.
        EXPECT_EQ(get(c.again.future(4)).value(), 4);
        stop.cancel();
        EXPECT_EQ(get(std::move(f)).error().code(), errc::cancelled);
        EXPECT_TRUE(seen.wait());
    }
}

TEST_P(giving_up, quick_handlers_lose_loop_and_caller_at_any_moment) {
    if (local()) GTEST_SKIP() << "it runs on the caller's thread";
    s.l->plus = [&](tenon::context& c, int n, int) {
        for (int i = 0; i < n && !c.cancelled(); ++i) ::usleep(500);
        return n;
    };
    s.start();
    auto c = s.connect();
    for (int i = 0; i < 40; ++i) {
        tenon::cancellation stop;
        auto f = c.plus.with({.cancel = &stop}).future(i % 10, 0);
        ::usleep(static_cast<unsigned>(i * 100));
        stop.cancel();
        const auto r = get(std::move(f));
        if (!r) {
            EXPECT_EQ(r.error().code(), errc::cancelled);
        }
    }
    EXPECT_EQ(c.again(5), 5);
}

TEST_P(giving_up, a_call_cancelled_while_it_waits_for_the_pool) {
    tenon::runtime_options ro = test_runtime();
    ro.pool.most = 1;
    served one(GetParam(), ro);
    gate running, go;
    one.l->block = [&](int n) {
        running.open();
        go.wait();
        return n;
    };
    one.start();
    auto c = one.connect();
    auto first = c.block.future(1);
    ASSERT_TRUE(running.wait());
    tenon::cancellation stop;
    auto second = c.block.with({.cancel = &stop}).future(2);
    auto third = c.alone.with({.cancel = &stop}).future(3);
    std::thread caller([&] {
        const auto r = c.alone.with({.cancel = &stop}).try_call(4);
        EXPECT_FALSE(r);
        if (!r) {
            EXPECT_EQ(r.error().code(), errc::cancelled);
        }
    });
    std::this_thread::sleep_for(5ms);
    stop.cancel();
    std::this_thread::sleep_for(5ms);
    go.open();
    EXPECT_EQ(get(std::move(first)).value(), 1);
    const auto r2 = get(std::move(second));
    ASSERT_FALSE(r2);
    EXPECT_EQ(r2.error().code(), errc::cancelled);
    const auto r3 = get(std::move(third));
    ASSERT_FALSE(r3);
    EXPECT_EQ(r3.error().code(), errc::cancelled);
    caller.join();
}

TEST_P(giving_up, dropping_a_pending_reply_cancels_the_call) {
    nap_until_cancelled();
    s.start();
    auto c = s.connect();
    {
        auto pending = c.nap.async(1);
        EXPECT_TRUE(entered.wait());
    }
    EXPECT_TRUE(seen.wait());
    EXPECT_EQ(c.plus(1, 2), 3);
}

TEST_P(giving_up, dropping_pending_replies_at_any_moment) {
    s.start();
    auto c = s.connect();
    for (int i = 0; i < 300; ++i) {
        auto a = c.plus.async(1, 2);
        auto b = c.block.async(0);
        auto d = c.nap.async(0);
        for (int n = 0; n < i * 10; ++n) std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    EXPECT_EQ(c.plus(1, 2), 3);
}

// --- inheritance ---

TEST_P(giving_up, nested_calls_inherit_the_deadline) {
    std::atomic<bool> inherited{false};
    std::optional<tenon::stub<lab>> inner;
    s.l->again = [&](tenon::context& c, int) {
        inherited = c.deadline().has_value();
        return 1;
    };
    s.l->block = [&](int n) { return inner->again(n); };
    s.start();
    inner.emplace(s.connect());
    auto c = s.connect();
    EXPECT_EQ(c.block.with({.timeout = 20s})(1), 1);
    EXPECT_TRUE(inherited);
    EXPECT_EQ(c.block(1), 1);
    EXPECT_FALSE(inherited);
    s.server->stop();
    inner.reset();
}

tenon::task<int> nested(tenon::stub<lab>& inner, int n) { co_return co_await inner.again.async(n); }

TEST_P(giving_up, coroutines_inherit_the_deadline) {
    std::atomic<bool> inherited{false};
    std::optional<tenon::stub<lab>> inner;
    s.l->again = [&](tenon::context& c, int) {
        inherited = c.deadline().has_value();
        return 1;
    };
    s.l->nap = [&](int n) { return nested(*inner, n); };
    s.start();
    inner.emplace(s.connect());
    auto c = s.connect();
    EXPECT_EQ(c.nap.with({.timeout = 20s})(1), 1);
    EXPECT_TRUE(inherited);
    EXPECT_EQ(get(c.nap.with({.timeout = 20s}).future(1)).value(), 1);
    EXPECT_TRUE(inherited);
    s.server->stop();
    inner.reset();
}

TEST_P(giving_up, nested_calls_inherit_the_cancellation) {
    served inner_server(GetParam());
    gate inner_entered, inner_seen;
    inner_server.l->block = [&](tenon::context& c, int) {
        inner_entered.open();
        while (!c.cancelled()) std::this_thread::sleep_for(1ms);
        inner_seen.open();
        return 1;
    };
    inner_server.start();
    std::optional<tenon::stub<lab>> inner(inner_server.connect());
    s.l->block = [&](int n) { return inner->block(n); };
    s.start();
    auto c = s.connect();
    tenon::cancellation stop;
    auto f = c.block.with({.cancel = &stop}).future(1);
    ASSERT_TRUE(inner_entered.wait());
    stop.cancel();
    EXPECT_TRUE(inner_seen.wait());
    (void)get(std::move(f));
    s.server->stop();
    inner.reset();
}

TEST_P(giving_up, a_deadline_that_has_passed) {
    s.start();
    auto c = s.connect();
    std::optional<tenon::stub<lab>> inner(s.connect());
    (void)inner->wait_ready(5s);
    served outer(GetParam());
    std::atomic<int> code{-1};
    outer.l->block = [&](tenon::context& ctx, int) {
        while (!ctx.cancelled()) std::this_thread::sleep_for(1ms);
        const auto r = inner->nap.try_call(10'000);
        code = r ? 0 : static_cast<int>(r.error().code());
        return 1;
    };
    outer.start();
    auto o = outer.connect();
    (void)o.wait_ready(5s);
    // A busy machine may not even begin to serve in that time.
    EXPECT_TRUE(eventually([&] {
        (void)o.block.with({.timeout = 5ms}).try_call(1);
        return code != -1;
    }));
    EXPECT_TRUE(code == static_cast<int>(errc::deadline) ||
                code == static_cast<int>(errc::cancelled))
        << code;
    outer.server->stop();
    inner.reset();
}

}  // namespace
}  // namespace rpc_test
