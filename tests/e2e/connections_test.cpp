// Many connections at once: what they cost a server while they rest.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <deque>

#include "raw_peer.hpp"
#include "server_process.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t connections = 1'000;  // of one user, as many as a server lets in by itself
constexpr std::size_t resting_limit = 4'096;
constexpr unsigned descriptors = 4'096;

/// Requests in one go, then all answers.
void call(raw_peer& peer, std::uint32_t& next_id, unsigned n, const std::string& text) {
    std::string requests;
    for (unsigned i = 0; i < n; ++i, next_id += 2)
        requests += make_request(next_id, "example/echo.upper", "[\"" + text + "\"]");
    ASSERT_TRUE(peer.send(requests));
    for (unsigned i = 0; i < n; ++i) {
        const auto f = peer.receive();
        ASSERT_TRUE(f);
        ASSERT_EQ(f->type, payload_frame) << f->to_string();
        ASSERT_EQ(f->body.size(), text.size() + 2);
    }
}

class resting_connections : public testing::TestWithParam<const char*> {};

TEST_P(resting_connections, take_little_memory_also_after_they_were_busy) {
    if (sanitized) GTEST_SKIP() << "sanitizers need memory of their own";
    const rlimit limit{descriptors, descriptors};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    const scratch files;
    const bool tcp = std::string_view(GetParam()) == "tcp";
    server_process server =
        server_process::echo({tcp ? "tcp://127.0.0.1:0" : "unix:" + files.path("s")}, descriptors);
    const std::string endpoint = server.endpoints().front();
    std::uint32_t id = 1;
    {
        // What the server makes once, for the first ones.
        std::deque<raw_peer> few;
        for (int i = 0; i < 10; ++i) {
            few.emplace_back(endpoint).send(make_setup());
            ASSERT_NO_FATAL_FAILURE(call(few.back(), id = 1, 64, std::string(1'000, 'a')));
        }
    }
    const std::size_t before = server.resident();
    const auto rests = [&] { return server.resident() <= before + connections * resting_limit; };
    const auto each = [&] { return static_cast<double>(server.resident() - before) / connections; };
    std::deque<raw_peer> peers;
    for (std::size_t i = 0; i < connections; ++i) {
        peers.emplace_back(endpoint).send(make_setup());
        ASSERT_NO_FATAL_FAILURE(call(peers.back(), id = 1, 1, "a"));
    }
    EXPECT_TRUE(eventually(rests)) << each() << " bytes each after a call";
    std::printf("%.0f bytes each after a call\n", each());
    for (raw_peer& p : peers) {
        ASSERT_NO_FATAL_FAILURE(call(p, id = 3, 64, std::string(1'000, 'a')));
    }
    std::printf("%.0f bytes each while busy\n", each());
    EXPECT_TRUE(eventually(rests)) << each() << " bytes each after many calls at once";
    std::printf("%.0f bytes each afterwards\n", each());
    // And they still work.
    for (raw_peer& p : peers) ASSERT_NO_FATAL_FAILURE(call(p, id = 201, 1, "b"));
}

INSTANTIATE_TEST_SUITE_P(transports, resting_connections, testing::Values("unix", "tcp"),
                         [](const auto& given) { return std::string(given.param); });

}  // namespace
}  // namespace e2e
