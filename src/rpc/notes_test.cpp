// Notes between client and server, in both directions.

#include "tenon/notes.hpp"

#include "rpc/notes.hpp"
#include "rpc/stream_test_support.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;
using tenon::note;
using tenon::value;

/// What has been told, in order.
class heard {
public:
    void add(const note& n) {
        const std::lock_guard lock(mutex_);
        all_.push_back(n);
    }
    std::vector<note> all() {
        const std::lock_guard lock(mutex_);
        return all_;
    }
    std::size_t size() { return all().size(); }
    /// Told and announced as missing.
    std::uint64_t accounted() {
        std::uint64_t n = 0;
        for (const note& one : all()) n += 1 + one.gap;
        return n;
    }

private:
    std::mutex mutex_;
    std::vector<note> all_;
};

struct desk {
    tenon::method<int(int)> tell;  // this session, so many notes
    tenon::method<int()> hang;     // until the gate is open
};
TENON_INTERFACE(desk, "test", "desk", "1.0.0", (tell, n), hang)

class notes : public testing::TestWithParam<const char*> {
protected:
    explicit notes(tenon::client_options o = {}) : s_(GetParam()) {
        s_.members->tell = [](tenon::context& ctx, int n) {
            for (int i = 0; i < n; ++i) EXPECT_TRUE(ctx.session().note(i));
            return n;
        };
        s_.server->on_note([this](tenon::session& s, const note& n) {
            by_server_.add(n);
            if (n.content == value("slow")) {
                EXPECT_TRUE(slow_.wait());
            }
            if (n.content == value("echo")) {
                EXPECT_TRUE(s.note("echoed"));
            }
            if (n.content == value("throw")) throw std::runtime_error("no");
        });
        s_.start();
        c_.emplace(s_.connect(o));
        tenon::on_note(c_->handle(), [this](const note& n) {
            by_client_.add(n);
            if (hold_first_.exchange(false)) {
                EXPECT_TRUE(slow_.wait());
            }
        });
    }
    ~notes() override {
        slow_.open();
        c_.reset();
        s_.stop();
    }

    heard by_server_, by_client_;
    gate slow_;
    std::atomic<bool> hold_first_{false};
    stream_server<desk> s_;  // its threads end first
    std::optional<tenon::stub<desk>> c_;
};
INSTANTIATE_TEST_SUITE_P(over, notes, testing::ValuesIn(every_transport), name_of);

TEST_P(notes, go_both_ways_in_order) {
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(tenon::send_note(c_->handle(), i));
    EXPECT_EQ(c_->tell(10), 10);
    ASSERT_TRUE(eventually([&] { return by_server_.size() == 10 && by_client_.size() == 10; }));
    for (heard* h : {&by_server_, &by_client_}) {
        const auto all = h->all();
        for (int i = 0; i < 10; ++i) {
            EXPECT_EQ(all[static_cast<std::size_t>(i)].content, value(i));
            EXPECT_EQ(all[static_cast<std::size_t>(i)].gap, 0U);
        }
    }
    const value large = value::object({{"text", value(std::string(10'000, 'x'))}});
    EXPECT_TRUE(tenon::send_note(c_->handle(), large));
    EXPECT_TRUE(tenon::send_note(c_->handle(), "echo"));
    ASSERT_TRUE(eventually([&] { return by_client_.size() == 11; }));
    EXPECT_EQ(by_client_.all().back().content, value("echoed"));
    EXPECT_EQ(by_server_.all()[10].content, large);
}

TEST_P(notes, are_small) {
    const auto refused = tenon::send_note(c_->handle(), std::string(17 << 10, 'x'));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), errc::invalid);
    EXPECT_FALSE(refused.error().may_have_run());
}

TEST_P(notes, a_flood_at_a_slow_listener_is_bounded_and_what_is_missing_is_told) {
    constexpr int many = 5'000;
    EXPECT_TRUE(tenon::send_note(c_->handle(), "slow"));
    ASSERT_TRUE(eventually([&] { return by_server_.size() == 1; }));
    for (int i = 0; i < many; ++i) EXPECT_TRUE(tenon::send_note(c_->handle(), i));
    hold_first_ = true;
    EXPECT_EQ(c_->tell(many), many);
    ASSERT_TRUE(eventually([&] { return by_client_.size() >= 1; }));
    slow_.open();
    // The newest are never those that are dropped.
    const auto last = [](heard& h) {
        const auto all = h.all();
        return !all.empty() && all.back().content == value(many - 1);
    };
    ASSERT_TRUE(eventually([&] { return last(by_server_) && last(by_client_); }));
    EXPECT_EQ(by_server_.accounted(), 1U + many);
    EXPECT_EQ(by_client_.accounted(), 0U + many);
    EXPECT_LT(by_server_.size(), 0U + many);
}

TEST_P(notes, what_a_listener_throws_hurts_nobody) {
    EXPECT_TRUE(tenon::send_note(c_->handle(), "throw"));
    EXPECT_TRUE(tenon::send_note(c_->handle(), "after"));
    EXPECT_TRUE(eventually([&] { return by_server_.size() == 2; }));
    EXPECT_EQ(c_->tell(1), 1);
}

TEST_P(notes, from_many_threads_and_to_a_server_that_stops) {
    std::atomic<bool> done{false};
    std::vector<std::thread> senders;
    for (int t = 0; t < 4; ++t)
        senders.emplace_back([&] {
            while (!done) (void)tenon::send_note(c_->handle(), 1);
        });
    EXPECT_TRUE(eventually([&] { return by_server_.size() > 100; }));
    s_.control.reset();
    s_.server->stop(1s);
    done = true;
    for (std::thread& t : senders) t.join();
    const auto n = by_server_.size();
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(by_server_.size(), n) << "told after stop()";
}

TEST_P(notes, none_begins_once_the_client_has_gone) {
    std::atomic<int> told{0};
    for (int i = 0; i < 50; ++i) {
        auto counter = std::make_shared<std::atomic<bool>>(true);
        auto c = s_.connect();
        tenon::on_note(c.handle(), [&told, counter](const note&) {
            EXPECT_TRUE(*counter);
            ++told;
        });
        EXPECT_EQ(c.tell(5), 5);
        EXPECT_TRUE(eventually([&] { return counter.use_count() == 2; }));
    }
    EXPECT_GE(told, 0);
}

TEST(notes_on_the_wire, are_as_documented) {
    tenon::base::byte_buffer content, entry;
    ASSERT_TRUE(tenon::rpc::encode_note("hi", content));
    tenon::rpc::put_note_entry(entry, 1, content.view());
    const std::string expected = std::string("\x1c") + "application/vnd.tenon.note.v1" +
                                 std::string("\0\0\x0b\0\0\0\0\0\0\0\1\xa2hi", 14);
    EXPECT_EQ(tenon::as_text(entry.view()), expected);
    EXPECT_EQ(entry.size(), 0x32U - 6);
    EXPECT_EQ(tenon::rpc::find_note(entry.view()).number, 1U);
}

TEST(notes_to_nobody, are_unavailable_or_wait) {
    auto gone = tenon::connect(fresh_endpoint("unix"));
    EXPECT_EQ(tenon::send_note(gone, 1).error().code(), errc::unavailable);
    auto local = tenon::connect(fresh_endpoint("inproc"));
    EXPECT_EQ(tenon::send_note(local, 1).error().code(), errc::unavailable);
    stream_server<desk> s("unix");  // where nobody listens
    s.start();
    auto c = s.connect();
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(tenon::send_note(c.handle(), i));
    EXPECT_TRUE(c.wait_ready(patience));
}

TEST(notes_of_another_session, are_numbered_anew) {
    const std::string endpoint = fresh_endpoint("unix");
    heard h;
    tenon::runtime runtime(test_runtime());
    std::optional<tenon::server> server;
    const auto start = [&] {
        server.emplace();
        server->publish<desk>().tell = [](int n) { return n; };
        server->on_note([&](tenon::session&, const note& n) { h.add(n); });
        server->listen(endpoint).start();
    };
    start();
    tenon::client_options o;
    o.runtime = &runtime;
    auto c = tenon::connect<desk>(endpoint, o);
    EXPECT_TRUE(c.wait_ready(patience));
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(tenon::send_note(c.handle(), i));
    EXPECT_TRUE(eventually([&] { return h.size() == 3; }));
    start();  // another
    EXPECT_TRUE(eventually([&] { return c.tell.try_call(1).has_value(); }));
    EXPECT_TRUE(eventually([&] { return tenon::send_note(c.handle(), 3).has_value(); }));
    EXPECT_TRUE(eventually([&] { return h.size() == 4; }));
    EXPECT_EQ(h.all().back().gap, 0U);
    EXPECT_EQ(h.all().back().content, value(3));
}

}  // namespace
