// tenon::topic: fan-out to clients and readers, of which some do not keep up.

#include "rpc/test_support.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/topic.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;
using tenon::failure;
using tenon::overflow;

struct price {
    std::string symbol;
    int cents = 0;
    friend bool operator==(const price&, const price&) = default;
};
TENON_STRUCT(price, symbol, cents)

struct market {
    tenon::source<int()> numbers;
    tenon::source<price(std::string)> prices;
};
TENON_INTERFACE(market, "test", "market", "1.0.0", numbers, (prices, symbol))

class topics : public testing::TestWithParam<const char*> {
protected:
    topics() : runtime_(test_runtime()) {
        tenon::server_options so;
        so.runtime = &runtime_;
        server_.emplace(so);
        auto& m = server_->publish<market>();
        m.numbers = numbers_;
        m.prices = [t = prices_](tenon::writer<price> out, const std::string& symbol) {
            if (symbol.empty()) t.add(std::move(out));
            else t.add(std::move(out), tenon::latest_by<&price::symbol>(8));
        };
        server_->listen(fresh_endpoint(GetParam()));
        server_->start();
    }
    tenon::stub<market> connect() {
        tenon::client_options o;
        o.runtime = &runtime_;
        return tenon::connect<market>(server_->endpoints().at(0), o);
    }
    template <class T>
    bool has(const tenon::topic<T>& t, std::size_t n) {
        return eventually([&] { return t.stats().subscribers == n; });
    }

    tenon::runtime runtime_;
    tenon::topic<int> numbers_;
    tenon::topic<price> prices_;
    std::optional<tenon::server> server_;
};
INSTANTIATE_TEST_SUITE_P(over, topics, testing::Values("inproc", "unix", "shm"), name_of);

TEST_P(topics, every_subscriber_gets_every_value) {
    auto m = connect();
    std::vector<tenon::reader<int>> all;
    for (int i = 0; i < 5; ++i) all.push_back(m.numbers());
    auto here = numbers_.subscribe({}, &runtime_);
    all.push_back(here);
    ASSERT_TRUE(has(numbers_, 6));
    for (int i = 0; i < 1000; ++i) {
        numbers_.publish(i);
        for (auto& r : all) ASSERT_EQ(r.get(), i);
    }
    EXPECT_EQ(numbers_.stats().published, 1000u);
    EXPECT_EQ(numbers_.stats().lost, 0u);
    numbers_.close();
    for (auto& r : all) EXPECT_EQ(r.get(), std::nullopt);
    EXPECT_EQ(numbers_.stats().subscribers, 0u);
    EXPECT_THROW(numbers_.publish(1), failure);
    EXPECT_EQ(m.numbers().get(), std::nullopt);
}

TEST_P(topics, a_stuck_subscriber_loses_values_and_the_others_none) {
    auto m = connect();
    auto stuck = m.numbers();
    std::vector<tenon::reader<int>> others;
    for (int i = 0; i < 20; ++i) others.push_back(m.numbers());
    ASSERT_TRUE(has(numbers_, 21));
    constexpr int n = 20'000;
    for (int i = 0; i < n; ++i) {
        numbers_.publish(i);
        for (auto& r : others) ASSERT_EQ(r.get(), i);
    }
    const auto lost = numbers_.stats().lost;
    EXPECT_GT(lost, 10'000u);
    numbers_.close();
    int got = 0, last = -1;
    for (const int v : stuck) {
        EXPECT_GT(v, last);
        last = v;
        ++got;
    }
    EXPECT_EQ(last, n - 1);  // the newest is there
    EXPECT_EQ(static_cast<std::uint64_t>(got) + stuck.stats().lost, n + 0u);
    EXPECT_EQ(stuck.stats().lost, lost);
}

TEST_P(topics, subscribers_that_go_are_forgotten) {
    auto m = connect();
    {
        auto a = m.numbers();
        auto b = m.numbers();
        ASSERT_TRUE(has(numbers_, 2));
        b.stop();
        ASSERT_TRUE(has(numbers_, 1));
    }
    EXPECT_TRUE(has(numbers_, 0));
    for (int i = 0; i < 200; ++i) {
        auto r = numbers_.subscribe({}, &runtime_);
        numbers_.publish(i);
        EXPECT_EQ(r.get(), i);
    }
    EXPECT_EQ(numbers_.stats().subscribers, 0u);
}

TEST_P(topics, of_state_the_newest_of_each_key_waits) {
    auto m = connect();
    auto all = m.prices("");
    auto state = m.prices("any");
    ASSERT_TRUE(has(prices_, 2));
    constexpr int n = 3000;
    for (int i = 0; i < n; ++i) {
        prices_.publish({i % 2 == 0 ? "A" : "B", i});
        EXPECT_EQ(all.get()->cents, i);
    }
    prices_.close();
    std::vector<price> got;
    for (const price& p : state) got.push_back(p);
    ASSERT_GE(got.size(), 2u);
    EXPECT_EQ(got[got.size() - 2], (price{"A", n - 2}));
    EXPECT_EQ(got.back(), (price{"B", n - 1}));
    EXPECT_EQ(got.size() + state.stats().lost, n + 0u);
}

TEST_P(topics, local_subscribers_have_policies_too) {
    auto newest = numbers_.subscribe({overflow::drop_old, 4}, &runtime_);
    auto oldest = numbers_.subscribe({overflow::drop_new, 4}, &runtime_);
    auto strict = numbers_.subscribe({overflow::fail, 4}, &runtime_);
    for (int i = 0; i < 100; ++i) numbers_.publish(i);
    numbers_.close();
    std::vector<int> got;
    for (const int v : newest) got.push_back(v);
    EXPECT_EQ(got, (std::vector<int>{0, 96, 97, 98, 99}));
    EXPECT_EQ(newest.stats().lost, 95u);
    got.clear();
    for (const int v : oldest) got.push_back(v);
    EXPECT_EQ(got, (std::vector<int>{0, 1, 2, 3, 4}));
    EXPECT_EQ(oldest.stats().lost, 95u);
    EXPECT_EQ(strict.get(), 0);
    EXPECT_EQ(strict.get_for(patience).error().code(), errc::overloaded);
    EXPECT_THROW(numbers_.subscribe({overflow::block}), failure);
}

TEST_P(topics, a_topic_that_fails_says_why) {
    auto m = connect();
    auto r = m.numbers();
    ASSERT_TRUE(has(numbers_, 1));
    numbers_.publish(1);
    numbers_.fail(tenon::error(errc::unavailable, "the exchange is closed"));
    EXPECT_EQ(r.get(), 1);
    const auto end = r.get_for(patience);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code(), errc::unavailable);
    EXPECT_EQ(end.error().message(), "the exchange is closed");
}

TEST_P(topics, publishers_on_many_threads_agree_on_one_order) {
    auto m = connect();
    auto a = m.numbers();
    auto b = numbers_.subscribe({overflow::drop_old, 5000}, &runtime_);
    ASSERT_TRUE(has(numbers_, 2));
    std::vector<std::thread> publishers;
    for (int p = 0; p < 4; ++p)
        publishers.emplace_back([&, p] {
            for (int i = 0; i < 1000; ++i) numbers_.publish(p * 1000 + i);
        });
    std::vector<int> seen;
    for (int i = 0; i < 4000; ++i) {
        auto v = a.get_for(patience);
        ASSERT_TRUE(v && *v);
        seen.push_back(**v);
        if (a.stats().lost != 0) break;  // too slow for this machine: the rest says nothing
    }
    for (auto& t : publishers) t.join();
    for (const int v : seen)
        if (a.stats().lost == 0) {
            ASSERT_EQ(b.get(), v);
        }
}

}  // namespace
