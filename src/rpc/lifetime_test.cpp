// Beginnings and ends: clients and servers that go with calls under way, restarts, fork, runtimes
// that stop, embedding.

#include <poll.h>
#include <sys/wait.h>

#include "rpc/test_support.hpp"

namespace rpc_test {
namespace {

using tenon::errc;

errc code_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const tenon::failure& e) {
        return e.code();
    }
    return errc::internal;
}

class lifetime : public testing::TestWithParam<const char*> {
protected:
    lifetime() : s(GetParam()) {}
    bool local() const { return GetParam() == std::string("inproc"); }
    served s;
};
INSTANTIATE_TEST_SUITE_P(transports, lifetime, testing::Values("inproc", "unix", "shm", "tcp"),
                         name_of);

TEST_P(lifetime, client_goes_with_calls_under_way) {
    s.start();
    std::vector<std::future<tenon::result<int>>> all;
    for (int round = 0; round < 10; ++round) {
        auto c = s.connect();
        for (int i = 0; i < 10; ++i) {
            all.push_back(c.nap.future(30));
            all.push_back(c.block.future(1));
            all.push_back(c.plus.future(1, 2));
        }
    }
    for (auto& f : all) {
        const auto r = get(std::move(f));
        if (!r) {
            EXPECT_EQ(r.error().code(), errc::cancelled) << r.error().to_string();
        }
    }
}

TEST_P(lifetime, client_goes_before_it_is_connected) {
    s.start();
    for (int i = 0; i < 50; ++i) {
        auto c = s.connect();
        if (i % 2) (void)c.plus.future(1, 2);
    }
}

tenon::task<int> call_and_let_go(tenon::stub<lab> c) {
    const int n = co_await c.nap.async(2);
    co_return n;
}

TEST_P(lifetime, the_last_handle_goes_on_the_loop) {
    s.start();
    for (int i = 0; i < 20; ++i) {
        std::promise<int> done;
        static const tenon::call_scope scope;
        tenon::spawn(call_and_let_go(s.connect()), scope,
                     [&](tenon::task<int>& t) { done.set_value(t.take()); });
        EXPECT_EQ(get(done.get_future()), 2);
    }
    std::promise<void> called;
    {
        auto c = std::make_unique<tenon::stub<lab>>(s.connect());
        auto& plus = c->plus;
        plus.then(
            [&called, c = std::move(c)](tenon::result<int>) mutable {
                c.reset();
                called.set_value();
            },
            1, 2);
    }
    get(called.get_future());
}

TEST_P(lifetime, the_last_handle_goes_and_the_loop_with_it) {
    s.start();
    for (const bool fails : {false, true}) {
        gate done;
        auto c = std::make_unique<tenon::stub<lab>>(s.connect());
        EXPECT_EQ(c->plus(1, 2), 3);
        c->nap.then(
            [&](const tenon::result<int>& r) {
                EXPECT_TRUE(r || fails);
                c.reset();
                std::this_thread::sleep_for(50ms);  // the loop goes on without this thread
                done.open();
            },
            fails ? 60'000 : 10);
        if (fails) s.server->stop(0ms);
        EXPECT_TRUE(done.wait());
    }
}

TEST_P(lifetime, server_destroyed_with_calls_under_way) {
    for (int i = 0; i < 10; ++i) {
        served one(GetParam());
        one.start();
        auto c = one.connect();
        std::vector<std::future<tenon::result<int>>> all;
        for (int n = 0; n < 10; ++n) {
            all.push_back(c.nap.future(10'000));
            all.push_back(c.block.future(2));
            all.push_back(c.alone.future(2));
        }
        std::thread blocking([&] {
            const auto r = c.block.try_call(1);
            if (!r) {
                // Draining servers refuse what still comes in.
                EXPECT_EQ(r.error().code(), errc::unavailable) << r.error().to_string();
            }
        });
        std::this_thread::sleep_for(std::chrono::milliseconds(i));
        if (local()) {  // a cancelled nap ends by itself; there is nobody to abandon it
            blocking.join();
            one.server->stop(0ms);
        } else {
            one.server.reset();
            blocking.join();
        }
        for (auto& f : all) {
            const auto r = get(std::move(f));
            if (!r) {
                EXPECT_EQ(r.error().code(), errc::unavailable) << r.error().to_string();
            }
        }
    }
}

TEST_P(lifetime, stop_waits_for_calls_in_flight) {
    gate entered, go;
    s.l->block = [&](int n) {
        entered.open();
        go.wait();
        return n;
    };
    s.start();
    auto c = s.connect();
    auto slow = c.block.future(7);
    auto napping = c.nap.future(100);
    ASSERT_TRUE(entered.wait());
    EXPECT_TRUE(eventually([&] {
        for (const auto& m : s.server->stats())
            if (m.route == "test/lab.nap") return m.calls == 1;
        return false;
    }));
    std::atomic<bool> stopped{false};
    std::thread stopping([&] {
        s.server->stop(20s);
        stopped = true;
    });
    // New calls are refused meanwhile.
    EXPECT_TRUE(eventually([&] {
        const auto r = c.plus.try_call(1, 2);
        return !r;
    }));
    EXPECT_FALSE(stopped);
    go.open();
    const auto slow_one = get(std::move(slow));
    const auto napped = get(std::move(napping));
    stopping.join();
    ASSERT_TRUE(slow_one) << slow_one.error().to_string();
    ASSERT_TRUE(napped) << napped.error().to_string();
    const auto after = c.plus.try_call(1, 2);
    ASSERT_FALSE(after);
    EXPECT_EQ(after.error().code(), errc::unavailable);
    EXPECT_FALSE(after.error().may_have_run());
}

TEST_P(lifetime, stop_in_a_callback) {
    served s(GetParam());
    s.start();
    auto c = s.connect();
    gate stopped;
    c.plus.then(
        [&](tenon::result<int> r) {
            EXPECT_EQ(*r, 3);
            s.server.reset();
            stopped.open();
        },
        1, 2);
    EXPECT_TRUE(stopped.wait());
    EXPECT_EQ(c.plus.try_call(1, 2).error().code(), errc::unavailable);
}

TEST_P(lifetime, stop_in_a_handler_is_a_conflict) {
    std::atomic<int> code{0};
    const auto try_to_stop = [&] { code = static_cast<int>(code_of([&] { s.server->stop(); })); };
    s.l->plus = [&](int, int) { return try_to_stop(), 0; };
    s.l->block = [&](int) { return try_to_stop(), 0; };
    s.l->nap = [&](int) -> tenon::task<int> {
        try_to_stop();
        co_return 0;
    };
    s.start();
    auto c = s.connect();
    c.plus(1, 2);
    EXPECT_EQ(code.exchange(0), static_cast<int>(errc::conflict)) << "on the loop";
    c.block(1);
    EXPECT_EQ(code.exchange(0), static_cast<int>(errc::conflict)) << "on the pool";
    c.nap(1);
    EXPECT_EQ(code.exchange(0), static_cast<int>(errc::conflict)) << "in a coroutine";
}

TEST_P(lifetime, stop_twice_and_from_many_threads) {
    s.start();
    auto c = s.connect();
    EXPECT_EQ(c.plus(1, 2), 3);
    std::vector<std::thread> all;
    for (int i = 0; i < 4; ++i) all.emplace_back([&] { s.server->stop(); });
    for (auto& t : all) t.join();
    s.server->stop();
}

TEST_P(lifetime, stop_while_connections_arrive) {
    if (local()) return;
    for (int i = 0; i < 20; ++i) {
        served one(GetParam());
        one.start();
        std::atomic<bool> go_on{true};
        std::vector<std::thread> callers;
        for (int t = 0; t < 3; ++t)
            callers.emplace_back([&] {
                while (go_on) {
                    auto c = one.connect();
                    (void)c.plus.try_call(1, 2);
                }
            });
        std::this_thread::sleep_for(std::chrono::milliseconds(1 + i % 4));
        one.server->stop(std::chrono::milliseconds(i % 2 ? 0 : 50));
        go_on = false;
        for (auto& t : callers) t.join();
    }
}

// --- fork ---

/// Runs `f` in a forked child, which must end by itself; true if f() was true.
bool in_child(const std::function<bool()>& f) {
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(10);  // a hang ends as a failure
        _exit(f() ? 0 : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool refused(const tenon::error& e) {
    return e.code() == errc::unavailable && e.message().starts_with("used after fork");
}

TEST_P(lifetime, handles_fail_in_a_forked_child) {
    s.start();
    auto c = s.connect();
    EXPECT_EQ(c.plus(1, 2), 3);
    EXPECT_TRUE(in_child([&] {
        const auto blocking = c.plus.try_call(1, 2);
        return !blocking && refused(blocking.error());
    })) << "blocking";
    EXPECT_TRUE(in_child([&] {
        auto f = c.plus.future(1, 2);
        if (f.wait_for(5s) != std::future_status::ready) return false;
        const auto r = f.get();
        return !r && refused(r.error());
    })) << "future";
    EXPECT_TRUE(in_child([&] {
        const auto r = c.handle().send("test/lab.poke", tenon::value::list({1}));
        return !r && refused(r.error());
    })) << "send";
    EXPECT_TRUE(in_child([&] {
        const auto r = c.handle().try_call("test/lab.count", tenon::value());
        return !r && refused(r.error());
    })) << "by name";
    EXPECT_TRUE(in_child([&] {
        const auto r = c.wait_ready(1s);
        return !r && refused(r.error());
    })) << "wait_ready";
    EXPECT_TRUE(in_child([&] {
        return code_of([&] {
                   tenon::server other({.runtime = &s.runtime});
                   other.start();
               }) == errc::unavailable;
    })) << "server";
    // All of it still works here.
    EXPECT_EQ(c.plus(1, 2), 3);
    EXPECT_EQ(get(c.plus.future(1, 2)).value(), 3);
}

TEST_P(lifetime, destroying_handles_in_a_child_does_not_disturb_the_parent) {
    s.start();
    auto c = std::make_unique<tenon::stub<lab>>(s.connect());
    EXPECT_EQ(c->plus(1, 2), 3);
    auto slow = c->nap.future(50);
    using reply = decltype(c->nap.async(1));
    std::unique_ptr<reply> pending(new reply(c->nap.async(40)));
    EXPECT_TRUE(in_child([&] {
        pending.reset();
        c.reset();
        s.server.reset();
        return true;
    }));
    EXPECT_EQ(get(std::move(slow)).value(), 50);
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(c->plus(1, 2), 3);
    EXPECT_EQ(get(c->plus.future(1, 2)).value(), 3);
    pending.reset();
}

TEST_P(lifetime, fork_while_threads_call) {
    s.start();
    auto c = s.connect();
    std::atomic<bool> go_on{true};
    std::vector<std::thread> callers;
    for (int i = 0; i < 3; ++i)
        callers.emplace_back([&, i] {
            while (go_on) {
                if (i == 0) {
                    EXPECT_EQ(get(c.plus.future(1, 2)).value(), 3);
                } else {
                    EXPECT_EQ(c.plus(1, 2), 3);
                }
            }
        });
    for (int i = 0; i < 20; ++i)
        EXPECT_TRUE(in_child([&] {
            const auto r = c.plus.try_call(1, 2);
            return !r && refused(r.error());
        }));
    go_on = false;
    for (auto& t : callers) t.join();
}

TEST(fork, a_child_may_make_its_own_runtime) {
    if (RUNNING_ON_TSAN) GTEST_SKIP() << "TSan allows no threads after fork";
    served s("unix");
    s.start();
    auto c = s.connect();
    EXPECT_EQ(c.plus(1, 2), 3);
    EXPECT_TRUE(in_child([&] {
        tenon::runtime own(test_runtime());
        auto mine = tenon::connect<lab>(s.endpoint, {.runtime = &own});
        return mine.plus(2, 3) == 5 && get(mine.plus.future(2, 3)).value() == 5;
    }));
}

// --- runtimes ---

TEST_P(lifetime, runtime_stops_before_clients_and_servers) {
    s.start();
    auto c = s.connect();
    EXPECT_EQ(c.plus(1, 2), 3);
    s.runtime.stop();
    const auto r = c.plus.try_call(1, 2);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code(), errc::unavailable);
    const auto f = get(c.plus.future(1, 2));
    ASSERT_FALSE(f);
    EXPECT_EQ(f.error().code(), errc::unavailable);
    EXPECT_FALSE(c.wait_ready(5s));
    s.runtime.stop();
}

TEST_P(lifetime, runtime_stops_with_calls_under_way) {
    tenon::runtime clients(test_runtime());
    s.start();
    auto c = tenon::connect<lab>(s.endpoint, {.runtime = local() ? &s.runtime : &clients});
    std::vector<std::future<tenon::result<int>>> all;
    for (int i = 0; i < 5; ++i) {
        all.push_back(c.nap.future(300));
        all.push_back(c.block.future(30));
    }
    std::thread blocking([&] {
        const auto r = c.nap.try_call(local() ? 300 : 20'000);
        if (!local()) {
            EXPECT_FALSE(r);
            if (!r) {
                EXPECT_EQ(r.error().code(), errc::unavailable);
            }
        }
    });
    std::this_thread::sleep_for(20ms);
    (local() ? s.runtime : clients).stop();
    for (auto& f : all) {
        const auto r = get(std::move(f));
        if (!r) {
            EXPECT_EQ(r.error().code(), errc::unavailable) << r.error().to_string();
        }
    }
    blocking.join();
}

TEST(runtime, stop_from_within_is_a_conflict) {
    served s("unix");
    std::atomic<int> code{0};
    s.l->plus = [&](int, int) {
        code = static_cast<int>(code_of([&] { s.runtime.stop(); }));
        return 0;
    };
    s.start();
    s.connect().plus(1, 2);
    EXPECT_EQ(code, static_cast<int>(errc::conflict));
}

TEST(runtime, embedded_in_poll) {
    tenon::runtime runtime = tenon::runtime::external();
    tenon::server server({.runtime = &runtime});
    auto& l = server.publish<lab>();
    implement(l);
    const std::thread::id here = std::this_thread::get_id();
    std::atomic<bool> elsewhere{false};
    l.plus = [&](int a, int b) {
        if (std::this_thread::get_id() != here) elsewhere = true;
        return a + b;
    };
    server.listen(fresh_endpoint("unix")).start();
    const auto run_until = [&](const auto& done) {
        const auto limit = std::chrono::steady_clock::now() + patience;
        while (!done() && std::chrono::steady_clock::now() < limit) {
            pollfd p{runtime.fd(), POLLIN, 0};
            int timeout = 1000;
            if (const auto at = runtime.next_deadline()) {
                const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                    *at - std::chrono::steady_clock::now());
                timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1000));
            }
            ::poll(&p, 1, timeout);
            runtime.run_ready();
        }
        return done();
    };

    // A foreign client: its own runtime, blocking on its own thread.
    std::atomic<bool> finished{false};
    std::thread client([&] {
        tenon::runtime own(test_runtime());
        auto c = tenon::connect<lab>(server.endpoints().at(0), {.runtime = &own});
        for (int i = 0; i < 50; ++i) EXPECT_EQ(c.plus(i, 1), i + 1);
        EXPECT_EQ(c.nap(3), 3);
        EXPECT_EQ(c.block(3), 3);
        finished = true;
    });
    EXPECT_TRUE(run_until([&] { return finished.load(); }));
    client.join();
    EXPECT_FALSE(elsewhere);

    // A client on the same thread and runtime, asynchronously.
    auto c = tenon::connect<lab>(server.endpoints().at(0), {.runtime = &runtime});
    int sum = 0, answers = 0;
    for (int i = 0; i < 20; ++i)
        c.plus.then([&](tenon::result<int> r) { sum += r.value(), ++answers; }, i, 0);
    c.nap.then([&](tenon::result<int> r) { sum += r.value(), ++answers; }, 5);
    EXPECT_TRUE(run_until([&] { return answers == 21; }));
    EXPECT_EQ(sum, 195);
    EXPECT_TRUE(c.wait_ready(1s));
    server.stop();
}

}  // namespace
}  // namespace rpc_test
