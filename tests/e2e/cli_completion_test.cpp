// Completion of the tenon program's command lines: what `tenon complete` says, and what real shells
// make of it.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>

#include "cli_process.hpp"
#include "tenon/codec.hpp"

namespace {

using namespace e2e;

class cli_completion : public names_test {
protected:
    /// The candidates for the end of this command line, without their descriptions.
    words complete(const std::string& line, const char* limit = "20s") const {
        const outcome o = run({"complete", "--line", line},
                              {.environment = {std::string("TENON_COMPLETION_LIMIT=") + limit}});
        EXPECT_EQ(o.exit, 0) << line << ": " << o.err;
        EXPECT_EQ(o.err, "") << line;
        return candidates_in(o.out);
    }
    static words candidates_in(const std::string& text) {
        words all;
        std::istringstream lines(text);
        for (std::string l; std::getline(lines, l);) all.push_back(l.substr(0, l.find('\t')));
        return all;
    }
    /// What a shell's script says, with the built program in PATH.
    outcome shell(const words& command) const {
        settings s{.environment = environment()};
        s.environment.push_back("TENON_COMPLETION_LIMIT=20s");
        s.environment.push_back("PATH=" TENON_BIN_DIR ":" + std::string(::getenv("PATH")));
        process p(command[0], {command.begin() + 1, command.end()}, s);
        p.finish();
        return {p.exit, p.out, p.err};
    }
    /// COMPREPLY for a line as bash splits it into words.
    words bash(const std::string& line, const words& split) const {
        std::string script = "source <(tenon completion bash); COMP_LINE='" + line +
                             "'; COMP_POINT=${#COMP_LINE}; COMP_WORDS=(";
        for (const std::string& w : split) script += "'" + w + "' ";
        script +=
            "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
            "COMP_WORDBREAKS=$' \\t\\n\"\\'@><=;|&(:'; "
            "_tenon tenon; for w in \"${COMPREPLY[@]}\"; do echo \"$w\"; done";
        const outcome o = shell({"bash", "--norc", "-c", script});
        EXPECT_EQ(o.exit, 0) << o.err;
        EXPECT_EQ(o.err, "");
        return candidates_in(o.out);
    }
};

bool contains(const words& all, const std::string& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

TEST_F(cli_completion, commands) {
    const words all = complete("tenon ");
    for (const char* c : {"call", "ping", "bench", "list", "describe", "stats", "manifest", "gen",
                          "log-level", "completion", "help"})
        EXPECT_TRUE(contains(all, c)) << c;
    EXPECT_FALSE(contains(all, "complete"));
    EXPECT_EQ(std::count(all.begin(), all.end(), "manifest"), 1);
    EXPECT_EQ(complete("tenon l"), (words{"list", "log-level"}));
    EXPECT_EQ(complete("tenon manifest "), (words{"show", "diff", "hash"}));
    EXPECT_EQ(complete("tenon gen j"), (words{"json-schema"}));
    EXPECT_EQ(complete("tenon help man"), (words{"manifest"}));
    EXPECT_EQ(complete("tenon help manifest d"), (words{"diff"}));
    EXPECT_EQ(complete("tenon completion "), (words{"bash", "zsh"}));
    EXPECT_EQ(complete("tenon --v"), (words{"--version"}));
    for (const char* line : {"", "tenon frobnicate ", "tenon call --frobnicate a ", "tenon 'open",
                             "tenon \\", "tenon call \"a b", "tenon manifest frobnicate x "})
        EXPECT_EQ(run({"complete", "--line", line}).exit, 0) << line;
    EXPECT_ERROR(run({"complete"}), 2, "completion");
}

TEST_F(cli_completion, options_and_their_values) {
    EXPECT_EQ(complete("tenon call --co"), (words{"--codec"}));
    EXPECT_EQ(complete("tenon call --codec "), (words{"json", "msgpack", "raw"}));
    EXPECT_EQ(complete("tenon call --codec=m"), (words{"--codec=msgpack"}));
    EXPECT_EQ(complete("tenon call --priority "), (words{"low", "normal", "high"}));
    EXPECT_EQ(complete("tenon list -"), (words{"--help", "--verbose", "--watch", "--at",
                                               "--instance", "--timeout", "--json"}));
    EXPECT_EQ(complete("tenon gen cpp -o "), (words{":files "}));
    EXPECT_EQ(complete("tenon gen cpp --output=x"), (words{":files --output="}));
    EXPECT_EQ(complete("tenon call --timeout "), words{});
    EXPECT_EQ(complete("tenon call -- --co"), words{});
    const auto server = serve();
    EXPECT_EQ(complete("tenon call --instance "), (words{instance_of()}));
    EXPECT_EQ(complete("tenon stats --instance=" + instance_of().substr(0, 3)),
              (words{"--instance=" + instance_of()}));
}

TEST_F(cli_completion, services_methods_and_arguments) {
    EXPECT_EQ(complete("tenon call "), words{});
    const std::string at = "unix:" + path("../a.sock");
    const auto server = serve({"--listen", at});
    const words methods{"example/echo.echo",  "example/echo.plus", "example/echo.upper",
                        "example/echo.greet", "example/echo.fail", "example/echo.sleep",
                        "example/echo.nap"};
    EXPECT_EQ(complete("tenon call "), methods);  // the only service
    EXPECT_EQ(complete("tenon call exam"), methods);
    EXPECT_EQ(complete("tenon subscribe "),
              (words{"example/echo.count", "example/echo.collected"}));
    EXPECT_EQ(complete("tenon send "), (words{"example/echo.sum", "example/echo.collect"}));
    EXPECT_EQ(complete("tenon chat "), (words{"example/echo.shout"}));
    EXPECT_EQ(complete("tenon subscribe example/echo.count 1 "), (words{"n=", "interval_ms="}));
    EXPECT_EQ(complete("tenon control "), (words{"streams", "pause", "resume", "close", "watch"}));
    EXPECT_EQ(complete("tenon control pause "), (words{"example/echo"}));
    EXPECT_EQ(complete("tenon call example/echo.p"), (words{"example/echo.plus"}));
    EXPECT_EQ(complete("tenon bench --codec json example/echo.up"), (words{"example/echo.upper"}));
    EXPECT_EQ(complete("tenon call other/"), words{});
    EXPECT_EQ(complete("tenon ping "), (words{"example/echo"}));
    EXPECT_EQ(complete("tenon list e"), (words{"example/echo"}));
    EXPECT_EQ(complete("tenon describe example/echo.pl"), (words{"example/echo.plus"}));
    EXPECT_TRUE(contains(complete("tenon describe "), "example/echo"));
    EXPECT_EQ(complete("tenon manifest diff x e"), (words{"example/echo", ":files "}));
    EXPECT_EQ(complete("tenon log-level example/echo d"), (words{"debug"}));
    EXPECT_EQ(complete("tenon log-level --at " + at + " w"), (words{"warning"}));

    EXPECT_EQ(complete("tenon call example/echo.plus "), (words{"a=", "b="}));
    EXPECT_EQ(complete("tenon call example/echo.plus 1 "), (words{"b="}));
    EXPECT_EQ(complete("tenon call example/echo.plus b=1 "), (words{"a="}));
    EXPECT_EQ(complete("tenon call --timeout 5s example/echo.plus a"), (words{"a="}));
    EXPECT_EQ(complete("tenon call example/echo.plus 1 2 "), words{});
    EXPECT_EQ(complete("tenon call example/echo.minus "), words{});
    EXPECT_EQ(complete("tenon call example/echo.greet @"), (words{":files @"}));
    EXPECT_EQ(complete("tenon call example/echo.greet who=@f"), (words{":files who=@"}));
    EXPECT_EQ(complete("tenon call --at " + at + " example/echo.pl"), (words{"example/echo.plus"}));
    EXPECT_EQ(complete("tenon call --at " + at + " example/echo.plus "), (words{"a=", "b="}));

    const auto described = run({"complete", "--line", "tenon call example/echo.pl"});
    EXPECT_EQ(described.out, "example/echo.plus\t(a, b) a + b\n");
}

TEST_F(cli_completion, nobody_waits_for_a_server_that_hangs) {
    const std::string at = "unix:" + path("../a.sock");
    const auto server = serve({"--listen", at});
    server->signal(SIGSTOP);
    // What is in the directory needs no answer.
    EXPECT_EQ(complete("tenon call example/echo.pl"), (words{"example/echo.plus"}));
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(complete("tenon call --at " + at + " e", "300"), words{});
    EXPECT_EQ(complete("tenon call --at tcp://192.0.2.1:9 e", "nonsense"), words{});
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST_F(cli_completion, hostile_manifests_give_no_words) {
    const auto server = serve();
    const std::string file = path("example/echo/" + instance_of() + ".json");
    std::ifstream in(file);
    std::string text((std::istreambuf_iterator<char>(in)), {});
    const std::size_t at = text.find("\"plus\":{");
    ASSERT_NE(at, std::string::npos);
    text.insert(at, R"x("$(touch /tmp/x)":{"params":[]},"a b":7,"ok":{"kind":"method","params":)x"
                    R"x([{"name":"\u001b[2J"},{"name":7},7,{"name":"fine"}]},)x");
    std::ofstream(file) << text;
    EXPECT_TRUE(contains(complete("tenon call example/echo."), "example/echo.ok"));
    for (const std::string& c : complete("tenon call example/echo."))
        EXPECT_EQ(c.find_first_of("$ \x1b"), std::string::npos) << c;
    EXPECT_EQ(complete("tenon call example/echo.ok "), (words{"fine="}));
}

TEST_F(cli_completion, bash_takes_it) {
    const auto server = serve();
    EXPECT_EQ(bash("tenon li", {"tenon", "li"}), (words{"list"}));
    EXPECT_EQ(bash("tenon call example/echo.pl", {"tenon", "call", "example/echo.pl"}),
              (words{"example/echo.plus"}));
    EXPECT_EQ(bash("tenon call example/echo.plus ", {"tenon", "call", "example/echo.plus", ""}),
              (words{"a=", "b="}));
    // '=', ':' and '@' break words; what stands before them is not to be repeated.
    EXPECT_EQ(bash("tenon call --codec=m", {"tenon", "call", "--codec", "=", "m"}),
              (words{"msgpack"}));
    std::ofstream(path("../order.json")) << "{}";
    EXPECT_EQ(bash("tenon call example/echo.greet @" + path("../ord"),
                   {"tenon", "call", "example/echo.greet", "@" + path("../ord")}),
              (words{path("../order.json")}));
    EXPECT_EQ(bash("tenon manifest show " + path("../ord"),
                   {"tenon", "manifest", "show", path("../ord")}),
              (words{path("../order.json")}));
}

// An interactive bash at a terminal, as script(1) gives one.
TEST_F(cli_completion, bash_at_a_terminal) {
    ASSERT_NE(shell({"script", "-qec", "echo usable", "/dev/null"}).out.find("usable"),
              std::string::npos)
        << "script(1) of Debian's bsdutils is needed";
    const auto server = serve();
    const std::string rc = path("../bashrc"), said = path("../said");
    std::ofstream(rc) << "PS1='$ '\nsource <(tenon completion bash)\n";
    const std::string command = "printf 'tenon call example/echo.pl\\t1 b\\t2 >" + said +
                                "\\nexit\\n' | script -qec 'bash --rcfile " + rc + " -i' /dev/null";
    const outcome o = shell({"bash", "--norc", "-c", command});
    std::ifstream in(said);
    std::string line;
    std::getline(in, line);
    EXPECT_EQ(line, "3") << o.out;
}

TEST_F(cli_completion, zsh_takes_it) {
    ASSERT_EQ(shell({"bash", "-c", "command -v zsh"}).exit, 0) << "./dev setup test installs zsh";
    const auto server = serve();
    // compadd as the completion system has it, but it only says what it was given.
    const auto zsh = [&](const std::string& split, const std::string& prefix) {
        const std::string script = R"(
            compdef() { : }
            compset() { print -r -- "compset $*" }
            _files() { print -r -- _files }
            compadd() { print -r -- "compadd ${argv[(r)-S]:+open} ${(P)@[-1]}" }
            source <(tenon completion zsh)
            words=()" + split + R"() CURRENT=$#words PREFIX=")" +
                                   prefix + R"("
            _tenon)";
        const outcome o = shell({"zsh", "-fc", script});
        EXPECT_EQ(o.exit, 0) << o.err;
        EXPECT_EQ(o.err, "");
        return o.out;
    };
    EXPECT_EQ(zsh("tenon li", "li"), "compadd  list\n");
    EXPECT_EQ(zsh("tenon call example/echo.pl", "example/echo.pl"), "compadd  example/echo.plus\n");
    EXPECT_EQ(zsh("tenon call example/echo.plus ''", ""), "compadd open a= b=\n");
    EXPECT_EQ(zsh("tenon gen cpp -o ''", ""), "compset -P \n_files\n");
}

// A real zsh with its completion system, at a pseudo terminal of zsh's own.
TEST_F(cli_completion, zsh_at_a_terminal) {
    ASSERT_EQ(shell({"bash", "-c", "command -v zsh"}).exit, 0) << "./dev setup test installs zsh";
    const auto server = serve();
    const std::string said = path("../said");
    const std::string script = R"(
        zmodload zsh/zpty || exit 1
        zpty z "TERM=dumb zsh -f -i"
        zpty -w z 'autoload -U compinit; compinit -D -u; source <(tenon completion zsh); print rea''dy'
        zpty -r -m z line '*ready*' || exit 1
        zpty -w -n z $'tenon call example/echo.pl\t1 b\t2 >)" +
                               said + R"(; print do\'\'ne\n'
        zpty -r -m z line '*done*' || exit 1
        zpty -d z)";
    const outcome o = shell({"zsh", "-fc", script});
    EXPECT_EQ(o.exit, 0) << o.out << o.err;
    std::ifstream in(said);
    std::string line;
    std::getline(in, line);
    EXPECT_EQ(line, "3") << o.out;
}

}  // namespace
