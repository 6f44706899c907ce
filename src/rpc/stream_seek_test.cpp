// Going on elsewhere in a source with positions, without opening it again.

#include "rpc/stream/status.hpp"
#include "rpc/stream_test_support.hpp"
#include "tenon/client_streams.hpp"
#include "tenon/stream_log.hpp"
#include "tenon/topic.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;
using tenon::stream_start;

struct tapes {
    tenon::source<int()> play;
    tenon::source<std::string()> words;
    tenon::source<int()> brief;    // keeps little
    tenon::source<int()> squares;  // seekable by itself, on the pool
    tenon::source<int()> plain;
    tenon::channel<int, int> echo;
};
TENON_INTERFACE(tapes, "test", "tapes", "1.0.0", play, words, brief, squares, plain, echo)

tenon::open_options from(const stream_start& s) {
    tenon::open_options o;
    o.start = s;
    return o;
}

void send_squares(tenon::writer<int> out) {
    out.allow_seeking();
    std::uint64_t at = out.start().position;
    for (;;) {
        if (const auto to = out.sought()) at = to->position;
        out.place_next(at, 7);
        out.send(static_cast<int>(at * at));
        ++at;
    }
}

class seeking : public testing::TestWithParam<const char*> {
protected:
    seeking()
        : s_(GetParam()),
          log_({}, &s_.runtime),
          words_({}, &s_.runtime),
          short_({.max_records = 100}, &s_.runtime) {
        tapes& t = *s_.members;
        t.play = log_;
        t.words = words_;
        t.brief = short_;
        t.squares = send_squares;
        t.plain = [](tenon::writer<int> out) {
            for (int i = 0;; ++i) out.send(i);
        };
        t.echo = [](int v) { return v; };
        s_.start();
        c_.emplace(s_.connect());
    }
    ~seeking() override {
        c_.reset();
        s_.stop();
    }
    void append(int from, int to) {
        for (int i = from; i < to; ++i) ASSERT_TRUE(log_.append(i));
    }

    stream_server<tapes> s_;
    tenon::log<int> log_;
    tenon::log<std::string> words_;
    tenon::log<int> short_;
    std::optional<tenon::stub<tapes>> c_;
};
INSTANTIATE_TEST_SUITE_P(over, seeking, testing::ValuesIn(every_transport), name_of);

TEST_P(seeking, the_next_value_is_of_the_new_place) {
    append(0, 10'000);
    auto r = c_->play.open_with(from(stream_start::earliest()));
    for (int i = 0; i < 100; ++i) ASSERT_EQ(r.get(), i);
    ASSERT_TRUE(r.seek(stream_start::at_position(5001)));
    for (int i = 5000; i < 5100; ++i) ASSERT_EQ(r.get(), i);
    EXPECT_EQ(r.stats().position, 5100u);
    EXPECT_EQ(r.stats().epoch, log_.epoch());
    ASSERT_TRUE(r.seek(stream_start::earliest()));
    for (int i = 0; i < 10'000; ++i) ASSERT_EQ(r.get(), i);
    EXPECT_EQ(r.stats().lost, 0u);
    EXPECT_EQ(r.stats().passed, 10'200u);
    r.stop();
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(seeking, to_where_the_stream_is_already) {
    append(0, 1000);
    auto r = c_->play.open_with(from(stream_start::earliest()));
    for (int i = 0; i < 50; ++i) ASSERT_EQ(r.get(), i);
    ASSERT_TRUE(r.seek(stream_start::at_position(51, log_.epoch())));
    for (int i = 50; i < 1000; ++i) ASSERT_EQ(r.get(), i);
    EXPECT_EQ(r.stats().position, 1000u);
}

TEST_P(seeking, to_what_comes_and_to_a_time) {
    append(0, 500);
    const auto then = std::chrono::system_clock::now();
    std::this_thread::sleep_for(2ms);
    append(500, 1000);
    auto r = c_->play.open_with(from(stream_start::earliest()));
    ASSERT_EQ(r.get(), 0);
    ASSERT_TRUE(r.seek(stream_start::latest()));
    EXPECT_EQ(r.get_for(50ms).error().code(), errc::deadline);
    append(1000, 1001);
    EXPECT_EQ(r.get(), 1000);
    ASSERT_TRUE(r.seek(stream_start::since(then)));
    for (int i = 500; i < 1001; ++i) ASSERT_EQ(r.get(), i);
    EXPECT_EQ(r.stats().position, 1001u);
}

TEST_P(seeking, wakes_a_source_that_waits_for_news) {
    append(0, 10);
    auto r = c_->play.open_with(from(stream_start::latest()));
    EXPECT_EQ(r.get_for(20ms).error().code(), errc::deadline);
    std::thread seeker([&] {
        std::this_thread::sleep_for(20ms);
        EXPECT_TRUE(r.seek(stream_start::earliest()));
    });
    EXPECT_EQ(r.get(), 0);
    seeker.join();
}

TEST_P(seeking, wakes_a_source_that_waits_for_room) {
    for (int i = 0; i < 3000; ++i) ASSERT_TRUE(words_.append(std::to_string(i)));
    auto r = c_->words.open_with(from(stream_start::earliest()));
    EXPECT_TRUE(eventually([&] { return r.stats().waiting >= 4; }));
    std::this_thread::sleep_for(20ms);  // it has no more credit
    for (int round = 1; round <= 20; ++round) {
        ASSERT_TRUE(r.seek(stream_start::at_position(static_cast<std::uint64_t>(round) * 100)));
        for (int i = 0; i < 300; ++i) ASSERT_EQ(r.get(), std::to_string(round * 100 - 1 + i));
    }
}

TEST_P(seeking, right_after_opening) {
    append(0, 100);
    for (int round = 0; round < 50; ++round) {
        auto c = s_.connect();
        auto r = c.play.open_with(from(stream_start::earliest()));
        ASSERT_TRUE(r.seek(stream_start::at_position(91)));
        for (int i = 90; i < 100; ++i) ASSERT_EQ(r.get(), i);
    }
}

TEST_P(seeking, many_times_without_reading) {
    append(0, 1000);
    auto r = c_->play.open_with(from(stream_start::earliest()));
    for (std::uint64_t i = 1; i <= 900; ++i) {
        ASSERT_TRUE(r.seek(stream_start::at_position(i)));
        if (i % 7 == 0) {
            ASSERT_EQ(r.get(), static_cast<int>(i) - 1);
        }
    }
    for (int i = 899; i < 1000; ++i) ASSERT_EQ(r.get(), i);
}

TEST_P(seeking, what_is_not_kept_any_more_is_a_gap) {
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(short_.append(i));
    auto r = c_->brief.open_with(from(stream_start::at_position(1000)));
    ASSERT_EQ(r.get(), 999);
    EXPECT_EQ(r.stats().lost, 0u);
    ASSERT_TRUE(r.seek(stream_start::at_position(1)));
    const int oldest = r.get().value();
    EXPECT_GE(oldest, 500);
    EXPECT_EQ(r.stats().lost, static_cast<std::uint64_t>(oldest));
    EXPECT_EQ(r.stats().position, static_cast<std::uint64_t>(oldest) + 1);
}

TEST_P(seeking, a_source_of_ones_own) {
    auto r = c_->squares.open_with(from(stream_start::at_position(10)));
    for (int i = 10; i < 500; ++i) ASSERT_EQ(r.get(), i * i);
    for (int round = 0; round < 50; ++round) {
        ASSERT_TRUE(r.seek(stream_start::at_position(3)));
        for (int i = 3; i < 30; ++i) ASSERT_EQ(r.get(), i * i);
        EXPECT_EQ(r.stats().position, 29u);
        EXPECT_EQ(r.stats().epoch, 7u);
    }
    EXPECT_EQ(r.stats().lost, 0u);
}

TEST_P(seeking, handlers_go_on_elsewhere) {
    append(0, 1000);
    std::mutex mutex;
    std::vector<int> got;
    auto r = c_->play.open_with(from(stream_start::latest()));
    r.on_value([&](int v) {
        const std::lock_guard lock(mutex);
        got.push_back(v);
    });
    ASSERT_TRUE(r.seek(stream_start::at_position(901)));
    EXPECT_TRUE(eventually([&] {
        const std::lock_guard lock(mutex);
        return got.size() == 100;
    }));
    r.stop();
    EXPECT_TRUE(s_.all_ended(*c_));
    EXPECT_EQ(got.front(), 900);
    EXPECT_EQ(got.back(), 999);
}

TEST_P(seeking, a_source_that_cannot_ends_as_unsupported) {
    auto r = c_->plain();
    EXPECT_EQ(r.get(), 0);
    ASSERT_TRUE(r.seek(stream_start::earliest()));
    EXPECT_EQ(code_thrown_by([&] { r.get(); }), errc::unsupported);
    EXPECT_TRUE(s_.all_ended(*c_));
}

TEST_P(seeking, only_sources_can) {
    auto d = c_->echo();
    d.send(1);
    EXPECT_EQ(d.get(), 1);
    EXPECT_EQ(d.in_side().seek(stream_start::earliest()).error().code(), errc::unsupported);
    d.send(2);
    EXPECT_EQ(d.get(), 2);
    auto r = c_->plain();
    r.stop();
    EXPECT_EQ(r.seek(stream_start::earliest()).error().code(), errc::conflict);
    tenon::topic<int> topic;
    auto here = topic.subscribe();
    EXPECT_EQ(here.seek(stream_start::earliest()).error().code(), errc::unsupported);
    topic.publish(3);
    EXPECT_EQ(here.get(), 3);
}

TEST_P(seeking, by_several_threads_at_once) {
    append(0, 1000);
    auto r = c_->play.open_with(from(stream_start::earliest()));
    std::vector<std::thread> all;
    for (int t = 0; t < 3; ++t)
        all.emplace_back([&] {
            for (std::uint64_t i = 1; i < 200; ++i)
                EXPECT_TRUE(r.seek(stream_start::at_position(i * 5)));
        });
    std::optional<int> before;
    for (int i = 0; i < 2000; ++i) {
        auto v = r.get_for(1ms);
        if (v && *v) before = **v;
    }
    for (auto& t : all) t.join();
    ASSERT_TRUE(r.seek(stream_start::at_position(500)));
    for (int i = 499; i < 1000; ++i) ASSERT_EQ(r.get(), i);
}

TEST(seek_frame, holds_what_it_says) {
    tenon::base::byte_buffer data;
    tenon::rpc::put_seek(data, {3, stream_start::at_position(7, 9)});
    const auto read = tenon::rpc::read_seek(data.view());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->number, 3u);
    EXPECT_EQ(read->to.where, stream_start::at::position);
    EXPECT_EQ(read->to.position, 7u);
    EXPECT_EQ(read->to.epoch, 9u);
    // {"seek": 3, "from": "earliest"}, as docs/wire.md has it
    data.clear();
    tenon::rpc::put_seek(data, {3, stream_start::earliest()});
    const std::string_view bytes(
        "\x82\xa4seek\x03\xa4"
        "from\xa8"
        "earliest");
    EXPECT_EQ(tenon::as_text(data.view()), bytes);
}

TEST(seek_frame, that_makes_no_sense_is_not_read) {
    const auto read = [](std::string_view s) { return tenon::rpc::read_seek(tenon::as_bytes(s)); };
    EXPECT_FALSE(read(""));
    EXPECT_FALSE(read("\xc1"));
    EXPECT_FALSE(read("\x80"));
    EXPECT_FALSE(read("\x81\xa4seek\xa1x"));
    EXPECT_FALSE(read(std::string(2000, '\x80')));
    EXPECT_TRUE(read("\x81\xa4seek\x01"));
}

}  // namespace
