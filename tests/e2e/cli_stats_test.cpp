// The tenon program and what servers count: stats, log-level.

#include <gtest/gtest.h>
#include <signal.h>

#include "cli_process.hpp"
#include "tenon/codec.hpp"

namespace {

using namespace e2e;
using tenon::value;

class cli_stats : public names_test {};

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::size_t lines_in(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST_F(cli_stats, counts_by_method) {
    const auto server = serve();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(run({"call", "example/echo.plus", "1", "2"}).exit, 0);
    EXPECT_EQ(run({"call", "example/echo.fail", "no_stock", "x"}).exit, 20);

    const auto table = run({"stats"});
    EXPECT_EQ(table.exit, 0) << table.err;
    EXPECT_EQ(table.out.find("METHOD                  CALLS  ERRORS  IN FLIGHT "), 0U) << table.out;
    EXPECT_TRUE(has(table.out, "\nexample/echo.plus           3       0          0 ")) << table.out;
    EXPECT_TRUE(has(table.out, "\nexample/echo.fail           1       1          0 ")) << table.out;
    EXPECT_FALSE(has(table.out, "INSTANCE"));

    const auto o = run({"stats", "example/echo.fail", "--json"});
    EXPECT_EQ(o.exit, 0) << o.err;
    EXPECT_EQ(lines_in(o.out), 1U);
    const value servers = tenon::parse_json(o.out).value();
    ASSERT_EQ(servers.size(), 1U);
    EXPECT_EQ(servers[0]["instance"].as_string(), instance_of());
    ASSERT_EQ(servers[0]["methods"].size(), 1U);
    EXPECT_EQ(servers[0]["methods"][0]["route"].as_string(), "example/echo.fail");
    EXPECT_EQ(servers[0]["methods"][0]["errors_by_code"]["failed"].as_int64(), 1);
}

TEST_F(cli_stats, of_several_instances_or_one) {
    const std::string at = "unix:" + path("../a.sock");
    const auto a = serve({"--listen", at}), b = serve();
    const value all = tenon::parse_json(run({"stats", "--json"}).out).value();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_TRUE(has(run({"stats", "'example/*.plus'"}).err, "is no pattern"));
    const auto both = run({"stats", "example/*.pl?s"});
    EXPECT_TRUE(has(both.out, "INSTANCE")) << both.out;
    EXPECT_EQ(lines_in(both.out), 3U) << both.out;
    const std::string id = all[0]["instance"].as_string();
    const value one = tenon::parse_json(run({"stats", "--json", "--instance", id}).out).value();
    ASSERT_EQ(one.size(), 1U);
    EXPECT_EQ(one[0]["instance"].as_string(), id);
    EXPECT_EQ(tenon::parse_json(run({"stats", "--json", "--at", at}).out).value().size(), 1U);

    b->signal(SIGKILL);
    b->finish();
    EXPECT_EQ(tenon::parse_json(run({"stats", "--json"}).out).value().size(), 1U);
}

TEST_F(cli_stats, says_when_there_is_nothing) {
    EXPECT_ERROR(run({"stats"}), 12, "no service runs here");
    const auto server = serve();
    EXPECT_ERROR(run({"stats", "example/ecko"}), 12, "did you mean example/echo?");
    EXPECT_ERROR(run({"stats", "example/echo.minus"}), 14, "no statistics of example/echo.minus");
    EXPECT_ERROR(run({"stats", "demo/*"}), 12, "no service that matches demo/*");
    EXPECT_ERROR(run({"stats", "--at", "unix:@tenon-cli-nobody"}), 12, "start the server");
    EXPECT_ERROR(run({"stats", "--watch", "--prometheus"}), 2, "exclude");
    EXPECT_ERROR(run({"stats", "a/b.c", "--connections"}), 2, "whole servers");
    EXPECT_ERROR(run({"stats", "a/b", "c/d"}), 2, "one name");
    EXPECT_ERROR(run({"stats", "--interval", "0"}), 2, "more than 0");
}

TEST_F(cli_stats, watches_with_rates) {
    const auto server = serve();
    process p(TENON_BIN_DIR "/tenon", {"stats", "example/echo.plus", "--interval", "50", "--json"},
              {.environment = environment()});
    const value first = tenon::parse_json(p.read_line()).value();
    EXPECT_EQ(first[0]["methods"][0].find("calls_per_s"), nullptr);
    EXPECT_EQ(run({"call", "example/echo.plus", "1", "2"}).exit, 0);
    double most = 0;
    for (int i = 0; i < 200 && most == 0; ++i) {
        const value next = tenon::parse_json(p.read_line()).value();
        most = std::max(most, next[0]["methods"][0]["calls_per_s"].as_double());
    }
    EXPECT_GT(most, 0);
    p.signal(SIGINT);
    EXPECT_EQ(p.finish().exit, 130);

    process text(TENON_BIN_DIR "/tenon",
                 {"stats", "example/echo.plus", "--watch", "--interval", "50"},
                 {.environment = environment()});
    EXPECT_TRUE(has(text.read_line(), "CALLS/S"));
    EXPECT_TRUE(has(text.read_line(), "example/echo.plus"));
    EXPECT_EQ(text.read_line(), "");
    EXPECT_TRUE(has(text.read_line(), "CALLS/S"));
    server->signal(SIGKILL);  // goes on without
    text.stop_reading();
    text.finish();
    EXPECT_TRUE(text.exit == 0 || text.exit == 128 + SIGPIPE) << text.exit << text.err;
}

// script(1) gives the program a terminal.
TEST_F(cli_stats, a_terminal_is_redrawn) {
    const auto server = serve();
    process p("script",
              {"-qefc", TENON_BIN_DIR "/tenon stats example/echo.plus --watch --interval 50",
               "/dev/null"},
              {.environment = {environment()[0], "TERM=xterm"}});
    std::string line;
    for (int i = 0; i < 6; ++i) line += p.read_line();
    if (!has(line, "METHOD")) GTEST_SKIP() << "script(1) is not usable here: " << line;
    EXPECT_TRUE(has(line.substr(line.find("METHOD")), "\x1b[H\x1b[2J")) << line;
    EXPECT_TRUE(has(line, "CALLS/S"));
}

TEST_F(cli_stats, servers_that_hang_delay_nobody) {
    const auto a = serve(), b = serve(), c = serve();
    a->signal(SIGSTOP);
    b->signal(SIGSTOP);
    const auto o = run({"stats", "example/echo.plus", "--timeout", "300", "--json"});
    EXPECT_EQ(o.exit, 11) << o.err;
    EXPECT_EQ(lines_in(o.err), 2U) << o.err;
    EXPECT_EQ(tenon::parse_json(o.out).value().size(), 1U);
}

TEST_F(cli_stats, connections) {
    const auto server = serve();
    process caller(TENON_BIN_DIR "/tenon", {"call", "example/echo.nap", "60000"},
                   {.environment = environment()});
    value all;
    ASSERT_TRUE(eventually([&] {
        all = tenon::parse_json(run({"stats", "--connections", "--json"}).out).value();
        for (const value& c : all.as_array())
            if (c["in_flight"].as_int64() == 1 && c["pid"].as_int64() == caller.pid) return true;
        return false;
    })) << tenon::to_json(all);
    EXPECT_EQ(all[0]["instance"].as_string(), instance_of());
    EXPECT_EQ(all[0]["transport"].as_string(), "unix");
    const auto table = run({"stats", "example/echo", "--connections"});
    EXPECT_EQ(table.exit, 0) << table.err;
    EXPECT_TRUE(has(table.out, "process " + std::to_string(caller.pid))) << table.out;
}

TEST_F(cli_stats, prometheus) {
    const auto server = serve();
    EXPECT_EQ(run({"call", "example/echo.plus", "1", "2"}).exit, 0);
    const auto o = run({"stats", "example/echo", "--prometheus"});
    EXPECT_EQ(o.exit, 0) << o.err;
    EXPECT_TRUE(has(o.out, "# TYPE ")) << o.out;
    EXPECT_TRUE(has(o.out, "example/echo.plus") || has(o.out, "\"plus\"")) << o.out;
    EXPECT_EQ(tenon::parse_json(run({"stats", "--prometheus", "--json"}).out).value().is_string(),
              true);
    const auto second = serve();
    EXPECT_ERROR(run({"stats", "--prometheus"}), 2, "2 match");
}

TEST_F(cli_stats, log_level) {
    const std::string at = "unix:" + path("../a.sock");
    const auto server = serve({"--listen", at});
    EXPECT_RESULT(run({"log-level", "example/echo"}), "warning");
    EXPECT_RESULT(run({"log-level", "example/echo", "debug"}), "debug");
    EXPECT_RESULT(run({"log-level", "--at", at}), "debug");
    EXPECT_RESULT(run({"log-level", "--at", at, "off", "--json"}), "\"off\"");
    EXPECT_ERROR(run({"log-level", "example/echo", "loud"}), 2, "there are debug");
    EXPECT_ERROR(run({"log-level"}), 2, "which server?");
    EXPECT_ERROR(run({"log-level", "example/ecko"}), 12, "did you mean example/echo?");
}

}  // namespace
