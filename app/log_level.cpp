// tenon log-level: what a server logs.

#include <algorithm>

#include "command_line.hpp"
#include "commands.hpp"
#include "interruption.hpp"
#include "output.hpp"
#include "target.hpp"
#include "tenon/control.hpp"

namespace cli {

namespace {

const std::vector<std::string> levels{"debug", "info", "warning", "error", "off"};

struct request {
    service_name name;
    std::optional<std::string> level;
};

request understand(const std::vector<std::string>& words, const target_options& options) {
    request r;
    std::size_t next = 0;
    if (!options.endpoint()) {
        if (words.empty())
            throw usage_error("which server? give PUBLISHER/SERVICE, as in example/echo, or --at");
        r.name = parse_service(words[next++]);
    }
    if (next < words.size()) r.level = words[next++];
    if (next < words.size())
        throw usage_error("log-level takes a name and a level, got \"" + words[next] + "\", too");
    if (r.level && std::find(levels.begin(), levels.end(), *r.level) == levels.end())
        throw usage_error("\"" + *r.level +
                          "\" is no level; there are debug, info, warning, error and off");
    return r;
}

}  // namespace

int log_level(arguments args, interruption& interrupt) {
    target_options options;
    options.timeout = std::chrono::milliseconds(5000);
    command_line line(
        "log-level", "[OPTION…] PUBLISHER/SERVICE | --at ENDPOINT [LEVEL]",
        "Shows the least level that a server logs, or sets it: debug, info, warning,\n"
        "error or off. Setting it is for the server's user and root, on this machine.",
        R"(Examples:
  tenon log-level example/echo
  tenon log-level example/echo debug
  tenon log-level --at unix:/run/demo/math.sock warning
)");
    options.add_to(line, false);
    const request r = understand(line.parse(args), options);
    target to = open_target(r.name, options);
    tenon::call_options how;
    how.cancel = &interrupt.cancellation();
    const auto level = tenon::stub<tenon::control>(to.client).log_level.with(how).try_call(r.level);
    if (interrupt.happened()) return interruption::exit_code;
    if (!level) return report(level.error(), advice(level.error(), to, options), options.json);
    write_out(options.json ? tenon::to_json(*level) + "\n" : printable(*level) + "\n");
    return 0;
}

}  // namespace cli
