// The tenon program and streams: subscribe, send, chat, control streams.

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <sstream>

#include "cli_process.hpp"
#include "tenon/codec.hpp"

namespace {

using namespace e2e;
using tenon::value;

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

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
                  "{\"value\":7}\n{\"value\":8}");
    const outcome o = run({"subscribe", "example/echo.count", "7", "x", "--json"});
    EXPECT_EQ(o.exit, 15);
    EXPECT_EQ(tenon::parse_json(o.err).value()["error"]["code"].as_string(), "invalid");
}

TEST_F(cli_streams, subscribe_from_needs_positions) {
    for (const char* from : {"earliest", "latest", "17", "2026-01-31T08:00:00Z", "10m",
                             "2026-01-31T08:00:00.25+01:00"})
        EXPECT_ERROR(run({"subscribe", "example/echo.count", "0", "5", "--from", from}), 18,
                     "no positions");
    for (const char* from : {"", "soon", "-1", "2026-01-31", "2026-01-31T08:00:00", "1e3",
                             "2026-01-31T08:00:00+1:00", "99999999999999999999"})
        EXPECT_ERROR(run({"subscribe", "example/echo.count", "0", "5", "--from", from}), 2,
                     "--from: expected");
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
    EXPECT_RESULT(run({"call", "example/echo.collected"}), "3");
    EXPECT_EQ(run({"send", "example/echo.collect", "--text"}, {.input = "a\n\nc d"}).exit, 0);
    EXPECT_RESULT(run({"call", "example/echo.collected"}), "6");

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
    EXPECT_TRUE(eventually([&] {  // the "a" above
        return run({"call", "example/echo.collected"}).out == "1\n";
    }));
}

TEST_F(cli_streams, a_long_line_is_one_value) {
    const std::string at = file("long", "\"" + std::string(5 << 20, 'x') + "\"\n\"y\"\n");
    EXPECT_EQ(run({"send", "example/echo.collect"}, {.stdin_file = at}).exit, 0);
    EXPECT_RESULT(run({"call", "example/echo.collected"}), "2");
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
