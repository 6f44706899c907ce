#include "loop/spin.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

namespace tenon::inline v0::loop {
namespace {

class Spin : public testing::Test {
protected:
    void SetUp() override {
        if (::sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP() << "never spins on one CPU";
        policy.wasted_per_mille = 10'000;  // only the rule under test counts
        policy.max_budget = 1'000'000'000;
    }
    spin_policy policy;
};

TEST_F(Spin, TriesUntilSuccess) {
    adaptive_spin spin(policy);
    int tries = 0;
    EXPECT_TRUE(spin.spin([&] { return ++tries == 10; }));
    EXPECT_EQ(tries, 10);
}

TEST_F(Spin, SwitchAndOtherWorkEndIt) {
    adaptive_spin spin(policy);
    int tries = 0;
    EXPECT_FALSE(spin.spin([&] { return ++tries, false; }, [] { return false; }));
    EXPECT_EQ(tries, adaptive_spin::tries_per_round);
    policy.enabled = false;
    EXPECT_FALSE(spin.spin([&] { return ++tries, true; }));
    EXPECT_EQ(tries, adaptive_spin::tries_per_round);
}

TEST_F(Spin, GivesUpAndTriesAgainRarely) {
    policy.max_budget = 1'000;
    adaptive_spin spin(policy);
    int uses = 0;
    const auto in_vain = [&] {
        bool used = false;
        EXPECT_FALSE(spin.spin([&] { return used = true, false; }));
        uses += used;
    };
    for (int i = 0; i < 10'000; ++i) in_vain();
    EXPECT_GE(uses, 17);
    EXPECT_LT(uses, 100);
    // One success in such a trial, and it is on again.
    while (!spin.spin([] { return true; })) {}
    uses = 0;
    for (int i = 0; i < 10; ++i) in_vain();
    EXPECT_EQ(uses, 10);
}

TEST_F(Spin, WastesABoundedShareOfTime) {
    policy.max_budget = 100'000;
    policy.wasted_per_mille = 0;
    adaptive_spin spin(policy);
    int uses = 0;
    for (int i = 0; i < 2'000; ++i) {
        // Every tenth use succeeds, so that it never gives up.
        int tries = 0;
        spin.spin([&] { return ++tries, i % 10 == 0; });
        uses += tries > adaptive_spin::tries_per_round;
    }
    EXPECT_LT(uses, 500);
}

}  // namespace
}  // namespace tenon::inline v0::loop
