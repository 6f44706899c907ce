// Tenon's client calls servers written with rsocket-js; see service.js for what they serve. The
// environment says where the scripts are (TENON_INTEROP_SOURCE).

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tenon/client.hpp"
#include "tenon/contract.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/struct.hpp"

namespace foreign {

using namespace std::chrono_literals;

struct person {
    std::string name;
    std::optional<int> age;
};
TENON_STRUCT(person, name, age)

struct greeting {
    std::string text;
    person to;
};
TENON_STRUCT(greeting, text, to)

struct service {
    tenon::method<tenon::bytes(tenon::bytes_view)> echo;
    tenon::method<std::int64_t(std::int64_t, std::int64_t)> plus;
    tenon::method<std::string(std::string)> upper;
    tenon::method<greeting(person)> greet;
    tenon::method<void(int, std::string)> fail;
    tenon::method<int()> silent;
    tenon::method<std::string(int)> big;
    tenon::method<void()> nothing;
    tenon::method<int(int)> later;
    tenon::method<std::int64_t()> noted, cancelled, connections, stopped;
    tenon::method<int()> garbage;
    tenon::method<void()> vanish;
    tenon::method<int()> missing;
    tenon::source<int(int, int)> count;
    tenon::source<int()> endless;
    tenon::source<int()> tired;
    tenon::sink<int, int> sum;
    tenon::channel<int, int> twice;
    tenon::channel<int, int, int> add;

    static void describe(tenon::description<service>& d) {
        d[&service::echo].codec(tenon::codec::raw);
        d[&service::plus].idempotent();
    }
};
TENON_INTERFACE(service, "example", "foreign", "1.0.0", (echo, data), (plus, a, b), (upper, text),
                (greet, who), (fail, code, message), silent, (big, size), nothing, (later, ms),
                noted, cancelled, connections, stopped, garbage, vanish, missing, (count, from, n),
                endless, tired, sum, twice, (add, more))

/// One server process; killed with the object.
class process {
public:
    explicit process(const std::string& version, int port = 0) {
        const std::string script =
            std::string(std::getenv("TENON_INTEROP_SOURCE")) + "/foreign_server.js";
        int out[2];
        if (pipe(out) != 0) throw std::runtime_error("pipe");
        pid_ = fork();
        if (pid_ == 0) {
            dup2(out[1], STDOUT_FILENO);
            close(out[0]);
            close(out[1]);
            execlp("node", "node", script.c_str(), version.c_str(), std::to_string(port).c_str(),
                   nullptr);
            _exit(127);
        }
        close(out[1]);
        std::FILE* said = fdopen(out[0], "r");
        if (std::fscanf(said, "listening on %d", &port_) != 1) ADD_FAILURE() << "did not start";
        std::fclose(said);
    }
    process(const process&) = delete;
    process& operator=(const process&) = delete;
    ~process() { end(); }

    void end() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    int port() const { return port_; }
    std::string endpoint() const { return "tcp://127.0.0.1:" + std::to_string(port_); }

private:
    pid_t pid_ = -1;
    int port_ = 0;
};

tenon::client_options json(std::chrono::milliseconds timeout = 10s) {
    tenon::client_options options;
    options.codec = tenon::codec::json;
    options.timeout = timeout;
    return options;
}

/// A server of the version given, shared by the tests, and a client of it.
class client_of : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        static std::optional<process> v0, v1;
        std::optional<process>& shared = GetParam() == std::string("v0") ? v0 : v1;
        if (!shared) shared.emplace(GetParam());
        endpoint_ = shared->endpoint();
        remote_.emplace(tenon::connect<service>(endpoint_, json()));
    }

    std::string endpoint_;
    std::optional<tenon::stub<service>> remote_;
};

template <class R>
tenon::error error_of(const tenon::result<R>& r) {
    if (!r) return r.error();
    ADD_FAILURE() << "the call succeeded";
    return tenon::error(tenon::errc::internal);
}

TEST_P(client_of, calls_with_values_and_structs) {
    EXPECT_EQ(remote_->plus(40, 2), 42);
    EXPECT_EQ(remote_->upper("grüße"), "GRÜSSE");
    const greeting g = remote_->greet(person{"Ann", 30});
    EXPECT_EQ(g.text, "Hello, Ann!");
    EXPECT_EQ(g.to.name, "Ann");
    EXPECT_EQ(g.to.age, 30);
    EXPECT_FALSE(remote_->greet(person{"Bob", {}}).to.age);
    remote_->nothing();
}

TEST_P(client_of, calls_without_a_contract) {
    EXPECT_EQ(remote_->handle().call("example/foreign.plus", 1, 2).as<int>(), 3);
}

TEST_P(client_of, sends_bytes_beside_json) {
    std::string all(256, '\0');
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i);
    const tenon::bytes sent(reinterpret_cast<const std::byte*>(all.data()),
                            reinterpret_cast<const std::byte*>(all.data()) + all.size());
    EXPECT_EQ(remote_->echo(sent), sent);
}

TEST_P(client_of, reads_errors) {
    const auto e = error_of(remote_->fail.try_call(0x201, "none left"));
    EXPECT_EQ(e.code(), tenon::errc::failed);
    EXPECT_EQ(e.message(), "none left");
    EXPECT_EQ(remote_->plus(1, 2), 3);
}

TEST_P(client_of, reads_error_codes) {
    // 0.0.27 knows only APPLICATION_ERROR.
    const bool has_codes = GetParam() == std::string("v1");
    const auto not_found = error_of(remote_->missing.try_call());
    EXPECT_EQ(not_found.code(), has_codes ? tenon::errc::not_found : tenon::errc::failed);
    EXPECT_EQ(not_found.message(), "no method example/foreign.missing");
    if (!has_codes) return;
    EXPECT_EQ(error_of(remote_->fail.try_call(0x204, "x")).code(), tenon::errc::invalid);
    EXPECT_EQ(error_of(remote_->fail.try_call(0x302, "x")).code(), tenon::errc::unavailable);
    EXPECT_EQ(error_of(remote_->fail.try_call(0x399, "x")).code(), tenon::errc::failed);
}

TEST_P(client_of, refuses_a_reply_that_is_no_json) {
    const auto e = error_of(remote_->garbage.try_call());
    EXPECT_EQ(e.code(), tenon::errc::data_loss) << e.to_string();
    EXPECT_EQ(remote_->plus(1, 2), 3);
}

TEST_P(client_of, gives_up_at_the_deadline) {
    const auto before = remote_->cancelled();
    EXPECT_EQ(error_of(remote_->silent.with({.timeout = 100ms}).try_call()).code(),
              tenon::errc::deadline);
    while (remote_->cancelled() == before) std::this_thread::sleep_for(5ms);
}

TEST_P(client_of, takes_large_replies) {
    EXPECT_EQ(remote_->big(1 << 20), std::string(1 << 20, 'b'));
    EXPECT_EQ(remote_->big(15'000'000).size(), 15'000'000u);
}

TEST_P(client_of, sends_large_requests) {
    const std::string text(1 << 20, 'x');
    EXPECT_EQ(remote_->upper(text), std::string(1 << 20, 'X'));
}

TEST_P(client_of, makes_ten_thousand_calls) {
    constexpr int calls = 10'000, in_flight = 64;
    std::atomic<int> wrong = 0;
    std::vector<std::future<tenon::result<std::int64_t>>> running(in_flight);
    for (int i = 0; i < calls + in_flight; ++i) {
        auto& slot = running[static_cast<std::size_t>(i % in_flight)];
        if (slot.valid()) {
            const auto r = slot.get();
            if (!r || *r != i - in_flight + 1) ++wrong;
        }
        if (i < calls) slot = remote_->plus.future(i, 1);
    }
    EXPECT_EQ(wrong, 0);
}

TEST_P(client_of, is_shared_by_threads) {
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 500; ++i)
                if (remote_->plus(t, i) != t + i) ++wrong;
        });
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(wrong, 0);
}

TEST_P(client_of, takes_answers_as_they_are_ready) {
    auto slow = remote_->later.future(300);
    EXPECT_EQ(remote_->plus(1, 2), 3);
    EXPECT_EQ(slow.wait_for(0s), std::future_status::timeout);
    EXPECT_EQ(slow.get().value(), 300);
}

TEST_P(client_of, fires_and_forgets) {
    const auto before = remote_->noted();
    for (int i = 0; i < 100; ++i)
        ASSERT_TRUE(remote_->handle().send("example/foreign.note", tenon::value::array{}));
    while (remote_->noted() < before + 100) std::this_thread::sleep_for(5ms);
    EXPECT_EQ(remote_->noted(), before + 100);
}

TEST_P(client_of, reads_streams) {
    for (const int n : {0, 1, 5000}) {
        int expected = 7;
        for (const int v : remote_->count(7, n)) ASSERT_EQ(v, expected++);
        EXPECT_EQ(expected, 7 + n);
    }
}

TEST_P(client_of, reads_streams_that_fail) {
    auto s = remote_->tired();
    EXPECT_EQ(s.get(), 1);
    EXPECT_EQ(s.get(), 2);
    const auto e = error_of(s.get_for(10s));
    EXPECT_EQ(e.code(), tenon::errc::failed);
    EXPECT_EQ(e.message(), "enough");
}

TEST_P(client_of, stops_streams_in_the_middle) {
    const auto before = remote_->stopped();
    {
        auto s = remote_->endless();
        for (int i = 0; i < 3000; ++i) ASSERT_EQ(s.get(), i);
    }
    while (remote_->stopped() == before) std::this_thread::sleep_for(5ms);
    EXPECT_EQ(remote_->stopped(), before + 1);
}

// Without arguments the first value is the channel's first payload, also on a new connection, where
// nobody knows yet whether the server would understand anything else.
TEST_P(client_of, opens_channels_with_the_first_value) {
    const auto remote = tenon::connect<service>(endpoint_, json());
    auto early = remote.twice();
    auto w = remote_->sum();
    for (int i = 1; i <= 1000; ++i) w.send(i);
    EXPECT_EQ(w.get_reply(), 500'500);
    auto s = remote_->twice();
    for (int i = 0; i < 20; ++i) ASSERT_EQ(s.send_recv(i), 2 * i);
    s.finish();
    EXPECT_EQ(s.get(), std::nullopt);
    EXPECT_EQ(early.send_recv(21), 42);
    early.send(1);
    early.finish();
    EXPECT_EQ(early.get(), 2);
    EXPECT_EQ(early.get(), std::nullopt);
}

TEST_P(client_of, gives_up_channels_before_and_after_the_first_value) {
    const auto before = remote_->stopped();
    { auto never_opened = remote_->twice(); }
    {
        auto s = remote_->twice();
        EXPECT_EQ(s.send_recv(1), 2);
    }
    while (remote_->stopped() == before) std::this_thread::sleep_for(5ms);
    // Failing ends both directions towards a server that knows no other way.
    auto s = remote_->twice();
    EXPECT_EQ(s.send_recv(1), 2);
    s.fail(tenon::error(tenon::errc::failed, "enough"));
    EXPECT_EQ(error_of(s.get_for(10s)).code(), tenon::errc::failed);
    EXPECT_EQ(remote_->plus(1, 2), 3);
}

TEST_P(client_of, sends_the_arguments_of_a_channel_first) {
    auto s = remote_->add(100);
    for (int i = 0; i < 20; ++i) ASSERT_EQ(s.send_recv(i), 100 + i);
    s.finish();
    EXPECT_EQ(s.get(), std::nullopt);
}

TEST_P(client_of, keeps_the_connection_alive) {
    // The library closes a connection without KEEPALIVE frames, whatever else comes.
    auto options = json();
    options.keepalive_interval = 100ms;
    options.keepalive_lifetime = 400ms;
    const auto remote = tenon::connect<service>(endpoint_, options);
    const auto connections = remote.connections();
    std::this_thread::sleep_for(800ms);
    EXPECT_EQ(remote.connections(), connections);
    const auto busy_until = std::chrono::steady_clock::now() + 800ms;
    while (std::chrono::steady_clock::now() < busy_until) remote.plus(1, 2);
    EXPECT_EQ(remote.connections(), connections);
    EXPECT_EQ(remote.later(800), 800);  // a held call
    EXPECT_EQ(remote.connections(), connections);
}

TEST_P(client_of, notices_that_the_server_is_gone_and_finds_it_again) {
    std::optional<process> server(std::in_place, GetParam());
    const int port = server->port();
    const auto remote = tenon::connect<service>(server->endpoint(), json());
    EXPECT_EQ(remote.plus(1, 2), 3);
    auto open = remote.silent.future();
    server->end();
    EXPECT_EQ(error_of(open.get()).code(), tenon::errc::unavailable);
    EXPECT_EQ(error_of(remote.upper.try_call("x")).code(), tenon::errc::unavailable);
    server.emplace(GetParam(), port);
    tenon::result<std::int64_t> r = remote.plus.try_call(1, 2);
    for (int i = 0; i < 500 && !r; ++i) {
        std::this_thread::sleep_for(10ms);
        r = remote.plus.try_call(1, 2);
    }
    EXPECT_EQ(r.value(), 3);
}

TEST_P(client_of, sees_a_server_that_ends_in_the_middle_of_a_call) {
    process server(GetParam());
    const auto remote = tenon::connect<service>(server.endpoint(), json());
    EXPECT_EQ(error_of(remote.vanish.try_call()).code(), tenon::errc::unavailable);
}

/// Passes bytes on to a server, one connection at a time, until it is told to cut that.
class cutter {
public:
    explicit cutter(int to) : to_(to), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in at = local(0);
        socklen_t size = sizeof at;
        if (::bind(listener_, as_address(at), size) != 0 || ::listen(listener_, 8) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
            throw std::runtime_error("cannot listen");
        port_ = ntohs(at.sin_port);
        worker_ = std::thread([this] { serve(); });
    }
    cutter(const cutter&) = delete;
    cutter& operator=(const cutter&) = delete;
    ~cutter() {
        over_ = true;
        ::shutdown(listener_, SHUT_RDWR);
        worker_.join();
        ::close(listener_);
    }

    /// And waits until the client is back.
    void cut() {
        const int before = connections_;
        cut_ = true;
        for (int i = 0; i < 10'000 && connections_ == before; ++i) std::this_thread::sleep_for(1ms);
    }
    int connections() const { return connections_; }
    std::string endpoint() const { return "tcp://127.0.0.1:" + std::to_string(port_); }

private:
    static sockaddr_in local(int port) {
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a.sin_port = htons(static_cast<std::uint16_t>(port));
        return a;
    }
    static const sockaddr* as_address(const sockaddr_in& a) {
        return reinterpret_cast<const sockaddr*>(&a);
    }

    void serve() {
        while (!over_) {
            const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (client < 0) continue;
            const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            const sockaddr_in to = local(to_);
            cut_ = false;
            if (::connect(server, as_address(to), sizeof to) == 0) {
                ++connections_;
                pass(client, server);
            }
            ::close(client);
            ::close(server);
        }
    }
    void pass(int a, int b) {
        while (!over_ && !cut_) {
            pollfd ready[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
            if (::poll(ready, 2, 1) < 0) return;
            for (const auto& [from, to] : {std::pair(0, b), std::pair(1, a)}) {
                if (ready[from].revents == 0) continue;
                char some[4096];
                const ssize_t n = ::recv(ready[from].fd, some, sizeof some, 0);
                if (n <= 0 || ::send(to, some, static_cast<std::size_t>(n), MSG_NOSIGNAL) != n)
                    return;
            }
        }
    }

    const int to_;
    const int listener_;
    int port_ = 0;
    std::atomic<bool> over_{false};
    std::atomic<bool> cut_{false};
    std::atomic<int> connections_{0};
    std::thread worker_;
};

tenon::client_options resuming() {
    auto o = json();
    o.resume = true;
    return o;
}

// The server of 1.0.0-alpha.3 keeps sessions.
TEST(client_of_v1, resumes_a_stream_and_a_call_over_another_connection) {
    const process server("v1");
    cutter way(server.port());
    const auto remote = tenon::connect<service>(way.endpoint(), resuming());
    EXPECT_EQ(remote.plus(1, 2), 3);
    const auto connections = remote.connections();
    auto s = remote.count(0, 3000);
    for (int i = 0; i < 3000; ++i) {
        if (i % 500 == 250) way.cut();
        const auto v = s.get_for(20s);
        ASSERT_TRUE(v) << v.error().message();
        ASSERT_EQ(*v, i);
    }
    EXPECT_EQ(s.get(), std::nullopt);
    auto later = remote.later.future(300);
    std::this_thread::sleep_for(50ms);
    way.cut();
    EXPECT_EQ(later.get().value(), 300);
    EXPECT_GE(way.connections(), 5);
    EXPECT_EQ(remote.connections(), connections);  // for the server it has been one
}

// That of 0.0.27 says that it cannot: what was under way ends, and the next call goes over a new
// session.
TEST(client_of_v0, hears_that_the_server_does_not_resume) {
    const process server("v0");
    cutter way(server.port());
    const auto remote = tenon::connect<service>(way.endpoint(), resuming());
    EXPECT_EQ(remote.plus(1, 2), 3);
    auto later = remote.later.future(3000);
    std::this_thread::sleep_for(50ms);
    way.cut();
    EXPECT_FALSE(later.get());
    tenon::result<std::int64_t> r = remote.plus.try_call(1, 2);
    for (int i = 0; i < 500 && !r; ++i) {
        std::this_thread::sleep_for(10ms);
        r = remote.plus.try_call(1, 2);
    }
    EXPECT_EQ(r.value(), 3);
}

INSTANTIATE_TEST_SUITE_P(rsocket_js, client_of, testing::Values("v0", "v1"),
                         [](const auto& p) { return std::string(p.param); });

}  // namespace foreign
