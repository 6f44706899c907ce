// The message face of channels: several types on one stream, handlers by type, answers that come
// too late, bytes.

#include <numeric>

#include "rpc/test_support.hpp"
#include "tenon/byte_stream.hpp"
#include "tenon/message_handlers.hpp"
#include "tenon/stream_members.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;
using tenon::failure;

struct hello {
    std::string name;
};
TENON_STRUCT(hello, name)
struct question {
    int n = 0;
    int wait_ms = 0;
};
TENON_STRUCT(question, n, wait_ms)
struct bye {
    int reason = 0;
};
TENON_STRUCT(bye, reason)
struct welcome {
    std::string text;
};
TENON_STRUCT(welcome, text)
struct answer {
    int n = 0;
};
TENON_STRUCT(answer, n)

using asked = std::variant<hello, question, bye>;
using said = std::variant<welcome, answer>;
using server_side = tenon::duplex<asked, said>;

struct house {
    tenon::channel<asked, said> talk;
    tenon::channel<int, int> slow;
    tenon::channel<std::string, std::string> text;
    tenon::channel<tenon::bytes, tenon::bytes> raw;
    tenon::channel<tenon::blob, tenon::blob> blobs;
};
TENON_INTERFACE(house, "test", "house", "1.0.0", talk, slow, text, raw, blobs)

tenon::task<answer> think(question q) {
    co_await tenon::sleep_for(std::chrono::milliseconds(q.wait_ms));
    co_return answer{q.n * 2};
}

// Later ones first, in a way: 0 takes long.
tenon::task<void> answer_slowly(tenon::duplex<int, int> s) {
    while (auto n = co_await s.next()) {
        if (*n == 0) co_await tenon::sleep_for(100ms);
        co_await s.send_async(*n);
    }
}

template <class V>
void echo_bytes(tenon::duplex<V, V> s) {
    auto io = s.bytes();
    std::vector<std::byte> buffer(1000);
    while (const std::size_t n = io.read(buffer)) {
        io.write(tenon::bytes_view(buffer).first(n));
        io.flush();
    }
    io.finish();
}

class messages : public testing::TestWithParam<const char*> {
protected:
    messages() : runtime_(test_runtime()) {
        tenon::server_options so;
        so.runtime = &runtime_;
        server_.emplace(so);
        auto& h = server_->publish<house>();
        tenon::message_handlers<asked, said> talk;
        talk.on<hello>([](server_side& s, const hello& m) {
            s.send(welcome{"who is with " + m.name + "?"});
            hello other;
            while (s.recv(other) && !other.name.empty()) s.send(welcome{"hello " + other.name});
        });
        talk.on<question>(think);
        h.talk = talk;
        h.slow = answer_slowly;
        h.text = &echo_bytes<std::string>;
        h.raw = &echo_bytes<tenon::bytes>;
        h.blobs = &echo_bytes<tenon::blob>;
        server_->listen(fresh_endpoint(GetParam()));
        server_->start();
        tenon::client_options o;
        o.runtime = &runtime_;
        h_.emplace(tenon::connect<house>(server_->endpoints().at(0), o));
    }

    tenon::runtime runtime_;
    std::optional<tenon::server> server_;
    std::optional<tenon::stub<house>> h_;
};
INSTANTIATE_TEST_SUITE_P(over, messages, testing::Values("inproc", "unix", "shm"), name_of);

TEST_P(messages, handlers_are_chosen_by_type) {
    auto s = h_->talk();
    for (int i = 0; i < 20; ++i) {
        answer a;
        s.send_recv(question{i, i % 3}, a);
        EXPECT_EQ(a.n, 2 * i);
    }
    welcome w;
    s.send_recv(hello{"Ann"}, w);
    EXPECT_EQ(w.text, "who is with Ann?");
    for (const char* name : {"Bob", "Cid"}) {  // the handler of Ann takes these
        s.send_recv(hello{name}, w);
        EXPECT_EQ(w.text, std::string("hello ") + name);
    }
    s.send(hello{""});
    s.send(question{50});
    said any;
    ASSERT_TRUE(s.recv(any));
    EXPECT_EQ(std::get<answer>(any).n, 100);
    s.finish();
    EXPECT_FALSE(s.recv(any));
}

TEST_P(messages, another_type_than_the_wanted_is_named) {
    auto s = h_->talk();
    welcome w;
    try {
        s.send_recv(question{1}, w);
        FAIL();
    } catch (const failure& f) {
        EXPECT_EQ(f.code(), errc::invalid);
        EXPECT_EQ(f.error().message(), "expected a message of type welcome, got answer");
    }
    // It has been taken, and the stream goes on.
    answer a;
    EXPECT_TRUE(s.send_recv_for(question{2}, a, patience));
    EXPECT_EQ(a.n, 4);
    s.send(question{3});
    EXPECT_EQ(s.recv_for(w, patience).error().code(), errc::invalid);
    EXPECT_EQ(s.recv_for(w, 5ms).error().code(), errc::deadline);
}

TEST_P(messages, of_a_type_that_nobody_handles_end_the_stream) {
    auto s = h_->talk();
    s.send(bye{1});
    const auto end = s.get_for(patience);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code(), errc::unsupported);
    EXPECT_EQ(end.error().message(), "nobody handles messages of type bye");
}

TEST_P(messages, an_answer_that_comes_too_late_is_not_taken_for_the_next) {
    auto s = h_->slow();
    for (int i = 1; i < 5; ++i) {
        EXPECT_EQ(s.send_recv_for(0, 5ms).error().code(), errc::deadline);
        EXPECT_EQ(s.send_recv_for(0, 5ms).error().code(), errc::deadline);
        EXPECT_EQ(s.send_recv(i), i);
    }
    // Nor is one that came before the question.
    EXPECT_EQ(s.send_recv_for(0, 5ms).error().code(), errc::deadline);
    std::this_thread::sleep_for(150ms);
    EXPECT_EQ(s.in_side().stats().waiting, 0u);
    EXPECT_EQ(s.send_recv(7), 7);
    // Credit has come back for those, too.
    for (int i = 1; i < 5000; ++i) ASSERT_EQ(s.send_recv(i), i);
    s.finish();
    EXPECT_EQ(s.get(), std::nullopt);
}

tenon::task<int> ask_in_a_coroutine(tenon::duplex<said, asked> s) {
    int sum = 0;
    for (int i = 1; i <= 3; ++i) {
        const said got = co_await s.send_recv_async(question{i});
        sum += std::get<answer>(got).n;
    }
    co_await s.send_async(question{10});
    const auto last = co_await s.next_as<answer>();
    sum += last->n;
    s.finish();
    const auto none = co_await s.next_as<answer>();
    co_return none ? -1 : sum;
}

TEST_P(messages, coroutines_converse) {
    EXPECT_EQ(tenon::sync_wait(ask_in_a_coroutine(h_->talk())), 2 + 4 + 6 + 20);
}

template <class S>
void send_and_check(S stream) {
    auto io = stream.bytes();
    std::vector<std::byte> sent(100'000);
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::byte>(i * 7 % 101);
    std::thread writer([&] {
        for (std::size_t at = 0; at < sent.size(); at += 777)
            io.write(
                tenon::bytes_view(sent).subspan(at, std::min<std::size_t>(777, sent.size() - at)));
        io.finish();
    });
    std::vector<std::byte> got(sent.size() - 10);
    EXPECT_TRUE(io.read_exactly(got));
    EXPECT_TRUE(std::equal(got.begin(), got.end(), sent.begin()));
    std::vector<std::byte> rest(11);
    try {
        io.read_exactly(rest);
        ADD_FAILURE();
    } catch (const failure& f) {
        EXPECT_EQ(f.code(), errc::data_loss);
    }
    EXPECT_EQ(rest[9], sent.back());
    EXPECT_FALSE(io.read_exactly(rest));
    EXPECT_EQ(io.read(rest), 0u);
    writer.join();
}

TEST_P(messages, a_channel_of_bytes_is_a_stream_of_them) {
    send_and_check(h_->text());
    send_and_check(h_->raw());
    send_and_check(h_->blobs());
}

TEST_P(messages, many_blocking_handlers_wait_at_the_same_time) {
    // One thread of the pool for each that blocks, none for those that only wait for a message.
    std::vector<tenon::duplex<said, asked>> idle, all;
    for (int i = 0; i < 100; ++i) idle.push_back(h_->talk());
    for (int i = 0; i < 10; ++i) {
        all.push_back(h_->talk());
        all.back().send(hello{std::to_string(i)});
    }
    welcome w;
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(all[i].recv(w));
        EXPECT_EQ(w.text, "who is with " + std::to_string(i) + "?");
    }
    answer a;
    for (auto& s : idle) s.send_recv(question{1}, a);
    EXPECT_EQ(a.n, 2);
}

}  // namespace
