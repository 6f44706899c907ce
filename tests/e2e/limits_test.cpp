// Every limit of a server, reached: by in-process servers with small limits, and by the echo
// server where the process itself runs out of something. Peers within their limits see nothing.
// Labels: tsan

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <future>
#include <memory>
#include <set>
#include <utility>

#include "bystanders.hpp"
#include "raw_peer.hpp"
#include "server_process.hpp"
#include "tenon/control.hpp"
#include "tenon/server.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::uint32_t invalid_setup = 0x001, rejected_setup = 0x003, connection_error = 0x101,
                        rejected = 0x202, canceled = 0x203, invalid = 0x204;

tenon::task<int> nap(int ms) {
    co_await tenon::sleep_for(std::chrono::milliseconds(ms));
    co_return ms;
}

/// An echo service of this process with limits of its own, at a Unix socket or elsewhere.
class small_server {
public:
    explicit small_server(const tenon::limits& limits, const tenon::runtime_options& threads = {},
                          const std::string& at = {})
        : runtime_(threads), server_(options(limits)) {
        auto& e = server_.publish<example::echo>();
        e.echo = [](tenon::bytes_view data) { return tenon::bytes(data.begin(), data.end()); };
        e.plus = [](std::int64_t a, std::int64_t b) { return a + b; };
        e.greet = [](example::person who) { return example::greeting{"Hello", std::move(who)}; };
        e.sleep = [](int ms) {
            pause_for(std::chrono::milliseconds(ms));
            return ms;
        };
        e.nap = nap;
        server_.listen(at.empty() ? "unix:" + files_.path("s") : at).start();
    }
    ~small_server() {
        server_.stop(0ms);
        runtime_.stop();
    }
    std::string endpoint() const { return server_.endpoints().front(); }

private:
    tenon::server_options options(const tenon::limits& limits) {
        tenon::server_options o;
        o.runtime = &runtime_;
        o.limits = limits;
        return o;
    }

    scratch files_;
    tenon::runtime runtime_;
    tenon::server server_;
};

void expect_served(raw_peer& peer) {
    peer.send(make_request(999, "example/echo.plus", "[40,2]"));
    const auto f = peer.receive();
    ASSERT_TRUE(f);
    EXPECT_EQ(f->body, "42") << f->to_string();
}

void expect_error(raw_peer& peer, std::uint32_t stream, std::uint32_t code, std::string_view text) {
    const auto f = peer.receive();
    ASSERT_TRUE(f) << "no ERROR: " << text;
    EXPECT_EQ(f->stream, stream) << f->to_string();
    EXPECT_EQ(f->code(), code) << f->to_string();
    EXPECT_NE(f->text().find(text), std::string::npos) << f->to_string();
}

/// The peers of a test that must not notice anything.
class unaffected {
public:
    explicit unaffected(const small_server& s) : all_({s.endpoint()}) {
        EXPECT_TRUE(all_.served());
    }
    ~unaffected() {
        EXPECT_TRUE(all_.served());
        all_.stop();
        EXPECT_EQ(all_.failure(), "");
    }

private:
    bystanders all_;
};

TEST(limits, no_setup) {
    tenon::limits l;
    l.setup_time = 200ms;
    const small_server s(l);
    const unaffected others(s);
    raw_peer silent(s.endpoint());
    expect_error(silent, 0, invalid_setup, "");
    EXPECT_TRUE(silent.ended());
    // Bytes that come slowly gain nothing.
    raw_peer dripping(s.endpoint());
    const std::string setup = make_setup();
    for (std::size_t i = 0; i < 40 && dripping.send({&setup[i], 1}); ++i) pause_for(20ms);
    expect_error(dripping, 0, invalid_setup, "");
    EXPECT_TRUE(dripping.ended());
}

TEST(limits, unfinished_frame) {
    tenon::limits l;
    l.stall_time = 200ms;
    const small_server s(l);
    const unaffected others(s);
    raw_peer peer(s.endpoint());
    peer.send(make_setup() + be(100, 3) + "begun");
    expect_error(peer, 0, connection_error, "not finished in time");
    EXPECT_TRUE(peer.ended());
    // One that comes slowly is finished, though it takes longer.
    raw_peer slow(s.endpoint());
    slow.send(make_setup());
    for (const char c : make_request(1, "example/echo.plus", "[1,2]")) {
        slow.send({&c, 1});
        pause_for(10ms);
    }
    const auto f = slow.receive();
    ASSERT_TRUE(f);
    EXPECT_EQ(f->body, "3") << f->to_string();
}

TEST(limits, bytes_that_never_cease_are_no_unfinished_frame) {
    tenon::limits l;
    l.stall_time = 500ms;
    const small_server s(l, {}, "tcp://127.0.0.1:0");
    raw_peer peer(s.endpoint());
    peer.send(make_setup());
    // Much more to decode than to send, so that the server does not find the socket empty.
    std::string numbers = "1";
    for (int i = 0; i < 2'000; ++i) numbers += ",1";
    const std::string body =
        request_body("example/echo.greet", "{\"who\":{\"name\":\"x\",\"more\":[" + numbers + "]}}");
    std::uint32_t stream = 1;
    const auto notify = [&] {
        return make_frame(std::exchange(stream, stream + 2), request_fnf_frame, metadata_flag,
                          body);
    };
    const std::string first = notify();
    peer.send(std::string_view(first).substr(0, 100));
    pause_for(50ms);
    peer.send(std::string_view(first).substr(100));
    const auto end = steady_clock::now() + 1500ms;
    while (steady_clock::now() < end) ASSERT_TRUE(peer.send(notify()));
    expect_served(peer);
}

TEST(limits, unfinished_message) {
    tenon::limits l;
    l.stall_time = 200ms;
    const small_server s(l);
    const unaffected others(s);
    raw_peer peer(s.endpoint());
    peer.send(make_setup() + make_request(1, "example/echo.plus", "[1,", follows_flag));
    expect_error(peer, 1, canceled, "not finished in time");
    expect_served(peer);
}

TEST(limits, message) {
    tenon::limits l;
    l.message = 100'000;
    const small_server s(l);
    const unaffected others(s);
    const std::string piece(40'000, 'x');
    raw_peer peer(s.endpoint());
    peer.send(make_setup() + make_request(1, "example/echo.echo", piece, follows_flag) +
              make_frame(1, payload_frame, next_flag | follows_flag, piece) +
              make_frame(1, payload_frame, next_flag | follows_flag, piece));
    expect_error(peer, 1, invalid, "too long");
    expect_served(peer);
    peer.send(be(100'100, 3));
    expect_error(peer, 0, connection_error, "too long");
    EXPECT_TRUE(peer.ended());
}

TEST(limits, unfinished_messages_together) {
    tenon::limits l;
    l.reassembly_per_connection = 100'000;
    const small_server s(l);
    const unaffected others(s);
    const std::string piece(40'000, 'x');
    raw_peer peer(s.endpoint());
    peer.send(make_setup());
    for (const std::uint32_t id : {1, 3, 5})
        peer.send(make_request(id, "example/echo.echo", piece, follows_flag));
    expect_error(peer, 5, rejected, "unfinished");
    expect_served(peer);
}

TEST(limits, setup_frame) {
    tenon::limits l;
    l.setup = 200;
    const small_server s(l);
    raw_peer peer(s.endpoint());
    peer.send(make_setup(std::string(200, 'm')));
    expect_error(peer, 0, invalid_setup, "too long");
    EXPECT_TRUE(peer.ended());
}

TEST(limits, depth) {
    tenon::limits l;
    l.depth = 8;
    const small_server s(l);
    raw_peer peer(s.endpoint());
    const auto request = [](std::uint32_t id, std::size_t depth) {
        return make_request(id, "example/echo.greet",
                            "{\"who\":{\"name\":\"x\",\"more\":" + std::string(depth, '[') +
                                std::string(depth, ']') + "}}");
    };
    peer.send(make_setup() + request(1, 20) + request(3, 5));
    expect_error(peer, 1, invalid, "deep");
    const auto f = peer.receive();
    ASSERT_TRUE(f);
    EXPECT_EQ(f->type, unsigned{payload_frame}) << f->to_string();
}

TEST(limits, calls_per_connection) {
    tenon::limits l;
    l.calls_per_connection = 4;
    const small_server s(l);
    const unaffected others(s);
    raw_peer peer(s.endpoint());
    std::string bytes = make_setup();
    for (const std::uint32_t id : {1, 3, 5, 7, 9})
        bytes += make_request(id, "example/echo.nap", "[1000]");
    peer.send(bytes);
    expect_error(peer, 9, rejected, "too many calls");
    for (int i = 0; i < 4; ++i) {
        const auto f = peer.receive();
        ASSERT_TRUE(f);
        EXPECT_EQ(f->body, "1000") << f->to_string();
    }
    expect_served(peer);
}

// The answers are beyond the limit, but the peer takes them: nothing gets stuck.
TEST(limits, unsent_output_that_moves) {
    tenon::limits l;
    l.unsent = 1000;
    const small_server s(l);
    const unaffected others(s);
    raw_peer peer(s.endpoint());
    constexpr std::uint32_t calls = 500;
    std::string bytes = make_setup();
    for (std::uint32_t i = 0; i < calls; ++i)
        bytes += make_request(2 * i + 1, "example/echo.echo", std::string(300 + 7 * i, 'x'));
    std::thread sender([&] { peer.send(bytes); });
    std::set<std::uint32_t> answered;  // in any order: the pool takes over what is held up
    for (std::uint32_t i = 0; i < calls; ++i) {
        const auto f = peer.receive();
        EXPECT_TRUE(f) << i;
        if (!f) break;
        EXPECT_TRUE(answered.insert(f->stream).second) << f->to_string();
        EXPECT_EQ(f->body.size(), 300 + 7 * (f->stream / 2)) << f->to_string();
    }
    sender.join();
    EXPECT_EQ(answered.size(), calls);
    expect_served(peer);
}

TEST(limits, unsent_output_that_does_not_move) {
    tenon::limits l;
    l.unsent = 64 << 10;
    l.unsent_time = 300ms;
    const small_server s(l);
    const unaffected others(s);
    raw_peer peer(s.endpoint(), 4096);
    peer.send(make_setup());
    const std::string request = make_request(1, "example/echo.echo", std::string(60'000, 'x'));
    std::size_t sent = 0;
    for (const auto end = steady_clock::now() + 200ms; steady_clock::now() < end; pause_for(1ms))
        while (const std::size_t n =
                   peer.send_some(std::string_view(request).substr(sent % request.size())))
            sent += n;
    EXPECT_LT(sent, std::size_t{8} << 20);
    pause_for(1s);
    EXPECT_TRUE(peer.ended());
    EXPECT_FALSE(peer.send(request));
}

TEST(limits, unsent_output_is_told) {
    const small_server s(tenon::limits{});
    raw_peer peer(s.endpoint(), 4096);
    constexpr std::size_t size = 1'000'000;
    peer.send(make_setup() + make_request(1, "example/echo.echo", std::string(size, 'x')));
    auto control = tenon::connect<tenon::control>(s.endpoint());
    const auto stalled = [&] {
        for (const auto& c : control.connections())
            if (c.bytes_in > size && c.calls == 1 && c.unsent > 0 && c.bytes_out + c.unsent > size)
                return true;
        return false;
    };
    const auto limit = steady_clock::now() + 10s;
    while (!stalled() && steady_clock::now() < limit) pause_for(10ms);
    EXPECT_TRUE(stalled());
    std::size_t taken = 0;  // in fragments
    while (taken < size) {
        const auto f = peer.receive();
        ASSERT_TRUE(f);
        taken += f->body.size();
    }
    EXPECT_EQ(taken, size);
    expect_served(peer);
    EXPECT_FALSE(stalled());
}

TEST(limits, connections) {
    tenon::limits l;
    l.connections = 4;
    const small_server s(l);
    const unaffected others(s);
    std::vector<std::unique_ptr<raw_peer>> peers;
    for (int i = 0; i < 3; ++i) {
        peers.push_back(std::make_unique<raw_peer>(s.endpoint()));
        peers.back()->send(make_setup());
        expect_served(*peers.back());
    }
    {
        raw_peer refused(s.endpoint());
        refused.send(make_setup());
        expect_error(refused, 0, rejected_setup, "too many connections");
        EXPECT_TRUE(refused.ended());
    }
    const auto client = tenon::connect<example::echo>(s.endpoint());
    const auto sum = client.plus.try_call(1, 2);
    ASSERT_FALSE(sum);
    EXPECT_EQ(sum.error().code(), tenon::errc::unavailable) << sum.error().to_string();
    EXPECT_NE(sum.error().message().find("too many connections"), std::string::npos);
    EXPECT_FALSE(sum.error().may_have_run());
    // Many at once find an end, too.
    {
        std::vector<std::unique_ptr<raw_peer>> crowd;
        for (int i = 0; i < 200; ++i) {
            crowd.push_back(std::make_unique<raw_peer>(s.endpoint()));
            crowd.back()->send(make_setup());
        }
        for (auto& p : crowd) EXPECT_TRUE(p->ended());
    }
    // Those that are in go on; and there is room again when one has left.
    for (auto& p : peers) expect_served(*p);
    peers.pop_back();
    EXPECT_TRUE(eventually([&] { return client.plus.try_call(1, 2).has_value(); }));
}

TEST(limits, connections_per_peer) {
    tenon::limits l;
    l.connections_per_peer = 2;
    const small_server s(l);
    const unaffected others(s);
    raw_peer first(s.endpoint());
    first.send(make_setup());
    expect_served(first);
    raw_peer second(s.endpoint());
    second.send(make_setup());
    expect_error(second, 0, rejected_setup, "too many connections from uid");
    expect_served(first);
}

TEST(limits, pool_queue) {
    tenon::runtime_options threads;
    threads.pool.resident = threads.pool.most = 1;
    threads.pool.queue_limit = 4;
    const small_server s({}, threads);
    const unaffected others(s);
    const auto client = tenon::connect<example::echo>(s.endpoint());
    ASSERT_TRUE(client.plus.try_call(1, 2));
    std::vector<std::future<tenon::result<int>>> calls;
    for (int i = 0; i < 20; ++i) calls.push_back(client.sleep.future(50));
    int done = 0, refused = 0;
    for (auto& c : calls) {
        const auto r = c.get();
        if (r) {
            ++done;
        } else {
            EXPECT_EQ(r.error().code(), tenon::errc::overloaded) << r.error().to_string();
            EXPECT_FALSE(r.error().may_have_run());
            ++refused;
        }
    }
    EXPECT_GE(done, 4);
    EXPECT_GE(refused, 10);
    EXPECT_TRUE(client.sleep.try_call(1));
}

// --- the process runs out of descriptors ---

TEST(limits, descriptors) {
    if (sanitized) GTEST_SKIP() << "sanitizers need descriptors of their own to look at memory";
    const scratch files;
    server_process server =
        server_process::echo({"unix:" + files.path("s"), "tcp://127.0.0.1:0"}, 40);
    bystanders others(server.endpoints());
    ASSERT_TRUE(others.served());
    for (const std::string& endpoint : server.endpoints()) {
        SCOPED_TRACE(endpoint);
        std::vector<std::unique_ptr<raw_peer>> peers;
        for (int i = 0; i < 80; ++i) {
            peers.push_back(std::make_unique<raw_peer>(endpoint));
            peers.back()->send(make_setup());
        }
        EXPECT_TRUE(others.served());
        expect_served(*peers.front());
        peers.clear();
        EXPECT_TRUE(eventually([&] {
            raw_peer peer(endpoint);
            peer.send(make_setup() + make_request(1, "example/echo.plus", "[1,2]"));
            const auto f = peer.receive();
            return f && f->body == "3";
        }));
    }
    others.stop();
    EXPECT_EQ(others.failure(), "");
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait(20s), 0);
}

// --- many clients ---

/// A client that calls all the time, without a thread.
class busy_client {
public:
    busy_client(const std::string& endpoint, const std::atomic<bool>& stop)
        : stop_(stop), echo_(tenon::connect<example::echo>(endpoint)) {}
    void start() {
        echo_.plus.then(
            [this](tenon::result<std::int64_t> r) {
                if (r && *r == count_ + 1) ++count_;
                else if (!r && failure_.empty()) failure_ = r.error().to_string();
                else if (r) failure_ = "a wrong sum";
                if (stop_ || !failure_.empty()) done_.set_value();
                else start();
            },
            count_, 1);
    }
    void wait() { done_.get_future().wait(); }
    std::int64_t count() const noexcept { return count_; }
    const std::string& failure() const noexcept { return failure_; }

private:
    const std::atomic<bool>& stop_;
    tenon::stub<example::echo> echo_;
    std::int64_t count_ = 0;
    std::string failure_;
    std::promise<void> done_;
};

TEST(limits, a_thousand_clients) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    const std::size_t clients = sanitized ? 200 : 1000;
    const char* wanted = std::getenv("TENON_SOAK_SECONDS");
    const std::chrono::seconds time(wanted ? std::max(1, std::atoi(wanted)) : 2);

    const scratch dir;
    server_process server = server_process::echo({"unix:" + dir.path("s"), "tcp://127.0.0.1:0"});
    bystanders others(server.endpoints());
    ASSERT_TRUE(others.served());
    const std::size_t descriptors = server.descriptors();
    std::atomic<bool> stop{false};
    {
        std::vector<std::unique_ptr<busy_client>> all;
        for (std::size_t i = 0; i < clients; ++i) {
            all.push_back(std::make_unique<busy_client>(server.endpoints()[i % 2], stop));
            all.back()->start();
        }
        pause_for(time);
        EXPECT_TRUE(others.served());
        stop = true;
        std::int64_t calls = 0, least = INT64_MAX;
        for (auto& c : all) {
            c->wait();
            EXPECT_EQ(c->failure(), "");
            calls += c->count();
            least = std::min(least, c->count());
        }
        EXPECT_GT(least, 0);
        std::printf("%zu clients, %lld s: %lld calls, the least of one client %lld\n", clients,
                    static_cast<long long>(time.count()), static_cast<long long>(calls),
                    static_cast<long long>(least));
        if (!sanitized) {
            EXPECT_LT(server.resident(), std::size_t{128} << 20);
        }
    }
    others.stop();
    EXPECT_EQ(others.failure(), "");
    EXPECT_TRUE(eventually([&] { return server.descriptors() <= descriptors; }));
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait(20s), 0);
}

}  // namespace
}  // namespace e2e
