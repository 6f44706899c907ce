// A server and a client that are connected and have nothing to do sleep, all of their threads, for
// ten seconds. The longest test, and it needs no CPU.

#include <gtest/gtest.h>
#include <unistd.h>

#include "../../examples/echo.hpp"
#include "server_process.hpp"
#include "tenon/client.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;

TEST(idle, no_thread_wakes_up) {
    if (sanitized) GTEST_SKIP() << "sanitizers have threads of their own";
    const scratch files;
    server_process server = server_process::echo({"unix:" + files.path("s"), "tcp://127.0.0.1:0"});
    std::vector<tenon::stub<example::echo>> clients;
    for (const std::string& e : server.endpoints()) {
        clients.push_back(tenon::connect<example::echo>(e));
        ASSERT_TRUE(clients.back().plus.try_call(1, 2));
        ASSERT_TRUE(clients.back().upper.future("x").get());
        ASSERT_TRUE(clients.back().nap.try_call(5));
    }
    pause_for(1500ms);
    const auto here = [] { return context_switches_of(::getpid(), ::getpid()); };
    const auto server_before = server.context_switches();
    const auto here_before = here();
    ASSERT_GT(server_before, 0U);
    pause_for(10s);
    EXPECT_EQ(server.context_switches() - server_before, 0U) << "in the server";
    EXPECT_EQ(here() - here_before, 0U) << "in the client, besides this thread";
    for (const auto& echo : clients) EXPECT_TRUE(echo.plus.try_call(1, 2));
}

}  // namespace
}  // namespace e2e
