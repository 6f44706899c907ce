// What operators do to open streams through tenon/control.

#include "rpc/stream_test_support.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;

struct busy_feed {
    tenon::source<int()> count;
    tenon::sink<int, long> sum;
    tenon::channel<int, int> echo;
};
TENON_INTERFACE(busy_feed, "test", "busy_feed", "1.0.0", count, sum, echo)

tenon::generator<int> count() {
    for (int i = 0;; ++i) co_yield i;
}
tenon::task<void> echo(tenon::duplex<int, int> d) {
    while (auto v = co_await d.next()) co_await d.send_async(*v);
}

class operators : public testing::TestWithParam<const char*> {
protected:
    operators() : s_(GetParam()) {
        busy_feed& f = *s_.members;
        f.count = count;
        f.sum = [this](tenon::reader<int> in) { return sum(std::move(in)); };
        f.echo = echo;
        s_.start();
        c_.emplace(s_.connect());
    }
    ~operators() override {
        c_.reset();
        s_.stop();
    }
    tenon::task<long> sum(tenon::reader<int> in) {
        long all = 0;
        while (auto v = co_await in.next()) {
            all += *v;
            ++taken_;
        }
        co_return all;
    }
    /// The stream of that member, once it is open.
    tenon::stream_direction find(const std::string& member) {
        tenon::stream_direction found;
        EXPECT_TRUE(eventually([&] {
            for (const auto& d : s_.control->streams("test/*"))
                if (d.member == "test/busy_feed." + member) return found = d, true;
            return false;
        }));
        return found;
    }

    stream_server<busy_feed> s_;
    std::optional<tenon::stub<busy_feed>> c_;
    std::atomic<int> taken_{0};
};
INSTANTIATE_TEST_SUITE_P(over, operators, testing::Values("unix", "shm", "tcp"), name_of);

TEST_P(operators, a_paused_source_sends_nothing) {
    auto r = c_->count();
    int next = 0;
    while (next < 100) ASSERT_EQ(r.get(), next++);
    for (int round = 0; round < 5; ++round) {
        const auto at = find("count");
        s_.control->pause(at.connection, at.stream);
        EXPECT_TRUE(find("count").paused);
        // What was on its way comes; then nothing.
        for (;;) {
            auto v = r.get_for(100ms);
            if (!v) break;
            ASSERT_EQ(*v, next++);
        }
        const std::uint64_t passed = find("count").passed;
        EXPECT_EQ(r.get_for(20ms).error().code(), errc::deadline);
        EXPECT_EQ(find("count").passed, passed);
        s_.control->resume(at.connection, at.stream);
        EXPECT_FALSE(find("count").paused);
        for (const int end = next + 5000; next < end;) ASSERT_EQ(r.get(), next++);
    }
    r.stop();
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(operators, nobody_grants_more_to_a_paused_sink) {
    auto w = c_->sum();
    w.send(1);
    const auto at = find("sum");
    s_.control->pause(at.connection, at.stream);
    int sent = 1;
    while (w.send_for(1, 300ms)) ++sent;  // until its credit is used up
    EXPECT_TRUE(eventually([&] { return taken_ == sent; }));
    s_.control->resume(at.connection, at.stream);
    for (int i = 0; i < 10'000; ++i, ++sent) ASSERT_TRUE(w.send_for(1, patience));
    EXPECT_EQ(w.get_reply(), sent);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(operators, a_closed_stream_ends_on_both_sides) {
    auto r = c_->count();
    EXPECT_EQ(r.get(), 0);
    auto at = find("count");
    s_.control->close(at.connection, at.stream);
    EXPECT_EQ(code_thrown_by([&] {
                  while (r.get()) continue;
              }),
              errc::cancelled);
    auto w = c_->sum();
    w.send(1);
    at = find("sum");
    s_.control->close(at.connection, at.stream);
    EXPECT_EQ(code_thrown_by([&] { w.get_reply(); }), errc::cancelled);
    auto d = c_->echo();
    d.send(1);
    EXPECT_EQ(d.get(), 1);
    at = find("echo");
    s_.control->pause(at.connection, at.stream);
    s_.control->close(at.connection, at.stream);
    EXPECT_EQ(code_thrown_by([&] { d.get(); }), errc::cancelled);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(operators, a_stream_that_is_not_open_is_not_found) {
    auto r = c_->count();
    EXPECT_EQ(r.get(), 0);
    const auto at = find("count");
    const auto code = [](const tenon::result<void>& done) { return done.error().code(); };
    EXPECT_EQ(code(s_.control->pause.try_call(at.connection, at.stream + 2)), errc::not_found);
    EXPECT_EQ(code(s_.control->close.try_call(at.connection + 77, at.stream)), errc::not_found);
    EXPECT_EQ(code(s_.control->resume.try_call(at.connection, 0)), errc::not_found);
    EXPECT_EQ(code(s_.control->close.try_call(~std::uint64_t{}, ~std::uint32_t{})),
              errc::not_found);
    r.stop();
    EXPECT_TRUE(s_.all_ended(*c_));
    EXPECT_EQ(code(s_.control->close.try_call(at.connection, at.stream)), errc::not_found);
}

TEST_P(operators, pausing_and_closing_meet_every_moment) {
    std::atomic<bool> done{false};
    std::thread op([&] {
        for (unsigned i = 0; !done; ++i)
            for (const auto& d : s_.control->streams("test/*")) {
                (void)s_.control->pause.try_call(d.connection, d.stream);
                (void)s_.control->resume.try_call(d.connection, d.stream);
                if (i % 5 == 0) (void)s_.control->close.try_call(d.connection, d.stream);
            }
    });
    for (int round = 0; round < 200; ++round) {
        auto d = c_->echo();
        (void)code_thrown_by([&] {
            for (int i = 0; i < 50; ++i) {
                d.send(i);
                EXPECT_EQ(d.get(), i);
            }
        });
    }
    done = true;
    op.join();
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST(operators_far_away, are_denied) {
    stream_server<busy_feed> s("tcp");
    s.members->count = count;
    s.start();
    auto over_tcp = tenon::connect<tenon::control>(s.endpoint);
    EXPECT_EQ(over_tcp.close.try_call(1, 1).error().code(), errc::denied);
    EXPECT_EQ(over_tcp.pause.try_call(1, 1).error().code(), errc::denied);
}

}  // namespace
