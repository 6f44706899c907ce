// How streams end: each direction on its own, by either side, in every order, with values that do not
// fit, and with senders and receivers that wait. Afterwards nothing is left of them.

#include "rpc/stream_test_support.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;
using tenon::failure;

struct ends {
    tenon::source<int(int)> count;
    tenon::source<int(int)> count_and_throw;
    tenon::source<int()> kept;
    tenon::source<tenon::value()> mixed;
    tenon::sink<int, long> sum;
    tenon::sink<int, int> first;
    tenon::sink<int> swallow;
    tenon::channel<int, int> echo;
    tenon::channel<int, int> deaf;
    tenon::channel<int, int> mute;
    tenon::channel<int, int> kept_channel;
    tenon::channel<int, int> refuses;
    tenon::channel<int, int> throws_later;
    tenon::channel<int, int> catches;
};
TENON_INTERFACE(ends, "test", "ends", "1.0.0", (count, n), (count_and_throw, n), kept, mixed, sum,
                first, swallow, echo, deaf, mute, kept_channel, refuses, throws_later, catches)

tenon::generator<int> count(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
}
tenon::generator<tenon::value> mixed() {
    for (int i = 0; i < 100; ++i) co_yield i;
    co_yield "no number";
    for (int i = 0; i < 100; ++i) co_yield i;
}
tenon::generator<int> count_and_throw(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
    throw failure(tenon::error(errc::failed, "enough"));
}
tenon::task<long> sum(tenon::reader<int> in) {
    long all = 0;
    while (auto v = co_await in.next()) all += *v;
    co_return all;
}
tenon::task<int> first(tenon::reader<int> in) {
    auto v = co_await in.next();
    co_return v.value_or(-1);
}
tenon::task<void> echo(tenon::duplex<int, int> s) {
    while (auto v = co_await s.next()) co_await s.send_async(*v);
}
tenon::task<void> deaf(tenon::duplex<int, int> s) {
    s.stop();
    for (int i = 0; i < 3; ++i) co_await s.send_async(i);
}

tenon::task<void> throw_later(tenon::duplex<int, int> s) {
    auto v = co_await s.next();
    co_await s.send_async(*v);
    throw failure(tenon::error(errc::denied, "not you"));
}

class stream_ends : public testing::TestWithParam<const char*> {
protected:
    stream_ends() : s_(GetParam()) {
        ends& e = *s_.members;
        e.count = count;
        e.count_and_throw = count_and_throw;
        e.kept = [this](tenon::writer<int> out) {
            const std::lock_guard lock(mutex_);
            writers_.push_back(std::move(out));
        };
        e.mixed = mixed;
        e.sum = sum;
        e.first = first;
        e.swallow = [](int) {};
        e.echo = echo;
        e.deaf = deaf;
        e.mute = [this](tenon::reader<int> in, tenon::writer<int> out) {
            out.finish();
            long all = 0;
            for (const int v : in) {
                all += v;
                if (v > 900) std::this_thread::sleep_for(50us);  // all has come before it is read
            }
            muted_ = all;
        };
        e.kept_channel = [this](tenon::duplex<int, int> d) {
            const std::lock_guard lock(mutex_);
            channels_.push_back(std::move(d));
        };
        e.refuses = [](tenon::duplex<int, int>) {
            throw failure(tenon::error(errc::denied, "not you"));
        };
        e.throws_later = throw_later;
        e.catches = [](tenon::reader<int> in, tenon::writer<int> out) {
            try {
                tenon::writer<int> gone = std::move(out);
                gone.send(1);
                throw 1;
            } catch (int) {
                EXPECT_EQ(in.get(), 5);
            }
        };
        s_.start();
        c_.emplace(s_.connect());
    }
    ~stream_ends() override {
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
    bool has_writers(std::size_t n) {
        return eventually([&] {
            const std::lock_guard lock(mutex_);
            return writers_.size() >= n;
        });
    }
    bool has_channels(std::size_t n) {
        return eventually([&] {
            const std::lock_guard lock(mutex_);
            return channels_.size() >= n;
        });
    }

    stream_server<ends> s_;
    std::optional<tenon::stub<ends>> c_;
    std::mutex mutex_;
    std::vector<tenon::writer<int>> writers_;
    std::vector<tenon::duplex<int, int>> channels_;
    std::atomic<long> muted_{-1};
};
INSTANTIATE_TEST_SUITE_P(over, stream_ends, testing::ValuesIn(every_transport), name_of);

TEST_P(stream_ends, values_before_an_error_are_not_lost) {
    for (const int n : {0, 1, 100, 100'000}) {
        auto s = c_->count_and_throw(n);
        int got = 0;
        EXPECT_EQ(code_thrown_by([&] {
                      while (auto v = s.get()) ASSERT_EQ(*v, got++);
                  }),
                  errc::failed);
        EXPECT_EQ(got, n);
    }
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, a_reader_let_go_of_in_the_middle) {
    for (int i = 0; i < 20; ++i) {
        auto s = c_->count(1'000'000);
        for (int k = 0; k < i; ++k) EXPECT_EQ(s.get(), k);
    }
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, a_sink_that_replies_early_takes_no_more) {
    auto w = c_->first();
    const auto thrown = code_thrown_by([&] {
        for (int i = 7;; ++i) w.send(i);
    });
    EXPECT_EQ(thrown, errc::cancelled);
    EXPECT_FALSE(w.is_open());
    EXPECT_EQ(w.get_reply(), 7);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, a_sink_whose_writer_is_let_go_of_is_cancelled) {
    {
        auto w = c_->sum();
        w.send(1);
    }
    {
        auto w = c_->swallow();
        for (int i = 0; i < 10; ++i) w.send(i);
    }
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, a_sink_whose_reply_nobody_wants) {
    {
        auto w = c_->sum();
        for (int i = 0; i < 10; ++i) w.send(i);
        w.finish();
    }
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, a_sink_that_fails_at_the_client) {
    auto w = c_->sum();
    w.send(1);
    w.fail(tenon::error(errc::failed, "no more where that came from"));
    EXPECT_EQ(code_thrown_by([&] { w.get_reply(); }), errc::failed);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, the_server_reads_nothing) {
    auto s = c_->deaf();
    EXPECT_EQ(code_thrown_by([&] {
                  for (int i = 0;; ++i) s.send(i);
              }),
              errc::cancelled);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(s.get(), i);
    EXPECT_EQ(s.get(), std::nullopt);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, the_server_writes_nothing) {
    auto s = c_->mute();
    EXPECT_EQ(s.get(), std::nullopt);
    for (int i = 1; i <= 1000; ++i) s.send(i);
    s.finish();
    EXPECT_TRUE(eventually([&] { return muted_ == 500'500; })) << muted_;
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, the_client_reads_nothing) {
    for (const bool stops_first : {true, false}) {
        auto s = c_->kept_channel();
        ASSERT_TRUE(has_channels(1));
        if (stops_first) s.stop();
        s.send(5);
        s.finish();
        s.stop();
        EXPECT_EQ(channels_[0].get(), 5) << stops_first;
        EXPECT_EQ(channels_[0].get(), std::nullopt) << stops_first;
        EXPECT_TRUE(eventually([&] { return !channels_[0].is_open(); })) << stops_first;
        channels_.clear();
        EXPECT_TRUE(s_.all_ended(*c_)) << stops_first;
    }
}

TEST_P(stream_ends, the_client_finishes_and_lets_go) {
    {
        auto s = c_->kept_channel();
        ASSERT_TRUE(has_channels(1));
        for (int i = 0; i < 10; ++i) s.send(i);
        s.finish();
    }
    // What was sent and finished is not taken back.
    for (int i = 0; i < 10; ++i) EXPECT_EQ(channels_[0].get(), i);
    EXPECT_EQ(channels_[0].get(), std::nullopt);
    channels_.clear();
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, each_direction_fails_on_its_own) {
    auto s = c_->kept_channel();
    ASSERT_TRUE(has_channels(1));
    auto& d = channels_[0];
    d.send(1);
    d.fail(tenon::error(errc::failed, "server").set_name("one"));
    EXPECT_EQ(s.get(), 1);
    EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::failed);
    s.send(2);
    EXPECT_EQ(d.get(), 2);
    s.fail(tenon::error(errc::data_loss, "client"));
    EXPECT_EQ(code_thrown_by([&] { d.get(); }), errc::data_loss);
    channels_.clear();
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, a_server_that_lets_go_ends_both_directions) {
    auto s = c_->kept_channel();
    ASSERT_TRUE(has_channels(1));
    channels_.clear();
    EXPECT_EQ(s.get(), std::nullopt);
    EXPECT_EQ(code_thrown_by([&] {
                  for (;;) s.send(1);
              }),
              errc::cancelled);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, a_handler_that_throws_at_once) {
    auto s = c_->refuses();
    EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::denied);
    EXPECT_EQ(code_thrown_by([&] {
                  for (;;) s.send(1);
              }),
              errc::denied);
    auto later = c_->throws_later();
    later.send(1);
    EXPECT_EQ(later.get(), 1);
    EXPECT_EQ(code_thrown_by([&] { later.get(); }), errc::denied);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, an_exception_that_the_handler_catches_ends_nothing) {
    auto s = c_->catches();
    EXPECT_EQ(s.get(), 1);
    s.send(5);
    EXPECT_EQ(s.get(), std::nullopt);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, what_waits_is_sent_after_finish) {
    auto s = c_->kept();
    ASSERT_TRUE(has_writers(1));
    std::thread sender([&] {
        for (int i = 0; i < 20'000; ++i) writers_[0].send(i);
        writers_.clear();
    });
    std::this_thread::sleep_for(10ms);
    for (int i = 0; i < 20'000; ++i) ASSERT_EQ(s.get(), i);
    EXPECT_EQ(s.get(), std::nullopt);
    sender.join();
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, a_sender_that_waits_is_told_that_the_receiver_has_gone) {
    auto s = std::make_unique<tenon::reader<int>>(c_->kept());
    ASSERT_TRUE(has_writers(1));
    std::atomic<int> sent{0};
    std::optional<errc> thrown;
    std::thread sender([&] {
        thrown = code_thrown_by([&] {
            for (;;) {
                writers_[0].send(1);
                ++sent;
            }
        });
    });
    EXPECT_TRUE(eventually([&] {
        const int before = sent;
        std::this_thread::sleep_for(20ms);
        return sent == before && before > 0;
    }));
    s.reset();
    sender.join();
    EXPECT_EQ(thrown, errc::cancelled);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, a_receiver_that_waits_can_be_stopped_by_another_thread) {
    auto s = c_->kept();
    ASSERT_TRUE(has_writers(1));
    std::thread stopper([&] {
        std::this_thread::sleep_for(10ms);
        s.stop();
    });
    EXPECT_EQ(s.get(), std::nullopt);
    stopper.join();
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, the_server_stops_while_both_sides_wait) {
    auto reading = c_->kept();
    auto writing = c_->kept_channel();
    ASSERT_TRUE(has_writers(1));
    ASSERT_TRUE(has_channels(1));
    std::atomic<int> left{3};
    std::thread receiver([&] {
        EXPECT_EQ(code_thrown_by([&] {
                      while (reading.get()) {}
                  }),
                  errc::unavailable);
        --left;
    });
    std::thread sender([&] {
        EXPECT_EQ(code_thrown_by([&] {
                      for (;;) writing.send(1);
                  }),
                  errc::unavailable);
        --left;
    });
    std::thread server_side([&] {
        EXPECT_EQ(code_thrown_by([&] {
                      for (;;) writers_[0].send(1);
                  }),
                  errc::unavailable);
        --left;
    });
    std::this_thread::sleep_for(20ms);
    s_.server->stop(0ms);
    EXPECT_TRUE(eventually([&] { return left == 0; }));
    receiver.join();
    sender.join();
    server_side.join();
}

TEST_P(stream_ends, the_client_goes_with_its_streams) {
    for (int i = 0; i < 10; ++i) {
        auto c = s_.connect();
        auto a = c.kept();
        auto b = c.kept_channel();
        b.send(1);
        auto d = c.sum();
        d.send(1);
        if (i % 2) {
            EXPECT_TRUE(has_writers(1) && has_channels(1));
        }
    }
    EXPECT_TRUE(eventually([&] {
        const std::lock_guard lock(mutex_);
        for (auto& w : writers_)
            if (w.is_open()) return false;
        for (auto& d : channels_)
            if (d.is_open()) return false;
        return true;
    }));
    {
        const std::lock_guard lock(mutex_);
        channels_.clear();
    }
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_ends, a_thousand_streams_opened_and_dropped) {
    for (int i = 0; i < 1000; ++i) {
        auto a = c_->count(1'000'000);
        auto b = c_->echo();
        if (i % 3 == 0) b.send(1);
        if (i % 7 == 0) {
            EXPECT_EQ(a.get(), 0);
        }
        if (i % 21 == 0) {
            EXPECT_EQ(b.get(), 1);
        }
    }
    EXPECT_TRUE(s_.all_ended(*c_));
    EXPECT_EQ(c_->count(3).get(), 0);
}

// --- sides that do not agree about the type ---

struct wrong_ends {
    tenon::source<std::string(int)> count;
    tenon::source<int()> mixed;
    tenon::sink<std::string, long> sum;
    tenon::channel<std::string, int> echo;
};
TENON_INTERFACE(wrong_ends, "test", "ends", "1.0.0", (count, n), mixed, sum, echo)

class misfits : public stream_ends {
protected:
    tenon::stub<wrong_ends> wrong() {
        tenon::client_options o;
        o.runtime = s_.is_local ? &s_.runtime : &s_.client_runtime;
        return tenon::connect<wrong_ends>(s_.endpoint, o);
    }
};
INSTANTIATE_TEST_SUITE_P(over, misfits, testing::ValuesIn(every_transport), name_of);

TEST_P(misfits, end_what_a_client_reads) {
    auto w = wrong();
    for (int i = 0; i < 20; ++i) {
        auto waits = w.count(1000);
        if (i % 2) std::this_thread::sleep_for(2ms);
        EXPECT_EQ(code_thrown_by([&] { waits.get(); }), errc::invalid);
    }
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(misfits, end_a_stream_behind_the_values_that_came_before) {
    auto w = wrong();
    for (const bool waits : {false, true}) {
        auto s = w.mixed();
        if (waits) {
            EXPECT_TRUE(eventually([&] { return s.stats().waiting > 100; }));
        }
        for (int i = 0; i < 100; ++i) EXPECT_EQ(s.get(), i);
        EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::invalid);
        EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::invalid);
        EXPECT_EQ(s.stats().waiting, 0u);
        EXPECT_EQ(s.stats().passed, 100u);
    }
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(misfits, end_what_a_server_reads) {
    auto w = wrong();
    for (int i = 0; i < 20; ++i) {
        auto s = w.sum();
        EXPECT_TRUE(code_thrown_by([&] {
            s.send("no number");
            s.get_reply();
        }));
        auto e = w.echo();
        EXPECT_TRUE(code_thrown_by([&] {
            for (;;) {
                e.send("no number");
                if (!e.get()) throw failure(tenon::error(errc::cancelled));
            }
        }));
    }
    EXPECT_TRUE(s_.all_ended(*c_));
}

}  // namespace
