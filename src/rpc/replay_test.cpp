// Logs behind streams: replay from any position, across restarts, and sinks that store each value
// once.

#include <unistd.h>

#include <filesystem>
#include <numeric>

#include "rpc/test_support.hpp"
#include "tenon/delivery.hpp"
#include "tenon/stream_log.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/subscription.hpp"

namespace {

using namespace rpc_test;
using tenon::stream_start;

struct tape {
    tenon::source<int()> play;
    tenon::sink<int> record;
};
TENON_INTERFACE(tape, "test", "tape", "1.0.0", play, record)

tenon::open_options from(const stream_start& s) {
    tenon::open_options o;
    o.start = s;
    return o;
}

class directory {
public:
    directory()
        : path_("/tmp/tenon-replay-" + std::to_string(::getpid()) + "-" + std::to_string(next_++)) {
    }
    ~directory() { std::filesystem::remove_all(path_); }
    const std::string& path() const { return path_; }

private:
    static inline std::atomic<int> next_{0};
    const std::string path_;
};

class replay : public testing::TestWithParam<const char*> {
protected:
    replay() : runtime_(test_runtime()) {}

    void start(const tenon::log_options& options = {}) {
        log_.emplace(options, &runtime_);
        tenon::server_options so;
        so.runtime = &runtime_;
        server_.emplace(so);
        auto& t = server_->publish<tape>();
        t.play = *log_;
        t.record = *log_;
        server_->listen(endpoint_.empty() ? fresh_endpoint(GetParam()) : endpoint_);
        server_->start();
        endpoint_ = server_->endpoints().at(0);
    }
    void stop() {
        server_->stop(0ms);
        server_.reset();
        log_.reset();
    }
    tenon::stub<tape> connect() {
        tenon::client_options o;
        o.runtime = &runtime_;
        return tenon::connect<tape>(endpoint_, o);
    }
    void append(int from, int to) {
        for (int i = from; i < to; ++i) ASSERT_TRUE(log_->append(i));
    }

    tenon::runtime runtime_;
    std::optional<tenon::log<int>> log_;
    std::optional<tenon::server> server_;
    std::string endpoint_;
};
INSTANTIATE_TEST_SUITE_P(over, replay, testing::Values("inproc", "path", "tcp"), name_of);

TEST_P(replay, a_client_begins_where_it_asks) {
    start();
    append(0, 100);
    const auto before = std::chrono::system_clock::now();
    std::this_thread::sleep_for(2ms);
    append(100, 200);
    auto t = connect();
    const auto first = [&](const stream_start& s) {
        auto r = t.play.open_with(from(s));
        return r.get().value();
    };
    EXPECT_EQ(first(stream_start::earliest()), 0);
    EXPECT_EQ(first(stream_start::at_position(51)), 50);
    EXPECT_EQ(first(stream_start::since(before)), 100);
    auto live = t.play.open_with(from(stream_start::latest()));
    auto all = t.play.open_with(from(stream_start::earliest()));
    for (int i = 0; i < 200; ++i) EXPECT_EQ(all.get(), i);
    EXPECT_EQ(all.stats().position, 200u);
    EXPECT_EQ(all.stats().epoch, log_->epoch());
    EXPECT_FALSE(live.get_for(20ms));
    append(200, 203);
    for (int i = 200; i < 203; ++i) {
        EXPECT_EQ(all.get(), i);
        EXPECT_EQ(live.get(), i);
    }
}

TEST_P(replay, falling_behind_retention_is_a_gap) {
    start({.max_records = 100});
    append(0, 1000);
    auto t = connect();
    auto r = t.play.open_with(from(stream_start::at_position(1)));
    const int oldest = r.get().value();
    EXPECT_GE(oldest, 500);
    EXPECT_EQ(r.stats().lost, static_cast<std::uint64_t>(oldest));
    EXPECT_EQ(r.stats().position, static_cast<std::uint64_t>(oldest) + 1);
}

TEST_P(replay, a_subscription_goes_on_after_restarts) {
    const directory d;
    start({.directory = d.path()});
    append(0, 50);
    auto t = connect();
    auto s = tenon::follow(t.play, stream_start::earliest());
    for (int i = 0; i < 50; ++i) ASSERT_EQ(s.get(), i);
    for (int round = 1; round <= 5; ++round) {
        stop();
        start({.directory = d.path()});
        append(50 * round, 50 * round + 50);
        for (int i = 0; i < 50; ++i) ASSERT_EQ(s.get(), 50 * round + i);
    }
    EXPECT_GE(s.reopened(), 5u);
    EXPECT_EQ(s.lost(), 0u);
}

TEST_P(replay, a_subscription_seeks_in_the_open_stream) {
    start();
    append(0, 1000);
    auto t = connect();
    auto s = tenon::follow(t.play, stream_start::earliest());
    for (int i = 0; i < 10; ++i) ASSERT_EQ(s.get(), i);
    for (int round = 1; round < 10; ++round) {
        s.seek(stream_start::at_position(static_cast<std::uint64_t>(round) * 100 + 1));
        for (int i = 0; i < 10; ++i) ASSERT_EQ(s.get(), round * 100 + i);
        EXPECT_EQ(s.position(), static_cast<std::uint64_t>(round) * 100 + 10);
    }
    EXPECT_EQ(s.reopened(), 0u);
    EXPECT_EQ(s.lost(), 0u);
}

// Whenever the break comes: before the source has heard of the seek, before its first value from
// there is taken, and later.
TEST_P(replay, nothing_is_lost_or_doubled_by_a_seek_and_a_break) {
    const directory d;
    start({.directory = d.path()});
    append(0, 1000);
    auto t = connect();
    auto s = tenon::follow(t.play, stream_start::earliest());
    for (int round = 0; round < 12; ++round) {
        const int from = 100 + 17 * round, before = round % 3 == 0 ? 0 : 5 * round;
        for (int i = 0; i < round; ++i) ASSERT_TRUE(s.get());
        s.seek(stream_start::at_position(static_cast<std::uint64_t>(from) + 1));
        if (round % 3 == 1) std::this_thread::sleep_for(5ms);
        for (int i = 0; i < before; ++i) ASSERT_EQ(s.get(), from + i);
        stop();
        start({.directory = d.path()});
        for (int i = before; i < 500; ++i) ASSERT_EQ(s.get(), from + i) << round;
    }
    EXPECT_EQ(s.lost(), 0u);
}

TEST_P(replay, a_subscription_that_was_stopped_behind_a_seek_stays_so) {
    start();
    append(0, 100);
    auto t = connect();
    auto s = tenon::follow(t.play, stream_start::earliest());
    EXPECT_EQ(s.get(), 0);
    s.seek(stream_start::at_position(51));
    s.stop();
    EXPECT_EQ(s.get(), std::nullopt);
    EXPECT_EQ(s.reopened(), 0u);
}

TEST_P(replay, a_subscription_is_opened_again_where_the_source_cannot_seek) {
    tenon::runtime runtime(test_runtime());
    tenon::server_options so;
    so.runtime = &runtime;
    tenon::server server(so);
    auto& members = server.publish<tape>();
    members.play = [](tenon::writer<int> out) {  // ends, and knows no allow_seeking()
        std::uint64_t at = std::max<std::uint64_t>(out.start().position, 1);
        out.place_next(at, 7);
        for (; at <= 100; ++at) out.send(static_cast<int>(at));
    };
    server.listen(fresh_endpoint(GetParam())).start();
    tenon::client_options o;
    o.runtime = &runtime;
    auto t = tenon::connect<tape>(server.endpoints().at(0), o);
    auto s = tenon::follow(t.play, stream_start::at_position(1));
    for (int i = 1; i <= 10; ++i) ASSERT_EQ(s.get(), i);
    s.seek(stream_start::at_position(51));  // it may have ended, or it refuses
    for (int i = 51; i <= 100; ++i) ASSERT_EQ(s.get(), i);
    EXPECT_EQ(s.get(), std::nullopt);
    s.seek(stream_start::at_position(91));
    for (int i = 91; i <= 100; ++i) ASSERT_EQ(s.get(), i);
    EXPECT_EQ(s.get(), std::nullopt);
    EXPECT_EQ(s.get(), std::nullopt);
}

TEST_P(replay, a_delivery_is_stored_once_across_restarts) {
    const directory d;
    start({.directory = d.path()});
    auto t = connect();
    constexpr int count = 20'000;
    unsigned reopened = 0;
    std::thread sender([&] {
        auto out = tenon::deliver(t.record);
        for (int i = 0; i < count; ++i) out.send(i);
        out.finish();
        reopened = out.reopened();
    });
    for (std::uint64_t round = 1; round < 10; ++round) {
        while (log_->next() < round * count / 10) std::this_thread::sleep_for(1ms);
        stop();
        start({.directory = d.path()});
    }
    sender.join();
    EXPECT_NE(reopened, 0u);
    auto r = t.play.open_with(from(stream_start::earliest()));
    for (int i = 0; i < count; ++i) ASSERT_EQ(r.get(), i);
    EXPECT_EQ(log_->next(), static_cast<std::uint64_t>(count) + 1);
}

TEST_P(replay, values_are_acknowledged_when_they_are_stored) {
    start();
    auto t = connect();
    auto w = t.record();
    for (int i = 0; i < 10; ++i) w.send(i);
    EXPECT_TRUE(w.wait_acknowledged(10, patience));
    EXPECT_FALSE(w.wait_acknowledged(11, 10ms));
    EXPECT_EQ(log_->next(), 11u);
    w.get_reply();
}

}  // namespace
