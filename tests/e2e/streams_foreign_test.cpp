// Streams of a server towards peers that know RSocket and nothing of Tenon, whose every frame is
// checked, and towards peers that break the rules.
// Labels: tsan

#include <unistd.h>

#include <optional>
#include <thread>

#include "foreign_client.hpp"
#include "stream_service.hpp"
#include "tenon/client.hpp"
#include "tenon/control.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t unbounded = 0x7fffffff;

class foreign : public testing::TestWithParam<metadata_style> {
protected:
    foreign() : foreign(tenon::limits()) {}
    explicit foreign(const tenon::limits& limits) {
        tenon::server_options o;
        o.runtime = &runtime_;
        o.limits = limits;
        server_.emplace(o);
        implement(server_->publish<flow>());
        server_->listen("tcp://127.0.0.1:0")
            .listen("inproc:foreign-" + std::to_string(getpid()))
            .start();
        endpoint_ = server_->endpoints().at(0);
        tenon::client_options co;
        co.runtime = &runtime_;
        control_.emplace(tenon::connect<tenon::control>(server_->endpoints().at(1), co));
        client_.emplace(endpoint_, GetParam());
    }
    ::testing::AssertionResult nothing_is_left() {
        std::size_t streams = 0, handlers = 0;
        const bool good = eventually([&] {
            streams = handlers = 0;
            for (const auto& c : control_->connections()) streams += c.in_flight;
            for (const auto& m : control_->stats("*").methods)
                if (!m.route.starts_with("tenon/")) handlers += m.in_flight;
            return streams == 0 && handlers == 0;
        });
        if (good) return ::testing::AssertionSuccess();
        return ::testing::AssertionFailure() << streams << " streams, " << handlers << " handlers";
    }

    tenon::runtime runtime_;
    std::optional<tenon::server> server_;
    std::string endpoint_;
    std::optional<tenon::stub<tenon::control>> control_;
    std::optional<foreign_client> client_;
};
INSTANTIATE_TEST_SUITE_P(with, foreign,
                         testing::Values(metadata_style::composite, metadata_style::plain),
                         [](const auto& i) {
                             return i.param == metadata_style::composite ? "composite" : "plain";
                         });

// A handler that waits for something else does not see it.
TEST_P(foreign, who_wants_no_more_and_sends_no_more_ends_the_handler) {
    auto& c = *client_;
    const auto no_more = [&](std::uint32_t stream) {
        c.send_raw(make_frame(stream, ext_frame, ignore_flag, be(0x544E0001, 4)));
    };
    const auto source = c.stream("asleep", "[]", unbounded);
    no_more(source);
    EXPECT_EQ(c.end(source), "");
    const auto channel = c.channel("heedless", "1", unbounded, true);
    no_more(channel);
    EXPECT_EQ(c.end(channel), "");
    EXPECT_TRUE(nothing_is_left());
    EXPECT_TRUE(c.served());
}

/// Its server waits but a moment for the rest of a message.
class impatient : public foreign {
protected:
    impatient() : foreign(limits()) {}

private:
    static tenon::limits limits() {
        tenon::limits l;
        l.stall_time = 300ms;
        return l;
    }
};
INSTANTIATE_TEST_SUITE_P(with, impatient, testing::Values(metadata_style::composite));

TEST_P(impatient, values_that_are_never_finished_end_the_stream_and_its_handler) {
    auto& c = *client_;
    const auto begin = [&](std::uint32_t stream) {
        c.send_raw(make_frame(stream, payload_frame, next_flag | follows_flag, "1"));
    };
    const auto waits = c.channel("twice", "1", unbounded);
    const auto does_not = c.channel("heedless", "1", unbounded);
    EXPECT_TRUE(c.has(waits, 1));
    begin(waits);
    begin(does_not);
    for (const auto s : {waits, does_not}) EXPECT_TRUE(c.end(s).starts_with("0x203 ")) << c.end(s);
    EXPECT_TRUE(nothing_is_left());
    EXPECT_TRUE(c.served());
}

TEST_P(foreign, streams_stay_within_their_credit) {
    auto& c = *client_;
    const auto all = c.stream("count", "[5,300]", unbounded);
    EXPECT_EQ(c.end(all), "");
    EXPECT_EQ(c.values(all).size(), 300u);
    const auto some = c.stream("count", "[0,10]", 3);
    EXPECT_TRUE(c.has(some, 3));
    c.request(some, 2);
    EXPECT_TRUE(c.has(some, 5));
    c.request(some, unbounded);
    EXPECT_EQ(c.end(some), "");
    EXPECT_EQ(c.values(some),
              (std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}));
    // The end needs no credit.
    const auto exact = c.stream("count", "[0,4]", 4);
    EXPECT_EQ(c.end(exact), "");
    const auto none = c.stream("count", "[0,0]", 1);
    EXPECT_EQ(c.end(none), "");
    EXPECT_TRUE(nothing_is_left());
}

TEST_P(foreign, streams_are_cancelled_and_fail) {
    auto& c = *client_;
    const auto endless = c.stream("endless", "", 50);
    EXPECT_TRUE(c.has(endless, 50));
    c.cancel(endless);
    const auto flood = c.stream("endless", "[]", unbounded);
    EXPECT_TRUE(eventually([&] { return !c.has(flood, 0) && c.values(flood).size() > 100; }));
    c.cancel(flood);
    const auto broken = c.stream("broken", "", unbounded);
    EXPECT_EQ(c.end(broken), "0x201 tired: enough");
    EXPECT_EQ(c.values(broken).size(), 2u);
    EXPECT_TRUE(c.served());
    EXPECT_TRUE(nothing_is_left());
}

TEST_P(foreign, nothing_is_said_of_gaps) {
    auto& c = *client_;
    const auto s = c.stream("hasty", "", 7);
    EXPECT_TRUE(c.has(s, 7));
    c.request(s, unbounded);
    EXPECT_EQ(c.end(s), "");
    EXPECT_LT(c.values(s).size(), 1000u);
    EXPECT_TRUE(nothing_is_left());
}

TEST_P(foreign, sinks_reply_once) {
    auto& c = *client_;
    const auto sum = c.channel("sum", "1", 1);
    for (int i = 2; i <= 3000; ++i) c.send(sum, std::to_string(i), i == 3000);
    EXPECT_EQ(c.end(sum), "");
    EXPECT_EQ(c.values(sum), std::vector<std::string>{"4501500"});
    const auto one = c.channel("sum", "9", unbounded, true);
    EXPECT_EQ(c.end(one), "");
    EXPECT_EQ(c.values(one), std::vector<std::string>{"9"});
    const auto first = c.channel("first", "4", 1);
    EXPECT_EQ(c.end(first), "");
    EXPECT_EQ(c.values(first), std::vector<std::string>{"4"});
    c.finish(first);
    const auto swallow = c.channel("swallow", "4", 1);
    c.send(swallow, "5");
    c.finish(swallow);
    EXPECT_EQ(c.end(swallow), "");
    EXPECT_TRUE(c.values(swallow).empty());
    EXPECT_TRUE(nothing_is_left());
}

TEST_P(foreign, channels_go_both_ways) {
    auto& c = *client_;
    const auto twice = c.channel("twice", "0", 5);
    for (int i = 1; i < 5; ++i) c.send(twice, std::to_string(i));
    EXPECT_TRUE(c.has(twice, 5));
    c.request(twice, unbounded);
    for (int i = 5; i < 600; ++i) c.send(twice, std::to_string(i));
    c.finish(twice);
    EXPECT_EQ(c.end(twice), "");
    EXPECT_EQ(c.values(twice).size(), 600u);
    EXPECT_EQ(c.values(twice).back(), "1198");
    const auto deaf = c.channel("deaf", "1", unbounded);
    EXPECT_EQ(c.end(deaf), "");
    EXPECT_EQ(c.values(deaf).size(), 3u);
    const auto refuse = c.channel("refuse", "1", unbounded);
    EXPECT_EQ(c.end(refuse), "0x304 not you");
    const auto breaks = c.channel("breaks", "1", unbounded);
    EXPECT_EQ(c.end(breaks), "0x201 no more of this");
    EXPECT_EQ(c.values(breaks).size(), 1u);
    const auto given_up = c.channel("twice", "1", unbounded);
    EXPECT_TRUE(c.has(given_up, 1));
    c.cancel(given_up);
    const auto failed = c.channel("twice", "1", unbounded);
    EXPECT_TRUE(c.has(failed, 1));
    c.send_raw(make_frame(failed, error_frame, 0, be(0x201, 4) + "mine"));
    EXPECT_TRUE(c.served());
    EXPECT_TRUE(nothing_is_left());
}

TEST_P(foreign, a_server_that_stops_says_so_in_rsocket) {
    auto& c = *client_;
    const auto endless = c.stream("endless", "", 10);
    EXPECT_TRUE(c.has(endless, 10));
    const auto twice = c.channel("twice", "0", 5);
    EXPECT_TRUE(c.has(twice, 1));
    std::thread stopper([&] { server_->stop(20s); });
    // Open streams go on while it drains; new ones are rejected.
    EXPECT_TRUE(eventually([&] { return !c.served(); }));
    const auto late = c.stream("count", "[0,5]", 5);
    EXPECT_EQ(c.end(late).substr(0, 5), "0x202");
    c.send(twice, "4", true);
    EXPECT_EQ(c.end(twice), "");
    c.cancel(endless);
    stopper.join();
    EXPECT_TRUE(c.peer().ended());
}

// --- peers that break the rules ---

TEST_P(foreign, more_values_than_credit) {
    auto& c = *client_;
    const auto s = c.channel("deaf", "0", unbounded);
    EXPECT_EQ(c.end(s), "");
    const auto flood = c.channel("twice", "0", 1);
    // Nobody has asked for more than this at first.
    std::string bytes;
    for (int i = 0; i < 5000; ++i) bytes += make_frame(flood, payload_frame, next_flag, "1");
    c.send_raw(bytes);
    EXPECT_EQ(c.end(flood).substr(0, 5), "0x204");
    EXPECT_TRUE(c.served());
    EXPECT_TRUE(nothing_is_left());
}

TEST_P(foreign, values_after_the_end_and_for_nobody) {
    auto& c = *client_;
    const auto s = c.channel("sum", "1", 1, true);
    c.send_raw(make_frame(s, payload_frame, next_flag, "1") +
               make_frame(s, payload_frame, complete_flag, ""));
    EXPECT_EQ(c.end(s), "");
    EXPECT_EQ(c.values(s), std::vector<std::string>{"1"});
    for (const unsigned type : {payload_frame, cancel_frame, error_frame, request_n_frame})
        c.send_raw(
            make_frame(999, type, type == payload_frame ? unsigned{next_flag} : 0, be(0x201, 4)));
    EXPECT_TRUE(c.served());
    EXPECT_TRUE(nothing_is_left());
}

TEST_P(foreign, credit_that_makes_no_sense) {
    auto& c = *client_;
    const auto s = c.stream("count", "[0,100]", unbounded);
    for (int i = 0; i < 5; ++i) c.request(s, unbounded);
    EXPECT_EQ(c.end(s), "");
    EXPECT_EQ(c.values(s).size(), 100u);
    const auto endless = c.stream("endless", "", 1);
    EXPECT_TRUE(c.has(endless, 1));
    c.send_raw(make_frame(endless, request_n_frame, 0, be(0, 4)));
    EXPECT_TRUE(c.peer().ended());
    EXPECT_TRUE(nothing_is_left());
}

TEST_P(foreign, entries_and_extensions_that_make_no_sense) {
    auto& c = *client_;
    const auto s = c.channel("twice", "1", unbounded);
    EXPECT_TRUE(c.has(s, 1));
    const std::string mime = "application/vnd.tenon.status.v1";
    const auto with_status = [&](std::string_view content) {
        const std::string entry =
            be(mime.size() - 1, 1) + mime + be(content.size(), 3) + std::string(content);
        return make_frame(s, payload_frame, unsigned{next_flag} | metadata_flag,
                          be(entry.size(), 3) + entry + "1");
    };
    using namespace std::string_literals;
    for (const std::string& content :
         {""s, "\xff\xff"s, std::string(500, '\x91'), "\xdf\xff\xff\xff\xff"s, "\x81\xa3gap\xff"s,
          "\x81\xa3gap\xcf\xff\xff\xff\xff\xff\xff\xff\xff"s,
          "\x81\xa5"s
          "error\xc4\x02hi"s,
          "\x81\xa4open\xc3"s, "\xa3gap"s})
        c.send_raw(with_status(content));
    for (const std::uint32_t type : {0x544E0001u, 0x544E0002u, 0u, 0xffffffffu})
        for (const std::uint32_t id : {0u, 999u})
            c.send_raw(make_frame(id, ext_frame, ignore_flag, be(type, 4) + "garbage"));
    c.send_raw(make_frame(s, ext_frame, ignore_flag, be(0x544E0002, 4) + "12345678"));
    c.send_raw(make_frame(s, ext_frame, ignore_flag, be(0x544E0009, 4) + "12345678"));
    EXPECT_TRUE(c.served());
    c.cancel(s);
    EXPECT_TRUE(nothing_is_left());
}

TEST_P(foreign, values_that_do_not_decode) {
    auto& c = *client_;
    for (const char* bad : {"\"text\"", "{", "[1]", "1e99", ""}) {
        const auto s = c.channel("sum", "1", 1);
        c.send(s, bad);
        EXPECT_EQ(c.end(s).substr(0, 5), "0x204") << bad;
    }
    const auto first = c.channel("twice", "nonsense", 1);
    EXPECT_EQ(c.end(first).substr(0, 5), "0x204");
    EXPECT_TRUE(c.served());
    EXPECT_TRUE(nothing_is_left());
}

TEST_P(foreign, more_streams_than_a_connection_may_have) {
    constexpr std::uint32_t limit = 1024, more = 50;
    auto& c = *client_;
    std::vector<std::uint32_t> ids;
    for (std::uint32_t i = 0; i < limit + more; ++i) ids.push_back(c.stream("endless", "", 1));
    for (std::uint32_t i = limit; i < limit + more; ++i)
        EXPECT_EQ(c.end(ids[i]).substr(0, 5), "0x202");
    for (std::uint32_t i = 0; i < limit; ++i) c.cancel(ids[i]);
    EXPECT_TRUE(c.served());
    EXPECT_TRUE(nothing_is_left());
}

TEST_P(foreign, thousands_of_streams_opened_and_dropped) {
    const auto before = resident_of(getpid());
    auto& c = *client_;
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 500; ++i) {
            const auto s = i % 2 ? c.stream("endless", "", 3) : c.channel("twice", "1", 3);
            c.cancel(s);
        }
        EXPECT_TRUE(c.served());
    }
    EXPECT_TRUE(nothing_is_left());
    if (!sanitized) {
        EXPECT_LT(resident_of(getpid()), before + (32u << 20));
    }
}

TEST_P(foreign, connections_that_end_with_streams_open) {
    EXPECT_TRUE(client_->served());
    const auto files = descriptors_of(getpid());
    for (int i = 0; i < 40; ++i) {
        foreign_client c(endpoint_, GetParam());
        const auto a = c.stream("endless", "", 100);
        c.channel("twice", "1", unbounded);
        c.channel("slow_to_end", "1", 1);
        c.channel("sum", "1", 1);
        if (i % 2) {
            EXPECT_TRUE(c.has(a, 100));
        }
        if (i % 4 == 0) c.peer().reset();
        if (i % 4 == 1) c.peer().half_close();
        if (i % 4 == 2) c.send_raw("garbage garbage garbage");
    }
    EXPECT_TRUE(nothing_is_left());
    EXPECT_TRUE(eventually([&] { return descriptors_of(getpid()) <= files; }));
}

}  // namespace
}  // namespace e2e
