// The tenon program and services that are found by their names: list, call, ping, bench.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "cli_process.hpp"
#include "tenon/codec.hpp"

namespace {

using namespace e2e;
using tenon::value;

class cli_names : public names_test {};

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST_F(cli_names, a_service_is_called_by_its_name) {
    const auto server = serve();
    EXPECT_RESULT(run({"call", "example/echo.plus", "10", "20"}), "30");
    EXPECT_RESULT(run({"call", "example/echo.plus", "b=2", "a=40", "--codec", "msgpack"}), "42");
    EXPECT_EQ(run({"call", "example/echo.echo", "--codec", "raw", "x y"}).out, "x y");
    EXPECT_RESULT(run({"call", "example/echo.plus", "1", "2", "--instance", instance_of()}), "3");

    const auto ping = run({"ping", "example/echo", "--count", "2", "--interval", "1", "--json"});
    EXPECT_EQ(ping.exit, 0) << ping.err;
    EXPECT_EQ(tenon::parse_json(ping.out).value()["answered"].as_int64(), 2);
    for (const char* outstanding : {"1", "8"}) {
        const auto bench = run({"bench", "example/echo.plus", "1", "2", "--calls", "100", "--json",
                                "--outstanding", outstanding});
        EXPECT_EQ(bench.exit, 0) << bench.err;
        const value r = tenon::parse_json(bench.out).value();
        EXPECT_EQ(r["calls"].as_int64(), 100);
        EXPECT_EQ(r["endpoint"].as_string(), "example/echo");
    }
}

TEST_F(cli_names, nobody_is_there) {
    for (const words& args :
         {words{"call", "example/echo.plus", "1", "2"}, words{"ping", "example/echo"},
          words{"bench", "example/echo.plus", "1", "2"}, words{"stats", "example/echo"}}) {
        SCOPED_TRACE(args[0]);
        EXPECT_ERROR(run(args), 12, "example/echo");
        EXPECT_ERROR(run(args), 12, "no service runs here (looked in " + directory());
    }
    const auto o = run({"call", "example/echo.plus", "1", "2", "--json"});
    EXPECT_EQ(o.exit, 12);
    const value e = tenon::parse_json(o.err).value()["error"];
    EXPECT_EQ(e["code"].as_string(), "unavailable");
    EXPECT_FALSE(e["may_have_run"].as_bool());
    EXPECT_TRUE(has(e["hint"].as_string(), "--at ENDPOINT"));
}

TEST_F(cli_names, what_has_a_similar_name_is_suggested) {
    const auto server = serve();
    EXPECT_ERROR(run({"call", "example/ecko.plus", "1", "2"}), 12, "did you mean example/echo?");
    EXPECT_ERROR(run({"call", "shop/orders.plus", "1", "2"}), 12, "what runs here: example/echo");
    EXPECT_ERROR(run({"call", "example/echo.plux", "1", "2"}), 18, "plus");
    EXPECT_ERROR(run({"call", "example/echo.plus", "1", "2", "--instance", "0123456789ab"}), 12,
                 "instances of example/echo that run: " + instance_of());
}

TEST_F(cli_names, list_shows_what_runs) {
    auto none = run({"list"});
    EXPECT_EQ(none.exit, 0);
    EXPECT_EQ(none.out, "");
    EXPECT_TRUE(has(none.err, "looked in " + directory())) << none.err;
    EXPECT_RESULT(run({"list", "--json"}), "[]");

    const auto a =
        serve({"--listen", "unix:" + path("../a.sock"), "--listen", "tcp://127.0.0.1:0"});
    const std::string id = instance_of();
    const auto table = run({"list"});
    EXPECT_EQ(table.exit, 0) << table.err;
    EXPECT_EQ(table.out.find("SERVICE       VERSION  INSTANCE      SEEN  ENDPOINTS\n"), 0U);
    EXPECT_TRUE(has(table.out, "example/echo  1.0.0    " + id + "  polw  unix:" + directory()))
        << table.out;
    EXPECT_TRUE(has(table.out, "tcp://127.0.0.1:")) << table.out;

    const value one = tenon::parse_json(run({"list", "--json"}).out).value()[0];
    EXPECT_EQ(one["publisher"].as_string(), "example");
    EXPECT_EQ(one["service"].as_string(), "echo");
    EXPECT_EQ(one["instance"].as_string(), id);
    EXPECT_EQ(one["pid"].as_int64(), a->pid);
    EXPECT_EQ(one["uid"].as_int64(), ::getuid());
    EXPECT_EQ(one["endpoints"].size(), 3U);
    EXPECT_EQ(one["seen"].size(), 4U);

    const auto verbose = run({"list", "-v"});
    for (const std::string& part :
         {std::string("example/echo 1.0.0\n"), "instance   " + id,
          "process    " + std::to_string(a->pid), std::string("started    20"),
          std::string(" ago\n"), std::string("user       "),
          std::string("seen       polw  process, os, lan, wan\n")})
        EXPECT_TRUE(has(verbose.out, part)) << part << "\n" << verbose.out;
}

TEST_F(cli_names, list_takes_patterns_and_instances) {
    const auto a = serve(), b = serve();
    const auto count = [&](const words& more) {
        words args{"list", "--json"};
        args.insert(args.end(), more.begin(), more.end());
        const auto o = run(args);
        EXPECT_EQ(o.exit, 0) << o.err;
        return tenon::parse_json(o.out).value().size();
    };
    for (const char* pattern :
         {"*", "example/*", "example", "*/echo", "e?ample/ec*", "example/echo"})
        EXPECT_EQ(count({pattern}), 2U) << pattern;
    for (const char* pattern : {"demo/*", "example/ech", "*/*x", "echo"})
        EXPECT_EQ(count({pattern}), 0U) << pattern;
    const std::string id =
        tenon::parse_json(run({"list", "--json"}).out).value()[1]["instance"].as_string();
    EXPECT_EQ(count({"--instance", id}), 1U);
    for (const char* pattern : {"a b", "/", "a/b/c", "[ab]/c", "a//b"})
        EXPECT_ERROR(run({"list", pattern}), 2, "is no pattern");
    EXPECT_ERROR(run({"list", "a/b.c"}), 2, "describe");
    EXPECT_ERROR(run({"list", "a/b", "c/d"}), 2, "one pattern");
}

TEST_F(cli_names, list_at_an_endpoint) {
    const std::string at = "unix:" + path("../a.sock");
    const auto server = serve({"--listen", at});
    const auto o = run({"list", "--at", at, "--json"});
    EXPECT_EQ(o.exit, 0) << o.err;
    const value all = tenon::parse_json(o.out).value();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0]["instance"].as_string(), instance_of());
    EXPECT_EQ(all[0]["pid"].as_int64(), server->pid);
    EXPECT_EQ(all[0]["endpoints"][0].as_string(), at);
    EXPECT_TRUE(has(run({"list", "tenon/*", "--at", at}).out, "tenon/control"));
    EXPECT_ERROR(run({"list", "--at", "unix:@tenon-cli-nobody"}), 12, "start the server");
    EXPECT_ERROR(run({"list", "--at", at, "--watch"}), 2, "not for --at");
}

TEST_F(cli_names, list_watches) {
    const auto first = serve();
    const std::string id = instance_of();
    process text(TENON_BIN_DIR "/tenon", {"list", "--watch"}, {.environment = environment()});
    process json(TENON_BIN_DIR "/tenon", {"list", "example/*", "--watch", "--json"},
                 {.environment = environment()});
    EXPECT_TRUE(has(text.read_line(), "+ example/echo 1.0.0  " + id));
    EXPECT_EQ(tenon::parse_json(json.read_line()).value()["event"].as_string(), "arrived");
    const auto second = serve();
    EXPECT_TRUE(has(text.read_line(), "+ example/echo 1.0.0  "));
    const value arrived = tenon::parse_json(json.read_line()).value();
    EXPECT_EQ(arrived["pid"].as_int64(), second->pid);
    first->signal(SIGKILL);
    EXPECT_TRUE(has(text.read_line(), "- example/echo 1.0.0  " + id));
    const value left = tenon::parse_json(json.read_line()).value();
    EXPECT_EQ(left["event"].as_string(), "left");
    EXPECT_EQ(left["instance"].as_string(), id);
    text.signal(SIGINT);
    EXPECT_EQ(text.finish().exit, 130) << text.err;
    json.stop_reading();  // noticed without anything to say
    json.finish();
    EXPECT_TRUE(json.exit == 0 || json.exit == 128 + SIGPIPE) << json.exit;
}

TEST_F(cli_names, a_server_that_dies_is_not_waited_for) {
    const auto first = serve(), second = serve();
    first->signal(SIGKILL);
    EXPECT_RESULT(run({"call", "example/echo.plus", "1", "2"}), "3");
    EXPECT_EQ(tenon::parse_json(run({"list", "--json"}).out).value().size(), 1U);
    second->signal(SIGKILL);
    second->finish();
    EXPECT_ERROR(run({"call", "example/echo.plus", "1", "2"}), 12, "nobody serves example/echo");
    EXPECT_RESULT(run({"list", "--json"}), "[]");
}

TEST_F(cli_names, a_server_that_hangs_costs_the_timeout_only) {
    const auto server = serve();
    server->signal(SIGSTOP);
    EXPECT_ERROR(run({"call", "example/echo.plus", "1", "2", "--timeout", "200"}), 11,
                 "more than 200 ms");
    EXPECT_ERROR(run({"stats", "--timeout", "200"}), 11, "deadline");
    EXPECT_EQ(run({"list"}).exit, 0);
    server->signal(SIGCONT);
    EXPECT_RESULT(run({"call", "example/echo.plus", "1", "2"}), "3");
}

/// A socket that nobody holds a lock for, and that swallows what it gets.
class silent_socket {
public:
    explicit silent_socket(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        std::strncpy(a.sun_path, path.c_str(), sizeof a.sun_path - 1);
        EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a), 0) << path;
        ::listen(fd_, 8);
    }
    ~silent_socket() { ::close(fd_); }

private:
    int fd_;
};

TEST_F(cli_names, hostile_files_in_the_runtime_directory) {
    const auto server = serve();
    const std::string there = path("example/echo/");
    std::ofstream(there + "nonsense.json") << "{";
    std::ofstream(there + "0123456789ab.sock") << "a file, no socket";
    std::filesystem::create_directory(there + "0123456789ac.sock");
    std::filesystem::create_symlink("/etc/passwd", there + "0123456789ad.json");
    ::mkfifo((there + "0123456789ae.json").c_str(), 0600);
    const silent_socket no_description(there + "0123456789ae.sock");
    const silent_socket linked(there + "0123456789ad.sock");
    const silent_socket liar(there + "0123456789af.sock");
    std::ofstream(there + "0123456789af.json")
        << R"({"instance":"0123456789af","pid":-1,"uid":"x","scopes":255,)"
           R"("started":"\u001b[2J\nnever","endpoints":["\u001b]0;x\u0007",7],)"
           R"("manifest":{"publisher":"example","service":"echo","version":"1\u001b[2J\n+ fake",)"
           R"("purpose":["no text"],"members":{"x":7,"y":{"params":7}}}})";
    std::ofstream(path("a file"));
    std::filesystem::create_directories(path("..x/..y"));
    std::filesystem::create_directory_symlink("/", path("root"));

    for (const words& args : {words{"list"}, words{"list", "-v"}, words{"list", "--json"}}) {
        const auto o = run(args);
        EXPECT_EQ(o.exit, 0) << o.err;
        EXPECT_TRUE(has(o.out, "example/echo") || has(o.out, R"("service":"echo")")) << o.out;
        EXPECT_FALSE(has(o.out, "\x1b")) << o.out;
        EXPECT_FALSE(has(o.out, "\n+ fake")) << o.out;
    }
    const std::string id = [&] {
        const value all = tenon::parse_json(run({"list", "--json"}).out).value();
        for (const value& one : all.as_array())
            if (one["pid"].as_int64() == server->pid) return one["instance"].as_string();
        return std::string();
    }();
    EXPECT_RESULT(run({"call", "example/echo.plus", "1", "2", "--instance", id}), "3");
    EXPECT_ERROR(run({"call", "example/echo.plus", "1", "2", "--instance", "0123456789af",
                      "--timeout", "300"}),
                 11, "deadline");
}

TEST_F(cli_names, stdout_that_takes_nothing) {
    const auto server = serve();
    for (const words& args : {words{"list"}, words{"list", "-v"}, words{"list", "--json"},
                              words{"list", "--watch"}, words{"stats"}, words{"stats", "--json"},
                              words{"stats", "--watch"}, words{"log-level", "example/echo"}}) {
        SCOPED_TRACE(args.back());
        EXPECT_ERROR(run(args, {.stdout_file = "/dev/full"}), 1, "stdout");
        EXPECT_ERROR(run(args, {.closed = {1}}), 1, "stdout");
    }
}

}  // namespace
