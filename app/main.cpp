// The tenon program: picks the sub-command and turns what it throws into messages and exit codes.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "command_line.hpp"
#include "commands.hpp"
#include "interruption.hpp"
#include "output.hpp"

namespace {

constexpr int exit_usage = 2;
constexpr int exit_output = 1;

struct section {
    cli::group group;
    const char* title;
};
constexpr section sections[]{{cli::group::use, "Calling"},
                             {cli::group::look, "Looking"},
                             {cli::group::contracts, "Contracts"},
                             {cli::group::program, "The program"}};

std::string row(std::string_view name, std::string_view summary) {
    constexpr std::size_t width = 18;
    return "  " + std::string(name) + std::string(width - name.size(), ' ') + std::string(summary) +
           "\n";
}

std::string overview() {
    std::string text = R"(Usage: tenon COMMAND [OPTION…] [ARGUMENT…]

A first call, of a service that is found by its name:
  tenon call example/echo.plus 10 20
)";
    for (const section& s : sections) {
        text += "\n" + std::string(s.title) + ":\n";
        for (const cli::command& c : cli::all_commands())
            if (c.group == s.group) text += row(c.name, c.summary);
        if (s.group == cli::group::program)
            text += row("help", "tell all about a command: tenon help call");
    }
    text += R"(
Options:
  --version   the version
  --help      this text; behind a command: tell all about it

Exit codes:
   0 done                    12 unavailable     18 unsupported
   1 stdout does not take    13 overloaded      19 internal
     the result              14 not_found       20 failed (the service's own error)
   2 wrong usage             15 invalid         21 data_loss
   3 manifest diff: breaks   16 denied         130 interrupted
  10 cancelled               17 conflict
  11 deadline
)";
    return text;
}

/// Commands of two words whose first one is `name`; "show, diff, hash".
std::vector<std::string> second_words(std::string_view name) {
    std::vector<std::string> words;
    for (const cli::command& c : cli::all_commands()) {
        const std::string_view all = c.name;
        if (all.starts_with(name) && all.substr(name.size()).starts_with(' '))
            words.emplace_back(all.substr(name.size() + 1));
    }
    return words;
}

[[noreturn]] void unknown(cli::arguments args) {
    const std::vector<std::string> seconds = second_words(args[0]);
    std::vector<std::string> known{"help"};
    if (seconds.empty())
        for (const cli::command& c : cli::all_commands())
            known.emplace_back(c.name, std::string_view(c.name).find(' ') == std::string_view::npos
                                           ? std::string_view(c.name).size()
                                           : std::string_view(c.name).find(' '));
    else known = seconds;
    if (!seconds.empty() && args.size() == 1) {
        std::string text;
        for (const std::string& s : seconds) text += (text.empty() ? "" : ", ") + s;
        throw cli::usage_error("tenon " + args[0] + ": which of " + text + "?");
    }
    const std::string_view wrong = seconds.empty() ? args[0] : args[1];
    const std::string_view meant = cli::closest(wrong, known);
    throw cli::usage_error("there is no command \"" + (seconds.empty() ? "" : args[0] + " ") +
                           std::string(wrong) + "\"" +
                           (meant.empty() ? "" : "; did you mean " + std::string(meant) + "?"));
}

/// Of commands that have a word in common: "tenon help manifest".
std::string overview_of(const std::string& name) {
    std::string text = "Usage: tenon " + name + " COMMAND [OPTION…] [ARGUMENT…]\n\n";
    for (const cli::command& c : cli::all_commands())
        if (std::string_view(c.name).starts_with(name + " ")) text += row(c.name, c.summary);
    return text + "\n`tenon help " + name + " " + second_words(name)[0] +
           "` and so on tell all about them.\n";
}

int run(const std::vector<std::string>& args) {
    if (args.empty()) throw cli::usage_error("which command?");
    const auto rest = std::span(args).subspan(1);
    if (args[0] == "--version" || args[0] == "-V" || args[0] == "version")
        return cli::write_out("tenon " TENON_VERSION "\n"), 0;
    const bool help = args[0] == "help";
    if (args[0] == "--help" || args[0] == "-h" || (help && (rest.empty() || rest[0] == "help")))
        return cli::write_out(overview()), 0;
    const cli::arguments named = help ? rest : cli::arguments(args);
    std::size_t words = 0;
    const cli::command* const found = cli::find_command(named, words);
    if (!found) {
        const bool asks = help || (rest.size() == 1 && (rest[0] == "--help" || rest[0] == "-h"));
        if (asks && !second_words(named[0]).empty() && (!help || named.size() == 1))
            return cli::write_out(overview_of(named[0])), 0;
        unknown(named);
    }
    cli::interruption interrupt;
    const std::vector<std::string> ask{"--help"};
    return found->run(help ? cli::arguments(ask) : named.subspan(words), interrupt);
}

/// What tells more about a command line that is wrong.
std::string where_to_look(const std::vector<std::string>& args) {
    std::size_t words = 0;
    const cli::command* const c = cli::find_command(args, words);
    if (c) return "`tenon help " + std::string(c->name) + "` tells all";
    if (!args.empty() && !second_words(args[0]).empty())
        return "`tenon help " + args[0] + "` tells more";
    return "`tenon help` lists the commands";
}

// A descriptor of ours must never be taken for stdin, stdout or stderr. Opened such that using it
// fails.
void fill_standard_descriptors() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(fd, F_GETFD) < 0)
            static_cast<void>(::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
}

}  // namespace

int main(int argc, char** argv) {
    fill_standard_descriptors();
    const std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
    const bool json = std::find(args.begin(), args.end(), "--json") != args.end();
    try {
        return run(args);
    } catch (const cli::help_wanted& h) {
        try {
            cli::write_out(h.text);
            return 0;
        } catch (const cli::output_error& e) {
            return cli::report("output", e.what(), {}, exit_output, json);
        }
    } catch (const cli::usage_error& e) {
        return cli::report("usage", e.what(), where_to_look(args), exit_usage, json);
    } catch (const cli::output_error& e) {
        return cli::report("output", e.what(), {}, exit_output, json);
    } catch (const tenon::failure& f) {
        return cli::report(f.error(), {}, json);
    } catch (const std::exception& e) {
        return cli::report(tenon::error(tenon::errc::internal, e.what()), {}, json);
    }
}
