// Deadlines, keep-alives and connection life-times under a clock that the test moves.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "rpc/runtime_core.hpp"
#include "tenon/tenon.hpp"

namespace {

using namespace std::chrono_literals;

struct clocked {
    tenon::method<int(int)> nap;
};
TENON_INTERFACE(clocked, "test", "clocked", "1.0.0", (nap, ms))

/// Server and client on one loop that this thread runs, in virtual time.
class virtual_time : public testing::Test {
protected:
    virtual_time() {
        tenon::server_options so;
        so.runtime = &runtime_;
        server_.emplace(so);
        server_->publish<clocked>().nap = [this](int ms) -> tenon::task<int> {
            const bool slept = co_await tenon::sleep_for(std::chrono::milliseconds(ms));
            cut_short_ = !slept;
            co_return ms;
        };
        server_->listen(endpoint_).start();
        options_.runtime = &runtime_;
    }

    /// Lets everything happen that is due without time passing.
    void settle() {
        for (int i = 0; i < 50; ++i) runtime_.run_ready();
    }
    void pass(std::chrono::milliseconds time) {
        for (auto step = 0ms; step < time; step += 10ms) {
            clock_.advance(10ms);
            settle();
        }
    }

    const std::string endpoint_ = "unix:@tenon-virtual-time-" + std::to_string(::getpid());
    tenon::base::virtual_clock clock_;
    tenon::runtime runtime_{
        tenon::detail::runtime_core::make({}, tenon::detail::runtime_core::threads::none, clock_)};
    std::optional<tenon::server> server_;
    tenon::client_options options_;
    bool cut_short_ = false;
};

TEST_F(virtual_time, an_answer_comes_when_its_time_has_come) {
    auto client = tenon::connect<clocked>(endpoint_, options_);
    std::optional<tenon::result<int>> got;
    client.nap.then([&](tenon::result<int> r) { got = std::move(r); }, 60'000);
    pass(59'000ms);
    EXPECT_FALSE(got);
    pass(1'100ms);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->value(), 60'000);
}

TEST_F(virtual_time, a_deadline_ends_the_call_and_cancels_the_handler) {
    auto client = tenon::connect<clocked>(endpoint_, options_);
    std::optional<tenon::result<int>> got;
    tenon::call_options limited;
    limited.timeout = 5'000ms;
    client.nap.with(limited).then([&](tenon::result<int> r) { got = std::move(r); }, 3'600'000);
    pass(4'900ms);
    EXPECT_FALSE(got);
    pass(200ms);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->error().code(), tenon::errc::deadline);
    EXPECT_TRUE(cut_short_);
}

TEST_F(virtual_time, keep_alives_hold_an_idle_connection_for_hours) {
    auto client = tenon::connect<clocked>(endpoint_, options_);
    settle();
    ASSERT_TRUE(client.handle().is_connected());
    for (int i = 0; i < 360; ++i) {
        clock_.advance(10s);
        settle();
    }
    EXPECT_TRUE(client.handle().is_connected());
}

/// Connects without ever saying anything.
int silent_connection(const std::string& abstract_name) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, abstract_name.data(), abstract_name.size());
    const auto size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + abstract_name.size());
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    return fd;
}

TEST_F(virtual_time, a_connection_without_setup_ends_after_five_seconds) {
    const int fd = silent_connection(endpoint_.substr(std::strlen("unix:@")));
    char byte;
    pass(4'900ms);
    EXPECT_EQ(::recv(fd, &byte, 1, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
    pass(1'500ms);
    EXPECT_GT(::recv(fd, &byte, 1, 0), 0) << "an ERROR frame says why";
    while (::recv(fd, &byte, 1, 0) > 0) {}
    EXPECT_NE(errno, 0);
    ::close(fd);
}

}  // namespace
