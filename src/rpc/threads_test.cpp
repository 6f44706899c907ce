// Threads: many on one client, handlers that block, take-overs, the pool, limits, large payloads.

#include <unistd.h>

#include <algorithm>
#include <numeric>

#include "rpc/test_support.hpp"

namespace rpc_test {
namespace {

using tenon::errc;

#if RUNNING_ON_TSAN
constexpr int scale = 4;
#else
constexpr int scale = 1;
#endif

class threads : public testing::TestWithParam<const char*> {
protected:
    threads() : s(GetParam()) {}
    bool local() const { return GetParam() == std::string("inproc"); }
    served s;
};
INSTANTIATE_TEST_SUITE_P(transports, threads, testing::Values("inproc", "unix", "shm", "tcp"),
                         name_of);

tenon::task<int> chain(tenon::stub<lab>& c, int n) {
    int x = 0;
    for (int i = 0; i < n; ++i) x = co_await c.plus.async(x, 1);
    co_return x;
}

TEST_P(threads, share_one_client) {
    s.start();
    auto c = s.connect();
    constexpr int rounds = 2000 / scale;
    std::vector<std::thread> all;
    for (int t = 0; t < 8; ++t)
        all.emplace_back([&, t] {
            if (t % 4 == 3) {
                EXPECT_EQ(tenon::sync_wait(chain(c, rounds)), rounds);
                return;
            }
            for (int i = 0; i < rounds; ++i) {
                if (t % 4 == 2) {
                    EXPECT_EQ(get(c.plus.future(i, t)).value(), i + t);
                } else {
                    EXPECT_EQ(c.plus(i, t), i + t);
                }
            }
        });
    for (auto& t : all) t.join();
}

TEST_P(threads, hand_over_the_reading) {
    // Only blocking callers, some of which leave early: the connection goes from one to another.
    s.start();
    auto c = s.connect();
    std::vector<std::thread> all;
    for (int t = 0; t < 8; ++t)
        all.emplace_back([&, t] {
            for (int i = 0; i < 500 / scale; ++i) {
                switch ((i + t) % 4) {
                    case 0: EXPECT_EQ(c.plus(i, t), i + t); break;
                    case 1: EXPECT_EQ(c.nap(1), 1); break;
                    case 2: {
                        const auto r = c.nap.with({.timeout = 1ms}).try_call(2);
                        if (!r) {
                            EXPECT_EQ(r.error().code(), errc::deadline);
                        }
                        break;
                    }
                    case 3: {
                        tenon::cancellation stop;
                        std::thread other([&] { stop.cancel(); });
                        const auto r = c.nap.with({.cancel = &stop}).try_call(1);
                        if (!r) {
                            EXPECT_EQ(r.error().code(), errc::cancelled);
                        }
                        other.join();
                    }
                }
            }
        });
    for (auto& t : all) t.join();
    EXPECT_EQ(c.plus(1, 2), 3);
}

TEST_P(threads, callers_that_come_and_go_while_the_loop_takes_over) {
    s.start();
    auto c = s.connect();
    std::vector<std::thread> all;
    for (int t = 0; t < 3; ++t)
        all.emplace_back([&, t] {
            for (int i = 0; i < 20; ++i) {
                EXPECT_EQ(c.plus(i, t), i + t);
                std::this_thread::sleep_for(std::chrono::milliseconds((i * 7 + t * 3) % 13));
                if (i % 5 == t) {
                    EXPECT_EQ(get(c.nap.future(1)).value(), 1);
                }
            }
        });
    for (auto& t : all) t.join();
}

TEST_P(threads, two_with_a_mutex_that_the_others_continuation_wants) {
    s.start();
    auto c = s.connect();
    std::mutex shared;
    std::atomic<int> continued{0};
    std::vector<std::thread> all;
    for (int t = 0; t < 2; ++t)
        all.emplace_back([&] {
            for (int i = 0; i < 200 / scale; ++i) {
                c.plus.then(
                    [&](tenon::result<int>) {
                        const std::lock_guard lock(shared);
                        ++continued;
                    },
                    1, 2);
                const std::lock_guard lock(shared);
                EXPECT_EQ(c.plus(1, 2), 3);
            }
        });
    for (auto& t : all) t.join();
    EXPECT_TRUE(eventually([&] { return continued == 400 / scale; }));
    const std::lock_guard lock(shared);  // the last continuation has left
}

// --- handlers that block ---

TEST_P(threads, an_undeclared_blocking_handler_is_found_and_moved_to_the_pool) {
    if (local()) return;
    s.l->plus = [](int, int) {
        ::usleep(20'000);
        return 1;
    };
    s.start();
    auto slow = s.connect();
    auto quick = s.connect();
    std::vector<std::future<tenon::result<int>>> all;
    for (int i = 0; i < 5; ++i) {
        all.push_back(slow.plus.future(1, 2));
        EXPECT_EQ(quick.count(), 42);
    }
    for (auto& f : all) EXPECT_EQ(get(std::move(f)).value(), 1);
    EXPECT_TRUE(eventually([&] {
        (void)slow.plus(1, 2);
        for (const auto& m : s.server->stats())
            if (m.route == "test/lab.plus") return m.on_pool && m.slow >= 2;
        return false;
    }));
    EXPECT_EQ(slow.plus(1, 2), 1);
}

TEST_P(threads, calls_on_one_connection_go_on_while_one_blocks) {
    if (local()) return;
    gate entered, go;
    s.l->plus = [&](int a, int) {
        if (a == 0) {
            entered.open();
            go.wait();
        }
        return a;
    };
    s.start();
    auto c = s.connect();
    auto stuck = c.plus.future(0, 0);
    ASSERT_TRUE(entered.wait());
    for (int i = 1; i < 50; ++i) EXPECT_EQ(c.plus(i, 0), i);
    for (int i = 1; i < 50; ++i) EXPECT_EQ(get(c.plus.future(i, 0)).value(), i);
    auto other = s.connect();
    EXPECT_EQ(other.count(), 42);
    go.open();
    EXPECT_EQ(get(std::move(stuck)).value(), 0);
}

TEST_P(threads, a_connection_goes_while_its_handler_blocks) {
    if (local()) return;
    gate entered, go;
    std::atomic<bool> cancelled{false};
    s.l->greet = [&](tenon::context& c, std::string_view who) {
        entered.open();
        go.wait();
        cancelled = c.cancelled();
        return std::string(who);  // the receive buffer is still there
    };
    s.start();
    {
        auto c = s.connect();
        (void)c.greet.future("some text that is longer than a small string can be");
        ASSERT_TRUE(entered.wait());
    }
    EXPECT_EQ(s.connect().count(), 42);
    go.open();
    EXPECT_TRUE(eventually([&] { return s.connect().count() == 42; }));
    s.server->stop();
}

TEST_P(threads, a_view_stays_valid_when_the_loop_is_taken_over) {
    if (local()) return;
    s.l->greet = [](std::string_view who) {
        ::usleep(5'000);
        return std::string(who);
    };
    s.start();
    auto c = s.connect();
    std::vector<std::future<tenon::result<std::string>>> all;
    for (int i = 0; i < 30; ++i)
        all.push_back(c.greet.future(
            std::string(static_cast<std::size_t>(i + 20) * 10, static_cast<char>('a' + i % 26))));
    for (int i = 0; i < 30; ++i)
        EXPECT_EQ(
            get(std::move(all[static_cast<std::size_t>(i)])).value(),
            std::string(static_cast<std::size_t>(i + 20) * 10, static_cast<char>('a' + i % 26)));
}

TEST_P(threads, handlers_call_their_own_server) {
    // 64 in flight, three deep. On a busy machine all three methods may be found slow and go to the
    // pool, which has fewer threads than calls that wait for one another.
    tenon::runtime_options ro = test_runtime();
    ro.pool.most = 8;
    served s(GetParam(), ro);
    std::optional<tenon::stub<lab>> inner;
    s.l->older = [&](person p) {
        p.age = inner->plus(p.age, 1) + inner->block(0);
        return p;
    };
    s.l->again = [&](int n) { return inner->plus(n, 1) + inner->older(person{"x", 0}).age; };
    s.start();
    inner.emplace(s.connect());
    auto c = s.connect();
    for (int round = 0; round < 3; ++round) {
        std::vector<std::future<tenon::result<int>>> all;
        for (int i = 0; i < 64; ++i) all.push_back(c.again.future(i));
        for (int i = 0; i < 64; ++i)
            EXPECT_EQ(get(std::move(all[static_cast<std::size_t>(i)])).value(), i + 2);
    }
    s.server->stop();
    inner.reset();
}

TEST_P(threads, serial_methods_run_one_at_a_time) {
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    int total = 0;  // needs no lock
    s.l->alone = [&](int n) {
        most = std::max(most.load(), ++inside);
        total += n;
        std::this_thread::yield();
        --inside;
        return n;
    };
    s.start();
    std::vector<std::thread> all;
    for (int t = 0; t < 4; ++t)
        all.emplace_back([&] {
            auto c = s.connect();
            std::vector<std::future<tenon::result<int>>> mine;
            for (int i = 0; i < 25; ++i) mine.push_back(c.alone.future(1));
            for (int i = 0; i < 25; ++i) EXPECT_EQ(c.alone(1), 1);
            for (auto& f : mine) EXPECT_EQ(get(std::move(f)).value(), 1);
        });
    for (auto& t : all) t.join();
    EXPECT_EQ(most, 1);
    EXPECT_EQ(total, 200);
}

TEST_P(threads, serial_coroutines_run_one_at_a_time) {
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    s.l->alone = [&](int n) -> tenon::task<int> {
        most = std::max(most.load(), ++inside);
        co_await tenon::sleep_for(100us);
        --inside;
        co_return n;
    };
    s.start();
    auto c = s.connect();
    std::vector<std::future<tenon::result<int>>> all;
    for (int i = 0; i < 20; ++i) all.push_back(c.alone.future(i));
    for (auto& f : all) EXPECT_TRUE(get(std::move(f)));
    EXPECT_EQ(most, 1);
}

// --- limits ---

TEST_P(threads, a_full_pool_is_overloaded) {
    tenon::runtime_options ro = test_runtime();
    ro.pool.most = 1;
    ro.pool.queue_limit = 4;
    served one(GetParam(), ro);
    gate entered, go;
    one.l->block = [&](int n) {
        entered.open();
        go.wait();
        return n;
    };
    one.start();
    auto c = one.connect();
    auto first = c.block.future(0);
    ASSERT_TRUE(entered.wait());
    std::vector<std::future<tenon::result<int>>> all;
    for (int i = 0; i < 20; ++i) all.push_back(c.block.future(i));
    EXPECT_EQ(c.plus(1, 2), 3);
    go.open();
    int refused = 0;
    for (auto& f : all) {
        const auto r = get(std::move(f));
        if (r) continue;
        EXPECT_EQ(r.error().code(), errc::overloaded);
        EXPECT_FALSE(r.error().may_have_run());
        ++refused;
    }
    EXPECT_EQ(refused, 16);
    EXPECT_EQ(get(std::move(first)).value(), 0);
    EXPECT_EQ(c.block(3), 3);
}

TEST_P(threads, a_full_connection_is_overloaded) {
    if (local()) return;
    tenon::server_options so;
    so.limits.calls_per_connection = 10;
    served one(GetParam(), test_runtime(), so);
    gate go;
    one.l->nap = [&](int n) -> tenon::task<int> {
        while (!go.is_open()) co_await tenon::sleep_for(1ms);
        co_return n;
    };
    one.start();
    auto c = one.connect();
    std::vector<std::future<tenon::result<int>>> all;
    for (int i = 0; i < 25; ++i) all.push_back(c.nap.future(i));
    int refused = 0;
    for (std::size_t i = 10; i < all.size(); ++i) {
        const auto r = get(std::move(all[i]));
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().code(), errc::overloaded);
        EXPECT_FALSE(r.error().may_have_run());
        ++refused;
    }
    EXPECT_EQ(refused, 15);
    go.open();
    for (std::size_t i = 0; i < 10; ++i)
        EXPECT_EQ(get(std::move(all[i])).value(), static_cast<int>(i));
    EXPECT_EQ(c.plus(1, 2), 3);
}

TEST_P(threads, too_many_connections_are_told_so) {
    if (local()) return;
    tenon::server_options so;
    so.limits.connections_per_peer = 2;
    served one(GetParam(), test_runtime(), so);
    one.start();
    auto a = one.connect();
    auto b = one.connect();
    EXPECT_EQ(a.plus(1, 2), 3);
    EXPECT_EQ(b.plus(1, 2), 3);
    auto third = one.connect();
    const auto r = third.plus.try_call(1, 2);
    ASSERT_FALSE(r);
    EXPECT_EQ(a.plus(1, 2), 3);
}

TEST_P(threads, ten_thousand_calls_outstanding) {
    tenon::server_options so;
    so.limits.calls_per_connection = 20'000;
    served one(GetParam(), test_runtime(), so);
    one.start();
    auto c = one.connect();
    std::atomic<int> answers{0};
    std::atomic<std::int64_t> sum{0};
    constexpr int n = 10'000 / scale;
    for (int i = 0; i < n; ++i)
        c.plus.then(
            [&](tenon::result<int> r) {
                if (r) sum += *r;
                ++answers;
            },
            i, 0);
    EXPECT_TRUE(eventually([&] { return answers == n; })) << answers;
    EXPECT_EQ(sum, std::int64_t(n) * (n - 1) / 2);
}

TEST_P(threads, large_payloads_both_ways) {
    s.start();
    auto c = s.connect();
    for (const std::size_t size : {std::size_t(0), std::size_t(1), std::size_t(100'000),
                                   std::size_t(1) << 20, std::size_t(16) << 20}) {
        tenon::bytes data(size);
        for (std::size_t i = 0; i < size; i += 97) data[i] = static_cast<std::byte>(i * 31);
        EXPECT_EQ(c.echo(data), data) << size;
        EXPECT_TRUE(get(c.echo.future(data)).value() == data) << size;
        std::vector<int> numbers(size / 16);
        std::iota(numbers.begin(), numbers.end(), 0);
        if (size <= (1U << 20)) {
            EXPECT_TRUE(c.numbers(numbers) == numbers) << size;
        }
    }
    // Several at once, and small ones between them.
    std::vector<std::future<tenon::result<tenon::bytes>>> all;
    for (int i = 0; i < 8; ++i) {
        all.push_back(c.echo.future(tenon::bytes(1 << 20, static_cast<std::byte>(i))));
        EXPECT_EQ(c.plus(i, 1), i + 1);
    }
    for (int i = 0; i < 8; ++i)
        EXPECT_TRUE(get(std::move(all[static_cast<std::size_t>(i)])).value() ==
                    tenon::bytes(1 << 20, static_cast<std::byte>(i)));
}

TEST_P(threads, a_message_beyond_the_limit) {
    if (local()) return;
    tenon::server_options so;
    so.limits.message = 100'000;
    served one(GetParam(), test_runtime(), so);
    one.start();
    auto c = one.connect();
    const auto r = c.echo.try_call(tenon::bytes(200'000));
    ASSERT_FALSE(r);
    // The connection may have been given up for that.
    EXPECT_TRUE(eventually([&] { return c.echo.try_call(tenon::bytes(50'000)).has_value(); }));
}

TEST_P(threads, keep_alives_are_answered_while_a_call_is_held) {
    if (local()) return;
    s.l->block = [](int ms) {
        std::this_thread::sleep_for(std::chrono::milliseconds(ms));
        return ms;
    };
    s.start();
    tenon::client_options o;
    o.keepalive_interval = 20ms;
    o.keepalive_lifetime = 200ms * scale;
    auto c = s.connect(o);
    EXPECT_EQ(c.plus(1, 2), 3);
    EXPECT_EQ(c.block(600 * scale), 600 * scale);
    EXPECT_EQ(get(c.block.future(600 * scale)).value(), 600 * scale);
    EXPECT_EQ(c.plus(1, 2), 3);
}

TEST_P(threads, several_loops) {
    tenon::runtime_options ro = test_runtime();
    ro.loops = 3;
    served one(GetParam(), ro);
    one.start();
    std::vector<std::thread> all;
    for (int t = 0; t < 4; ++t)
        all.emplace_back([&, t] {
            auto c = one.connect();
            for (int i = 0; i < 200 / scale; ++i) {
                EXPECT_EQ(c.plus(i, t), i + t);
                EXPECT_EQ(get(c.nap.future(0)).value(), 0);
            }
            EXPECT_EQ(tenon::sync_wait(chain(c, 100)), 100);
        });
    for (auto& t : all) t.join();
}

}  // namespace
}  // namespace rpc_test
