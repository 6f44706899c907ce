#include "loop/worker_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/futex.hpp"
#include "loop/loop.hpp"

namespace tenon::inline v0::loop {
namespace {

using namespace std::chrono_literals;

class test_job final : public job {
public:
    explicit test_job(std::function<void()> f) : f_(std::move(f)) {}
    void run() noexcept override { f_(); }
    void drop() noexcept override { dropped = true; }
    std::atomic<bool> dropped{false};

private:
    std::function<void()> f_;
};

class gate {
public:
    void open() {
        word_.store(1);
        base::futex_wake_all(word_);
    }
    void pass() {
        while (word_.load() == 0) base::futex_wait(word_, 0);
    }

private:
    base::futex_word word_{0};
};

using jobs = std::vector<std::unique_ptr<test_job>>;

TEST(WorkerPool, RunsEverythingOnceFromManyThreads) {
    pool_options options;
    options.max = 8;
    worker_pool pool(options);
    constexpr int count = 4'000;
    std::vector<std::atomic<int>> runs(count);
    jobs all;
    for (int i = 0; i < count; ++i)
        all.push_back(std::make_unique<test_job>([&runs, i] { ++runs[i]; }));
    std::vector<std::thread> submitters;
    for (int t = 0; t < 4; ++t)
        submitters.emplace_back([&, t] {
            for (int i = t; i < count; i += 4)
                while (!pool.submit(*all[i])) std::this_thread::yield();
        });
    for (std::thread& t : submitters) t.join();
    EXPECT_TRUE(pool.stop(true));
    for (const auto& n : runs) EXPECT_EQ(n, 1);
    EXPECT_EQ(pool.stats().started, static_cast<std::uint64_t>(count));
    EXPECT_FALSE(pool.has_runnable());
}

// Every job waits for one that it submits, so with the two threads alone nothing would ever end.
TEST(WorkerPool, JobsThatWaitForJobsDoNotFillIt) {
    pool_options options;
    options.resident = options.max = 2;
    worker_pool pool(options);
    constexpr int count = 40;
    std::vector<gate> done(count);
    std::atomic<int> ended{0};
    gate all_ended;
    jobs inner, outer;
    inner.reserve(count);
    for (int i = 0; i < count; ++i) {
        inner.push_back(std::make_unique<test_job>([&, i] { done[i].open(); }));
        outer.push_back(std::make_unique<test_job>([&, i] {
            ASSERT_TRUE(pool.submit(*inner[i]));
            event_loop::before_blocking();
            event_loop::before_blocking();  // counts once
            done[i].pass();
            if (++ended == count) all_ended.open();
        }));
        ASSERT_TRUE(pool.submit(*outer.back()));
    }
    all_ended.pass();
    EXPECT_LE(pool.stats().threads, count + options.max);
    EXPECT_TRUE(pool.stop(true));
}

// Every job needs all the others to run at the same time.
TEST(WorkerPool, GrowsWhileJobsBlockEachOther) {
    constexpr int count = 30;
    worker_pool pool;
    gate together;
    std::atomic<int> inside{0};
    jobs all;
    for (int i = 0; i < count; ++i) {
        all.push_back(std::make_unique<test_job>([&] {
            if (++inside == count) together.open();
            together.pass();
        }));
        EXPECT_TRUE(pool.submit(*all.back()));
    }
    together.pass();
    EXPECT_GE(pool.stats().threads, static_cast<std::size_t>(count));
    EXPECT_TRUE(pool.stop(true));
}

// The second job comes while the first one's thread is expected back, and nothing comes afterwards.
TEST(WorkerPool, JobBehindOneThatBlocksGetsAThread) {
    worker_pool pool(pool_options::fixed(4));
    for (int round = 0; round < 300; ++round) {
        gate go, done;
        test_job first([&] { go.pass(); });
        test_job second([&] { go.open(); });
        test_job third([&] { done.open(); });
        ASSERT_TRUE(pool.submit(first));
        if (round % 2 == 1) std::this_thread::sleep_for(60us);  // it runs by now
        ASSERT_TRUE(pool.submit(second));
        ASSERT_TRUE(pool.submit(third));
        go.pass();
        done.pass();
        while (pool.stats().idle < pool.stats().threads) std::this_thread::yield();
    }
    EXPECT_TRUE(pool.stop(true));
}

TEST(WorkerPool, BurstOfQuickJobsMakesOneNewcomerAtMost) {
    pool_options options;
    options.resident = 1;
    options.target_wait = 60s;
    worker_pool pool(options);
    std::atomic<int> ran{0};
    gate first;
    jobs all;
    all.push_back(std::make_unique<test_job>([&] { first.pass(); }));
    for (int i = 0; i < 500; ++i) all.push_back(std::make_unique<test_job>([&] { ++ran; }));
    for (const auto& j : all) ASSERT_TRUE(pool.submit(*j));
    EXPECT_LE(pool.stats().threads, 2u);
    first.open();
    EXPECT_TRUE(pool.stop(true));
    EXPECT_EQ(ran, 500);
}

TEST(WorkerPool, ShrinksToTheResidentThreads) {
    pool_options options;
    options.resident = 1;
    options.idle_time = 2ms;
    options.target_wait = 0us;
    worker_pool pool(options);
    gate together;
    std::atomic<int> inside{0};
    jobs all;
    for (int i = 0; i < 8; ++i) {
        all.push_back(std::make_unique<test_job>([&] {
            if (++inside == 8) together.open();
            together.pass();
        }));
        ASSERT_TRUE(pool.submit(*all.back()));
    }
    together.pass();
    while (pool.stats().threads > 1) std::this_thread::sleep_for(1ms);
    gate again;  // and goes on working
    test_job j([&] { again.open(); });
    ASSERT_TRUE(pool.submit(j));
    again.pass();
    EXPECT_TRUE(pool.stop(true));
}

TEST(WorkerPool, FixedPoolHasItsThreadsAndNoMore) {
    worker_pool pool(pool_options::fixed(2));
    gate go;
    std::atomic<int> inside{0};
    jobs all;
    for (int i = 0; i < 6; ++i) {
        all.push_back(std::make_unique<test_job>([&] {
            ++inside;
            go.pass();
        }));
        ASSERT_TRUE(pool.submit(*all.back()));
    }
    while (inside < 2) std::this_thread::yield();
    EXPECT_EQ(pool.stats().threads, 2u);
    EXPECT_TRUE(pool.has_runnable());
    EXPECT_EQ(pool.stats().queued, 4u);
    go.open();
    EXPECT_TRUE(pool.stop(true));
    EXPECT_EQ(inside, 6);
}

TEST(WorkerPool, RefusesBeyondTheLimitAndDropsWhenStopped) {
    pool_options options = pool_options::fixed(1);
    options.queue_limit = 2;
    worker_pool pool(options);
    gate go;
    gate started;
    test_job blocker([&] {
        started.open();
        go.pass();
    });
    test_job a([] { ADD_FAILURE(); });
    test_job b([] { ADD_FAILURE(); });
    test_job c([] { ADD_FAILURE(); });
    ASSERT_TRUE(pool.submit(blocker));
    started.pass();
    EXPECT_TRUE(pool.submit(a));
    EXPECT_TRUE(pool.submit(b));
    EXPECT_FALSE(pool.submit(c));
    EXPECT_EQ(pool.stats().refused, 1u);
    std::thread opener([&] {
        while (!b.dropped) std::this_thread::yield();
        go.open();
    });
    EXPECT_TRUE(pool.stop(false));
    opener.join();
    EXPECT_TRUE(a.dropped);
    EXPECT_FALSE(c.dropped);
    EXPECT_FALSE(pool.submit(c));
}

TEST(WorkerPool, TheMoreUrgentFirstButNobodyStarves) {
    worker_pool pool(pool_options::fixed(1));
    gate go;
    gate started;
    test_job blocker([&] {
        started.open();
        go.pass();
    });
    ASSERT_TRUE(pool.submit(blocker));
    started.pass();
    std::vector<int> order;  // on the only thread
    jobs all;
    for (int i = 0; i < 60; ++i) {
        all.push_back(std::make_unique<test_job>([&order, i] { order.push_back(i); }));
        all.back()->urgency = i < 20 ? priority::low : i < 40 ? priority::normal : priority::high;
        ASSERT_TRUE(pool.submit(*all.back()));
    }
    go.open();
    EXPECT_TRUE(pool.stop(true));
    ASSERT_EQ(order.size(), 60u);
    const auto place = [&order](int i) { return std::ranges::find(order, i) - order.begin(); };
    for (int i = 0; i < 59; ++i) {
        if (i % 20 == 19) continue;
        EXPECT_LT(place(i), place(i + 1)) << "in order within a priority";
    }
    EXPECT_EQ(place(40), 0);
    EXPECT_EQ(place(0), 8) << "the second to be due, after a normal one";
    EXPECT_LT(place(59), 28) << "what is urgent is done soon";
    EXPECT_LT(place(39), place(19));
}

TEST(WorkerPool, ThereIsRoomForWhatIsUrgentBehindAFullQueue) {
    pool_options options = pool_options::fixed(1);
    options.queue_limit = 2;
    worker_pool pool(options);
    gate go;
    gate started;
    test_job blocker([&] {
        started.open();
        go.pass();
    });
    ASSERT_TRUE(pool.submit(blocker));
    started.pass();
    std::atomic<int> done{0};
    jobs all;
    const auto submit = [&](priority p) {
        all.push_back(std::make_unique<test_job>([&done] { ++done; }));
        all.back()->urgency = p;
        return pool.submit(*all.back());
    };
    for (const priority p : {priority::low, priority::normal, priority::high})
        for (int i = 0; i < 3; ++i) EXPECT_EQ(submit(p), i < 2);
    EXPECT_FALSE(submit(priority::low));
    EXPECT_EQ(pool.stats().queued, 6u);
    go.open();
    EXPECT_TRUE(pool.stop(true));
    EXPECT_EQ(done, 6);
}

TEST(WorkerPool, CannotBeStoppedFromWithin) {
    worker_pool pool;
    gate done;
    test_job j([&] {
        const result<void> r = pool.stop(true);
        EXPECT_TRUE(!r && r.error().code() == errc::conflict);
        done.open();
    });
    ASSERT_TRUE(pool.submit(j));
    done.pass();
    EXPECT_TRUE(pool.stop(true));
}

}  // namespace
}  // namespace tenon::inline v0::loop
