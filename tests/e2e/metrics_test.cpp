// The text for Prometheus, read by its own parser.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "tenon/control.hpp"
#include "tenon/tenon.hpp"

namespace {

struct shop {
    tenon::method<int(int)> price;
    tenon::method<int(int)> slow;

    static void describe(tenon::description<shop>& d) { d[&shop::slow].blocking(); }
};
TENON_INTERFACE(shop, "demo", "shop", "1.0.0", (price, n), (slow, n))

struct secret {
    tenon::method<int()> hidden;
};
TENON_INTERFACE(secret, "demo", "secret", "1.0.0", hidden)

/// What check_metrics.py prints about the text, or its complaint; run by Debian's Python, for the sake
/// of its packages.
std::string checked(const std::string& text) {
    char path[] = "/tmp/tenon-metrics-XXXXXX";
    const int fd = ::mkstemp(path);
    EXPECT_GE(fd, 0);
    ::close(fd);
    std::ofstream(path) << text;
    const std::string command =
        std::string("/usr/bin/python3 " TENON_E2E_DIR "/check_metrics.py < ") + path + " 2>&1";
    std::string said;
    FILE* out = ::popen(command.c_str(), "r");
    for (int c; (c = std::fgetc(out)) != EOF;) said.push_back(static_cast<char>(c));
    EXPECT_EQ(::pclose(out), 0) << said;
    ::unlink(path);
    return said;
}

TEST(metrics, prometheus_reads_them) {
    tenon::server server;
    auto& s = server.publish<shop>();
    s.price = [](int n) -> tenon::result<int> {
        if (n < 0) return tenon::error(tenon::errc::invalid, "no such price");
        return n;
    };
    s.slow = [](int n) { return n; };
    server.publish<secret>({.control = false}).hidden = [] { return 1; };
    server.listen("unix:@tenon-metrics-" + std::to_string(::getpid())).start();
    auto client = tenon::connect<shop>(server.endpoints().front());
    for (int n = -5; n < 100; ++n) (void)client.price.try_call(n);
    for (int n = 0; n < 10; ++n) client.slow(n);
    tenon::connect<secret>(server.endpoints().front()).hidden();

    const std::string own = checked(server.metrics());
    EXPECT_NE(own.find("tenon_calls_total demo,shop,price 105.0\n"), std::string::npos) << own;
    EXPECT_NE(own.find("tenon_calls_total demo,shop,slow 10.0\n"), std::string::npos) << own;
    EXPECT_NE(own.find("tenon_calls_total demo,secret,hidden 1.0\n"), std::string::npos) << own;
    EXPECT_NE(own.find("tenon_errors_total demo,shop,price,invalid 5.0\n"), std::string::npos);
    EXPECT_NE(own.find("tenon_in_flight demo,shop,slow 0.0\n"), std::string::npos);
    EXPECT_NE(own.find("tenon_call_seconds 3\n"), std::string::npos);
    EXPECT_NE(own.find("tenon_queue_wait_seconds 1\n"), std::string::npos);

    auto control = tenon::connect<tenon::control>(server.endpoints().front());
    const std::string told = checked(control.metrics());
    EXPECT_NE(told.find("tenon_calls_total demo,shop,price 105.0\n"), std::string::npos) << told;
    EXPECT_EQ(told.find("secret"), std::string::npos) << told;
}

}  // namespace
