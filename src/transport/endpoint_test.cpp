#include "transport/endpoint.hpp"

#include <gtest/gtest.h>

namespace tenon::inline v0::transport {
namespace {

TEST(endpoint, parses_what_it_prints) {
    const char* const texts[] = {
        "inproc:demo/math",   "unix:/run/tenon/a.sock", "unix:relative.sock",
        "unix:./a/b c.sock",  "unix:@tenon-demo",       "tcp://127.0.0.1:5555",
        "tcp://[::1]:0",      "tcp://[fe80::1%eth0]:7", "tcp://example.org:65535",
        "tcp://localhost:80", "tcp://my_host:1",        "unix:/tmp/@not-abstract",
        "shm:/run/a.sock",    "shm:relative.sock",
    };
    for (const char* text : texts) {
        const auto parsed = parse_endpoint(text);
        ASSERT_TRUE(parsed) << text << ": " << parsed.error().to_string();
        EXPECT_EQ(to_string(*parsed), text);
    }
}

TEST(endpoint, fills_the_parts) {
    EXPECT_EQ(*parse_endpoint("inproc:x"), (endpoint{scheme::inproc, "x", {}, 0}));
    EXPECT_EQ(*parse_endpoint("unix:/a"), (endpoint{scheme::unix_path, "/a", {}, 0}));
    EXPECT_EQ(*parse_endpoint("shm:/a"), (endpoint{scheme::shm, "/a", {}, 0}));
    EXPECT_EQ(*parse_endpoint("unix:@a"), (endpoint{scheme::unix_abstract, "a", {}, 0}));
    EXPECT_EQ(*parse_endpoint("tcp://[::1]:5"), (endpoint{scheme::tcp, {}, "::1", 5}));
}

TEST(endpoint, makes_addresses_canonical) {
    EXPECT_EQ(to_string(*parse_endpoint("tcp://[0:0::0001]:5")), "tcp://[::1]:5");
    EXPECT_EQ(to_string(*parse_endpoint("tcp://[2001:DB8::A]:5")), "tcp://[2001:db8::a]:5");
    EXPECT_EQ(to_string(*parse_endpoint("tcp://LocalHost:5")), "tcp://localhost:5");
}

TEST(endpoint, says_what_is_expected) {
    const struct {
        std::string text;
        const char* expected;
    } cases[] = {
        {"", "expected unix:/path"},
        {"/run/a.sock", "expected unix:/path"},
        {"http://a:1", "expected unix:/path"},
        {"inproc:", "inproc:NAME"},
        {"inproc:a b", "inproc:NAME"},
        {"inproc:" + std::string(129, 'x'), "inproc:NAME"},
        {"unix:", "unix:/path or unix:@name"},
        {"unix:@", "1 to 107 bytes"},
        {"unix:@" + std::string(108, 'x'), "1 to 107 bytes"},
        {"shm:", "shm:/path"},
        {"shm:@a", "shm:/path"},
        {std::string("shm:/a\0b", 8), "NUL"},
        {"shm:/a/", "names a directory"},
        {"unix:/a/", "names a directory"},
        {"unix:..", "names a directory"},
        {std::string("unix:/a\0b", 9), "NUL"},
        {"unix:/" + std::string(81, 'x'), "longer than 80"},
        {"unix:" + std::string(4000, '/') + "x", "longer than 4000"},
        {"tcp:127.0.0.1:80", "tcp://host:port"},
        {"tcp://127.0.0.1", "tcp://host:port"},
        {"tcp://:80", "tcp://host:port"},
        {"tcp://*:80", "tcp://host:port"},
        {"tcp://a b:80", "tcp://host:port"},
        {"tcp://-a:80", "tcp://host:port"},
        {"tcp://h:", "port from 0 to 65535"},
        {"tcp://h:65536", "port from 0 to 65535"},
        {"tcp://h:99999999999999999999", "port from 0 to 65535"},
        {"tcp://h:-1", "port from 0 to 65535"},
        {"tcp://h:80 ", "port from 0 to 65535"},
        {"tcp://::1:80", "in brackets"},
        {"tcp://[::1]", "port from 0 to 65535"},
        {"tcp://[::g]:80", "IPv6 address"},
        {"tcp://[::1%]:80", "IPv6 address"},
        {"tcp://[]:80", "tcp://host:port"},
        {"tcp://127.1:80", "IPv4 address"},
        {"tcp://256.0.0.1:80", "IPv4 address"},
    };
    for (const auto& c : cases) {
        const auto parsed = parse_endpoint(c.text);
        ASSERT_FALSE(parsed) << c.text;
        EXPECT_EQ(parsed.error().code(), errc::invalid);
        EXPECT_FALSE(parsed.error().may_have_run());
        EXPECT_NE(parsed.error().message().find(c.expected), std::string::npos)
            << c.text << " gave " << parsed.error().message();
    }
}

TEST(endpoint, quotes_hostile_text_safely) {
    const auto parsed = parse_endpoint("\x1b[31m" + std::string(10'000, 'x'));
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().message().find('\x1b'), std::string::npos);
    EXPECT_LT(parsed.error().message().size(), 300u);
}

TEST(endpoint, knows_loopback) {
    for (const char* text : {"inproc:a", "unix:a", "unix:@a", "tcp://127.0.0.1:1",
                             "tcp://127.9.9.9:1", "tcp://[::1]:1", "tcp://localhost:1",
                             "tcp://db.localhost:1", "tcp://[::ffff:127.0.0.1]:1"})
        EXPECT_TRUE(is_loopback(*parse_endpoint(text))) << text;
    for (const char* text : {"tcp://0.0.0.0:1", "tcp://[::]:1", "tcp://10.0.0.1:1",
                             "tcp://127.example.org:1", "tcp://notlocalhost:1"})
        EXPECT_FALSE(is_loopback(*parse_endpoint(text))) << text;
}

TEST(endpoint, resolves_addresses_and_localhost_without_asking) {
    const auto numeric = resolve(*parse_endpoint("tcp://10.1.2.3:7"));
    ASSERT_TRUE(numeric);
    ASSERT_EQ(numeric->size(), 1u);
    EXPECT_EQ(to_string(numeric->front()), "tcp://10.1.2.3:7");

    const auto local = resolve(*parse_endpoint("tcp://localhost:7"));
    ASSERT_TRUE(local);
    ASSERT_EQ(local->size(), 2u);
    EXPECT_EQ(to_string((*local)[0]), "tcp://127.0.0.1:7");
    EXPECT_EQ(to_string((*local)[1]), "tcp://[::1]:7");

    const auto path = resolve(*parse_endpoint("unix:a"));
    ASSERT_TRUE(path);
    EXPECT_EQ(to_string(path->front()), "unix:a");
}

TEST(endpoint, unknown_host_is_unavailable) {
    // Names under .invalid never exist (RFC 2606).
    const auto unknown = resolve(*parse_endpoint("tcp://host.invalid:7"));
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code(), errc::unavailable);
    EXPECT_NE(unknown.error().message().find("host.invalid"), std::string::npos);
}

}  // namespace
}  // namespace tenon::inline v0::transport
