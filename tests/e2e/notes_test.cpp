// Notes where links break, and beside peers that know nothing of them.

#include "tenon/notes.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "cutting_proxy.hpp"
#include "raw_peer.hpp"
#include "server_process.hpp"
#include "tenon/tenon.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;
using tenon::errc;
using tenon::note;

struct post {
    tenon::method<std::string()> write;  // a note to the caller; what came of it
};
TENON_INTERFACE(post, "test", "post", "1.0.0", write)

/// Numbers that were told: in order, none twice, and what is missing was announced.
class tally {
public:
    void add(const note& n) {
        const std::lock_guard lock(mutex_);
        const int number = n.content.as<int>();
        EXPECT_EQ(number, next_ + static_cast<int>(n.gap));
        next_ = number + 1;
        ++told_;
    }
    int next() {
        const std::lock_guard lock(mutex_);
        return next_;
    }
    int told() {
        const std::lock_guard lock(mutex_);
        return told_;
    }

private:
    std::mutex mutex_;
    int next_ = 0;
    int told_ = 0;
};

template <class F>
bool eventually(F condition) {
    const auto limit = std::chrono::steady_clock::now() + 30s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > limit) return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

TEST(notes, come_at_most_once_over_a_link_that_is_cut) {
    const scratch files;
    tally by_server, by_client;
    std::atomic<tenon::session*> session{nullptr};
    tenon::server server;
    server.publish<post>().write = [&](tenon::context& ctx) {
        session = &ctx.session();
        return "";
    };
    server.on_note([&](tenon::session&, const note& n) { by_server.add(n); });
    server.listen("unix:" + files.path("server")).start();
    cutting_proxy proxy(files.path("proxy"), files.path("server"));
    tenon::client_options o;
    o.resume = true;
    o.timeout = 60s;
    o.backoff_first = 1ms;
    o.backoff_last = 20ms;
    auto p = tenon::connect<post>("unix:" + files.path("proxy"), o);
    tenon::on_note(p.handle(), [&](const note& n) { by_client.add(n); });
    EXPECT_EQ(p.write(), "");

    constexpr int many = 3'000;
    std::thread cutter([&] {
        std::mt19937 random(std::random_device{}());
        for (int i = 0; i < 30; ++i) {
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
            proxy.cut();
        }
    });
    for (int i = 0; i < many; ++i) {
        EXPECT_TRUE(tenon::send_note(p.handle(), i));
        EXPECT_TRUE(session.load()->note(i));
        if (i % 10 == 0) std::this_thread::sleep_for(1ms);
        if (i % 100 == 0) {
            EXPECT_EQ(p.write(), "");  // something that counts, in between
        }
    }
    cutter.join();
    EXPECT_TRUE(eventually([&] { return by_server.next() == many && by_client.next() == many; }))
        << by_server.next() << ", " << by_client.next();
    std::printf("told of %d: %d and %d\n", many, by_server.told(), by_client.told());
}

TEST(notes, never_reach_a_peer_that_has_not_said_hello) {
    const scratch files;
    std::atomic<int> told{0};
    tenon::server server;
    server.publish<post>().write = [](tenon::context& ctx) {
        const auto sent = ctx.session().note("hello?");
        return sent ? std::string("sent") : sent.error().to_string();
    };
    server.on_note([&](tenon::session&, const note&) { ++told; });
    server.listen("unix:" + files.path("s")).start();
    raw_peer foreign("unix:" + files.path("s"));
    foreign.send(make_setup() + make_request(1, "test/post.write", "[]"));
    const auto answer = foreign.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->type, unsigned{payload_frame}) << answer->to_string();
    EXPECT_NE(answer->body.find("unsupported"), std::string::npos) << answer->body;

    // What makes no sense as a note is none; nor does it hurt.
    const auto entry = [](std::string_view content) {
        const std::string mime = "application/vnd.tenon.note.v1";
        return be(mime.size() - 1, 1) + mime + be(content.size(), 3) + std::string(content);
    };
    const std::string nothing = be(0, 8) + "\xc0", one = be(1, 8) + "\xc0";
    for (const std::string& bad :
         {std::string(), std::string("x"), entry(""), entry(be(1, 7)), entry(nothing),
          entry(be(5, 8)), entry(be(6, 8) + "\xdd\xff\xff\xff\xff"),
          entry(be(7, 8) + std::string(17 << 10, '\x91')), entry(be(8, 8) + "\xc1")})
        foreign.send(make_frame(0, metadata_push_frame, metadata_flag, bad));
    foreign.send(
        make_frame(0, metadata_push_frame, metadata_flag, entry(one)));  // after 5, 6 and 8
    foreign.send(make_frame(0, metadata_push_frame, metadata_flag, entry(be(9, 8) + "\xc0")));
    foreign.send(make_frame(0, metadata_push_frame, metadata_flag, entry(be(9, 8) + "\xc0")));
    foreign.send(make_request(3, "test/post.write", "[]"));
    const auto next = foreign.receive();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->stream, 3U) << next->to_string();
    EXPECT_TRUE(eventually([&] { return told == 1; })) << told;
}

}  // namespace
}  // namespace e2e
