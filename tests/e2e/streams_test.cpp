// Streams to a server in another process that is killed.
// Labels: tsan

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "server_process.hpp"
#include "stream_service.hpp"
#include "tenon/client.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;
using tenon::errc;

template <class F>
std::optional<errc> code_thrown_by(F f) {
    try {
        f();
    } catch (const tenon::failure& e) {
        return e.error().code();
    }
    return std::nullopt;
}

// --- a server that is killed ---

/// A server in a process of its own, forked before there are threads.
class doomed_server {
public:
    explicit doomed_server(const std::string& endpoint) {
        int out[2];
        if (pipe(out) != 0) throw std::runtime_error("pipe");
        pid_ = fork();
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(out[0]);
            tenon::runtime runtime;
            tenon::server_options o;
            o.runtime = &runtime;
            tenon::server server(o);
            implement(server.publish<flow>());
            server.listen(endpoint).start();
            const std::string at = server.endpoints().at(0);
            if (write(out[1], at.data(), at.size()) < 0) _exit(1);
            for (;;) pause();
        }
        close(out[1]);
        char text[200];
        const ssize_t n = read(out[0], text, sizeof text);
        close(out[0]);
        if (n > 0) endpoint_.assign(text, static_cast<std::size_t>(n));
    }
    ~doomed_server() { die(); }
    doomed_server(const doomed_server&) = delete;
    doomed_server& operator=(const doomed_server&) = delete;

    void die() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    const std::string& endpoint() const { return endpoint_; }

private:
    pid_t pid_;
    std::string endpoint_;
};

constexpr const char* transports[] = {"unix", "shm", "tcp"};

class killed : public testing::TestWithParam<const char*> {
protected:
    // Before the first test has started a thread.
    static void SetUpTestSuite() {
        files_ = new scratch;
        for (const char* t : transports) {
            std::string at = "tcp://127.0.0.1:0";
            if (t == std::string("unix")) at = "unix:@tenon-doomed-" + std::to_string(getpid());
            if (t == std::string("shm")) at = "shm:" + files_->path("doomed");
            servers_[t] = std::make_unique<doomed_server>(at);
        }
    }
    static void TearDownTestSuite() {
        servers_.clear();
        delete files_;
    }
    static inline scratch* files_ = nullptr;
    static inline std::map<std::string, std::unique_ptr<doomed_server>> servers_;
};
INSTANTIATE_TEST_SUITE_P(over, killed, testing::ValuesIn(transports),
                         [](const auto& i) { return std::string(i.param); });

TEST_P(killed, in_the_middle_of_streams_of_every_kind) {
    doomed_server& server = *servers_[GetParam()];
    ASSERT_FALSE(server.endpoint().empty());
    const auto files = descriptors_of(getpid());
    {
        tenon::runtime runtime;
        tenon::client_options o;
        o.runtime = &runtime;
        auto f = tenon::connect<flow>(server.endpoint(), o);
        ASSERT_EQ(f.plus(1, 2), 3);
        std::atomic<int> going{0}, ended{0};
        std::vector<std::thread> threads;
        const auto until_lost = [&](auto work) {
            threads.emplace_back([&going, &ended, work] {
                ++going;
                EXPECT_EQ(code_thrown_by(work), errc::unavailable);
                ++ended;
            });
        };
        for (int i = 0; i < 2; ++i) {
            until_lost([s = f.endless()]() mutable {
                for (int n = 0;; ++n) ASSERT_EQ(s.get(), n);
            });
            until_lost([s = f.sum()]() mutable {
                for (;;) s.send(1);
            });
            until_lost([s = f.twice()]() mutable {
                for (int n = 0;; ++n) ASSERT_EQ(s.send_recv(n), 2 * n);
            });
            // These wait: for a value, for room, for a reply.
            until_lost([s = f.twice()]() mutable { s.get(); });
            until_lost([s = f.twice()]() mutable {
                for (;;) s.send(1);
            });
        }
        // Full, so that it waits when the end comes, and still has what came before.
        auto kept = f.endless();
        EXPECT_EQ(kept.get(), 0);
        EXPECT_TRUE(eventually([&] { return going == 10; }));
        EXPECT_TRUE(eventually([&] { return kept.stats().waiting > 10; }));
        pause_for(50ms);
        server.die();
        EXPECT_TRUE(eventually([&] { return ended == 10; })) << ended << " of 10 have ended";
        for (auto& t : threads) t.join();
        int next = 1;
        EXPECT_EQ(code_thrown_by([&] {
                      while (auto v = kept.get()) ASSERT_EQ(*v, next++);
                  }),
                  errc::unavailable);
        EXPECT_GT(next, 10);
        // A new one does not hang either.
        EXPECT_EQ(code_thrown_by([&] { f.endless().get(); }), errc::unavailable);
    }
    EXPECT_TRUE(eventually([&] { return descriptors_of(getpid()) <= files; }))
        << descriptors_of(getpid()) << " descriptors, at first " << files;
}

}  // namespace
}  // namespace e2e
