// tenon::queue between threads and coroutines.

#include "rpc/test_support.hpp"
#include "tenon/queue.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;
using tenon::failure;

class queues : public testing::Test {
protected:
    tenon::runtime runtime_{test_runtime()};
};

TEST_F(queues, hold_what_they_may_and_keep_the_order) {
    tenon::queue<std::string> q(3, &runtime_);
    EXPECT_EQ(q.capacity(), 3u);
    EXPECT_EQ(q.try_pop(), std::nullopt);
    EXPECT_EQ(q.pop_for(1ms).error().code(), errc::deadline);
    for (const char* s : {"a", "b", "c"}) EXPECT_TRUE(q.try_push(std::string(s)));
    std::string more = "d";
    auto refused = q.try_push(std::move(more));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), errc::overloaded);
    EXPECT_EQ(more, "d");
    EXPECT_EQ(q.push_for("e", 1ms).error().code(), errc::deadline);
    EXPECT_EQ(q.size(), 3u);
    EXPECT_EQ(q.pop(), "a");
    q.push("f");
    EXPECT_EQ(q.pop(), "b");
    EXPECT_EQ(q.try_pop(), "c");
    EXPECT_EQ(q.pop(), "f");
    EXPECT_EQ(q.size(), 0u);
}

TEST_F(queues, take_objects_that_are_only_moved) {
    tenon::queue<std::unique_ptr<int>> q(2, &runtime_);
    q.push(std::make_unique<int>(5));
    EXPECT_EQ(**q.pop(), 5);
}

TEST_F(queues, one_value_out_lets_one_waiting_producer_in) {
    tenon::queue<int> q(8, &runtime_);
    for (int i = 0; i < 8; ++i) q.push(i);
    gate in;
    std::thread producer([&] {
        q.push(8);
        in.open();
    });
    EXPECT_FALSE(in.is_open());
    EXPECT_EQ(q.pop(), 0);
    EXPECT_TRUE(in.wait());
    producer.join();
    EXPECT_EQ(q.size(), 8u);
}

TEST_F(queues, close_ends_those_who_wait) {
    tenon::queue<int> full(1, &runtime_);
    full.push(1);
    std::thread producer([&] {
        try {
            full.push(2);
            ADD_FAILURE();
        } catch (const failure& f) {
            EXPECT_EQ(f.code(), errc::conflict);
        }
    });
    tenon::queue<int> empty(1, &runtime_);
    std::thread consumer([&] { EXPECT_EQ(empty.pop(), std::nullopt); });
    std::this_thread::sleep_for(10ms);
    EXPECT_FALSE(full.is_closed());
    full.close();
    empty.close();
    producer.join();
    consumer.join();
    EXPECT_TRUE(full.is_closed());
    EXPECT_EQ(full.try_push(3).error().code(), errc::conflict);
    EXPECT_EQ(full.pop(), 1);
    EXPECT_EQ(full.pop(), std::nullopt);
    EXPECT_EQ(full.try_pop(), std::nullopt);
}

TEST_F(queues, many_producers_and_consumers_lose_and_double_nothing) {
    constexpr int producers = 4, consumers = 3, each = 5000;
    tenon::queue<int> q(16, &runtime_);
    std::vector<std::atomic<int>> seen(producers * each);
    std::vector<std::thread> threads;
    for (int p = 0; p < producers; ++p)
        threads.emplace_back([q, p]() mutable {
            for (int i = 0; i < each; ++i) q.push(p * each + i);
        });
    std::vector<std::thread> takers;
    for (int c = 0; c < consumers; ++c)
        takers.emplace_back([&] {
            std::vector<int> last(producers, -1);
            while (auto v = q.pop()) {
                ++seen[*v];
                EXPECT_GT(*v % each, last[*v / each]);  // in order of each producer
                last[*v / each] = *v % each;
            }
        });
    for (auto& t : threads) t.join();
    q.close();
    for (auto& t : takers) t.join();
    for (const auto& n : seen) ASSERT_EQ(n, 1);
}

tenon::task<long> take_all(tenon::queue<int> q) {
    long sum = 0;
    while (auto v = co_await q.next()) sum += *v;
    co_return sum;
}

tenon::task<void> give(tenon::queue<int> q, int n) {
    for (int i = 1; i <= n; ++i) co_await q.push_async(i);
    q.close();
}

TEST_F(queues, coroutines_wait_without_a_thread) {
    tenon::queue<int> there(4, &runtime_);
    std::thread producer([&] { tenon::sync_wait(give(there, 3000)); });
    EXPECT_EQ(tenon::sync_wait(take_all(there)), 3000L * 3001 / 2);
    producer.join();

    tenon::queue<int> from_threads(4, &runtime_);
    std::thread thread([&] {
        for (int i = 1; i <= 3000; ++i) from_threads.push(i);
        from_threads.close();
    });
    EXPECT_EQ(tenon::sync_wait(take_all(from_threads)), 3000L * 3001 / 2);
    thread.join();
}

TEST_F(queues, the_process_runtime_serves_by_default) {
    tenon::queue<int> q(0);
    EXPECT_EQ(q.capacity(), 1u);
    q.push(1);
    EXPECT_EQ(q.pop(), 1);
}

}  // namespace
