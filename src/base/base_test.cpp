#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/futex.hpp"
#include "base/intrusive.hpp"
#include "base/log.hpp"
#include "base/mutex.hpp"
#include "base/random.hpp"

namespace tenon::inline v0::base {
namespace {

class item : public list_hook<> {
public:
    explicit item(int v) : value(v) {}
    int value;
};

std::vector<int> values(list<item>& l) {
    std::vector<int> v;
    for (const item& i : l) v.push_back(i.value);
    return v;
}

TEST(Intrusive, KeepsOrderAndLetsElementsLeave) {
    list<item> l;
    item a(1);
    item c(3);
    {
        item b(2);
        l.push_back(b);
        l.push_back(c);
        l.push_front(a);
        EXPECT_EQ(values(l), (std::vector{1, 2, 3}));
    }  // b leaves by being destroyed
    EXPECT_EQ(values(l), (std::vector{1, 3}));
    a.unlink();
    a.unlink();
    EXPECT_FALSE(a.linked());
    EXPECT_EQ(l.pop_front().value, 3);
    EXPECT_TRUE(l.empty());
}

TEST(Intrusive, SplicesWholeLists) {
    list<item> l;
    list<item> m;
    item a(1);
    item b(2);
    l.splice_back(m);
    EXPECT_TRUE(l.empty());
    l.push_back(a);
    m.push_back(b);
    l.splice_back(m);
    EXPECT_TRUE(m.empty());
    EXPECT_EQ(values(l), (std::vector{1, 2}));
    m.splice_back(l);
    EXPECT_EQ(values(m), (std::vector{1, 2}));
}

TEST(Mutex, ExcludesUnderContention) {
    mutex m;
    long count = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 20'000; ++i) {
                const std::lock_guard lock(m);
                ++count;
            }
        });
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(count, 80'000);
    EXPECT_TRUE(m.try_lock());
    EXPECT_FALSE(m.try_lock());
    m.unlock();
}

TEST(Futex, WaitsForAChange) {
    futex_word word{0};
    futex_wait(word, 1);  // differs already: returns at once
    EXPECT_FALSE(futex_wait_for(word, 0, std::chrono::milliseconds(1)));
    EXPECT_FALSE(futex_wait_for(word, 0, std::chrono::nanoseconds(-1)));
    std::thread waker([&] {
        word.store(1);
        futex_wake_all(word);
    });
    while (word.load() == 0) futex_wait(word, 0);
    waker.join();
}

TEST(Clock, VirtualTimeStandsStill) {
    virtual_clock clock;
    const time_point start = clock.now();
    EXPECT_EQ(clock.now(), start);
    clock.advance(std::chrono::hours(5));
    EXPECT_EQ(clock.now() - start, std::chrono::hours(5));
    EXPECT_EQ(add_time(start, nanoseconds::max()), never);
    EXPECT_LT(time_source::steady().now(), never);
}

TEST(Random, RepeatsBySeedAndKeepsItsRanges) {
    random_source a(7);
    random_source b(7);
    random_source c(8);
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1'000; ++i) {
        const std::uint64_t v = a();
        EXPECT_EQ(v, b());
        EXPECT_NE(v, c());
        seen.insert(v);
        EXPECT_LT(a.below(10), 10u);
        b.below(10);
        const double u = a.unit();
        b.unit();
        EXPECT_TRUE(u >= 0 && u < 1);
    }
    EXPECT_EQ(seen.size(), 1'000u);
    EXPECT_EQ(a.below(0), 0u);
    EXPECT_EQ(a.below(1), 0u);
    std::array<int, 8> buckets{};
    for (int i = 0; i < 8'000; ++i) ++buckets[thread_random().below(8)];
    for (const int n : buckets) EXPECT_GT(n, 500);
    EXPECT_NE(random_seed(), random_seed());
}

TEST(Log, FiltersByLevelAndSurvivesItsSink) {
    logger log;
    std::vector<std::string> lines;
    log.set_sink(log_level::info, [&](log_level level, std::string_view line) {
        lines.push_back(std::string(to_string(level)) + " " + std::string(line));
    });
    log.debug("not {}", "wanted");
    log.info("a {}", 1);
    log.error("b {}", "two");
    EXPECT_EQ(lines, (std::vector<std::string>{"info a 1", "error b two"}));

    log.set_sink(log_level::warning,
                 [](log_level, std::string_view) { throw std::runtime_error("x"); });
    log.warning("thrown away");
    log.set_sink(log_level::off, {});
    EXPECT_FALSE(log.enabled(log_level::error));
    log.error("silent");
}

TEST(Log, WritesOneLineToStderr) {
    logger log;
    testing::internal::CaptureStderr();
    log.info("not by default");
    log.warning("odd\nname {}", 5);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "tenon: warning: odd name 5\n");
}

TEST(Log, SinkMayBeReplacedWhileInUse) {
    logger log;
    std::atomic<int> seen{0};
    log.set_sink(log_level::info, [&](log_level, std::string_view) { ++seen; });
    std::thread writer([&] {
        for (int i = 0; i < 2'000; ++i) log.info("{}", i);
    });
    for (int i = 0; i < 200; ++i)
        log.set_sink(log_level::info, [&](log_level, std::string_view) { ++seen; });
    writer.join();
    EXPECT_EQ(seen.load(), 2'000);
}

}  // namespace
}  // namespace tenon::inline v0::base
