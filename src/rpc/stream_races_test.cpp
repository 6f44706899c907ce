// Streams whose ends are used, given up and let go of by several threads at a time. Mostly for TSan.

#include <random>

#include "rpc/stream_test_support.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;

struct busy {
    tenon::source<int(int)> count;
    tenon::source<int()> kept;
    tenon::sink<int, long> sum;
    tenon::channel<int, int> echo;
    tenon::channel<int, int> kept_channel;
};
TENON_INTERFACE(busy, "test", "busy", "1.0.0", (count, n), kept, sum, echo, kept_channel)

tenon::generator<int> count(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
}
tenon::task<long> sum(tenon::reader<int> in) {
    long all = 0;
    while (auto v = co_await in.next()) all += *v;
    co_return all;
}
tenon::task<void> echo(tenon::duplex<int, int> s) {
    while (auto v = co_await s.next()) co_await s.send_async(*v);
}

class stream_races : public testing::TestWithParam<const char*> {
protected:
    stream_races() : s_(GetParam()) {
        busy& b = *s_.members;
        b.count = count;
        b.sum = sum;
        b.echo = echo;
        b.kept = [this](tenon::writer<int> out) {
            const std::lock_guard lock(mutex_);
            writers_.push_back(std::move(out));
        };
        b.kept_channel = [this](tenon::duplex<int, int> d) {
            const std::lock_guard lock(mutex_);
            channels_.push_back(std::move(d));
        };
        s_.start();
        c_.emplace(s_.connect());
    }
    ~stream_races() override {
        c_.reset();
        let_go();
        s_.stop();
        let_go();  // of those that came late
    }
    void let_go() {
        const std::lock_guard lock(mutex_);
        writers_.clear();
        channels_.clear();
    }
    template <class T>
    T take(std::vector<T>& from) {
        EXPECT_TRUE(eventually([&] {
            const std::lock_guard lock(mutex_);
            return !from.empty();
        }));
        const std::lock_guard lock(mutex_);
        T t = std::move(from.back());
        from.pop_back();
        return t;
    }

    stream_server<busy> s_;
    std::optional<tenon::stub<busy>> c_;
    std::mutex mutex_;
    std::vector<tenon::writer<int>> writers_;
    std::vector<tenon::duplex<int, int>> channels_;
    const unsigned seed_ = std::random_device{}();
    const testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
    std::mt19937 random_{seed_};
};
INSTANTIATE_TEST_SUITE_P(over, stream_races, testing::ValuesIn(every_transport), name_of);

TEST_P(stream_races, several_threads_take_from_one_reader) {
    constexpr int n = 20'000;
    auto s = c_->count(n);
    std::atomic<long> all{0};
    std::atomic<int> taken{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, s]() mutable {
            while (auto v = s.get()) {
                all += *v;
                ++taken;
            }
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(taken, n);
    EXPECT_EQ(all, long{n} * (n - 1) / 2);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_races, several_threads_send_to_one_writer) {
    auto w = c_->sum();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([w]() mutable {
            for (int i = 0; i < 5000; ++i) w.send(1);
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(w.get_reply(), 20'000);
}

TEST_P(stream_races, handles_go_while_values_come) {
    for (int i = 0; i < 100; ++i) {
        auto s = std::make_unique<tenon::reader<int>>(c_->count(1'000'000'000));
        std::thread other([copy = *s]() mutable {
            while (auto v = copy.get())
                if (*v >= 50) break;  // the other may have taken 50
        });
        if (i % 2) (void)s->get();
        s.reset();
        other.join();
    }
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_races, both_sides_end_a_channel_at_once) {
    for (int i = 0; i < 200; ++i) {
        auto s = c_->kept_channel();
        s.send(i);
        auto d = take(channels_);
        const unsigned how = random_();
        const auto end = [](auto& side, unsigned way) {
            switch (way % 5) {
                case 0:
                    side.finish();
                    side.stop();
                    break;
                case 1:
                    side.stop();
                    side.finish();
                    break;
                case 2: side.fail(tenon::error(errc::failed, "x")); break;
                case 3: side.stop(); break;
                default: break;
            }
            side = {};
        };
        std::thread there([&] {
            (void)d.try_send(1);
            end(d, how);
        });
        (void)s.try_send(2);
        end(s, how / 5);
        there.join();
    }
    EXPECT_TRUE(s_.all_ended(*c_));
}

tenon::task<void> wait_for_values(tenon::reader<int> from) {
    for (;;) {
        auto v = co_await from.next();
        if (!v) break;
    }
}

tenon::task<void> wait_for_room(tenon::writer<int> to) {
    for (int i = 0;; ++i) co_await to.send_async(i);
}

/// A coroutine with a cancellation of its own.
struct cancellable {
    tenon::cancellation cancel;
    tenon::call_scope scope;
    cancellable(tenon::task<void> t, std::atomic<int>& ended) {
        scope.cancel = &cancel;
        tenon::spawn(std::move(t), scope, [&ended](tenon::task<void>&) { ++ended; });
    }
};

TEST_P(stream_races, coroutines_that_wait_are_cancelled) {
    for (int i = 0; i < 200; ++i) {
        std::atomic<int> ended{0};
        auto reading = c_->kept();
        auto writing = c_->kept_channel();
        auto feeder = take(writers_);
        auto taker = take(channels_);
        cancellable reader(wait_for_values(reading), ended);
        cancellable writer(wait_for_room(writing), ended);
        const unsigned n = random_() % 50;
        std::thread there([&] {
            for (unsigned k = 0; k < n; ++k) {
                (void)feeder.try_send(static_cast<int>(k));
                (void)taker.poll();
            }
        });
        std::thread canceller([&] { writer.cancel.cancel(); });
        reader.cancel.cancel();
        canceller.join();
        EXPECT_TRUE(eventually([&] { return ended == 2; })) << "round " << i;
        there.join();
    }
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_races, threads_that_wait_time_out_while_values_come) {
    auto s = c_->kept();
    auto w = take(writers_);
    std::atomic<bool> over{false};
    std::thread sender([&] {
        for (int i = 0; !over; ++i) {
            (void)w.send_for(i, 20us);
            if (i % 64 == 0) std::this_thread::sleep_for(100us);
        }
        w.finish();
    });
    int got = 0;
    for (int i = 0; i < 2000; ++i) {
        const auto v = s.get_for(std::chrono::microseconds(random_() % 60));
        if (v && *v) ++got;
    }
    over = true;
    while (s.get()) ++got;
    sender.join();
    EXPECT_EQ(static_cast<std::uint64_t>(got), s.stats().passed);
    EXPECT_EQ(w.stats().passed, s.stats().passed);
}

TEST_P(stream_races, clients_go_with_streams_under_way) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 30; ++i) {
                auto c = s_.connect();
                auto a = c.count(1'000'000);
                auto b = c.echo();
                auto d = c.sum();
                (void)d.try_send(1);
                (void)b.try_send(1);
                if (i % 3 == 0) (void)a.get_for(1ms);
                if (i % 3 == 1) (void)b.get_for(1ms);
                if (i % 2) {
                    // The client goes first, the streams hold it.
                    { auto gone = std::move(c); }
                    (void)a.get_for(1ms);
                }
            }
        });
    for (auto& t : threads) t.join();
    EXPECT_TRUE(s_.all_ended(*c_));
}

/// Opens streams of all kinds, and uses them until they fail.
void use_until_failure(tenon::stub<busy>& c) {
    (void)code_thrown_by([&] {
        for (;;) {
            auto a = c.count(100);
            auto b = c.echo();
            auto d = c.sum();
            for (int i = 0; i < 10; ++i) {
                (void)b.send_for(i, 1s);
                (void)d.send_for(i, 1s);
                (void)a.get_for(1s).value();
                (void)b.get_for(1s).value();
            }
            (void)d.get_reply();
        }
    });
}

TEST_P(stream_races, the_server_stops_with_streams_under_way) {
    for (const auto drain : {0ms, 5ms}) {
        stream_server<busy> s(GetParam());
        s.members->count = count;
        s.members->sum = sum;
        s.members->echo = echo;
        s.start();
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t)
            threads.emplace_back([&] {
                auto c = s.connect();
                use_until_failure(c);
            });
        std::this_thread::sleep_for(30ms);
        s.server->stop(drain);
        for (auto& t : threads) t.join();
    }
}

TEST_P(stream_races, a_runtime_stops_with_streams_under_way) {
    for (const bool of_client : {true, false}) {
        stream_server<busy> s(GetParam());
        s.members->count = count;
        s.members->sum = sum;
        s.members->echo = echo;
        s.start();
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t)
            threads.emplace_back([&] {
                auto c = s.connect();
                use_until_failure(c);
            });
        auto c = s.connect();
        std::atomic<int> ended{0};
        static const tenon::call_scope scope;
        for (int i = 0; i < 5; ++i)
            tenon::spawn(wait_for_values(c.count(1'000'000'000)), scope,
                         [&ended](tenon::task<void>&) { ++ended; });
        std::this_thread::sleep_for(30ms);
        (of_client && !s.is_local ? s.client_runtime : s.runtime).stop();
        for (auto& t : threads) t.join();
        EXPECT_TRUE(eventually([&] { return ended == 5; })) << ended << " of 5";
    }
}

// The last one that knows the client, on the client's loop, which goes on without this thread.
tenon::task<void> take_all_and_let_go(tenon::stub<busy> c, tenon::reader<int> r) {
    try {
        for (bool more = true; more;) {
            const auto v = co_await r.next();
            more = v.has_value();
        }
    } catch (const tenon::failure&) {}
    {
        const auto stream = std::move(r);
        const auto client = std::move(c);
    }
    std::this_thread::sleep_for(50ms);
}

// The connection goes away while a thread that had its loop still deals with the end of a stream.
TEST_P(stream_races, the_client_goes_with_the_end_of_its_last_stream) {
    static const tenon::call_scope scope;
    for (const bool fails : {false, true}) {
        std::atomic<int> ended{0};
        constexpr int clients = 4;
        for (int i = 0; i < clients; ++i) {
            auto c = s_.connect();
            auto r = fails ? c.kept() : c.count(3);
            tenon::spawn(take_all_and_let_go(std::move(c), std::move(r)), scope,
                         [&ended](tenon::task<void>&) { ++ended; });
        }
        if (fails) {
            EXPECT_TRUE(eventually([&] {
                const std::lock_guard lock(mutex_);
                return writers_.size() == clients;
            }));
            s_.server->stop(0ms);
        }
        EXPECT_TRUE(eventually([&] { return ended == clients; })) << ended << " of " << clients;
    }
}

}  // namespace
