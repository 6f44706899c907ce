// The tenon program against RSocket servers that are not Tenon's, and services with operations of
// their own.

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "cli_process.hpp"
#include "raw_peer.hpp"
#include "tenon/functions.hpp"
#include "tenon/server.hpp"

namespace {

using namespace e2e;

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// Answers every request with "30", but what names tenon/control as it is told to: an error, or
/// not at all.
class foreign_server {
public:
    enum class control { refused, ignored };

    foreign_server(const std::string& path, control c)
        : control_(c), fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        std::strncpy(a.sun_path, path.c_str(), sizeof a.sun_path - 1);
        EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
        EXPECT_EQ(::listen(fd_, 8), 0);
        thread_ = std::thread([this] { run(); });
    }
    ~foreign_server() {
        ::shutdown(fd_, SHUT_RDWR);  // ends accept()
        thread_.join();
        ::close(fd_);
    }

private:
    void run() {
        for (int peer; (peer = ::accept(fd_, nullptr, nullptr)) >= 0; ::close(peer)) serve(peer);
    }

    void serve(int peer) const {
        std::string in;
        char chunk[4096];
        for (ssize_t n; (n = ::recv(peer, chunk, sizeof chunk, 0)) > 0;) {
            in.append(chunk, static_cast<std::size_t>(n));
            while (in.size() >= 3) {
                const std::size_t size = number(in, 0, 3) + 3;
                if (in.size() < size) break;
                answer(peer, in.substr(3, size - 3));
                in.erase(0, size);
            }
        }
    }

    void answer(int peer, const std::string& frame) const {
        const auto stream = static_cast<std::uint32_t>(number(frame, 0, 4));
        if (number(frame, 4, 2) >> 10 != request_response_frame) return;
        std::string reply;
        if (!has(frame, "tenon/control"))
            reply = make_frame(stream, payload_frame, next_flag | complete_flag, "30");
        else if (control_ == control::refused)
            reply = make_frame(stream, error_frame, 0, be(0x201, 4) + "what?");
        ::send(peer, reply.data(), reply.size(), MSG_NOSIGNAL);
    }

    static std::size_t number(const std::string& in, std::size_t at, std::size_t bytes) {
        std::size_t n = 0;
        for (std::size_t i = at; i < at + bytes; ++i)
            n = n << 8 | static_cast<unsigned char>(in[i]);
        return n;
    }

    const control control_;
    const int fd_;
    std::thread thread_;
};

class cli_foreign : public names_test {};

TEST_F(cli_foreign, calls_work_without_control) {
    for (const auto c : {foreign_server::control::refused, foreign_server::control::ignored}) {
        const std::string file = path(c == foreign_server::control::refused ? "r" : "i");
        const std::string at = "unix:" + file;
        const foreign_server server(file, c);
        EXPECT_RESULT(run({"call", "--at", at, "example/echo.plus", "10", "20"}), "30");
        EXPECT_RESULT(run({"call", "--at", at, "any/thing.at_all", "x=1", "--timeout", "9s"}),
                      "30");
        const auto bench = run({"bench", "--at", at, "a/b.c", "--calls", "10"});
        EXPECT_EQ(bench.exit, 0) << bench.err;
        const words quickly{"--timeout", "300"};
        for (words args : {words{"describe", "a/b", "--at", at}, words{"list", "--at", at},
                           words{"stats", "--at", at}, words{"log-level", "--at", at}}) {
            args.insert(args.end(), quickly.begin(), quickly.end());
            const int wanted = c == foreign_server::control::refused ? 20 : 11;
            EXPECT_ERROR(run(args), wanted, "error: ");
        }
    }
}

struct counter {
    tenon::method<int()> next;
};
TENON_INTERFACE(counter, "demo", "counter", "1.2.0", next)

struct hidden {
    tenon::method<int()> next;
};
TENON_INTERFACE(hidden, "demo", "hidden", "1.0.0", next)

TEST_F(cli_foreign, operations_and_services_without_control) {
    tenon::runtime_options where;
    where.directory = directory();
    tenon::runtime runtime(where);
    tenon::server_options options;
    options.runtime = &runtime;
    tenon::server server(options);
    server.publish<counter>().next = [] { return 7; };
    server.publish<hidden>(tenon::publish_options{.control = false}).next = [] { return 8; };
    server.operation(
        "demo/counter", "cache.clear", [](int n) { return n + 1; }, "n");
    const std::string at = "unix:" + path("both.sock");
    server.listen(at).start();

    EXPECT_RESULT(run({"call", "demo/counter.cache.clear", "4"}), "5");
    EXPECT_RESULT(run({"call", "demo/counter.cache.clear", "n=5"}), "6");
    EXPECT_ERROR(run({"call", "demo/counter.cache.clear", "x"}), 15, "n: expected");
    EXPECT_ERROR(run({"call", "demo/counter.cache.cler", "4"}), 18, "demo/counter.cache.clear?");
    const auto page = run({"describe", "demo/counter.cache.clear"});
    EXPECT_TRUE(has(page.out, "tenon call demo/counter.cache.clear n=…")) << page.out << page.err;
    EXPECT_TRUE(has(run({"complete", "--line", "tenon call demo/counter.ca"}).out,
                    "demo/counter.cache.clear\t(n)"));

    EXPECT_RESULT(run({"call", "demo/hidden.next"}), "8");
    EXPECT_ERROR(run({"describe", "demo/hidden"}), 18, "does not describe it");
    EXPECT_TRUE(has(run({"list"}).out, "demo/hidden")) << run({"list"}).out;
    EXPECT_ERROR(run({"stats", "demo/hidden"}), 14, "published without control");
    const auto stats = run({"stats", "demo/counter.cache.clear"});
    EXPECT_TRUE(has(stats.out, "demo/counter.cache.clear")) << stats.out << stats.err;
    EXPECT_FALSE(has(stats.out, "counter.next")) << stats.out;
    // Another process's server object is one instance, whichever service it is found by.
    EXPECT_TRUE(has(run({"list", "--at", at}).out, "demo/counter"));
    EXPECT_ERROR(run({"call", "--at", at, "demo/conter.next"}), 14, "did you mean demo/counter?");
}

}  // namespace
