// Deadlines of streams, and openers that give them up: on both sides, over every transport.

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/unique_fd.hpp"
#include "rpc/stream_test_support.hpp"
#include "tenon/client_streams.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;

struct limited {
    tenon::source<int(int)> count;
    tenon::source<int()> kept;
    tenon::sink<int, int> last;
    tenon::channel<int, int> echo;
    tenon::method<int()> inherit;
    tenon::method<bool()> inherit_here;

    static void describe(tenon::description<limited>& d) {
        d[&limited::inherit].blocking();
        d[&limited::inherit_here].blocking();
    }
};
TENON_INTERFACE(limited, "test", "limited", "1.0.0", (count, n), kept, last, echo, inherit,
                inherit_here)

tenon::generator<int> count(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
}

tenon::open_options within(std::chrono::milliseconds limit) {
    tenon::open_options o;
    o.timeout = limit;
    return o;
}
tenon::open_options until(tenon::cancellation& c) {
    tenon::open_options o;
    o.cancel = &c;
    return o;
}

class stream_limits : public testing::TestWithParam<const char*> {
protected:
    stream_limits() : s_(GetParam()) {
        limited& l = *s_.members;
        l.count = count;
        l.kept = [this](tenon::context& ctx, tenon::writer<int> out) {
            ++begun_;
            has_deadline_ = ctx.deadline().has_value();
            out.send(1);
            while (!ctx.cancelled()) std::this_thread::sleep_for(1ms);
            ++cancelled_;
        };
        l.last = [this](tenon::reader<int> in) { return last(std::move(in)); };
        l.echo = [this](tenon::duplex<int, int> d) { return echo(std::move(d)); };
        l.inherit = [this] {
            auto s = c_->kept();
            int n = 0;
            while (s.get()) ++n;
            return n;
        };
        l.inherit_here = [this] {
            auto s = c_->echo();
            const auto why = code_thrown_by([&] { s.get(); });
            outcome_ = why.value_or(errc::failed);
            return true;
        };
        s_.start();
        c_.emplace(s_.connect());
    }
    ~stream_limits() override {
        c_.reset();
        s_.stop();
    }
    tenon::task<int> last(tenon::reader<int> in) {
        const counted here(*this);
        int n = 0;
        while (auto v = co_await in.next()) n = *v;
        co_return n;
    }
    tenon::task<void> echo(tenon::duplex<int, int> d) {
        const counted here(*this);
        while (auto v = co_await d.next()) co_await d.send_async(*v);
    }
    testing::AssertionResult handler_ended() {
        if (eventually([&] { return begun_ == cancelled_; })) return testing::AssertionSuccess();
        return testing::AssertionFailure() << "the handler goes on";
    }

    struct counted {
        explicit counted(stream_limits& t) : t(t) { ++t.begun_; }
        ~counted() { ++t.cancelled_; }
        stream_limits& t;
    };

    stream_server<limited> s_;
    std::optional<tenon::stub<limited>> c_;
    std::atomic<int> begun_{0};
    std::atomic<int> cancelled_{0};
    std::atomic<bool> has_deadline_{false};
    std::atomic<errc> outcome_{errc::failed};
};
INSTANTIATE_TEST_SUITE_P(over, stream_limits, testing::ValuesIn(every_transport), name_of);

TEST_P(stream_limits, a_timeout_is_for_the_whole_stream) {
    auto s = c_->kept.open_with(within(300ms));
    EXPECT_EQ(s.get(), 1);
    EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::deadline);
    EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::deadline);
    EXPECT_TRUE(handler_ended());
    EXPECT_TRUE(has_deadline_);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_limits, values_that_have_come_are_not_lost) {
    auto s = c_->kept.open_with(within(300ms));
    EXPECT_TRUE(eventually([&] { return s.stats().waiting == 1; }));
    EXPECT_TRUE(handler_ended());
    EXPECT_EQ(s.get(), 1);
    EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::deadline);
}

TEST_P(stream_limits, what_ends_in_time_ends_as_usual) {
    for (int round = 0; round < 50; ++round) {
        auto s = c_->count.open_with(within(60s), 10);
        int n = 0;
        for (const int v : s) EXPECT_EQ(v, n++);
        EXPECT_EQ(n, 10);
    }
    auto w = c_->last.open_with(within(60s));
    w.send(5);
    EXPECT_EQ(w.get_reply(), 5);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_limits, both_directions_of_a_channel_end) {
    auto s = c_->echo.open_with(within(300ms));
    s.send(7);
    EXPECT_EQ(s.get(), 7);
    EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::deadline);
    EXPECT_EQ(code_thrown_by([&] { s.send(8); }), errc::deadline);
    EXPECT_TRUE(handler_ended());
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_limits, a_channel_that_says_nothing_ends_too) {
    auto s = c_->echo.open_with(within(50ms));
    EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::deadline);
    EXPECT_TRUE(handler_ended());
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_limits, a_sink_has_no_reply_then) {
    auto w = c_->last.open_with(within(300ms));
    w.send(1);
    EXPECT_TRUE(eventually([&] { return !w.is_open(); }));
    EXPECT_EQ(code_thrown_by([&] { w.get_reply(); }), errc::deadline);
    EXPECT_TRUE(handler_ended());
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_limits, the_opener_may_give_the_stream_up) {
    tenon::cancellation cancel;
    auto s = c_->kept.open_with(until(cancel));
    EXPECT_EQ(s.get(), 1);
    std::thread canceller([&] {
        std::this_thread::sleep_for(20ms);
        cancel.cancel();
    });
    EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::cancelled);
    canceller.join();
    EXPECT_TRUE(handler_ended());
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_limits, what_is_given_up_before_is_not_opened) {
    tenon::cancellation cancel;
    cancel.cancel();
    auto s = c_->kept.open_with(until(cancel));
    EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::cancelled);
    auto d = c_->echo.open_with(until(cancel));
    EXPECT_EQ(code_thrown_by([&] { d.send(1); }), errc::cancelled);
    EXPECT_TRUE(s_.all_ended(*c_));
    EXPECT_EQ(begun_, 0);
}

TEST_P(stream_limits, the_clients_own_timeout_is_for_calls) {
    tenon::client_options o;
    o.timeout = 50ms;
    auto c = s_.connect(o);
    auto s = c.kept();
    EXPECT_EQ(s.get(), 1);
    EXPECT_EQ(s.get_for(150ms).error().code(), errc::deadline);
    EXPECT_EQ(cancelled_, 0);
    EXPECT_FALSE(has_deadline_);
}

TEST_P(stream_limits, a_handler_hands_its_deadline_on) {
    (void)c_->inherit_here.with({.timeout = 300ms}).try_call();
    EXPECT_TRUE(eventually([&] { return outcome_ != errc::failed; }));
    EXPECT_TRUE(outcome_ == errc::deadline || outcome_ == errc::cancelled) << int(outcome_.load());
    EXPECT_FALSE(c_->inherit.with({.timeout = 300ms}).try_call());
    EXPECT_TRUE(handler_ended());
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(stream_limits, by_route_too) {
    tenon::stream_options o;
    o.timeout = 300ms;
    auto s = tenon::subscribe_with<int>(o, c_->handle(), "test/limited.kept",
                                        tenon::value(tenon::value::array{}));
    EXPECT_EQ(s.get(), 1);
    EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::deadline);
    EXPECT_TRUE(handler_ended());
}

// The cancellation goes as soon as the handles have.
TEST_P(stream_limits, giving_up_meets_every_kind_of_end) {
    for (int round = 0; round < 300; ++round) {
        tenon::cancellation cancel;
        tenon::open_options o = until(cancel);
        o.timeout = std::chrono::milliseconds(1 + round % 5);
        std::thread canceller([&, round] {
            if (round % 3 != 0) std::this_thread::sleep_for(std::chrono::microseconds(10 * round));
            cancel.cancel();
        });
        if (round % 2 == 0) {
            auto s = c_->count.open_with(o, 20 * round);
            (void)code_thrown_by([&] {
                while (s.get()) continue;
            });
        } else {
            auto d = c_->echo.open_with(o);
            (void)code_thrown_by([&] {
                for (int i = 0; i < round; ++i) {
                    d.send(i);
                    EXPECT_EQ(d.get(), i);
                }
            });
        }
        canceller.join();
    }
    EXPECT_TRUE(handler_ended());
    EXPECT_TRUE(s_.all_ended(*c_));
}

// It accepts, and never says hello.
TEST(stream_limit, of_a_server_that_says_nothing) {
    const tenon::base::unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
    ASSERT_EQ(::listen(listener.get(), 4), 0);
    ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
    auto c = tenon::connect<limited>("tcp://127.0.0.1:" + std::to_string(ntohs(at.sin_port)));
    auto d = c.echo.open_with(within(50ms));
    EXPECT_EQ(code_thrown_by([&] { d.get(); }), errc::deadline);
    EXPECT_EQ(code_thrown_by([&] { d.send(1); }), errc::deadline);
    tenon::cancellation cancel;
    auto e = c.echo.open_with(until(cancel));
    auto s = c.kept.open_with(until(cancel));
    cancel.cancel();
    EXPECT_EQ(code_thrown_by([&] { e.get(); }), errc::cancelled);
    EXPECT_EQ(code_thrown_by([&] { e.send(1); }), errc::cancelled);
    EXPECT_EQ(code_thrown_by([&] { s.get(); }), errc::cancelled);
    EXPECT_TRUE(eventually([&] { return stream_server<limited>::open_on_client(c) == 0; }));
}

}  // namespace
