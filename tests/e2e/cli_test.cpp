// The tenon program against the echo service, as a user would run both.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "cli_process.hpp"
#include "tenon/client.hpp"
#include "tenon/codec.hpp"
#include "tenon/control.hpp"

namespace {

using namespace std::chrono_literals;
using namespace e2e;
using tenon::value;

class cli : public testing::Test {
protected:
    static void SetUpTestSuite() {
        char folder[] = "/tmp/tenon-cli-XXXXXX";
        dir = ::mkdtemp(folder);
        unix_at = "unix:" + dir + "/echo.sock";
        abstract_at = "unix:@tenon-cli-test-" + std::to_string(::getpid());
        server = new process(
            TENON_EXAMPLES_DIR "/echo_server",
            {"--listen", unix_at, "--listen", abstract_at, "--listen", "tcp://127.0.0.1:0"});
        server->read_line(), server->read_line();
        const std::string line = server->read_line();
        tcp_at = line.substr(line.find("tcp://"));
    }
    static void TearDownTestSuite() {
        server->signal(SIGTERM);
        EXPECT_EQ(server->finish().exit, 0) << server->err;
        delete server;
        std::filesystem::remove_all(dir);
    }

    static outcome run(const words& args, const settings& s = {}) { return run_tenon(args, s); }
    /// tenon call --at the Unix socket
    static outcome call(words args, const settings& s = {}) {
        args.insert(args.begin(), {"call", "--at", unix_at});
        return run(args, s);
    }
    static std::string file(const std::string& name, const std::string& content) {
        std::ofstream(dir + "/" + name) << content;
        return "@" + dir + "/" + name;
    }

    static inline std::string dir, unix_at, abstract_at, tcp_at;
    static inline process* server;
};

TEST_F(cli, calls_over_every_transport) {
    for (const std::string& at : {unix_at, abstract_at, tcp_at})
        EXPECT_RESULT(run({"call", "--at", at, "example/echo.plus", "10", "20"}), "30");
}

TEST_F(cli, options_stand_anywhere) {
    EXPECT_RESULT(run({"call", "example/echo.plus", "10", "--at=" + unix_at, "20", "--json",
                       "--timeout", "5s", "--codec", "msgpack"}),
                  "30");
}

TEST_F(cli, words_are_json_or_strings) {
    EXPECT_RESULT(call({"example/echo.plus", "1", "-5"}), "-4");
    EXPECT_RESULT(call({"example/echo.plus", "9223372036854775807", "0"}), "9223372036854775807");
    EXPECT_RESULT(call({"example/echo.upper", "two words"}), "\"TWO WORDS\"");
    EXPECT_RESULT(call({"example/echo.upper", "\"quoted\""}), "\"QUOTED\"");
    EXPECT_RESULT(call({"example/echo.upper", ""}), "\"\"");
    EXPECT_RESULT(call({"example/echo.upper", "\"42\""}), "\"42\"");
    EXPECT_RESULT(call({"example/echo.upper", "\"text=x\""}), "\"TEXT=X\"");
    EXPECT_RESULT(call({"example/echo.upper", "http://x?a=b"}), "\"HTTP://X?A=B\"");
    EXPECT_RESULT(call({"example/echo.upper", "--", "--json"}), "\"--JSON\"");
    EXPECT_RESULT(call({"example/echo.upper", "{not json"}), "\"{NOT JSON\"");
    EXPECT_RESULT(call({"example/echo.upper", "äö€"}), "\"äö€\"");
}

TEST_F(cli, arguments_by_name_and_mixed) {
    EXPECT_RESULT(call({"example/echo.plus", "b=2", "a=40"}), "42");
    EXPECT_RESULT(call({"example/echo.plus", "40", "b=2"}), "42");
    EXPECT_RESULT(call({"example/echo.plus", "b=2", "40", "--codec", "msgpack"}), "42");
    EXPECT_ERROR(call({"example/echo.plus", "a=1", "a=2"}), 2, "\"a\" is given twice");
    EXPECT_ERROR(call({"example/echo.plus", "1", "a=2"}), 15, "given twice");
    EXPECT_ERROR(call({"example/echo.plus", "a=1", "c=2"}), 15, "unknown argument \"c\"");
}

TEST_F(cli, structs_pretty_and_compact) {
    EXPECT_RESULT(call({"example/echo.greet", R"({"name":"Ann","age":3})"}),
                  "{\n  \"text\": \"Hello, Ann!\",\n  \"to\": {\n    \"name\": \"Ann\",\n"
                  "    \"age\": 3\n  }\n}");
    for (const char* codec : {"json", "msgpack"})
        EXPECT_RESULT(
            call({"example/echo.greet", "who={\"name\":\"Bo\"}", "--json", "--codec", codec}),
            R"({"text":"Hello, Bo!","to":{"name":"Bo"}})");
}

TEST_F(cli, files_and_stdin) {
    EXPECT_RESULT(call({"example/echo.greet", file("ann.json", " {\"name\":\"Ann\"}\n"), "--json"}),
                  R"({"text":"Hello, Ann!","to":{"name":"Ann"}})");
    EXPECT_RESULT(call({"example/echo.plus", "1", "-"}, {.input = "41\n"}), "42");
    EXPECT_RESULT(call({"example/echo.plus", "a=-", "b=" + file("b", "2")}, {.input = "40"}), "42");
    EXPECT_ERROR(call({"example/echo.plus", "-", "-"}, {.input = "1"}), 2, "one argument only");
    EXPECT_ERROR(call({"example/echo.plus", "1", "-"}, {.input = "nonsense"}), 2,
                 "stdin: not JSON");
    EXPECT_ERROR(call({"example/echo.upper", "@/nowhere/x"}), 2, "/nowhere/x: No such file");
    EXPECT_ERROR(call({"example/echo.upper", "@"}), 2, "name of a file");
    EXPECT_ERROR(call({"example/echo.upper", "@/"}), 2, "Is a directory");
    EXPECT_ERROR(call({"example/echo.upper", file("bad.json", "{")}), 2, "bad.json: not JSON");
    EXPECT_ERROR(call({"example/echo.echo", "--codec", "raw", "@/dev/zero"}), 2, "larger than");
}

TEST_F(cli, raw_bytes_pass_unchanged) {
    const std::string all("\0\x01[1,2]\xff\n\n", 10);
    const auto o = call({"example/echo.echo", "--codec", "raw", "-"}, {.input = all});
    EXPECT_EQ(o.exit, 0) << o.err;
    EXPECT_EQ(o.out, all);
    EXPECT_EQ(call({"example/echo.echo", "--codec", "raw", "a=b"}).out, "a=b");
    EXPECT_EQ(call({"example/echo.echo", "--codec", "raw", file("r", "{\xff")}).out, "{\xff");
    EXPECT_EQ(call({"example/echo.echo", "--codec", "raw"}).out, "");
    EXPECT_EQ(call({"example/echo.echo", "--codec", "raw", "hi", "--json"}).out, "\"aGk=\"\n");
    EXPECT_ERROR(call({"example/echo.echo", "--codec", "raw", "a", "b"}), 2,
                 "one argument at most");
}

TEST_F(cli, every_error_has_its_exit_code) {
    const std::pair<const char*, int> codes[]{
        {"cancelled", 10},   {"deadline", 11}, {"unavailable", 12}, {"overloaded", 13},
        {"not_found", 14},   {"invalid", 15},  {"denied", 16},      {"conflict", 17},
        {"unsupported", 18}, {"internal", 19}, {"failed", 20},      {"data_loss", 21}};
    for (const auto& [name, exit] : codes) {
        SCOPED_TRACE(name);
        EXPECT_ERROR(call({"example/echo.fail", name, "what happened"}), exit,
                     std::string("error: ") + name + ": what happened");
    }
    EXPECT_ERROR(call({"example/echo.fail", "no_stock", "sold out"}), 20,
                 "failed (no_stock): sold out [example/echo.fail]");
}

TEST_F(cli, errors_as_json) {
    const auto o = call({"example/echo.fail", "no_stock", "sold out", "--json"});
    EXPECT_EQ(o.exit, 20);
    EXPECT_EQ(o.out, "");
    const value e = tenon::parse_json(o.err).value()["error"];
    EXPECT_EQ(e["code"].as_string(), "failed");
    EXPECT_EQ(e["name"].as_string(), "no_stock");
    EXPECT_EQ(e["message"].as_string(), "sold out");
    EXPECT_EQ(e["origin"].as_string(), "example/echo.fail");
    EXPECT_EQ(e["exit"].as_int64(), 20);

    const auto usage = run({"call", "--json"});
    EXPECT_EQ(usage.exit, 2);
    EXPECT_EQ(tenon::parse_json(usage.err).value()["error"]["code"].as_string(), "usage");
}

TEST_F(cli, what_a_server_says_does_not_steer_the_terminal) {
    EXPECT_ERROR(call({"example/echo.fail", "x", "\"\\u001b[2J\\nerror: forged\""}), 20,
                 "\\x1b[2J\n  error: forged");
    EXPECT_ERROR(call({"example/echo.fail", "x", "\"\\u009b2J\""}), 20, ": \\x9b2J");
}

TEST_F(cli, errors_say_what_to_do) {
    EXPECT_ERROR(call({"example/echo.nothing"}), 18, "check the spelling");
    EXPECT_ERROR(call({"example/other.plus", "1"}), 14, "what this server has: example/echo");
    EXPECT_ERROR(call({"example/ecko.plus", "1"}), 14, "did you mean example/echo?");
    EXPECT_ERROR(call({"example/echo.plus", "1"}), 15, "missing argument \"b\"");
    EXPECT_ERROR(call({"example/echo.plus", "1", "2", "3"}), 15, "too many arguments");
    EXPECT_ERROR(call({"example/echo.plus", "1", "two"}), 15, "expected");
    EXPECT_ERROR(call({"example/echo.greet", "{name: Ann}"}), 15, "{name: Ann} is not JSON");
    EXPECT_ERROR(call({"example/echo.nap", "5000", "--timeout", "50"}), 11, "more than 50 ms");
    EXPECT_ERROR(run({"call", "--at", "unix:" + dir + "/no.sock", "a/b.c"}), 12,
                 "start the server");
    EXPECT_ERROR(run({"call", "--at", "unix:@tenon-cli-nobody", "a/b.c"}), 12, "start the server");
    EXPECT_ERROR(run({"call", "--at", "tcp://127.0.0.1:1", "a/b.c"}), 12, "start the server");
    EXPECT_ERROR(run({"call", "--at", "tcp://no-such-host.invalid:1", "a/b.c"}), 12,
                 "no-such-host");
}

TEST_F(cli, wrong_usage) {
    EXPECT_ERROR(run({}), 2, "which command?");
    EXPECT_ERROR(run({"cal"}), 2, "did you mean call?");
    EXPECT_ERROR(run({"frobnicate"}), 2, "no command \"frobnicate\"");
    EXPECT_ERROR(run({"call"}), 2, "which method?");
    EXPECT_ERROR(run({"ping"}), 2, "which server?");
    EXPECT_ERROR(call({"--instance", "0123456789ab", "a/b.c"}), 2, "either --at or --instance");
    EXPECT_ERROR(run({"call", "--instance", "nonsense", "a/b.c"}), 2, "12 hex digits");
    EXPECT_ERROR(run({"call", "--at", unix_at, "--at", tcp_at, "a/b.c"}), 2, "twice");
    EXPECT_ERROR(run({"call", "--at", unix_at}), 2, "which method?");
    EXPECT_ERROR(call({"--at"}), 2, "--at");
    EXPECT_ERROR(call({"a/b.c", "--tiemout", "5"}), 2, "did you mean --timeout?");
    EXPECT_ERROR(call({"a/b.c", "--zzz"}), 2, "unknown option --zzz");
    EXPECT_ERROR(call({"a/b.c", "-x"}), 2, "unknown option -x");
    for (const char* route :
         {"", "plus", "echo.plus", "example/echo", "example/echo.", "/echo.plus", "example/.plus",
          "a/b.c d", "a/b/c.d", "a/b..c", "a/b.c."})
        EXPECT_ERROR(call({route}), 2, "is no method");
    for (const char* at : {"", "nonsense", "http://x", "unix:", "tcp://127.0.0.1", "tcp://h:99999"})
        EXPECT_ERROR(run({"call", "--at", at, "a/b.c"}), 2, "--at");
    EXPECT_ERROR(run({"call", "--at", "inproc:x", "a/b.c"}), 2, "its own process");
    for (const char* time : {"", "soon", "-1", "1y", "1e3", "99999999999", "nan", "inf"})
        EXPECT_ERROR(call({"a/b.c", std::string("--timeout"), time}), 2, "--timeout");
    EXPECT_ERROR(call({"a/b.c", "--codec", "xml"}), 2, "json, msgpack or raw");
    EXPECT_ERROR(call({"example/echo.upper", "\xff\xfe"}), 2, "cannot be said in json");
}

TEST_F(cli, help_and_version) {
    for (const words& args : {words{"help"}, words{"--help"}, words{"-h"}}) {
        const auto o = run(args);
        EXPECT_EQ(o.exit, 0) << o.err;
        for (const char* part : {"call", "ping", "bench", "Exit codes", "tenon help call"})
            EXPECT_NE(o.out.find(part), std::string::npos) << part;
    }
    for (const char* command : {"call", "ping", "bench", "list", "stats", "log-level"}) {
        const auto asked = run({"help", command});
        EXPECT_EQ(asked.exit, 0);
        EXPECT_NE(asked.out.find("Examples:"), std::string::npos);
        EXPECT_NE(asked.out.find("--timeout TIME"), std::string::npos);
        EXPECT_EQ(asked.out, run({command, "--help"}).out);
    }
    EXPECT_ERROR(run({"help", "cal"}), 2, "did you mean call?");
    EXPECT_EQ(run({"--version"}).out.rfind("tenon 0.", 0), 0U);
}

TEST_F(cli, ping_measures) {
    for (const std::string& at : {unix_at, abstract_at, tcp_at}) {
        const auto o = run({"ping", "--at", at, "--count", "3", "--interval", "1", "--json"});
        EXPECT_EQ(o.exit, 0) << o.err;
        const value r = tenon::parse_json(o.out).value();
        EXPECT_EQ(r["sent"].as_int64(), 3);
        EXPECT_EQ(r["answered"].as_int64(), 3);
        EXPECT_GT(r["p50_us"].as_double(), 0);
        EXPECT_GT(r["connect_us"].as_double(), 0);
    }
    const auto o = run({"ping", "--at", unix_at, "--interval", "0"});
    EXPECT_EQ(o.exit, 0);
    EXPECT_NE(o.out.find("4 of 4 answered"), std::string::npos) << o.out;
    EXPECT_ERROR(run({"ping", "--at", "unix:@tenon-cli-nobody"}), 12, "start the server");
    EXPECT_ERROR(run({"ping", "--at", unix_at, "word"}), 2, "takes no name");
    for (const char* count : {"0", "-1", "x", "1.5", "99999999999999999999", ""})
        EXPECT_ERROR(run({"ping", "--at", unix_at, "--count", count}), 2, "--count");
}

TEST_F(cli, bench_measures) {
    for (const words& more :
         {words{}, words{"--connections", "3"}, words{"--outstanding", "16"},
          words{"--outstanding", "8", "--connections", "2", "--codec", "msgpack"}}) {
        words args{"bench", "--at", unix_at,   "--at", tcp_at,  "example/echo.plus",
                   "1",     "2",    "--calls", "500",  "--json"};
        args.insert(args.end(), more.begin(), more.end());
        const auto o = run(args);
        EXPECT_EQ(o.exit, 0) << o.err;
        const std::size_t end = o.out.find('\n');
        for (const std::string& line : {o.out.substr(0, end), o.out.substr(end + 1)}) {
            const value r = tenon::parse_json(line).value();
            EXPECT_EQ(r["calls"].as_int64(), 500);
            EXPECT_EQ(r["errors"].as_int64(), 0);
            EXPECT_GT(r["calls_per_s"].as_double(), 0);
            EXPECT_GT(r["p50_us"].as_double(), 0);
            EXPECT_LE(r["p50_us"].as_double(), r["p99_us"].as_double());
            EXPECT_LE(r["p99_us"].as_double(), r["max_us"].as_double());
        }
    }
    const auto o =
        run({"bench", "--at", unix_at, "example/echo.plus", "a=1", "b=2", "--seconds", "0.1"});
    EXPECT_EQ(o.exit, 0) << o.err;
    EXPECT_NE(o.out.find("p99 us"), std::string::npos);
    for (const char* outstanding : {"1", "4"})
        EXPECT_EQ(run({"bench", "--at", unix_at, "example/echo.echo", "--codec", "raw", "hello",
                       "--calls", "100", "--outstanding", outstanding})
                      .exit,
                  0);
}

TEST_F(cli, bench_reports_errors) {
    EXPECT_ERROR(run({"bench", "--at", unix_at, "example/echo.fail", "no_stock", "x"}), 20,
                 "no_stock");
    EXPECT_ERROR(run({"bench", "--at", "unix:@tenon-cli-nobody", "a/b.c"}), 12, "start the server");
    EXPECT_ERROR(run({"bench", "--at", unix_at, "a/b.c", "--calls", "5", "--seconds", "5"}), 2,
                 "either");
    EXPECT_ERROR(run({"bench", "--at", unix_at, "a/b.c", "--seconds", "0"}), 2, "--seconds");
    EXPECT_ERROR(run({"bench", "--at", unix_at, "a/b.c", "--outstanding", "5000"}), 2, "1024");
    EXPECT_ERROR(run({"bench", "--at", unix_at, "a/b.c", "x=1", "--outstanding", "5"}), 2,
                 "position");
}

TEST_F(cli, bench_ends_when_the_server_dies) {
    for (const char* outstanding : {"1", "16"}) {
        const std::string at = "unix:@tenon-cli-dying-" + std::to_string(::getpid());
        process other(TENON_EXAMPLES_DIR "/echo_server", {"--listen", at});
        other.read_line();
        process p(TENON_BIN_DIR "/tenon",
                  {"bench", "--at", at, "example/echo.plus", "1", "2", "--seconds", "20",
                   "--outstanding", outstanding, "--json"});
        const auto control = tenon::connect<tenon::control>(at);
        EXPECT_TRUE(eventually([&] {
            for (const auto& m : control.stats("example/echo").methods)
                if (m.route == "example/echo.plus" && m.calls > 0) return true;
            return false;
        }));
        std::this_thread::sleep_for(300ms);
        other.signal(SIGKILL);
        p.finish();
        EXPECT_EQ(p.exit, 12) << p.out << p.err;
        EXPECT_GT(tenon::parse_json(p.out).value()["calls"].as_int64(), 0);
    }
}

TEST_F(cli, interruption_ends_promptly) {
    const words commands[]{
        {"call", "--at", unix_at, "example/echo.nap", "60000"},
        {"ping", "--at", unix_at, "--interval", "60s"},
        {"bench", "--at", unix_at, "example/echo.plus", "1", "2", "--seconds", "60"},
        {"bench", "--at", unix_at, "example/echo.nap", "1", "--seconds", "60", "--outstanding",
         "8"}};
    for (const words& c : commands) {
        SCOPED_TRACE(c[0]);
        process p(TENON_BIN_DIR "/tenon", c);
        std::this_thread::sleep_for(300ms);
        const auto start = std::chrono::steady_clock::now();
        p.signal(SIGINT);
        p.finish();
        EXPECT_EQ(p.exit, 130) << p.out << p.err;
        EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
    }
}

TEST_F(cli, stdout_that_takes_nothing) {
    EXPECT_ERROR(call({"example/echo.plus", "1", "2"}, {.stdout_file = "/dev/full"}), 1, "stdout");
    EXPECT_ERROR(call({"example/echo.plus", "1", "2"}, {.closed = {1}}), 1, "stdout");
    EXPECT_ERROR(call({"example/echo.plus", "1", "-"}, {.closed = {0}}), 2, "stdin");
    EXPECT_EQ(call({"example/echo.fail", "x", "y"}, {.closed = {0, 1, 2}}).exit, 20);
    process p(TENON_BIN_DIR "/tenon", {"call", "--at", unix_at, "example/echo.nap", "300"});
    p.stop_reading();
    p.finish();
    EXPECT_TRUE(p.exit == 128 + SIGPIPE || p.exit == 1) << p.exit;
}

// script(1) gives the program a terminal.
TEST_F(cli, colours_on_a_terminal_only) {
    const std::string command =
        TENON_BIN_DIR "/tenon call --at " + unix_at + " example/echo.fail x y";
    const auto on_terminal = [&](const char* setting) {
        process p("script", {"-qefc", command, "/dev/null"},
                  {.environment = {setting, "TERM=xterm"}});
        return p.finish().out;
    };
    const std::string coloured = on_terminal("TENON_TEST=1");
    if (coloured.find("failed") == std::string::npos)
        GTEST_SKIP() << "script(1) is not usable here";
    EXPECT_NE(coloured.find("\x1b[1;31merror:"), std::string::npos) << coloured;
    EXPECT_EQ(on_terminal("NO_COLOR=1").find('\x1b'), std::string::npos);
}

}  // namespace
