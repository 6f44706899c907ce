// The tenon program and streams: subscribe, send, chat, control streams.

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <numeric>
#include <sstream>
#include <thread>

#include "cli_process.hpp"
#include "tenon/codec.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"

namespace {

using namespace e2e;
using tenon::value;

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// Its values have no positions.
struct plain {
    tenon::source<int(int)> count;
};
TENON_INTERFACE(plain, "test", "plain", "1.0.0", (count, n))

class cli_streams : public names_test {
protected:
    cli_streams() : at_("unix:" + path("../a.sock")), server_(serve({"--listen", at_})) {}

    std::string file(const std::string& name, const std::string& content) const {
        const std::string where = path("../" + name);
        std::ofstream(where) << content;
        return where;
    }
    std::unique_ptr<process> start(const words& args, settings s = {}) const {
        for (const std::string& e : environment()) s.environment.push_back(e);
        return std::make_unique<process>(TENON_BIN_DIR "/tenon", args, s);
    }
    outcome collected(const std::string& n) const {
        return run({"subscribe", "example/echo.collected", "--from", "earliest", "--limit", n});
    }
    value streams() const {
        return tenon::parse_json(run({"control", "streams", "--json"}).out).value();
    }

    const std::string at_;
    const std::unique_ptr<process> server_;
};

TEST_F(cli_streams, subscribe_prints_a_line_for_each_value_and_ends_with_the_stream) {
    EXPECT_RESULT(run({"subscribe", "example/echo.count", "0", "3", "0"}), "0\n1\n2");
    EXPECT_RESULT(run({"subscribe", "example/echo.count", "n=2", "from=-1", "--codec", "msgpack"}),
                  "-1\n0");
    EXPECT_RESULT(run({"subscribe", "--at", at_, "example/echo.count", "5", "1", "--text"}), "5");
    EXPECT_EQ(run({"subscribe", "example/echo.count", "0", "0"}).out, "");
    const outcome many = run({"subscribe", "example/echo.count", "0", "100000", "0"});
    EXPECT_EQ(many.exit, 0) << many.err;
    std::istringstream lines(many.out);
    long expected = 0;
    for (long n; lines >> n; ++expected) ASSERT_EQ(n, expected);
    EXPECT_EQ(expected, 100'000);
}

TEST_F(cli_streams, subscribe_prints_values_as_they_come) {
    const auto p = start({"subscribe", "example/echo.count", "0", "1000000", "100"});
    EXPECT_EQ(p->read_line(), "0");
    EXPECT_EQ(p->read_line(), "1");
    p->signal(SIGINT);
    p->finish();
    EXPECT_EQ(p->exit, 130);
    EXPECT_EQ(p->err, "");
    EXPECT_TRUE(eventually([&] { return streams().size() == 0; }));
}

TEST_F(cli_streams, subscribe_with_limits) {
    EXPECT_RESULT(run({"subscribe", "example/echo.count", "0", "1000000000", "--limit", "2"}),
                  "0\n1");
    EXPECT_ERROR(run({"subscribe", "example/echo.count", "0", "1", "--limit", "0"}), 2, "--limit");
    const outcome late =
        run({"subscribe", "example/echo.count", "0", "5", "60000", "--timeout", "300"});
    EXPECT_EQ(late.exit, 11);
    EXPECT_EQ(late.out, "0\n");
    EXPECT_TRUE(has(late.err, "nothing came for 300 ms")) << late.err;
}

TEST_F(cli_streams, subscribe_in_json) {
    EXPECT_RESULT(run({"subscribe", "example/echo.count", "7", "2", "--json"}),
                  "{\"value\":7,\"position\":1}\n{\"value\":8,\"position\":2}");
    const outcome o = run({"subscribe", "example/echo.count", "7", "x", "--json"});
    EXPECT_EQ(o.exit, 15);
    EXPECT_EQ(tenon::parse_json(o.err).value()["error"]["code"].as_string(), "invalid");
}

TEST_F(cli_streams, subscribe_from_a_position) {
    const auto from = [&](const char* start) {
        return run({"subscribe", "example/echo.count", "10", "5", "--json", "--from", start});
    };
    const std::string last = R"({"value":14,"position":5})";
    const std::string last_two = R"({"value":13,"position":4})"
                                 "\n" +
                                 last;
    const std::string all = R"({"value":10,"position":1}
{"value":11,"position":2}
{"value":12,"position":3}
)" + last_two;
    EXPECT_RESULT(from("earliest"), all);
    EXPECT_RESULT(from("0"), all);
    EXPECT_RESULT(from("1"), all);
    EXPECT_RESULT(from("4"), last_two);
    EXPECT_RESULT(from("latest"), last);
    for (const char* behind : {"6", "7", "18446744073709551615"}) {
        EXPECT_EQ(from(behind).out, "") << behind;
        EXPECT_EQ(from(behind).exit, 0) << behind;
    }
    EXPECT_RESULT(run({"subscribe", "example/echo.count", "0", "1000000000000", "--from",
                       "1000000000", "--limit", "2"}),
                  "999999999\n1000000000");
    for (const char* time : {"2026-01-31T08:00:00Z", "10m", "2026-01-31T08:00:00.25+01:00"})
        EXPECT_ERROR(from(time), 18, "positions, but no times");
}

TEST_F(cli_streams, subscribe_from_where_there_is_none) {
    for (const char* from : {"", "soon", "-1", "2026-01-31", "2026-01-31T08:00:00", "1e3",
                             "2026-01-31T08:00:00+1:00", "99999999999999999999", "1 2", "m"})
        EXPECT_ERROR(run({"subscribe", "example/echo.count", "0", "5", "--from", from}), 2,
                     "--from: expected");
    EXPECT_ERROR(run({"subscribe", "example/echo.count", "0", "5", "--from"}), 2, "--from");

    tenon::server server;
    auto& plain_one = server.publish<plain>();
    plain_one.count = [](int n) -> tenon::generator<int> {
        for (int i = 0; i < n; ++i) co_yield i;
    };
    const std::string at = "unix:" + path("../plain.sock");
    server.listen(at).start();
    EXPECT_RESULT(run({"subscribe", "--at", at, "test/plain.count", "2", "--json"}),
                  "{\"value\":0}\n{\"value\":1}");
    for (const char* from : {"earliest", "latest", "17", "2026-01-31T08:00:00Z", "10m"})
        EXPECT_ERROR(run({"subscribe", "--at", at, "test/plain.count", "2", "--from", from}), 18,
                     "no positions");
}

TEST_F(cli_streams, collect_keeps_what_it_takes) {
    const auto kept = [&](words more) {
        words all{"subscribe", "example/echo.collected", "--json"};
        all.insert(all.end(), more.begin(), more.end());
        return run(all);
    };
    const auto live = start({"subscribe", "example/echo.collected", "--limit", "1"});
    ASSERT_TRUE(eventually([&] { return streams().size() == 1; }));
    EXPECT_EQ(run({"send", "example/echo.collect"}, {.input = "{\"a\":1}\n[]\n\"x\"\n"}).out, "");
    EXPECT_EQ(live->read_line(), "{\"a\":1}");
    EXPECT_EQ(live->finish().exit, 0);
    for (const char* from : {"earliest", "1", "10m", "2026-01-31T08:00:00Z"})
        EXPECT_RESULT(kept({"--from", from, "--limit", "3"}),
                      R"({"value":{"a":1},"position":1}
{"value":[],"position":2}
{"value":"x","position":3})");
    EXPECT_RESULT(kept({"--from", "3", "--limit", "1"}), R"({"value":"x","position":3})");
    EXPECT_ERROR(kept({"--from", "latest", "--timeout", "200"}), 11, "nothing came");

    std::string numbers;
    for (int i = 0; i < 3'000; ++i) numbers += std::to_string(i) + "\n";
    EXPECT_EQ(run({"send", "example/echo.collect"}, {.input = numbers}).exit, 0);
    // 1,000 are kept: the others are announced to those who ask for them.
    EXPECT_RESULT(kept({"--from", "earliest", "--limit", "1"}),
                  R"({"value":2000,"position":2004})");
    EXPECT_RESULT(kept({"--from", "2", "--limit", "2"}),
                  R"({"value":2000,"position":2004,"gap":2002}
{"value":2001,"position":2005})");
}

TEST_F(cli_streams, errors_have_their_exit_code_and_say_what_to_do) {
    EXPECT_ERROR(run({"subscribe", "example/echo.nothing"}), 18, "check the spelling");
    EXPECT_ERROR(run({"subscribe", "example/ecko.count", "0", "1"}), 12,
                 "did you mean example/echo?");
    EXPECT_ERROR(run({"subscribe", "--at", at_, "example/ecko.count", "0", "1"}), 14,
                 "did you mean example/echo?");
    EXPECT_ERROR(run({"subscribe", "example/echo.plus", "1", "2"}), 18,
                 "tenon call example/echo.plus");
    EXPECT_ERROR(run({"send", "example/echo.plus", "1", "2"}), 18, "tenon call example/echo.plus");
    EXPECT_ERROR(run({"chat", "example/echo.plus", "1", "2"}), 18, "tenon call example/echo.plus");
    EXPECT_ERROR(run({"call", "example/echo.count", "1", "2"}), 18,
                 "tenon subscribe example/echo.count");
    EXPECT_ERROR(run({"subscribe", "example/echo.sum"}), 18, "tenon send example/echo.sum");
    EXPECT_ERROR(run({"send", "example/echo.shout"}), 18, "tenon chat example/echo.shout");
    EXPECT_ERROR(run({"subscribe", "example/echo.count"}), 15, "missing argument");
    EXPECT_ERROR(run({"subscribe", "--at", "unix:@tenon-cli-nobody", "a/b.c"}), 12,
                 "start the server");
    EXPECT_ERROR(run({"subscribe"}), 2, "which source?");
    EXPECT_ERROR(run({"send"}), 2, "which sink?");
    EXPECT_ERROR(run({"chat"}), 2, "which channel?");
}

TEST_F(cli_streams, the_end_of_the_server_is_told) {
    const auto p = start({"subscribe", "example/echo.count", "0", "1000000", "50"});
    EXPECT_EQ(p->read_line(), "0");
    server_->signal(SIGKILL);
    p->finish();
    EXPECT_EQ(p->exit, 12) << p->err;
    EXPECT_TRUE(has(p->err, "error: unavailable")) << p->err;
}

TEST_F(cli_streams, a_reader_that_leaves_ends_it_quietly) {
    for (const char* interval : {"0", "20", "60000"}) {
        const auto p = start({"subscribe", "example/echo.count", "0", "1000000000", interval});
        EXPECT_EQ(p->read_line(), "0");
        p->stop_reading();
        p->finish();
        EXPECT_EQ(p->exit, 0) << interval;
        EXPECT_EQ(p->err, "");
    }
    const auto full =
        run({"subscribe", "example/echo.count", "0", "5"}, {.stdout_file = "/dev/full"});
    EXPECT_EQ(full.exit, 1);
    EXPECT_TRUE(has(full.err, "No space left")) << full.err;
}

TEST_F(cli_streams, send_prints_the_reply) {
    EXPECT_RESULT(run({"send", "example/echo.sum"}, {.input = "1\n2\n3\n"}), "6");
    EXPECT_RESULT(run({"send", "example/echo.sum", "--codec", "msgpack", "--json"},
                      {.input = "\n 1 \r\n\n\t2\n40"}),
                  "43");
    EXPECT_RESULT(run({"send", "example/echo.sum"}), "0");
    EXPECT_EQ(run({"send", "example/echo.collect"}, {.input = "{\"a\":1}\n[]\n\"x\"\n"}).out, "");
    EXPECT_EQ(run({"send", "example/echo.collect", "--text"}, {.input = "a\n\nc d"}).exit, 0);
    EXPECT_RESULT(collected("6"), "{\"a\":1}\n[]\n\"x\"\n\"a\"\n\"\"\n\"c d\"");

    std::string numbers;
    for (int i = 1; i <= 200'000; ++i) numbers += std::to_string(i) + "\n";
    const std::string at = file("numbers", numbers);
    EXPECT_RESULT(run({"send", "example/echo.sum"}, {.stdin_file = at}), "20000100000");
}

TEST_F(cli_streams, send_names_the_line_that_is_wrong) {
    EXPECT_ERROR(run({"send", "example/echo.sum"}, {.input = "1\n\n{2\n3\n"}), 2,
                 "stdin, line 3: not JSON");
    EXPECT_ERROR(run({"send", "example/echo.sum"}, {.input = "1\ntwo\n"}), 2,
                 "stdin, line 2: not JSON");
    EXPECT_ERROR(run({"send", "example/echo.sum"}, {.input = std::string("1\n\0\xff\x1b\n", 6)}), 2,
                 "stdin, line 2: not JSON");
    EXPECT_ERROR(run({"send", "example/echo.collect", "--text"}, {.input = "a\n\xff\xfe\n"}), 2,
                 "stdin, line 2: not UTF-8");
    EXPECT_ERROR(run({"send", "example/echo.sum"}, {.input = "1\n\"two\"\n"}), 15, "expected");
    EXPECT_ERROR(run({"send", "example/echo.collect"}, {.input = std::string(2000, '[') + "\n"}), 2,
                 "stdin, line 1: not JSON");
    EXPECT_ERROR(run({"send", "example/echo.collect"}, {.stdin_file = "/dev/zero"}), 2,
                 "stdin, line 1: longer than a message may be");
    EXPECT_ERROR(run({"send", "example/echo.collect"}, {.stdin_file = "/"}), 2, "Is a directory");
    EXPECT_ERROR(run({"send", "example/echo.collect"}, {.closed = {0}}), 2, "stdin: ");
    EXPECT_RESULT(collected("1"), "\"a\"");  // of the lines above
}

TEST_F(cli_streams, a_long_line_is_one_value) {
    const std::string at = file("long", "\"" + std::string(5 << 20, 'x') + "\"\n\"y\"\n");
    EXPECT_EQ(run({"send", "example/echo.collect"}, {.stdin_file = at}).exit, 0);
    EXPECT_EQ(collected("2").out.size(), (5 << 20) + 3 + 4);
    const outcome o = run({"chat", "example/echo.shout", "--text"}, {.stdin_file = at});
    EXPECT_EQ(o.exit, 0) << o.err;
    EXPECT_EQ(o.out.size(), (5 << 20) + 2 + 1 + 4);
}

TEST_F(cli_streams, send_waits_for_lines_and_notices_the_end) {
    const auto p = start({"send", "example/echo.sum"}, {.keeps_stdin = true});
    p->write("1\n");
    ASSERT_TRUE(eventually([&] {
        const value all = streams();
        return all.size() == 1 && all[0]["passed"].as_int64() == 1;
    }));
    p->signal(SIGINT);
    p->finish();
    EXPECT_EQ(p->exit, 130);
    EXPECT_EQ(p->out, "");
    EXPECT_TRUE(eventually([&] { return streams().size() == 0; }));

    const auto wrong = start({"send", "example/echo.sum"}, {.keeps_stdin = true});
    wrong->write("\"text\"\n");
    wrong->finish();
    EXPECT_EQ(wrong->exit, 15) << wrong->err;
}

TEST_F(cli_streams, chat_goes_both_ways) {
    EXPECT_RESULT(run({"chat", "example/echo.shout"}, {.input = "\"one\"\ntwo words\n\n\"x\""}),
                  "\"ONE\"\n\"TWO WORDS\"\n\"X\"");
    EXPECT_RESULT(run({"chat", "example/echo.shout", "--text"}, {.input = "one\n\n\"two\"\n"}),
                  "ONE\n\n\"TWO\"");
    EXPECT_RESULT(run({"chat", "example/echo.shout", "--json"}, {.input = "a\n"}),
                  "{\"value\":\"A\"}");
    EXPECT_EQ(run({"chat", "example/echo.shout"}).out, "");
    const outcome bad = run({"chat", "example/echo.shout"}, {.input = "a\n{b\n"});
    EXPECT_EQ(bad.exit, 2);
    EXPECT_TRUE(has(bad.err, "stdin, line 2: not JSON")) << bad.err;

    const auto p = start({"chat", "example/echo.shout", "--text"}, {.keeps_stdin = true});
    for (const char* word : {"hello", "again"}) {
        p->write(std::string(word) + "\n");
        EXPECT_EQ(p->read_line(), word == std::string("hello") ? "HELLO" : "AGAIN");
    }
    p->close_stdin();
    EXPECT_EQ(p->finish().exit, 0) << p->err;

    const auto q = start({"chat", "example/echo.shout"}, {.keeps_stdin = true});
    q->write("x\n");
    EXPECT_EQ(q->read_line(), "\"X\"");
    q->signal(SIGINT);
    EXPECT_EQ(q->finish().exit, 130) << q->err;

    const auto dying = start({"chat", "example/echo.shout"}, {.keeps_stdin = true});
    dying->write("x\n");
    EXPECT_EQ(dying->read_line(), "\"X\"");
    server_->signal(SIGKILL);
    EXPECT_EQ(dying->finish().exit, 12) << dying->err;
}

TEST_F(cli_streams, control_shows_open_streams) {
    EXPECT_EQ(run({"control", "streams"}).out, "");
    EXPECT_EQ(streams().size(), 0U);
    const auto p = start({"subscribe", "example/echo.count", "0", "1000000", "100"});
    EXPECT_EQ(p->read_line(), "0");
    const auto q = start({"chat", "example/echo.shout"}, {.keeps_stdin = true});
    q->write("x\n");
    EXPECT_EQ(q->read_line(), "\"X\"");
    value all;
    ASSERT_TRUE(eventually([&] { return (all = streams()).size() == 3; }));
    EXPECT_EQ(all[0]["instance"].as_string(), instance_of());
    for (const value& s : all.as_array())  // those of `count` begin with 1
        EXPECT_EQ(s["position"].as_int64(),
                  s["member"].as_string() == "example/echo.count" ? s["passed"].as_int64() : 0);
    const outcome table = run({"control", "streams", "example/echo.sh*"});
    EXPECT_EQ(table.exit, 0) << table.err;
    EXPECT_TRUE(has(table.out, "INSTANCE")) << table.out;
    EXPECT_TRUE(has(table.out, "example/echo.shout  in  ")) << table.out;
    EXPECT_TRUE(has(table.out, "example/echo.shout  out ")) << table.out;
    EXPECT_FALSE(has(table.out, "count")) << table.out;

    const auto watch =
        start({"control", "streams", "example/echo.count", "--interval", "300", "--json"});
    const value first = tenon::parse_json(watch->read_line()).value();
    ASSERT_EQ(first.size(), 1U);
    EXPECT_EQ(first[0].find("per_s"), nullptr);
    EXPECT_EQ(first[0]["direction"].as_string(), "out");
    const value next = tenon::parse_json(watch->read_line()).value();
    EXPECT_GT(next[0]["per_s"].as_double(), 0);
    watch->signal(SIGINT);
    EXPECT_EQ(watch->finish().exit, 130);

    EXPECT_ERROR(run({"control", "streams", "--at", "unix:@tenon-cli-nobody"}), 12,
                 "start the server");
    EXPECT_ERROR(run({"control", "streams", "demo/x"}), 12, "nobody serves demo/x");
    EXPECT_ERROR(run({"control"}), 2, "which of streams, pause, resume, close, watch?");
    EXPECT_ERROR(run({"control", "strems"}), 2, "did you mean streams?");
}

TEST_F(cli_streams, control_pauses_resumes_and_closes) {
    const auto p = start({"subscribe", "example/echo.count", "0", "1000000", "20"});
    EXPECT_EQ(p->read_line(), "0");
    value all;
    ASSERT_TRUE(eventually([&] { return (all = streams()).size() == 1; }));
    const std::string connection = std::to_string(all[0]["connection"].as_int64());
    const std::string stream = std::to_string(all[0]["stream"].as_int64());

    EXPECT_EQ(run({"control", "pause", "example/echo", connection, stream}).out, "");
    EXPECT_TRUE(streams()[0]["paused"].as_bool());
    EXPECT_TRUE(has(run({"control", "streams"}).out, "  paused\n"));
    EXPECT_RESULT(run({"control", "resume", "--at", at_, connection, stream, "--json"}),
                  "{\"connection\":" + connection + ",\"stream\":" + stream + "}");
    EXPECT_FALSE(streams()[0]["paused"].as_bool());
    EXPECT_TRUE(has(run({"control", "streams"}).out, "  open\n"));
    for (int i = 1; i < 20; ++i) EXPECT_EQ(p->read_line(), std::to_string(i));

    EXPECT_EQ(run({"control", "close", "--instance", instance_of(), connection, stream}).exit, 0);
    EXPECT_EQ(p->finish().exit, 10) << p->err;
    EXPECT_TRUE(has(p->err, "closed by an operator")) << p->err;
    EXPECT_TRUE(eventually([&] { return streams().size() == 0; }));
    EXPECT_ERROR(run({"control", "close", "example/echo", connection, stream}), 14,
                 "`tenon control streams` shows those that are open");
}

TEST_F(cli_streams, control_needs_to_know_which_stream) {
    for (const char* verb : {"pause", "resume", "close"}) {
        EXPECT_ERROR(run({"control", verb}), 2, "which stream?");
        EXPECT_ERROR(run({"control", verb, "1", "1"}), 2, "PUBLISHER/SERVICE");
        EXPECT_ERROR(run({"control", verb, "example/echo", "1", "1", "1"}), 2, "which stream?");
        EXPECT_ERROR(run({"control", verb, "example/echo", "one", "1"}), 2, "got \"one\"");
        EXPECT_ERROR(run({"control", verb, "example/echo", "1", "-1"}), 2, "got \"-1\"");
        EXPECT_ERROR(run({"control", verb, "example/echo", "1", "4294967296"}), 2, "of a stream");
        EXPECT_ERROR(run({"control", verb, "example/ecko", "1", "1"}), 12,
                     "did you mean example/echo?");
        EXPECT_ERROR(run({"control", verb, "--at", "unix:@tenon-cli-nobody", "1", "1"}), 12,
                     "start the server");
    }
    const auto second = serve();
    EXPECT_ERROR(run({"control", "pause", "example/echo", "1", "1"}), 2, "--instance");
}

TEST_F(cli_streams, control_watches) {
    const auto p = start({"control", "watch", "example/echo"});
    const auto event = [](const std::string& line) {
        auto v = tenon::parse_json(line);
        return v ? *v : value();
    };
    value e = event(p->read_line());
    EXPECT_EQ(e["what"].as_string(), "watching");
    EXPECT_EQ(e["instance"].as_string(), instance_of());
    server_->signal(SIGTERM);
    e = event(p->read_line());
    EXPECT_EQ(e["what"].as_string(), "going_away");
    EXPECT_EQ(p->finish().exit, 0) << p->err;
    EXPECT_ERROR(run({"control", "watch", "example/echo"}), 12, "no service runs here");
    EXPECT_ERROR(run({"control", "watch"}), 2, "which server?");
    EXPECT_ERROR(run({"control", "watch", "--at", at_, "a/b", "c/d"}), 2, "takes one name");
}

TEST_F(cli_streams, control_watch_ends_as_the_others) {
    const auto quiet = run({"control", "watch", "--at", at_, "--timeout", "300"});
    EXPECT_EQ(quiet.exit, 11);
    EXPECT_TRUE(has(quiet.err, "nothing came for 300 ms")) << quiet.err;
    const auto one = run({"control", "watch", "--at", at_, "--limit", "1", "--json"});
    EXPECT_EQ(one.exit, 0) << one.err;
    EXPECT_EQ(tenon::parse_json(one.out).value()["value"]["what"].as_string(), "watching");
    const auto p = start({"control", "watch", "--at", at_});
    EXPECT_TRUE(has(p->read_line(), "watching"));
    p->signal(SIGINT);
    EXPECT_EQ(p->finish().exit, 130);
    const auto killed = start({"control", "watch", "--at", at_});
    EXPECT_TRUE(has(killed->read_line(), "watching"));
    server_->signal(SIGKILL);
    EXPECT_EQ(killed->finish().exit, 12) << killed->err;
}

// script(1) gives the program a terminal.
TEST_F(cli_streams, a_terminal_shows_how_fast) {
    process p("script",
              {"-qefc", TENON_BIN_DIR "/tenon subscribe example/echo.count 0 1000000 50 >/dev/null",
               "/dev/null"},
              {.environment = {environment()[0], "TERM=xterm"}});
    std::string shown;
    const bool any = eventually([&] {
        shown += p.read_some();
        return has(shown, "values  ");
    });
    if (!any && !has(shown, "\x1b")) GTEST_SKIP() << "script(1) is not usable here: " << shown;
    EXPECT_TRUE(has(shown, "/s")) << shown;
}

/// A service whose values are in the files of a log.
class cli_log : public names_test {
protected:
    cli_log() { start_server(); }

    void start_server() {
        server_ = std::make_unique<process>(TENON_EXAMPLES_DIR "/tape_server",
                                            words{path("../log"), at_, "none"},
                                            settings{.environment = environment()});
        EXPECT_EQ(server_->read_line(), "listening on " + at_);
    }
    /// Numbers from `first` on; the first ever is at position 1.
    void record(int first, int n) const {
        std::string lines;
        for (int i = first; i < first + n; ++i) lines += std::to_string(i) + "\n";
        const outcome o = run({"send", "--at", at_, "example/tape.record"}, {.input = lines});
        EXPECT_EQ(o.exit, 0) << o.err;
    }
    outcome play(const std::string& from, int limit) const {
        return run({"subscribe", "--at", at_, "example/tape.play", "--json", "--from", from,
                    "--limit", std::to_string(limit), "--timeout", "20000"});
    }

    const std::string at_ = "unix:" + path("../tape.sock");
    std::unique_ptr<process> server_;
};

TEST_F(cli_log, subscribe_from_anywhere) {
    record(100, 50);
    const std::string first = R"({"value":100,"position":1}
{"value":101,"position":2})";
    EXPECT_RESULT(play("earliest", 2), first);
    EXPECT_RESULT(play("1", 2), first);
    EXPECT_RESULT(play("1h", 2), first);
    EXPECT_RESULT(play("2001-01-31T08:00:00Z", 2), first);
    EXPECT_RESULT(play("50", 1), R"({"value":149,"position":50})");

    const auto begin = std::chrono::system_clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(1'100));  // times have whole seconds here
    const std::time_t later = std::chrono::system_clock::to_time_t(begin) + 1;
    std::tm t{};
    ::gmtime_r(&later, &t);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &t);
    record(150, 2);
    const std::string last = R"({"value":150,"position":51}
{"value":151,"position":52})";
    EXPECT_RESULT(play(text, 2), last);
    server_->signal(SIGKILL);
    server_->finish();
    start_server();
    EXPECT_RESULT(play(text, 2), last);
    EXPECT_RESULT(play("51", 2), last);
}

TEST_F(cli_log, subscribe_to_what_comes) {
    record(0, 3);
    const auto behind = [&](const std::string& from) {
        return std::make_unique<process>(
            TENON_BIN_DIR "/tenon",
            words{"subscribe", "--at", at_, "example/tape.play", "--from", from, "--limit", "1"},
            settings{.environment = environment()});
    };
    const auto latest = behind("latest"), next = behind("4"), far = behind("6");
    ASSERT_TRUE(eventually([&] {
        const outcome o = run({"control", "streams", "--at", at_, "--json"});
        return o.exit == 0 && tenon::parse_json(o.out).value().size() == 3;
    }));
    record(3, 3);
    EXPECT_EQ(latest->read_line(), "3");
    EXPECT_EQ(next->read_line(), "3");
    EXPECT_EQ(far->read_line(), "5");
    EXPECT_EQ(latest->finish().exit, 0);
    EXPECT_ERROR(
        run({"subscribe", "--at", at_, "example/tape.play", "--from", "7", "--timeout", "200"}), 11,
        "nothing came for 200 ms");
}

TEST_F(cli_streams, help) {
    for (const words& args :
         {words{"subscribe"}, words{"send"}, words{"chat"}, words{"control", "streams"},
          words{"control", "pause"}, words{"control", "resume"}, words{"control", "close"},
          words{"control", "watch"}}) {
        words asked{"help"};
        asked.insert(asked.end(), args.begin(), args.end());
        const outcome o = run(asked);
        EXPECT_EQ(o.exit, 0) << o.err;
        EXPECT_TRUE(has(o.out, "Examples:")) << o.out;
        for (std::istringstream lines(o.out); !lines.eof();) {
            std::string line;
            std::getline(lines, line);
            EXPECT_LE(line.size(), 100U) << line;
        }
    }
}

}  // namespace
