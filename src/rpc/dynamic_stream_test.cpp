// Streams by route, without the contract, over every transport; and what the server tells of them.

#include "rpc/test_support.hpp"
#include "tenon/client_streams.hpp"
#include "tenon/control.hpp"
#include "tenon/manifest.hpp"
#include "tenon/stream_members.hpp"

namespace {

using namespace rpc_test;
using tenon::codec;
using tenon::errc;
using tenon::failure;
using tenon::value;

struct point {
    int x = 0;
    double y = 0;
    friend bool operator==(const point&, const point&) = default;
};
TENON_STRUCT(point, x, y)

struct feed {
    tenon::source<point(int, int)> points;
    tenon::source<tenon::bytes(tenon::bytes)> chunks;
    tenon::source<int()> kept;
    tenon::source<value()> odd;
    tenon::sink<int, long> sum;
    tenon::sink<value> collect;
    tenon::channel<std::string, std::string> shout;
    tenon::method<int(int)> twice;
};
TENON_INTERFACE(feed, "test", "feed", "1.0.0", (points, from, n), (chunks, first), kept, odd, sum,
                collect, shout, (twice, n))

tenon::generator<point> make_points(int from, int n) {
    for (int i = from; i < from + n; ++i) co_yield point{i, i / 2.0};
}

tenon::generator<tenon::bytes> make_chunks(tenon::bytes first) {
    co_yield first;
    co_yield tenon::bytes(3, std::byte{7});
}

tenon::generator<value> make_odd() {
    co_yield value(1);
    co_yield value(std::numeric_limits<double>::quiet_NaN());
    co_yield value(3);
}

tenon::task<long> sum_up(tenon::reader<int> in) {
    long sum = 0;
    while (auto v = co_await in.next()) sum += *v;
    co_return sum;
}

class dynamic_streams : public testing::TestWithParam<const char*> {
protected:
    dynamic_streams() : runtime_(test_runtime()) {
        tenon::server_options so;
        so.runtime = &runtime_;
        server_.emplace(so);
        auto& f = server_->publish<feed>();
        f.points = make_points;
        f.chunks = make_chunks;
        f.kept = [this](tenon::writer<int> out) {
            const std::lock_guard lock(mutex_);
            writers_.push_back(std::move(out));
        };
        f.odd = make_odd;
        f.sum = sum_up;
        f.collect = [this](value v) {
            const std::lock_guard lock(mutex_);
            collected_.push_back(std::move(v));
        };
        f.shout = [](const std::string& text) { return text + "!"; };
        f.twice = [](int n) { return 2 * n; };
        server_->listen(fresh_endpoint(GetParam()));
        server_->start();
        client_.emplace(connect());
    }
    ~dynamic_streams() override {
        client_.reset();
        writers_.clear();
        server_.reset();
    }

    tenon::client connect(codec c = codec::msgpack) {
        tenon::client_options o;
        o.runtime = &runtime_;
        o.codec = c;
        return tenon::connect(server_->endpoints().at(0), o);
    }
    /// What a stream, or opening it, fails with.
    template <class F>
    static tenon::error failure_of(F f) {
        try {
            f();
        } catch (const failure& e) {
            return e.error();
        }
        return tenon::error(errc::failed, "nothing is wrong");
    }
    bool is_local() const { return std::string_view(GetParam()) == "inproc"; }
    bool is_remote() const { return std::string_view(GetParam()) == "tcp"; }

    tenon::runtime runtime_;
    std::optional<tenon::server> server_;
    std::optional<tenon::client> client_;
    std::mutex mutex_;
    std::vector<tenon::writer<int>> writers_;
    std::vector<value> collected_;
};
INSTANTIATE_TEST_SUITE_P(over, dynamic_streams,
                         testing::Values("inproc", "unix", "path", "shm", "tcp"), name_of);

TEST_P(dynamic_streams, a_source_as_values_and_as_a_type) {
    for (const codec c : {codec::msgpack, codec::json}) {
        const auto client = connect(c);
        int i = 5;
        for (const value& v : tenon::subscribe(client, "test/feed.points", 5, 1000)) {
            ASSERT_EQ(v["x"].as_int64(), i);
            ASSERT_EQ(v["y"].as_double(), i / 2.0);
            ++i;
        }
        EXPECT_EQ(i, 1005);
        for (const point& p : tenon::subscribe<point>(client, "test/feed.points", 0, 10))
            EXPECT_EQ(p.y, p.x / 2.0);
    }
    tenon::stream_options o;
    o.codec = codec::json;
    const value by_name = value::object({{"n", 2}, {"from", 7}});
    auto s = tenon::subscribe_with<point>(o, *client_, "test/feed.points", by_name);
    EXPECT_EQ(s.get(), (point{7, 3.5}));
    EXPECT_EQ(s.get(), (point{8, 4}));
    EXPECT_EQ(s.get(), std::nullopt);
}

TEST_P(dynamic_streams, raw_bytes) {
    tenon::stream_options o;
    o.codec = codec::raw;
    const tenon::bytes first(5, std::byte{1});
    for (const value& arguments : {value(first), value(value::list({value(first)}))}) {
        auto s = tenon::subscribe_with(o, *client_, "test/feed.chunks", arguments);
        EXPECT_EQ(s.get().value().as_bytes(), first);
        EXPECT_EQ(s.get().value().as_bytes().size(), 3u);
        EXPECT_EQ(s.get(), std::nullopt);
    }
}

TEST_P(dynamic_streams, sinks_with_a_reply_and_without) {
    auto sum = tenon::open_sink(*client_, "test/feed.sum");
    for (int i = 1; i <= 500; ++i) sum.send(i);
    EXPECT_EQ(sum.get_reply().as_int64(), 500 * 501 / 2);

    auto typed = tenon::open_sink<int, long>(*client_, "test/feed.sum");
    typed.send(20);
    typed.send(22);
    const auto reply = typed.get_reply_for(patience);
    ASSERT_TRUE(reply) << reply.error().to_string();
    EXPECT_EQ(*reply, 42);

    auto collect = tenon::open_sink(*client_, "test/feed.collect");
    collect.send(value("one"));
    collect.send(value::list({1, "two"}));
    EXPECT_TRUE(collect.get_reply().is_nil());
    ASSERT_EQ(collected_.size(), 2u);
    EXPECT_EQ(collected_[1], value::list({1, "two"}));

    auto without = tenon::open_sink<value, void>(*client_, "test/feed.collect");
    without.send(value(3));
    without.get_reply();
    EXPECT_EQ(collected_.size(), 3u);
}

TEST_P(dynamic_streams, a_reply_that_is_late_can_be_asked_for_again) {
    auto s = tenon::open_sink(*client_, "test/feed.sum");
    s.send(1);
    const auto none = s.get_reply_for(0ms);  // hardly there already
    if (!none) {
        EXPECT_EQ(none.error().code(), errc::deadline);
    }
    if (!none) {
        EXPECT_EQ(s.get_reply().as_int64(), 1);
    }
}

TEST_P(dynamic_streams, channels) {
    auto s = tenon::open_channel(*client_, "test/feed.shout");
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(s.send_recv(value(std::to_string(i))).as_string(), std::to_string(i) + "!");
    s.finish();
    EXPECT_EQ(s.get(), std::nullopt);
    auto typed = tenon::open_channel<std::string, std::string>(*client_, "test/feed.shout");
    EXPECT_EQ(typed.send_recv("a"), "a!");
    auto mixed = tenon::open_channel<value, std::string>(*client_, "test/feed.shout");
    EXPECT_EQ(mixed.send_recv("b").as_string(), "b!");
}

TEST_P(dynamic_streams, what_does_not_fit_is_told) {
    const auto end_of = [&](std::string_view route, auto... args) {
        return failure_of([&] { tenon::subscribe(*client_, route, args...).get(); });
    };
    EXPECT_EQ(end_of("test/feed.nothing").code(), errc::unsupported);
    EXPECT_EQ(end_of("test/nobody.points", 1, 2).code(), errc::not_found);
    EXPECT_EQ(end_of("test/feed.twice", 1).code(), errc::unsupported);
    EXPECT_EQ(end_of("test/feed.sum").code(), errc::unsupported);
    EXPECT_EQ(end_of("test/feed.points", 1).code(), errc::invalid);
    EXPECT_EQ(end_of("test/feed.points", 1, "two").code(), errc::invalid);
    EXPECT_EQ(
        failure_of([&] { tenon::subscribe<int>(*client_, "test/feed.points", 0, 5).get(); }).code(),
        errc::invalid);
    auto sum = tenon::open_sink(*client_, "test/feed.sum");
    const auto odd = [&] {
        sum.send(1);
        sum.send(value("two"));  // in process it may be known at once
        sum.get_reply();
    };
    EXPECT_EQ(failure_of(odd).code(), errc::invalid);
    // Also to those who have the manifest.
    ASSERT_TRUE(client_->manifest("test/feed"));
    EXPECT_EQ(end_of("test/feed.points", 1).code(), errc::invalid);
    EXPECT_EQ(end_of("test/feed.points", 1, 0).message(), "nothing is wrong");
}

TEST_P(dynamic_streams, a_value_that_cannot_be_said_ends_the_stream_with_that) {
    tenon::stream_options o;
    o.codec = codec::json;
    auto s = tenon::subscribe_with(o, *client_, "test/feed.odd", value(value::array()));
    EXPECT_EQ(s.get().value().as_int64(), 1);
    const auto e = failure_of([&] { s.get(); });
    EXPECT_EQ(e.code(), errc::internal) << e.to_string();
    EXPECT_NE(e.message().find("cannot be sent"), e.message().npos) << e.to_string();

    auto out = tenon::open_sink_with(o, *client_, "test/feed.collect", value(value::array()));
    const auto mine = failure_of([&] {
        out.send(value(std::numeric_limits<double>::quiet_NaN()));
        out.send(value(1));
    });
    EXPECT_EQ(mine.code(), errc::internal) << mine.to_string();
}

TEST_P(dynamic_streams, letting_go_ends_the_sender) {
    std::optional<tenon::reader<value>> s = tenon::subscribe(*client_, "test/feed.kept");
    ASSERT_TRUE(eventually([&] {
        const std::lock_guard lock(mutex_);
        return writers_.size() == 1;
    }));
    writers_[0].send(1);
    EXPECT_EQ(s->get().value().as_int64(), 1);
    s.reset();
    EXPECT_TRUE(eventually([&] { return !writers_[0].is_open(); }));
}

TEST_P(dynamic_streams, a_server_lists_the_directions_of_its_streams) {
    tenon::stub<tenon::control> control(connect());
    const auto list = [&] { return control.streams.try_call("*"); };
    if (is_remote()) {
        ASSERT_FALSE(list());
        EXPECT_EQ(list().error().code(), errc::denied);
        return;
    }
    ASSERT_TRUE(list());
    EXPECT_TRUE(list()->empty());
    tenon::stream_options o;
    o.window = 16;
    const value nothing{value::array()};
    auto s = tenon::subscribe_with(o, *client_, "test/feed.kept", nothing);
    auto c = tenon::open_channel(*client_, "test/feed.shout");
    EXPECT_EQ(c.send_recv(value("x")).as_string(), "x!");
    ASSERT_TRUE(eventually([&] {
        const std::lock_guard lock(mutex_);
        return writers_.size() == 1;
    }));
    if (is_local()) {
        EXPECT_TRUE(list()->empty());  // of connections, and there is none
        return;
    }
    for (int i = 0; i < 10; ++i) writers_[0].send(i);
    std::vector<tenon::stream_direction> all;
    ASSERT_TRUE(eventually([&] { return (all = *list()).size() == 3; })) << all.size();
    const auto find = [&](std::string_view member, std::string_view direction) {
        for (const auto& d : all)
            if (d.member == member && d.direction == direction) return d;
        ADD_FAILURE() << member << " " << direction;
        return tenon::stream_direction();
    };
    const auto kept = find("test/feed.kept", "out");
    EXPECT_EQ(kept.kind, "source");
    EXPECT_EQ(kept.passed, 10u);
    EXPECT_EQ(kept.waiting, 0u);
    EXPECT_EQ(kept.lost, 0u);
    EXPECT_EQ(kept.credit, 6u);
    EXPECT_GE(kept.connection, 1u);
    const auto in = find("test/feed.shout", "in"), out = find("test/feed.shout", "out");
    EXPECT_EQ(in.kind, "channel");
    EXPECT_EQ(in.passed, 1u);
    EXPECT_EQ(out.passed, 1u);
    EXPECT_EQ(in.stream, out.stream);
    EXPECT_NE(in.stream, kept.stream);
    EXPECT_EQ(in.connection, kept.connection);

    c.finish();
    EXPECT_EQ(c.get(), std::nullopt);
    s.stop();
    EXPECT_TRUE(eventually([&] { return list()->empty(); }));
    EXPECT_TRUE(control.streams("other/*").empty());
}

}  // namespace
