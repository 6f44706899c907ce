// A server with a log in files that is killed again and again, while one client records numbers and
// another plays them. TENON_SOAK_ROUNDS sets how often.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

#include "../../examples/tape.hpp"
#include "server_process.hpp"
#include "tenon/delivery.hpp"
#include "tenon/subscription.hpp"
#include "tenon/tenon.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;

class tape_server {
public:
    tape_server(const std::string& directory, const std::string& endpoint) {
        const std::string program = std::string(TENON_EXAMPLES_DIR) + "/tape_server";
        pid_ = ::fork();
        if (pid_ != 0) return;
        const int quiet = ::open("/dev/null", O_WRONLY);
        ::dup2(quiet, STDOUT_FILENO);
        ::execl(program.c_str(), program.c_str(), directory.c_str(), endpoint.c_str(), "interval",
                nullptr);
        ::_exit(127);
    }
    ~tape_server() { kill(); }
    tape_server(const tape_server&) = delete;
    tape_server& operator=(const tape_server&) = delete;

    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }

private:
    pid_t pid_ = 0;
};

unsigned rounds() {
    const char* asked = std::getenv("TENON_SOAK_ROUNDS");
    return asked ? static_cast<unsigned>(std::strtoul(asked, nullptr, 10)) : sanitized ? 4 : 10;
}

TEST(replay, every_number_comes_once_however_often_the_server_is_killed) {
    const scratch files;
    const std::string log = files.path("log");
    const std::string endpoint = "unix:" + files.path("tape.sock");
    tenon::client_options options;
    options.backoff_last = 50ms;
    auto recorder = tenon::connect<example::tape>(endpoint, options);
    auto player = tenon::connect<example::tape>(endpoint, options);
    std::atomic<bool> enough{false};
    std::atomic<std::int64_t> sent{0};
    std::atomic<std::int64_t> played{0};
    std::atomic<bool> wrong{false};

    auto server = std::make_unique<tape_server>(log, endpoint);
    ASSERT_TRUE(recorder.wait_ready(10s));
    std::thread record([&] {
        auto out = tenon::deliver(recorder.record);
        while (!enough) {
            out.send(sent);
            ++sent;
        }
        out.finish();
    });
    std::thread play([&] {
        auto in = tenon::follow(player.play, tenon::stream_start::earliest());
        for (;;) {
            const auto n = in.get();
            if (!n || *n < 0) break;
            if (*n != played || in.position() != static_cast<std::uint64_t>(played) + 1)
                wrong = true;
            ++played;
        }
        EXPECT_EQ(in.lost(), 0u);
    });
    for (unsigned round = rounds(); round > 0; --round) {
        const std::int64_t before = played;
        EXPECT_TRUE(eventually([&] { return played > before + 100; }, 60s));
        server->kill();
        server = std::make_unique<tape_server>(log, endpoint);
    }
    enough = true;
    record.join();
    EXPECT_TRUE(eventually([&] { return played == sent; }, 60s)) << played << " of " << sent;
    EXPECT_FALSE(wrong);
    auto end = recorder.record();
    end.send(-1);
    end.get_reply();
    play.join();
    std::printf("%lld numbers, the server killed %u times\n", static_cast<long long>(sent),
                rounds());
}

}  // namespace
}  // namespace e2e
