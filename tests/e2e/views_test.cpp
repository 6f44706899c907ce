// A view among a handler's parameters ends with the handler. In debug builds who keeps one finds
// out: what it points to is written over.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "raw_peer.hpp"
#include "tenon/tenon.hpp"

namespace e2e {
namespace {

std::string_view kept;

bool is_written_over() {
    return std::all_of(kept.begin(), kept.end(), [](char c) { return c == '\xDD'; });
}

struct views {
    tenon::method<int(std::string_view)> quick;
    tenon::method<bool()> look;
    tenon::method<int(std::string_view)> later;
};
TENON_INTERFACE(views, "test", "views", "1.0.0", (quick, text), look, (later, text))

tenon::task<int> count_later(std::string_view text) {
    co_await tenon::sleep_for(std::chrono::milliseconds(20));
    co_return static_cast<int>(std::count(text.begin(), text.end(), 'x'));
}

/// Sends both in one go, so that the second is served while the memory of the first is still there.
std::string answer_of_second(raw_peer& peer, const std::string& first, const std::string& second) {
    EXPECT_TRUE(peer.send(first + second));
    for (int i = 0; i < 2; ++i) {
        const auto f = peer.receive();
        if (!f) return "nothing";
        if (f->stream == 3) return f->body;
    }
    return "no answer";
}

TEST(views, end_with_the_handler) {
    const std::string endpoint = "unix:/tmp/tenon-e2e-views-" + std::to_string(::getpid());
    tenon::server server;
    auto& v = server.publish<views>();
    v.quick = [](std::string_view text) {
        kept = text;
        EXPECT_FALSE(is_written_over());
        return static_cast<int>(text.size());
    };
    v.look = [] { return is_written_over(); };
    v.later = count_later;
    server.listen(endpoint).start();

    const std::string argument = "[\"" + std::string(500, 'x') + "\"]";
    {
        raw_peer peer(endpoint);
        peer.send(make_setup());
        const std::string seen =
            answer_of_second(peer, make_request(1, "test/views.quick", argument),
                             make_request(3, "test/views.look", "[]"));
#ifdef NDEBUG
        EXPECT_EQ(seen, "false");
#else
        EXPECT_EQ(seen, "true");
#endif
    }
    // A coroutine's arguments live until it has finished, whatever comes meanwhile.
    raw_peer peer(endpoint);
    peer.send(make_setup());
    peer.send(make_request(1, "test/views.later", argument) +
              make_request(3, "test/views.quick", argument));
    for (int i = 0; i < 2; ++i) {
        const auto f = peer.receive();
        ASSERT_TRUE(f);
        EXPECT_EQ(f->body, "500") << f->to_string();
    }
}

}  // namespace
}  // namespace e2e
