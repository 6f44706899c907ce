// Servers that die, stop, stand still and come back, and clients that fork, while calls are under
// way. TENON_SOAK_ROUNDS sets how often the server is killed under traffic.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <random>

#include "bystanders.hpp"
#include "raw_peer.hpp"
#include "server_process.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using tenon::errc;

/// An echo server at a path and a port, which come back when it is started again.
class lifecycle : public testing::Test {
protected:
    void SetUp() override {
        server_ = server_process::echo({"unix:" + files_.path("echo"), "tcp://127.0.0.1:0"});
        at_ = server_.endpoints();
    }
    void restart() { server_ = server_process::echo(at_); }
    static tenon::client_options impatient() {
        tenon::client_options o;
        o.backoff_last = 50ms;
        return o;
    }
    static bool works(const tenon::stub<example::echo>& echo) {
        return eventually([&] { return echo.plus.try_call(1, 2).has_value(); });
    }

    scratch files_;
    server_process server_;
    std::vector<std::string> at_;
};

TEST_F(lifecycle, killed_with_calls_in_flight) {
    for (const std::string& endpoint : at_) {
        SCOPED_TRACE(endpoint);
        const auto echo = tenon::connect<example::echo>(endpoint, impatient());
        const auto alone = tenon::connect<example::echo>(endpoint, impatient());
        ASSERT_TRUE(echo.plus.try_call(1, 2));
        ASSERT_TRUE(alone.plus.try_call(1, 2));
        std::vector<std::future<tenon::result<int>>> calls;
        for (int i = 0; i < 50; ++i) calls.push_back(echo.nap.future(60'000));
        for (int i = 0; i < 4; ++i)
            calls.push_back(std::async(std::launch::async, [&, i] {
                return (i % 2 ? echo : alone).sleep.try_call(60'000);
            }));
        pause_for(100ms);
        const auto killed = steady_clock::now();
        server_.signal(SIGKILL);
        for (auto& c : calls) {
            const auto r = c.get();
            ASSERT_FALSE(r);
            EXPECT_EQ(r.error().code(), errc::unavailable) << r.error().to_string();
            EXPECT_TRUE(r.error().may_have_run());
        }
        const auto took = steady_clock::now() - killed;
        EXPECT_LT(took, 5s);
        std::printf("all calls ended %lld us after the kill\n", static_cast<long long>(took / 1us));
        EXPECT_EQ(server_.wait(20s), -SIGKILL);
        // While it is away, calls fail at once.
        const auto away = echo.plus.try_call(1, 2);
        ASSERT_FALSE(away);
        EXPECT_EQ(away.error().code(), errc::unavailable) << away.error().to_string();
        EXPECT_FALSE(away.error().may_have_run());
        restart();
        EXPECT_TRUE(works(echo));
        EXPECT_TRUE(works(alone));
    }
}

TEST_F(lifecycle, terminated_with_calls_in_flight) {
    std::vector<std::future<tenon::result<int>>> calls;
    std::vector<tenon::stub<example::echo>> clients;
    for (const std::string& endpoint : at_) {
        clients.push_back(tenon::connect<example::echo>(endpoint, impatient()));
        const auto& echo = clients.back();
        ASSERT_TRUE(echo.plus.try_call(1, 2));
        calls.push_back(echo.nap.future(1700));
        calls.push_back(echo.sleep.future(1600));
        calls.push_back(std::async(std::launch::async, [echo] { return echo.nap.try_call(1500); }));
    }
    raw_peer foreign(at_[0]);
    foreign.send(make_setup() + make_request(1, "example/echo.nap", "[1600]"));
    pause_for(100ms);
    server_.signal(SIGTERM);
    pause_for(100ms);
    for (const auto& echo : clients) {
        const auto refused = echo.plus.try_call(1, 2);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), errc::unavailable) << refused.error().to_string();
        EXPECT_FALSE(refused.error().may_have_run());
    }
    foreign.send(make_request(3, "example/echo.plus", "[1,2]"));
    const auto refused = foreign.receive();
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->code(), 0x202U) << refused->to_string();
    for (auto& c : calls) {
        const auto r = c.get();
        EXPECT_TRUE(r) << r.error().to_string();
    }
    const auto answer = foreign.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "1600") << answer->to_string();
    const auto farewell = foreign.receive();
    ASSERT_TRUE(farewell);
    EXPECT_EQ(farewell->code(), 0x102U) << farewell->to_string();
    foreign.close();
    EXPECT_EQ(server_.wait(20s), 0);
    EXPECT_FALSE(std::filesystem::exists(files_.path("echo")));
    restart();
    for (const auto& echo : clients) EXPECT_TRUE(works(echo));
}

TEST_F(lifecycle, interrupted_when_idle) {
    server_.close_output();
    const auto echo = tenon::connect<example::echo>(at_[0]);
    ASSERT_TRUE(echo.plus.try_call(1, 2));
    const auto begin = steady_clock::now();
    server_.signal(SIGINT);
    EXPECT_EQ(server_.wait(20s), 0);
    EXPECT_LT(steady_clock::now() - begin, 8s);
}

TEST_F(lifecycle, stopped_and_continued) {
    for (const std::string& endpoint : at_) {
        SCOPED_TRACE(endpoint);
        const auto echo = tenon::connect<example::echo>(endpoint, impatient());
        ASSERT_TRUE(echo.plus.try_call(1, 2));
        server_.stop_threads();
        const auto begin = steady_clock::now();
        auto f = echo.plus.with({.timeout = 300ms}).future(1, 2);
        const auto blocking = echo.plus.with({.timeout = 200ms}).try_call(1, 2);
        ASSERT_FALSE(blocking);
        EXPECT_EQ(blocking.error().code(), errc::deadline) << blocking.error().to_string();
        const auto later = f.get();
        ASSERT_FALSE(later);
        EXPECT_EQ(later.error().code(), errc::deadline) << later.error().to_string();
        EXPECT_LT(steady_clock::now() - begin, 8s);
        server_.signal(SIGCONT);
        const auto again = echo.plus.try_call(1, 2);
        EXPECT_TRUE(again) << again.error().to_string();
    }
}

TEST_F(lifecycle, several_race_for_one_path) {
    const scratch files;
    const std::string at = "unix:" + files.path("wanted");
    for (int round = 0; round < 5; ++round) {
        std::vector<server_process> all;
        for (int i = 0; i < 3; ++i)
            all.push_back(
                server_process::start({TENON_EXAMPLES_DIR "/echo_server", "--listen", at}));
        int listening = 0;
        for (auto& s : all) {
            if (s.wait_listening(1)) {
                ++listening;
                const auto echo = tenon::connect<example::echo>(at);
                EXPECT_TRUE(echo.plus.try_call(1, 2));
            } else {
                EXPECT_EQ(s.wait(20s), 1);
            }
        }
        EXPECT_EQ(listening, 1) << round;
        // Killed at the end of the round; the next ones find what is left of it.
    }
}

TEST_F(lifecycle, killed_again_and_again_under_traffic) {
    const char* wanted = std::getenv("TENON_SOAK_ROUNDS");
    const int rounds = wanted ? std::atoi(wanted) : 8;
    const auto seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::vector<std::string> endpoints;
    for (int i = 0; i < 3; ++i) endpoints.insert(endpoints.end(), at_.begin(), at_.end());
    bystanders others(endpoints, true);
    ASSERT_TRUE(others.served());
    const std::size_t descriptors = descriptors_of(::getpid());
    for (int i = 0; i < rounds; ++i) {
        pause_for(std::chrono::milliseconds(random() % 100));
        server_.signal(i % 4 == 3 ? SIGTERM : SIGKILL);
        EXPECT_NE(server_.wait(10s), -1000) << "round " << i;
        pause_for(std::chrono::milliseconds(random() % 30));
        restart();
        if (i % 8 == 7) {
            EXPECT_TRUE(others.served()) << "round " << i;
        }
    }
    EXPECT_TRUE(others.served());
    others.stop();
    EXPECT_EQ(others.failure(), "");
    std::printf("%d rounds: %llu calls, %llu of them unavailable\n", rounds,
                static_cast<unsigned long long>(others.calls()),
                static_cast<unsigned long long>(others.lost()));
    EXPECT_LE(descriptors_of(::getpid()), descriptors + 2);
}

TEST_F(lifecycle, the_client_forks_under_load) {
    std::vector<std::string> endpoints;
    for (int i = 0; i < 2; ++i) endpoints.insert(endpoints.end(), at_.begin(), at_.end());
    bystanders others(endpoints);
    ASSERT_TRUE(others.served());
    const auto echo = tenon::connect<example::echo>(at_[0]);
    ASSERT_TRUE(echo.plus.try_call(1, 2));
    std::vector<std::future<tenon::result<int>>> calls;
    for (int i = 0; i < 10; ++i) {
        calls.push_back(echo.nap.future(100));
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::alarm(10);  // it must not hang
            const auto sum = echo.plus.try_call(1, 2);
            if (sum || sum.error().code() != errc::unavailable) ::_exit(1);
            if (sum.error().message().find("fork") == std::string_view::npos) ::_exit(2);
            auto later = echo.plus.future(1, 2).get();
            if (later || later.error().code() != errc::unavailable) ::_exit(3);
            { const auto copy = echo; }
            const auto fresh = tenon::connect<example::echo>("unix:/nowhere");
            const auto none = fresh.plus.try_call(1, 2);
            ::_exit(none || none.error().code() != errc::unavailable ? 4 : 0);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
        EXPECT_EQ(WEXITSTATUS(status), 0);
    }
    for (auto& c : calls) EXPECT_TRUE(c.get());
    EXPECT_TRUE(others.served());
    others.stop();
    EXPECT_EQ(others.failure(), "");
}

}  // namespace
}  // namespace e2e
