// Streams over every transport: source, sink and channel, with the ends of both sides.

#include <numeric>

#include "rpc/test_support.hpp"
#include "tenon/stream_members.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;
using tenon::failure;

struct point {
    int x = 0;
    double y = 0;
    friend bool operator==(const point&, const point&) = default;
};
TENON_STRUCT(point, x, y)

struct feed {
    tenon::source<int(int, int)> count;
    tenon::source<point(int)> points;
    tenon::source<std::string()> words;
    tenon::source<int()> broken;
    tenon::source<int(int)> endless;
    tenon::source<int()> kept;
    tenon::source<int()> missing;
    tenon::sink<int, long> sum;
    tenon::sink<int> collect;
    tenon::sink<point> each;
    tenon::channel<std::string, std::string> shout;
    tenon::channel<int, int, int> add;
    tenon::channel<int, int> twice;
};
TENON_INTERFACE(feed, "test", "feed", "1.0.0", (count, from, n), (points, n), words, broken,
                (endless, from), kept, missing, sum, collect, each, shout, (add, to), twice)

tenon::generator<int> count_up(int from, int n) {
    for (int i = 0; i < n; ++i) co_yield from + i;
}

tenon::generator<int> count_for_ever(int from) {
    for (int i = from;; ++i) co_yield i;
}

tenon::generator<int> count_and_break() {
    co_yield 1;
    co_yield 2;
    throw failure(tenon::error(errc::failed, "enough").set_name("tired"));
}

tenon::task<void> send_points(tenon::writer<point> out, int n) {
    for (int i = 0; i < n; ++i) {
        co_await tenon::sleep_for(std::chrono::microseconds(i % 3 == 0 ? 50 : 0));
        co_await out.send_async(point{i, i / 2.0});
    }
}

tenon::task<long> sum_up(tenon::reader<int> in) {
    long sum = 0;
    while (auto v = co_await in.next()) sum += *v;
    co_return sum;
}

tenon::task<void> shout_back(tenon::duplex<std::string, std::string> s) {
    while (auto v = co_await s.next()) co_await s.send_async(*v + "!");
}

class streams : public testing::TestWithParam<const char*> {
protected:
    streams() : runtime_(test_runtime()) {
        tenon::server_options so;
        so.runtime = &runtime_;
        server_.emplace(so);
        auto& f = server_->publish<feed>();
        f.count = count_up;
        f.points = send_points;
        f.words = [](tenon::writer<std::string> out) {
            for (const char* w : {"one", "two", "three"}) out.send(w);
        };
        f.broken = count_and_break;
        f.endless = count_for_ever;
        f.kept = [this](tenon::writer<int> out) {
            const std::lock_guard lock(mutex_);
            writers_.push_back(std::move(out));
        };
        f.sum = sum_up;
        f.collect = [this](tenon::reader<int> in) {
            for (const int v : in) {
                const std::lock_guard lock(mutex_);
                collected_.push_back(v);
            }
        };
        f.each = [this](point p) {
            const std::lock_guard lock(mutex_);
            points_.push_back(p);
        };
        f.shout = shout_back;
        f.add = [](tenon::reader<int> in, tenon::writer<int> out, int to) {
            for (const int v : in) out.send(v + to);
        };
        f.twice = [](int n) { return 2 * n; };
        server_->listen(fresh_endpoint(GetParam()));
        server_->start();
        f_.emplace(connect());
    }
    ~streams() override {
        f_.reset();
        let_go();
        server_.reset();
        let_go();  // of one that came late
    }
    void let_go() {
        const std::lock_guard lock(mutex_);
        writers_.clear();
    }

    tenon::stub<feed> connect() {
        tenon::client_options o;
        o.runtime = &runtime_;
        return tenon::connect<feed>(server_->endpoints().at(0), o);
    }

    tenon::runtime runtime_;
    std::optional<tenon::server> server_;
    std::optional<tenon::stub<feed>> f_;
    std::mutex mutex_;
    std::vector<tenon::writer<int>> writers_;
    std::vector<int> collected_;
    std::vector<point> points_;
};
INSTANTIATE_TEST_SUITE_P(over, streams, testing::Values("inproc", "unix", "path", "shm", "tcp"),
                         name_of);

TEST_P(streams, a_source_gives_its_values_in_order_and_ends) {
    for (const int n : {0, 1, 3, 5000}) {
        int expected = 10;
        for (const int v : f_->count(10, n)) ASSERT_EQ(v, expected++);
        EXPECT_EQ(expected, 10 + n);
    }
}

TEST_P(streams, values_may_be_structs_and_strings) {
    auto points = f_->points(100);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(points.get(), (point{i, i / 2.0}));
    EXPECT_EQ(points.get(), std::nullopt);
    std::string all;
    for (const std::string& w : f_->words()) all += w + " ";
    EXPECT_EQ(all, "one two three ");
}

TEST_P(streams, a_source_that_fails_gives_its_values_first) {
    auto s = f_->broken();
    EXPECT_EQ(s.get(), 1);
    EXPECT_EQ(s.get(), 2);
    try {
        s.get();
        FAIL();
    } catch (const failure& e) {
        EXPECT_EQ(e.error().code(), errc::failed);
        EXPECT_EQ(e.error().name(), "tired");
        EXPECT_EQ(e.error().message(), "enough");
    }
}

TEST_P(streams, a_member_that_is_not_implemented_is_unsupported) {
    auto s = f_->missing();
    const auto got = s.get_for(patience);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), errc::unsupported);
}

TEST_P(streams, a_sink_replies_at_the_end) {
    auto w = f_->sum();
    for (int i = 1; i <= 3000; ++i) EXPECT_TRUE(w.send(i));
    EXPECT_EQ(w.get_reply(), 3000L * 3001 / 2);
    auto none = f_->sum();
    EXPECT_EQ(none.get_reply(), 0);
}

TEST_P(streams, a_sink_without_a_reply_ends_when_all_is_taken) {
    auto w = f_->collect();
    for (int i = 0; i < 1000; ++i) w.send(i);
    w.get_reply();
    std::vector<int> expected(1000);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(collected_, expected);
    auto each = f_->each();
    for (int i = 0; i < 10; ++i) each.send(point{i, 1});
    each.get_reply();
    ASSERT_EQ(points_.size(), 10u);
    EXPECT_EQ(points_[9], (point{9, 1}));
}

TEST_P(streams, a_channel_goes_both_ways) {
    auto s = f_->shout();
    for (int i = 0; i < 200; ++i) {
        const std::string word = "word " + std::to_string(i);
        EXPECT_EQ(s.send_recv(word), word + "!");
    }
    s.finish();
    EXPECT_EQ(s.get(), std::nullopt);

    auto add = f_->add(5);
    std::thread sender([&] {
        for (int i = 0; i < 5000; ++i) add.send(i);
        add.finish();
    });
    int expected = 5;
    for (const int v : add) EXPECT_EQ(v, expected++);
    EXPECT_EQ(expected, 5005);
    sender.join();

    auto twice = f_->twice();
    EXPECT_EQ(twice.send_recv(21), 42);
}

TEST_P(streams, coroutines_take_values) {
    const auto work = [](tenon::stub<feed>& f) -> tenon::task<long> {
        long sum = 0;
        auto s = f.count(1, 2000);
        while (auto v = co_await s.next()) sum += *v;
        auto w = f.sum();
        for (int i = 0; i < 10; ++i) co_await w.send_async(i);
        sum += co_await w.reply();
        co_return sum;
    };
    EXPECT_EQ(tenon::sync_wait(work(*f_)), 2000L * 2001 / 2 + 45);
}

TEST_P(streams, handlers_are_called_in_order_until_one_returns_true) {
    auto s = f_->kept();
    std::vector<int> odd, rest;
    gate ended;
    s.on_end([&](std::optional<tenon::error> why) {
        EXPECT_FALSE(why);
        ended.open();
    });
    s.on_value([&](int v) {
        if (v % 2 == 1) odd.push_back(v);
        return v % 2 == 1;
    });
    const auto last = s.on_value([&](int v) { rest.push_back(v); });
    EXPECT_THROW(s.poll(), failure);
    ASSERT_TRUE(eventually([&] {
        const std::lock_guard lock(mutex_);
        return writers_.size() == 1;
    }));
    for (int i = 0; i < 10; ++i) writers_[0].send(i);
    ASSERT_TRUE(eventually([&] { return s.stats().passed == 10; }));
    s.remove(last);
    for (int i = 10; i < 20; ++i) writers_[0].send(i);
    writers_.clear();
    ASSERT_TRUE(ended.wait());
    EXPECT_EQ(odd, (std::vector<int>{1, 3, 5, 7, 9, 11, 13, 15, 17, 19}));
    EXPECT_EQ(rest, (std::vector<int>{0, 2, 4, 6, 8}));
}

TEST_P(streams, a_handler_that_was_removed_does_not_run_any_more) {
    for (int round = 0; round < 50; ++round) {
        auto s = f_->endless(0);
        std::atomic<int> in_there{0};
        std::atomic<std::uint64_t> taken{0}, second{0}, own{0};
        std::atomic<bool> gone{false}, late{false};
        const auto first = s.on_value([&](int) {
            ++in_there;
            if (round % 5 == 0) std::this_thread::sleep_for(100us);
            ++taken;
            --in_there;
        });
        // Removes one behind it, and then itself.
        own = s.on_value([&, s](int) mutable {
            if (own == 0 || second == 0) return;
            s.remove(second);
            gone = true;
            s.remove(own);
        });
        second = s.on_value([&](int) { late = late || gone; });
        ASSERT_TRUE(eventually([&] { return taken > 3; }));
        s.remove(first);
        EXPECT_EQ(in_there, 0);
        const auto then = taken.load();
        s.remove(own);
        s.remove(second);
        EXPECT_EQ(taken, then);
        EXPECT_FALSE(late);
        s.stop();
    }
}

TEST_P(streams, polling_never_waits) {
    auto s = f_->kept();
    EXPECT_EQ(s.poll(), std::nullopt);
    ASSERT_TRUE(eventually([&] {
        const std::lock_guard lock(mutex_);
        return writers_.size() == 1;
    }));
    EXPECT_EQ(s.poll(), std::nullopt);
    EXPECT_FALSE(s.ended());
    writers_[0].send(7);
    std::optional<int> got;
    EXPECT_TRUE(eventually([&] { return (got = s.poll()).has_value(); }));
    EXPECT_EQ(got, 7);
    EXPECT_TRUE(s.get_for(5ms).error().code() == errc::deadline);
    writers_.clear();
    EXPECT_TRUE(eventually([&] { return !s.poll() && s.ended(); }));
}

TEST_P(streams, a_receiver_that_stops_ends_the_sender) {
    {
        auto s = f_->kept();
        ASSERT_TRUE(eventually([&] {
            const std::lock_guard lock(mutex_);
            return writers_.size() == 1;
        }));
        writers_[0].send(1);
        EXPECT_EQ(s.get(), 1);
        EXPECT_TRUE(writers_[0].is_open());
    }
    EXPECT_TRUE(eventually([&] { return !writers_[0].is_open(); }));
    EXPECT_THROW(writers_[0].send(2), failure);
    auto endless = f_->endless(5);
    EXPECT_EQ(endless.get(), 5);
    endless.stop();
    EXPECT_EQ(endless.get(), std::nullopt);
}

TEST_P(streams, the_sender_waits_for_a_receiver_that_does_not_take) {
    auto s = f_->kept();
    ASSERT_TRUE(eventually([&] {
        const std::lock_guard lock(mutex_);
        return writers_.size() == 1;
    }));
    std::atomic<int> sent{0};
    std::thread sender([&] {
        for (int i = 0; i < 20'000; ++i) {
            writers_[0].send(i);
            sent = i + 1;
        }
        writers_[0].finish();
    });
    int before;
    do {
        before = sent;
        std::this_thread::sleep_for(50ms);
    } while (before == 0 || before != sent);
    EXPECT_LT(before, 10'000);
    int expected = 0;
    for (const int v : s) EXPECT_EQ(v, expected++);
    EXPECT_EQ(expected, 20'000);
    sender.join();
}

TEST_P(streams, streams_end_when_the_server_goes) {
    auto s = f_->endless(0);
    EXPECT_EQ(s.get(), 0);
    auto w = f_->collect();
    w.send(1);
    server_->stop(0ms);
    const auto end = [&] {
        for (;;)
            if (auto got = s.get_for(patience); !got || !*got) return got;
    }();
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code(), errc::unavailable);
    EXPECT_THROW(w.get_reply(), failure);
}

TEST_P(streams, an_absent_server_is_what_the_stream_ends_with) {
    server_->stop(0ms);
    auto s = f_->count(0, 1);
    const auto got = s.get_for(patience);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), errc::unavailable);
    auto w = f_->sum();
    EXPECT_THROW(
        {
            for (int i = 0; i < 100'000; ++i) w.send(1);
            w.get_reply();
        },
        failure);
}

TEST_P(streams, many_streams_at_a_time) {
    std::vector<tenon::reader<int>> all;
    for (int i = 0; i < 50; ++i) all.push_back(f_->count(i, 100));
    for (int k = 0; k < 100; ++k)
        for (int i = 0; i < 50; ++i) ASSERT_EQ(all[i].get(), i + k);
    for (auto& s : all) EXPECT_EQ(s.get(), std::nullopt);
}

}  // namespace
