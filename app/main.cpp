// The tenon program: picks the sub-command and turns what it throws into messages and exit codes.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>

#include "command_line.hpp"
#include "commands.hpp"
#include "interruption.hpp"
#include "output.hpp"

namespace {

constexpr int exit_usage = 2;
constexpr int exit_output = 1;

struct command {
    const char* name;
    const char* summary;
    int (*run)(cli::arguments, cli::interruption&);
};

constexpr std::array commands{
    command{"call", "call a method and print its result", cli::call},
    command{"ping", "see whether a server is there, and how far", cli::ping},
    command{"bench", "measure latency and throughput of a method", cli::bench},
};

std::string overview() {
    std::string text = "Usage: tenon COMMAND [OPTION…] [ARGUMENT…]\n\nCommands:\n";
    for (const command& c : commands)
        text += "  " + std::string(c.name) + std::string(10 - std::string(c.name).size(), ' ') +
                c.summary + "\n";
    text += R"(  help      tell all about a command: tenon help call

Options:
  --version   the version
  --help      this text; behind a command: tell all about it

A first call:
  tenon call --at unix:/run/demo/math.sock demo/math.plus 10 20

Exit codes:
   0 done                   13 overloaded    18 unsupported
   1 stdout does not take   14 not_found     19 internal
     the result             15 invalid       20 failed (the service's own error)
   2 wrong usage            16 denied        21 data_loss
  10 cancelled              17 conflict     130 interrupted
  11 deadline               12 unavailable
)";
    return text;
}

const command& find(const std::string& name) {
    for (const command& c : commands)
        if (name == c.name) return c;
    std::vector<std::string> names{"help"};
    for (const command& c : commands) names.emplace_back(c.name);
    const std::string_view meant = cli::closest(name, names);
    throw cli::usage_error("there is no command \"" + name + "\"" +
                           (meant.empty() ? "" : "; did you mean " + std::string(meant) + "?"));
}

int run(const std::vector<std::string>& args) {
    if (args.empty()) throw cli::usage_error("which command?");
    const auto rest = std::span(args).subspan(1);
    if (args[0] == "--version" || args[0] == "-V" || args[0] == "version")
        return cli::write_out("tenon " TENON_VERSION "\n"), 0;
    const bool help = args[0] == "help";
    if (args[0] == "--help" || args[0] == "-h" || (help && rest.empty()))
        return cli::write_out(overview()), 0;
    cli::interruption interrupt;
    const std::vector<std::string> ask{"--help"};
    if (help) return find(rest[0]).run(ask, interrupt);
    return find(args[0]).run(rest, interrupt);
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
        const bool known = !args.empty() && std::any_of(commands.begin(), commands.end(),
                                                        [&](auto& c) { return args[0] == c.name; });
        return cli::report(
            "usage", e.what(),
            known ? "`tenon help " + args[0] + "` tells all" : "`tenon help` lists the commands",
            exit_usage, json);
    } catch (const cli::output_error& e) {
        return cli::report("output", e.what(), {}, exit_output, json);
    } catch (const tenon::failure& f) {
        return cli::report(f.error(), {}, json);
    } catch (const std::exception& e) {
        return cli::report(tenon::error(tenon::errc::internal, e.what()), {}, json);
    }
}
