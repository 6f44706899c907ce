// What is counted of calls: histograms, samples, what is in flight and what waited.

#include "rpc/statistics.hpp"

#include <cmath>
#include <random>
#include <thread>

#include "rpc/test_support.hpp"

namespace {

using namespace rpc_test;
using tenon::rpc::histogram;
using tenon::rpc::method_counters;
using std::chrono::nanoseconds;

TEST(histogram, buckets_lie_side_by_side) {
    for (std::size_t i = 0; i < histogram::buckets; ++i) {
        const auto begin = histogram::begin_of(i);
        const auto end = histogram::begin_of(i + 1);
        ASSERT_LT(begin, end);
        ASSERT_EQ(histogram::index(begin), i);
        ASSERT_EQ(histogram::index(end - 1), i);
        ASSERT_LE(end - begin, std::max<std::uint64_t>(4, begin / 8));
    }
    EXPECT_EQ(histogram::begin_of(histogram::buckets), std::uint64_t{1} << histogram::top_bits);
    EXPECT_EQ(histogram::index(~std::uint64_t{0}), histogram::buckets - 1);
}

TEST(histogram, quantiles_are_as_near_as_promised) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (int round = 0; round < 50; ++round) {
        // Spread over a few decades somewhere between a nanosecond and minutes.
        std::uniform_real_distribution<double> exponent(0, 9);
        std::lognormal_distribution<double> length(exponent(random), 1.5);
        const auto h = std::make_unique<histogram>();
        std::vector<std::int64_t> all;
        const int n = 1 + static_cast<int>(random() % 2000);
        for (int i = 0; i < n; ++i) {
            all.push_back(static_cast<std::int64_t>(std::min(length(random), 1e13)));
            h->add(nanoseconds(all.back()), 1);
        }
        std::sort(all.begin(), all.end());
        const auto s = h->read();
        ASSERT_EQ(s.count, static_cast<std::uint64_t>(n));
        for (const double q : {0.0, 0.01, 0.5, 0.9, 0.99, 1.0}) {
            const auto rank = std::max<std::int64_t>(1, std::ceil(q * n));
            const auto exact = static_cast<double>(all[static_cast<std::size_t>(rank - 1)]);
            const auto got = static_cast<double>(s.quantile(q).count());
            ASSERT_LE(std::abs(got - exact), std::max(2.0, exact / 16)) << q << " of " << n;
        }
    }
}

TEST(histogram, counts_below_powers_of_two_are_exact) {
    const auto h = std::make_unique<histogram>();
    for (unsigned bits = 5; bits <= 40; ++bits) {
        h->add(nanoseconds((std::int64_t{1} << bits) - 1), 1);
        h->add(nanoseconds(std::int64_t{1} << bits), 1);
    }
    const auto s = h->read();
    for (unsigned bits = 5; bits <= 40; ++bits) EXPECT_EQ(s.below(bits), 2 * (bits - 5) + 1);
    EXPECT_EQ(s.below(histogram::top_bits), s.count);
}

TEST(histogram, empty_negative_and_endless) {
    const auto h = std::make_unique<histogram>();
    EXPECT_EQ(h->read().summary().p99.count(), 0);
    EXPECT_EQ(h->read().summary().mean.count(), 0);
    h->add(nanoseconds(-5), 1);
    EXPECT_EQ(h->read().quantile(1).count(), 2);
    h->add(nanoseconds::max(), 1);
    EXPECT_GT(h->read().quantile(1), 4h);
}

void expect_fair_samples(unsigned bits, std::uint64_t period) {
    const auto c = std::make_unique<method_counters>();
    constexpr std::uint64_t calls = 1'000'000;
    c->calls = method_counters::all_of_the_first;
    std::vector<std::uint64_t> stood_for(period);
    std::uint64_t all = 0;
    for (std::uint64_t i = 0; i < calls; ++i) {
        const unsigned w = c->begin_call(bits);
        all += w;
        stood_for[i % period] += w;
    }
    EXPECT_NEAR(static_cast<double>(all), calls, calls * 0.001);
    for (const std::uint64_t n : stood_for)
        EXPECT_NEAR(static_cast<double>(n), static_cast<double>(calls / period),
                    static_cast<double>(calls / period) * 0.05);
}

TEST(sampling, stands_for_about_all_calls_and_does_not_favour_any) {
    for (const unsigned bits : {method_counters::remote_bits, method_counters::local_bits})
        for (const std::uint64_t period : {2U, 3U, 16U, 64U, 100U})
            expect_fair_samples(bits, period);
}

TEST(sampling, the_first_calls_are_all_measured) {
    const auto c = std::make_unique<method_counters>();
    for (std::uint64_t i = 0; i < method_counters::all_of_the_first; ++i)
        EXPECT_EQ(c->begin_call(4), 1u);
}

TEST(counters, parts_add_up) {
    const auto c = std::make_unique<tenon::rpc::counter_parts>();
    EXPECT_EQ(&c->of(0), &c->first());
    EXPECT_EQ(&c->of(1), &c->of(1));
    EXPECT_NE(&c->of(1), &c->of(2));
    EXPECT_EQ(&c->of(tenon::rpc::counter_parts::most + 1), &c->of(1));
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 4; ++i)
        threads.emplace_back([&c, i] {
            for (int n = 0; n < 1'000; ++n) c->of(i % 3).begin_call(4);
            c->of(i).count_error(tenon::errc::invalid);
            c->of(i).in_flight += 1;
            c->of(i + 1).in_flight -= 1;  // another thread may answer
            c->of(i).latency.add(1us, 2);
        });
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(c->calls(), 4'000U);
    const auto t = c->read();
    EXPECT_EQ(t.calls, 4'000U);
    EXPECT_EQ(t.in_flight, 0U);
    EXPECT_EQ(t.errors[static_cast<std::size_t>(tenon::errc::invalid)], 4U);
    EXPECT_EQ(t.latency.count, 8U);
    EXPECT_EQ(t.latency.sum_ns, 8'000U);
}

class statistics : public testing::TestWithParam<const char*> {
protected:
    statistics() : s(GetParam()) {}
    tenon::method_stats of(std::string_view method) {
        for (auto& m : s.server->stats())
            if (m.route == "test/lab." + std::string(method)) return m;
        ADD_FAILURE() << "no " << method;
        return {};
    }

    served s;
};

INSTANTIATE_TEST_SUITE_P(over, statistics, testing::Values("inproc", "unix", "shm", "tcp"),
                         name_of);

TEST_P(statistics, quick_calls_are_sampled) {
    s.start();
    auto c = s.connect();
    constexpr int calls = 5'000;
    for (int i = 0; i < calls; ++i) c.plus(i, i);
    const auto m = of("plus");
    EXPECT_EQ(m.calls, static_cast<std::uint64_t>(calls));
    // A machine that is too busy may have found it slow and sent it to the pool, where all count.
    EXPECT_NEAR(static_cast<double>(m.latency.count), calls, calls * 0.02);
    EXPECT_GT(m.latency.p50.count(), 0);
    EXPECT_LE(m.latency.p50, m.latency.p90);
    EXPECT_LE(m.latency.p90, m.latency.p99);
    EXPECT_EQ(m.in_flight, 0u);
    if (!m.on_pool) {
        EXPECT_EQ(m.queue_wait.count, 0u);
    }
}

TEST_P(statistics, coroutines_are_all_measured_and_in_flight_meanwhile) {
    s.start();
    auto c = s.connect();
    std::vector<std::future<tenon::result<int>>> all;
    for (int i = 0; i < 100; ++i) all.push_back(c.nap.future(1));
    for (auto& f : all) EXPECT_TRUE(get(std::move(f)));
    EXPECT_EQ(of("nap").latency.count, 100u);
    EXPECT_GE(of("nap").latency.p50, 500us);
    EXPECT_EQ(of("nap").in_flight, 0u);
    auto slow = c.nap.future(300);
    EXPECT_TRUE(eventually([&] { return of("nap").in_flight == 1; }));
    EXPECT_TRUE(get(std::move(slow)));
    EXPECT_EQ(of("nap").in_flight, 0u);
}

TEST_P(statistics, waiting_for_the_pool_is_measured) {
    tenon::runtime_options ro;
    ro.pool.resident = ro.pool.most = 1;
    gate entered, go_on;
    served one(GetParam(), ro);
    one.l->block = [&](int n) {
        entered.open();
        go_on.wait();
        return n;
    };
    one.start();
    auto c = one.connect();
    auto first = c.block.future(1);
    ASSERT_TRUE(entered.wait());
    auto second = c.block.future(2);
    EXPECT_TRUE(eventually([&] { return one.server->status().in_flight == 2; }));
    std::this_thread::sleep_for(25ms);
    go_on.open();
    EXPECT_TRUE(get(std::move(first)));
    EXPECT_TRUE(get(std::move(second)));
    for (const auto& m : one.server->stats()) {
        if (m.route != "test/lab.block") continue;
        EXPECT_EQ(m.queue_wait.count, 2u);
        EXPECT_GE(m.queue_wait.p99, 20ms);
        EXPECT_GE(m.latency.p99, m.queue_wait.p99 - m.queue_wait.p99 / 8);
        EXPECT_GE(m.latency.p50, 15ms);
        EXPECT_EQ(m.in_flight, 0u);
        EXPECT_TRUE(m.on_pool);
    }
}

TEST_P(statistics, waiting_for_a_serial_method_is_measured) {
    s.l->alone = [](int n) {
        std::this_thread::sleep_for(20ms);
        return n;
    };
    s.start();
    auto c = s.connect();
    std::vector<std::future<tenon::result<int>>> all;
    for (int i = 0; i < 5; ++i) all.push_back(c.alone.future(i));
    for (auto& f : all) EXPECT_TRUE(get(std::move(f)));
    const auto m = of("alone");
    EXPECT_EQ(m.queue_wait.count, 5u);
    EXPECT_GE(m.queue_wait.p99, 50ms);
}

TEST_P(statistics, a_handler_that_lost_its_loop_is_in_flight) {
    gate entered, go_on;
    s.l->greet = [&](std::string who) {
        entered.open();
        go_on.wait();
        return who;
    };
    s.start();
    auto c = s.connect();
    auto slow = std::async(std::launch::async, [&] { return c.greet.try_call("x"); });
    ASSERT_TRUE(entered.wait());
    if (std::string_view(GetParam()) != "inproc") {
        EXPECT_TRUE(eventually([&] { return of("greet").in_flight == 1; }));
        const auto all = s.server->connections();
        ASSERT_EQ(all.size(), 1u);
        EXPECT_EQ(all[0].in_flight, 1u);
    }
    go_on.open();
    EXPECT_TRUE(get(std::move(slow)));
    EXPECT_TRUE(eventually([&] { return of("greet").in_flight == 0; }));
    EXPECT_EQ(of("greet").latency.count, 1u);
}

TEST_P(statistics, cancelled_and_dropped_calls_do_not_stay_in_flight) {
    tenon::runtime_options ro = test_runtime();
    ro.pool.most = 1;
    gate all_came;
    served one(GetParam(), ro);
    one.l->block = [&](int ms) {
        all_came.wait();
        std::this_thread::sleep_for(std::chrono::milliseconds(ms));
        return ms;
    };
    one.start();
    {
        auto c = one.connect();
        auto running = c.block.future(100);
        auto waiting = c.block.future(1);
        auto sleeping = c.nap.future(60'000);
        EXPECT_TRUE(eventually([&] { return one.server->status().in_flight == 3; }));
        all_came.open();
        one.server->stop(0ms);
        (void)get(std::move(running));
        const auto dropped = get(std::move(waiting));
        if (!dropped) {
            EXPECT_EQ(dropped.error().code(), tenon::errc::unavailable)
                << dropped.error().to_string();
        }
        (void)get(std::move(sleeping));
    }
    EXPECT_EQ(one.server->status().in_flight, 0u);
}

TEST_P(statistics, errors_are_counted_by_code) {
    s.start();
    auto c = s.connect();
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(c.check.try_call(200));
    EXPECT_TRUE(c.check.try_call(1));
    const auto wrong = c.handle().try_call("test/lab.check", tenon::value::list({"one"}));
    EXPECT_FALSE(wrong);
    const auto m = of("check");
    EXPECT_EQ(m.errors, 4u);
    EXPECT_EQ(m.errors_by_code,
              (std::map<std::string, std::uint64_t>{{"failed", 3}, {"invalid", 1}}));
}

}  // namespace
