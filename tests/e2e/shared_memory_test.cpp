// Shared memory between processes that are killed, stopped and continued in the middle of traffic of
// all sizes, and what it leaves behind. TENON_SOAK_ROUNDS sets how often.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "../../examples/echo.hpp"
#include "server_process.hpp"
#include "tenon/tenon.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;
using tenon::errc;

/// Mappings of shared memory in this process.
std::size_t mappings() {
    std::ifstream maps("/proc/self/maps");
    std::size_t n = 0;
    for (std::string line; std::getline(maps, line);) n += line.find("memfd:") != line.npos;
    return n;
}

tenon::bytes pattern(std::size_t size, unsigned seed) {
    tenon::bytes b(size);
    for (std::size_t i = 0; i < size; ++i) b[i] = static_cast<std::byte>(i * 131 + seed + i / 4096);
    return b;
}

class shared_memory : public testing::Test {
protected:
    void SetUp() override { server_ = server_process::echo({"unix:" + files_.path("echo")}); }

    std::string at() const { return "shm:" + files_.path("echo"); }
    void restart() { server_ = server_process::echo({"unix:" + files_.path("echo")}); }
    static tenon::client_options impatient() {
        tenon::client_options o;
        o.backoff_last = 20ms;
        o.timeout = 20s;
        return o;
    }

    scratch files_;
    server_process server_;
};

TEST_F(shared_memory, every_size_comes_back_as_it_was) {
    auto echo = tenon::connect<example::echo>(at(), impatient());
    ASSERT_TRUE(echo.wait_ready(10s));
    for (const std::size_t size : {0UL, 1UL, 4096UL, 65'536UL, 65'537UL, 131'072UL, 200'000UL,
                                   1UL << 20, 5'000'000UL, (64UL << 20) - 64}) {
        const tenon::bytes sent = pattern(size, 7);
        const auto got = echo.echo.try_call(tenon::bytes_view(sent));
        ASSERT_TRUE(got) << size << ": " << got.error().to_string();
        EXPECT_TRUE(*got == sent) << size;
    }
}

TEST_F(shared_memory, is_refused_where_the_server_does_not_share) {
    tenon::server_options so;
    so.shared_memory = false;
    tenon::server server(so);
    auto& e = server.publish<example::echo>();
    e.upper = [](tenon::context& c, std::string) { return std::string(c.peer().transport); };
    server.listen("unix:" + files_.path("plain")).start();
    const auto insists = tenon::connect<example::echo>("shm:" + files_.path("plain"));
    const auto refused = insists.upper.try_call("x");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), errc::unsupported) << refused.error().to_string();
    EXPECT_FALSE(refused.error().may_have_run());
    EXPECT_EQ(tenon::connect<example::echo>("unix:" + files_.path("plain")).upper("x"), "unix");
    server.stop();
}

TEST_F(shared_memory, killed_and_stopped_in_the_middle_of_traffic) {
    const char* wanted = std::getenv("TENON_SOAK_ROUNDS");
    const int rounds = wanted ? std::atoi(wanted) : 8;
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const std::size_t maps_before = mappings();
    const std::size_t descriptors_before = descriptors_of(::getpid());
    std::atomic<bool> over{false};
    std::atomic<unsigned> wrong{0};
    std::atomic<unsigned long> good{0}, lost{0};
    {
        auto one = tenon::connect<example::echo>(at(), impatient());
        ASSERT_TRUE(one.wait_ready(10s));
        std::vector<std::thread> callers;
        for (unsigned t = 0; t < 3; ++t)
            callers.emplace_back([&, t] {
                const tenon::bytes data = pattern(t == 0 ? 40 : t == 1 ? 30'000 : 700'000, t);
                while (!over.load()) {
                    const auto got = one.echo.try_call(tenon::bytes_view(data));
                    if (got) ++good, wrong += *got != data;
                    else ++lost, wrong += got.error().code() != errc::unavailable;
                    if (!got) pause_for(2ms);
                }
            });
        for (int i = 0; i < rounds; ++i) {
            pause_for(std::chrono::milliseconds(random() % 60));
            if (i % 3 == 2) {
                server_.signal(SIGSTOP);
                pause_for(std::chrono::milliseconds(random() % 30));
                server_.signal(SIGCONT);
                continue;
            }
            server_.signal(SIGKILL);
            EXPECT_EQ(server_.wait(10s), -SIGKILL);
            restart();
            const unsigned long before = good.load();
            EXPECT_TRUE(eventually([&] { return good.load() > before + 3; })) << "round " << i;
        }
        over = true;
        for (std::thread& t : callers) t.join();
    }
    EXPECT_EQ(wrong.load(), 0U);
    EXPECT_TRUE(eventually([&] {
        return mappings() <= maps_before && descriptors_of(::getpid()) <= descriptors_before + 2;
    })) << mappings()
        << " mappings, " << maps_before << " before; " << descriptors_of(::getpid())
        << " descriptors, " << descriptors_before << " before";
    std::printf("%d rounds: %lu calls, %lu of them lost\n", rounds, good.load(), lost.load());
}

TEST_F(shared_memory, clients_that_die_leave_nothing_with_the_server) {
    const std::size_t descriptors = server_.descriptors();
    for (int i = 0; i < 10; ++i) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::execl(TENON_BIN_DIR "/tenon", "tenon", "bench", "--at", at().c_str(),
                    "example/echo.echo", "--codec", "raw", "--seconds", "30", nullptr);
            ::_exit(127);
        }
        ASSERT_TRUE(eventually([&] { return server_.descriptors() >= descriptors + 3; }));
        pause_for(20ms);
        ::kill(child, SIGKILL);
        ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    }
    EXPECT_TRUE(eventually([&] { return server_.descriptors() <= descriptors; }));
    EXPECT_EQ(tenon::connect<example::echo>(at()).plus(1, 2), 3);
}

// What finds no segment goes through the ring; what is too long for a message is refused; and neither
// leaves anything behind.
TEST_F(shared_memory, limits_of_memory_and_messages_are_reached_without_a_leak) {
    const std::size_t maps_before = mappings();
    const std::size_t descriptors_before = descriptors_of(::getpid());
    {
        tenon::server_options so;
        so.limits.message = 4 << 20;
        so.limits.shared_memory_per_connection = 1 << 20;
        tenon::server server(so);
        auto& e = server.publish<example::echo>();
        e.echo = [](tenon::bytes_view data) { return tenon::bytes(data.begin(), data.end()); };
        e.plus = [](std::int64_t a, std::int64_t b) { return a + b; };
        const std::string path = files_.path("narrow");
        server.listen("unix:" + path).start();
        for (int round = 0; round < 5; ++round) {
            const auto echo = tenon::connect<example::echo>("shm:" + path, impatient());
            for (const std::size_t size : {1UL << 10, 700'000UL, 1UL << 20, 3UL << 20}) {
                const tenon::bytes sent = pattern(size, 3);
                const auto got = echo.echo.try_call(tenon::bytes_view(sent));
                ASSERT_TRUE(got) << size << ": " << got.error().to_string();
                EXPECT_TRUE(*got == sent) << size;
            }
            // More under way than there is memory for.
            const tenon::bytes large = pattern(2 << 20, 5);
            std::vector<std::thread> callers;
            std::atomic<int> good{0};
            for (int i = 0; i < 4; ++i)
                callers.emplace_back([&] {
                    for (int k = 0; k < 5; ++k) {
                        const auto got = echo.echo.try_call(tenon::bytes_view(large));
                        good += got && *got == large;
                    }
                });
            for (std::thread& t : callers) t.join();
            EXPECT_EQ(good, 20);
            const tenon::bytes too_long(5 << 20);
            const auto refused = echo.echo.try_call(tenon::bytes_view(too_long));
            ASSERT_FALSE(refused);
            EXPECT_EQ(refused.error().code(), errc::invalid) << refused.error().to_string();
            EXPECT_EQ(echo.plus(1, 2), 3);
            EXPECT_EQ(server.status().connections, 1u);
        }
    }
    EXPECT_TRUE(eventually([&] {
        return mappings() <= maps_before && descriptors_of(::getpid()) <= descriptors_before + 2;
    })) << mappings()
        << " mappings, " << maps_before << " before; " << descriptors_of(::getpid())
        << " descriptors, " << descriptors_before << " before";
}

}  // namespace
}  // namespace e2e
