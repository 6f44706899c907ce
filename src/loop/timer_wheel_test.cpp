#include "loop/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/random.hpp"
#include "loop/loop.hpp"

namespace tenon::inline v0::loop {
namespace {

using namespace std::chrono_literals;
using base::time_point;

class plain_timer final : public timer {
public:
    turn on_timer(event_loop&) override { return turn::done; }
};

class TimerWheel : public testing::Test {
protected:
    std::vector<timer*> advance(std::chrono::nanoseconds to) {
        base::list<timer> due;
        wheel.advance(start + to, due);
        std::vector<timer*> fired;
        while (!due.empty()) fired.push_back(&due.pop_front());
        return fired;
    }

    const time_point start{1h};
    timer_wheel wheel{start};
};

TEST_F(TimerWheel, FiresOnceAndNeverEarly) {
    plain_timer t;
    wheel.arm(t, start + 1500us);
    EXPECT_EQ(wheel.next(), start + 2ms);
    EXPECT_TRUE(advance(1999us).empty());
    EXPECT_TRUE(t.armed());
    EXPECT_EQ(advance(2ms), std::vector<timer*>{&t});
    EXPECT_FALSE(t.armed());
    EXPECT_EQ(wheel.next(), base::never);
    EXPECT_TRUE(advance(10h).empty());
}

TEST_F(TimerWheel, PastIsDueAtTheNextTick) {
    advance(10ms);
    plain_timer t;
    wheel.arm(t, start - 1h);
    EXPECT_EQ(advance(11ms).size(), 1u);
}

TEST_F(TimerWheel, ArmingAgainMoves) {
    plain_timer t;
    wheel.arm(t, start + 5ms);
    wheel.arm(t, start + 50s);
    EXPECT_TRUE(advance(49s).empty());
    wheel.arm(t, start + 49500ms);
    EXPECT_EQ(advance(50s).size(), 1u);
}

TEST_F(TimerWheel, NextIsExactForFewTimersHoweverFar) {
    plain_timer a;
    plain_timer b;
    wheel.arm(a, start + 30s);
    wheel.arm(b, start + 29s);
    EXPECT_EQ(wheel.next(), start + 29s);
    b.unlink();
    EXPECT_EQ(wheel.next(), start + 30s);
    wheel.arm(b, start + 100h);
    a.unlink();
    EXPECT_GT(wheel.next(), start + 4h);
    EXPECT_TRUE(advance(100h - 1ms).empty());
    EXPECT_EQ(advance(100h).size(), 1u);
}

TEST_F(TimerWheel, DestroyedTimerIsGone) {
    {
        plain_timer t;
        wheel.arm(t, start + 5ms);
    }
    EXPECT_EQ(wheel.next(), base::never);
    EXPECT_TRUE(advance(1s).empty());
}

TEST_F(TimerWheel, NeverStaysArmedAndHardlyWakesAnybody) {
    plain_timer t;
    wheel.arm(t, base::never);
    EXPECT_GT(wheel.next(), start + 4h);
    EXPECT_TRUE(advance(1000h).empty());
    EXPECT_TRUE(t.armed());
}

// Random arming, moving, disarming and jumps in time against the plain definition.
TEST_F(TimerWheel, AgreesWithSortedDeadlines) {
    const std::uint64_t seed = base::random_seed();
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    base::random_source random(seed);
    std::vector<std::unique_ptr<plain_timer>> timers;
    for (int i = 0; i < 200; ++i) timers.push_back(std::make_unique<plain_timer>());
    std::chrono::nanoseconds now{0};
    const auto some_time = [&] {
        return std::chrono::nanoseconds(random.below(std::uint64_t(1) << (16 + random.below(30))));
    };
    const auto tick_up = [&](time_point t) {
        return start + std::chrono::ceil<std::chrono::milliseconds>(t - start);
    };
    for (int round = 0; round < 20'000; ++round) {
        plain_timer& t = *timers[random.below(timers.size())];
        switch (random.below(8)) {
            case 0: t.unlink(); break;
            case 1: {
                // No timer may be due before next() says so.
                const time_point next = wheel.next();
                time_point soonest = base::never;
                for (const auto& u : timers)
                    if (u->armed()) soonest = std::min(soonest, tick_up(u->deadline()));
                ASSERT_LE(next, soonest);
                ASSERT_EQ(next == base::never, soonest == base::never);
                now += some_time();
                std::vector<timer*> expected;
                for (const auto& u : timers)
                    if (u->armed() && tick_up(u->deadline()) <= start + now)
                        expected.push_back(u.get());
                std::vector<timer*> fired = advance(now);
                ASSERT_TRUE(std::is_sorted(fired.begin(), fired.end(), [&](timer* a, timer* b) {
                    return tick_up(a->deadline()) < tick_up(b->deadline());
                }));
                std::sort(fired.begin(), fired.end());
                std::sort(expected.begin(), expected.end());
                ASSERT_EQ(fired, expected) << "at " << now.count();
                break;
            }
            default: wheel.arm(t, start + now + 1ms + some_time());
        }
    }
}

}  // namespace
}  // namespace tenon::inline v0::loop
