#include "base/priority_lines.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <vector>

namespace tenon::inline v0::base {
namespace {

struct element : list_hook<> {
    priority p{};
    int n = 0;
};

using lines = priority_lines<element>;

TEST(priority_lines, the_higher_first_and_every_eighth_turn_for_a_lower_one) {
    std::deque<element> all(30);
    lines l;
    for (int i = 0; i < 30; ++i) {
        element& e = all[static_cast<std::size_t>(i)];
        e.p = i < 10 ? priority::low : i < 20 ? priority::normal : priority::high;
        e.n = i;
        l.push_back(e, e.p);
    }
    EXPECT_EQ(l.size(), 30u);
    EXPECT_EQ(l.size_from(priority::low), 30u);
    EXPECT_EQ(l.size_from(priority::high), 10u);
    std::vector<int> order;
    while (!l.empty()) order.push_back(l.pop_front().n);
    EXPECT_EQ(order, (std::vector{20, 21, 22, 23, 24, 25, 26, 10, 0, 27, 28, 29, 11, 12, 13,
                                  14, 1,  15, 16, 17, 18, 19, 2,  3, 4,  5,  6,  7,  8,  9}));
}

// Whatever comes and goes: each once, in order within its priority, the higher first unless a lower
// one has let seven pass.
TEST(priority_lines, random_arrivals) {
    const auto seed = std::random_device()();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::deque<element> all(5'000);
    lines l;
    std::size_t added = 0;
    std::vector<std::deque<int>> waiting(3);
    std::vector<unsigned> passed(3, 0);
    for (std::size_t taken = 0; taken < all.size();) {
        const bool full = added == all.size();
        if (!full && (l.empty() || random() % 9 < 4 + random() % 2)) {
            element& e = all[added];
            e.p = static_cast<priority>(random() % 3);
            e.n = static_cast<int>(added++);
            l.push_back(e, e.p);
            waiting[static_cast<std::size_t>(e.p)].push_back(e.n);
            continue;
        }
        const element& e = l.pop_front();
        const auto p = static_cast<std::size_t>(e.p);
        ++taken;
        ASSERT_FALSE(waiting[p].empty());
        ASSERT_EQ(waiting[p].front(), e.n) << "in order";
        waiting[p].pop_front();
        for (std::size_t higher = p + 1; higher < 3; ++higher)
            ASSERT_TRUE(waiting[higher].empty() || passed[p] >= lines::patience - 1);
        passed[p] = 0;
        for (std::size_t lower = 0; lower < p; ++lower) {
            passed[lower] = waiting[lower].empty() ? 0 : passed[lower] + 1;
            ASSERT_LE(passed[lower], lines::patience) << "nobody starves";
        }
    }
    EXPECT_TRUE(l.empty());
}

TEST(priority_lines, drained_the_highest_first) {
    std::deque<element> all(3);
    lines l;
    for (const priority p : {priority::normal, priority::low, priority::high}) {
        element& e = all[static_cast<std::size_t>(p)];
        e.p = p;
        l.push_back(e, p);
    }
    list<element> to;
    l.drain_to(to);
    EXPECT_TRUE(l.empty());
    for (const priority p : {priority::high, priority::normal, priority::low})
        EXPECT_EQ(to.pop_front().p, p);
}

}  // namespace
}  // namespace tenon::inline v0::base
