#include "tenon/cancellation.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace tenon::inline v0 {
namespace {

class test_hook final : public cancel_hook {
public:
    explicit test_hook(std::function<void()> f) : f_(std::move(f)) {}
    void on_cancel() noexcept override { f_(); }

private:
    std::function<void()> f_;
};

TEST(Cancellation, CallsEachHookOnce) {
    cancellation c;
    int a = 0;
    int b = 0;
    test_hook ha([&] { ++a; });
    test_hook hb([&] { ++b; });
    EXPECT_TRUE(c.add(ha));
    EXPECT_TRUE(c.add(hb));
    c.remove(hb);
    c.remove(hb);
    EXPECT_FALSE(c.is_cancelled());
    c.cancel();
    c.cancel();
    EXPECT_TRUE(c.is_cancelled());
    EXPECT_EQ(a, 1);
    EXPECT_EQ(b, 0);
    EXPECT_FALSE(c.add(hb));
    c.remove(ha);
}

TEST(Cancellation, HooksMayRemoveOthersAndThemselves) {
    cancellation c;
    int calls = 0;
    std::vector<std::unique_ptr<test_hook>> hooks;
    for (int i = 0; i < 5; ++i)
        hooks.push_back(std::make_unique<test_hook>([&] {
            ++calls;
            for (const auto& h : hooks) c.remove(*h);
        }));
    for (const auto& h : hooks) EXPECT_TRUE(c.add(*h));
    c.cancel();
    EXPECT_EQ(calls, 1);

    cancellation other;
    std::unique_ptr<test_hook> dying;
    dying = std::make_unique<test_hook>([&] { auto gone = std::move(dying); });
    EXPECT_TRUE(other.add(*dying));
    other.cancel();
    EXPECT_FALSE(dying);
}

// After remove() the hook must not run any more: it is destroyed at once.
TEST(Cancellation, RemoveWaitsForARunningHook) {
    for (int round = 0; round < 300; ++round) {
        cancellation c;
        std::atomic<int> begun{0};
        std::atomic<int> ended{0};
        auto hook = std::make_unique<test_hook>([&] {
            ++begun;
            std::this_thread::yield();
            ++ended;
        });
        ASSERT_TRUE(c.add(*hook));
        std::thread canceller([&] { c.cancel(); });
        if (round % 2 == 0) std::this_thread::yield();
        c.remove(*hook);
        EXPECT_EQ(begun, ended);
        hook.reset();
        canceller.join();
    }
}

TEST(Cancellation, ConcurrentCancelAddRemove) {
    for (int round = 0; round < 50; ++round) {
        cancellation c;
        std::atomic<int> added{0};
        std::atomic<int> called{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 50; ++i) {
                    bool hit = false;
                    test_hook h([&] { hit = true; });
                    if (!c.add(h)) break;
                    ++added;
                    c.remove(h);
                    if (hit) ++called;
                }
            });
        threads.emplace_back([&] { c.cancel(); });
        threads.emplace_back([&] { c.cancel(); });
        for (std::thread& t : threads) t.join();
        EXPECT_TRUE(c.is_cancelled());
        EXPECT_LE(called, added);
    }
}

}  // namespace
}  // namespace tenon::inline v0
