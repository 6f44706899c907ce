// Connections that are lost under a client that wants to resume: nothing fails, nothing is lost,
// nothing comes twice. TENON_SOAK_ROUNDS sets how many cuts there are.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "cutting_proxy.hpp"
#include "raw_peer.hpp"
#include "server_process.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;
using tenon::errc;

unsigned rounds(unsigned otherwise) {
    const char* text = std::getenv("TENON_SOAK_ROUNDS");
    return text ? static_cast<unsigned>(std::atoi(text)) : otherwise;
}

struct ledger {
    tenon::method<int(int)> book;  // entries are counted by number
    tenon::method<tenon::bytes(tenon::bytes)> mirror;
    tenon::method<void(int)> note;
    tenon::method<int(int)> slow;
    tenon::source<int(int)> count;
    tenon::sink<int, long> check;  // how many came, in order from 0; -1: not in order
    tenon::channel<int, int> back;
};
TENON_INTERFACE(ledger, "test", "ledger", "1.0.0", (book, number), (mirror, data), (note, number),
                (slow, ms), (count, n), check, back)

tenon::task<int> answer_later(int ms) {
    co_await tenon::sleep_for(std::chrono::milliseconds(ms));
    co_return ms;
}

tenon::generator<int> count_up(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
}

tenon::task<long> check_order(tenon::reader<int> in) {
    long next = 0;
    while (auto v = co_await in.next())
        if (next >= 0) next = *v == next ? next + 1 : -1;
    co_return next;
}

constexpr int most_entries = 2'000'000;

class resume : public testing::Test {
protected:
    resume() : booked_(std::make_unique<std::atomic<unsigned char>[]>(most_entries)) {}

    void start(tenon::server_options options = {}) {
        server_ = std::make_unique<tenon::server>(options);
        auto& l = server_->publish<ledger>();
        l.book = [this](int number) {
            booked_[static_cast<std::size_t>(number)].fetch_add(1);
            return number + 1;
        };
        l.mirror = [](tenon::bytes data) { return data; };
        l.note = [this](int number) { booked_[static_cast<std::size_t>(number)].fetch_add(1); };
        l.slow = answer_later;
        l.count = count_up;
        l.check = check_order;
        l.back = [](tenon::reader<int> in, tenon::writer<int> out) {
            for (const int v : in) out.send(v);
        };
        server_->listen("unix:" + files_.path("server")).start();
        if (!proxy_)
            proxy_ = std::make_unique<cutting_proxy>(files_.path("proxy"), files_.path("server"));
    }

    static tenon::client_options resuming() {
        tenon::client_options o;
        o.resume = true;
        o.timeout = 60s;
        o.backoff_first = 1ms;
        o.backoff_last = 20ms;
        return o;
    }

    std::string at() const { return "unix:" + files_.path("proxy"); }

    tenon::connection_stats only_connection() {
        for (const tenon::connection_stats& c : server_->connections())
            if (c.calls != 0) return c;
        return {};
    }

    /// Cuts, or freezes for a while, at random moments until told to stop.
    unsigned disturb(std::atomic<bool>& stop, unsigned cuts, bool freezing = false) {
        std::mt19937 random(std::random_device{}());
        unsigned n = 0;
        for (; n < cuts && !stop; ++n) {
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
            if (freezing && n % 10 == 9) {
                proxy_->freeze();
                std::this_thread::sleep_for(400ms);
                proxy_->thaw();
            } else {
                proxy_->cut();
            }
        }
        return n;
    }

    scratch files_;
    std::unique_ptr<std::atomic<unsigned char>[]> booked_;
    std::unique_ptr<tenon::server> server_;
    std::unique_ptr<cutting_proxy> proxy_;
};

TEST_F(resume, calls_run_exactly_once) {
    start();
    auto options = resuming();
    options.keepalive_interval = 100ms;
    options.keepalive_lifetime = 300ms;
    auto l = tenon::connect<ledger>(at(), options);
    ASSERT_TRUE(l.wait_ready(10s));
    std::atomic<bool> stop{false};
    std::atomic<int> next{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 3; ++i)
        callers.emplace_back([&] {
            while (!stop && next < most_entries - 10) {
                const int number = next++;
                const auto got = l.book.try_call(number);
                ASSERT_TRUE(got) << got.error().to_string();
                ASSERT_EQ(*got, number + 1);
            }
        });
    const unsigned cuts = disturb(stop, rounds(30), true);
    stop = true;
    for (std::thread& t : callers) t.join();
    const int made = next;
    for (int i = 0; i < made; ++i) ASSERT_EQ(booked_[static_cast<std::size_t>(i)], 1) << i;
    const auto c = only_connection();
    EXPECT_EQ(c.calls, static_cast<std::uint64_t>(made));
    EXPECT_GT(c.resumed, 0u);
    std::printf("%u cuts, %d calls, resumed %llu times\n", cuts, made,
                static_cast<unsigned long long>(c.resumed));
}

TEST_F(resume, many_calls_at_once_and_notes) {
    start();
    auto l = tenon::connect<ledger>(at(), resuming());
    tenon::client notes = tenon::connect(at(), resuming());
    ASSERT_TRUE(l.wait_ready(10s));
    std::atomic<bool> stop{false};
    std::thread disturber([&] { disturb(stop, rounds(30)); });
    int made = 0;
    for (int turn = 0; turn < 60; ++turn) {
        std::vector<std::future<tenon::result<int>>> under_way;
        for (int i = 0; i < 100; ++i) under_way.push_back(l.book.future(made++));
        for (int i = 0; i < 20; ++i)
            EXPECT_TRUE(notes.send("test/ledger.note",
                                   tenon::value(tenon::value::array{tenon::value(made++)})));
        for (auto& f : under_way) {
            auto got = f.get();
            ASSERT_TRUE(got) << got.error().to_string();
        }
        std::this_thread::sleep_for(5ms);
    }
    stop = true;
    disturber.join();
    // Behind the last note.
    EXPECT_EQ(notes.call("test/ledger.book", made).as<int>(), made + 1);
    ++made;
    for (int i = 0; i < made; ++i) ASSERT_EQ(booked_[static_cast<std::size_t>(i)], 1) << i;
}

TEST_F(resume, large_messages_arrive_whole) {
    start();
    auto l = tenon::connect<ledger>(at(), resuming());
    ASSERT_TRUE(l.wait_ready(10s));
    std::atomic<bool> stop{false};
    std::thread disturber([&] { disturb(stop, rounds(30)); });
    std::mt19937 random(7);
    for (int i = 0; i < 30; ++i) {
        tenon::bytes data(random() % (sanitized ? 1'000'000 : 3'000'000));
        for (std::size_t k = 0; k < data.size(); k += 97)
            data[k] = static_cast<std::byte>(random());
        const auto got = l.mirror.try_call(data);
        ASSERT_TRUE(got) << got.error().to_string();
        ASSERT_TRUE(*got == data);
    }
    stop = true;
    disturber.join();
}

TEST_F(resume, streams_go_on_where_they_were_both_ways) {
    start();
    auto options = resuming();
    options.timeout = 0ms;
    options.keepalive_interval = 100ms;
    options.keepalive_lifetime = 300ms;
    auto l = tenon::connect<ledger>(at(), options);
    ASSERT_TRUE(l.wait_ready(10s));
    const unsigned cuts = rounds(20);
    const int values = cuts >= 200 ? 1'000'000 : sanitized ? 20'000 : 100'000;
    std::atomic<int> left{3};
    std::atomic<bool> stop{false};
    const auto part = [&](auto work) {
        return std::thread([&, work] {
            work();
            if (--left == 0) stop = true;
        });
    };
    std::thread down = part([&] {
        int next = 0;
        for (const int v : l.count(values)) ASSERT_EQ(v, next++);
        EXPECT_EQ(next, values);
    });
    std::thread up = part([&] {
        auto w = l.check();
        for (int i = 0; i < values; ++i) w.send(i);
        EXPECT_EQ(w.get_reply(), values);
    });
    std::thread both = part([&] {
        auto c = l.back();
        std::thread sender([&] {
            for (int i = 0; i < values; ++i) c.send(i);
            c.finish();
        });
        int next = 0;
        for (const int v : c) ASSERT_EQ(v, next++);
        EXPECT_EQ(next, values);
        sender.join();
    });
    unsigned made = disturb(stop, cuts, true);
    down.join();
    up.join();
    both.join();
    const auto c = only_connection();
    std::printf("%u cuts, %d values each way twice, resumed %llu times\n", made, values,
                static_cast<unsigned long long>(c.resumed));
    EXPECT_GT(c.resumed, 0u);
}

TEST_F(resume, what_is_under_way_waits_for_the_connection) {
    start();
    auto l = tenon::connect<ledger>(at(), resuming());
    ASSERT_TRUE(l.wait_ready(10s));
    auto slow = l.slow.future(200);
    EXPECT_TRUE(eventually([&] { return server_->status().in_flight == 1; }));
    proxy_->refuse();
    EXPECT_TRUE(eventually([&] { return only_connection().detached; }));
    std::this_thread::sleep_for(250ms);
    auto meanwhile = l.book.future(1);
    EXPECT_EQ(meanwhile.wait_for(50ms), std::future_status::timeout);
    EXPECT_TRUE(only_connection().detached);
    proxy_->admit();
    EXPECT_EQ(slow.get().value(), 200);
    EXPECT_EQ(meanwhile.get().value(), 2);
    EXPECT_FALSE(only_connection().detached);
}

TEST_F(resume, a_blocking_call_keeps_its_deadline_without_a_connection) {
    start();
    auto options = resuming();
    options.timeout = 300ms;
    auto l = tenon::connect<ledger>(at(), options);
    ASSERT_TRUE(l.wait_ready(10s));
    EXPECT_TRUE(l.book.try_call(1));
    proxy_->refuse();
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(l.book.try_call(2).error().code(), errc::deadline);
    proxy_->admit();
    EXPECT_TRUE(l.book.try_call(3));
    EXPECT_LE(booked_[2], 1);  // request and CANCEL went out together
}

TEST_F(resume, waits_no_longer_than_it_may) {
    tenon::server_options server;
    server.limits.resume_time = 300ms;
    start(server);
    auto options = resuming();
    options.limits.resume_time = 500ms;
    auto l = tenon::connect<ledger>(at(), options);
    ASSERT_TRUE(l.wait_ready(10s));
    EXPECT_TRUE(l.book.try_call(1));
    auto slow = l.slow.future(5000);
    EXPECT_TRUE(eventually([&] { return server_->status().in_flight == 1; }));
    proxy_->refuse();
    const auto got = slow.get();
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), errc::unavailable);
    EXPECT_TRUE(got.error().may_have_run());
    EXPECT_NE(got.error().to_string().find("resumed in time"), std::string::npos)
        << got.error().to_string();
    EXPECT_TRUE(eventually([&] { return server_->connections().empty(); }));
    proxy_->admit();
    EXPECT_TRUE(l.wait_ready(10s));
    EXPECT_TRUE(l.book.try_call(2));  // a session of its own
}

TEST_F(resume, a_server_that_was_restarted_knows_nothing) {
    start();
    auto l = tenon::connect<ledger>(at(), resuming());
    ASSERT_TRUE(l.wait_ready(10s));
    auto slow = l.slow.future(60'000);
    EXPECT_TRUE(eventually([&] { return server_->status().in_flight == 1; }));
    proxy_->refuse();
    server_->stop(0ms);
    start();
    proxy_->admit();
    const auto got = slow.get();
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), errc::unavailable);
    EXPECT_TRUE(got.error().may_have_run());
    EXPECT_NE(got.error().to_string().find("cannot be resumed"), std::string::npos)
        << got.error().to_string();
    EXPECT_TRUE(l.book.try_call(1));
}

TEST_F(resume, servers_need_not_offer_it) {
    tenon::server_options options;
    options.limits.resumable_sessions = 0;
    start(options);
    auto l = tenon::connect<ledger>(at(), resuming());
    const auto got = l.book.try_call(1);
    ASSERT_FALSE(got);
    EXPECT_FALSE(got.error().may_have_run());
    EXPECT_NE(got.error().to_string().find("resumption is not supported"), std::string::npos)
        << got.error().to_string();
}

TEST_F(resume, sessions_that_can_be_resumed_are_limited) {
    tenon::server_options options;
    options.limits.resumable_sessions = 2;
    start(options);
    auto a = std::make_unique<tenon::stub<ledger>>(tenon::connect<ledger>(at(), resuming()));
    auto b = tenon::connect<ledger>(at(), resuming());
    EXPECT_TRUE(a->book.try_call(1));
    EXPECT_TRUE(b.book.try_call(2));
    auto c = tenon::connect<ledger>(at(), resuming());
    EXPECT_FALSE(c.book.try_call(3));
    a.reset();  // says so, and the server does not wait for it
    for (int i = 0; i < 500; ++i) {
        auto d = tenon::connect<ledger>(at(), resuming());
        if (d.book.try_call(4)) return;
        std::this_thread::sleep_for(10ms);
    }
    FAIL() << "the place of a client that has gone is not free";
}

TEST_F(resume, stopping_servers_do_not_wait_for_clients_that_are_away) {
    start();
    auto l = tenon::connect<ledger>(at(), resuming());
    EXPECT_TRUE(l.book.try_call(1));
    proxy_->refuse();
    ASSERT_TRUE(eventually([&] { return only_connection().detached; }));
    const auto before = std::chrono::steady_clock::now();
    server_->stop(10s);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
}

// By hand.

std::string setup_with(std::string_view token) {
    const std::string body = be(1, 2) + be(0, 2) + be(60'000, 4) + be(60'000, 4) +
                             be(token.size(), 2) + std::string(token) +
                             be(composite_mime.size(), 1) + std::string(composite_mime) +
                             be(json_mime.size(), 1) + std::string(json_mime);
    return make_frame(0, setup_frame, resume_flag, body);
}

std::string resume_with(std::string_view token, std::uint64_t received, std::uint64_t first) {
    return make_frame(0, resume_frame, 0,
                      be(1, 2) + be(0, 2) + be(token.size(), 2) + std::string(token) +
                          be(received, 8) + be(first, 8));
}

TEST_F(resume, the_frames_as_another_client_sees_them) {
    start();
    const std::string server = "unix:" + files_.path("server");
    raw_peer first(server);
    const std::string call = make_request(1, "test/ledger.book", "[7]");
    ASSERT_TRUE(first.send(setup_with("abc") + call));
    auto answer = first.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "8");
    const std::uint64_t size = 7;
    first.send(make_request(3, "test/ledger.book", "[8]"));
    answer = first.receive();
    ASSERT_TRUE(answer);

    // The old link is still there; the answer to the second call is said again.
    raw_peer second(server);
    ASSERT_TRUE(second.send(resume_with("abc", size, 0)));
    answer = second.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->type, 0x0eu);
    EXPECT_EQ(answer->body, be(2 * (call.size() - 3), 8));
    answer = second.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->stream, 3u);
    EXPECT_EQ(answer->body, "9");
    EXPECT_TRUE(first.ended());
    EXPECT_EQ(booked_[7] + booked_[8], 2);
    // Our position in a KEEPALIVE; and its answer has the server's.
    second.send(make_frame(0, keepalive_frame, respond_flag, be(2 * size, 8)));
    answer = second.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, be(2 * (call.size() - 3), 8));

    const auto refused = [&](const std::string& frames) {
        raw_peer p(server);
        EXPECT_TRUE(p.send(frames));
        const auto f = p.receive();
        return f ? f->to_string() : std::string("nothing");
    };
    EXPECT_NE(refused(resume_with("abd", size, 0)).find("there is no such session"),
              std::string::npos);
    EXPECT_NE(refused(resume_with("abc", size, 0)).find("are gone"), std::string::npos);
    EXPECT_NE(refused(resume_with("abc", 2 * size, 999)).find("are gone"), std::string::npos);
    EXPECT_NE(refused(setup_with("abc")).find("the resume token is in use"), std::string::npos);
    // All that has not touched the session.
    second.send(make_request(5, "test/ledger.book", "[9]"));
    answer = second.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "10");
}

}  // namespace
}  // namespace e2e
