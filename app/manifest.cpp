// tenon manifest show | diff | hash: manifests of running services and in files.

#include "manifests.hpp"

#include <fmt/format.h>

#include "command_line.hpp"
#include "commands.hpp"
#include "output.hpp"
#include "table.hpp"

namespace cli {

namespace {

constexpr int exit_breaking = 3;

tenon::value as_value(const std::vector<tenon::change>& changes) {
    tenon::value::array all;
    for (const tenon::change& c : changes)
        all.push_back(
            tenon::value::object({{"breaking", c.breaking}, {"where", c.where}, {"what", c.what}}));
    return all;
}

std::string as_text(const std::vector<tenon::change>& changes) {
    std::string text;
    for (const bool breaking : {true, false}) {
        std::string lines;
        for (const tenon::change& c : changes)
            if (c.breaking == breaking)
                lines += fmt::format("  {}: {}\n", printable(c.where), printable(c.what));
        if (!lines.empty()) text += (breaking ? "breaking:\n" : "compatible:\n") + lines;
    }
    return text;
}

bool breaks(const std::vector<tenon::change>& changes) {
    for (const tenon::change& c : changes)
        if (c.breaking) return true;
    return false;
}

}  // namespace

int manifest_show(arguments args, interruption& interrupt) {
    target_options options;
    command_line line("manifest show", "[OPTION…] PUBLISHER/SERVICE | FILE",
                      "Prints the manifest of a service that runs, or of a file that holds one,\n"
                      "after checking it. A file in the current folder goes as ./FILE or with its\n"
                      "extension; - is stdin.",
                      R"(Examples:
  tenon manifest show example/echo
  tenon manifest show example/echo --json >echo.json
  tenon manifest show echo.json
)");
    const auto m = read_one_manifest(line, options, args, interrupt);
    if (!m) return m.exit;
    write_out(m.manifest->to_json(!options.json) + "\n");
    return 0;
}

int manifest_hash(arguments args, interruption& interrupt) {
    target_options options;
    command_line line("manifest hash", "[OPTION…] PUBLISHER/SERVICE | FILE",
                      "Prints the hash of a manifest: equal for manifests of equal meaning.",
                      R"(Examples:
  tenon manifest hash example/echo
  tenon manifest hash echo.json
)");
    const auto m = read_one_manifest(line, options, args, interrupt);
    if (!m) return m.exit;
    const std::string& hash = m.manifest->hash();
    write_out(options.json ? tenon::to_json(hash) + "\n" : hash + "\n");
    return 0;
}

int manifest_diff(arguments args, interruption& interrupt) {
    target_options options;
    options.timeout = manifest_timeout;
    command_line line(
        "manifest diff", "[OPTION…] OLD NEW",
        "Tells what is different between two versions of a service, and whether\n"
        "programs that were made for the old one keep working with the new one. OLD\n"
        "and NEW are a PUBLISHER/SERVICE that runs or a FILE each.",
        R"(Exit codes, for scripts: 0 nothing, or compatible changes only; 3 breaking changes; others
as usual, if a manifest cannot be had.

Examples:
  tenon manifest diff released/echo.json example/echo
  tenon manifest diff old.json new.json --json
)");
    options.add_to(line, false);
    const std::vector<std::string> words = line.parse(args);
    if (words.size() != 2) throw usage_error("which manifests? give OLD and NEW");
    if (words[0] == "-" && words[1] == "-") throw usage_error("only one of them can be stdin");
    std::vector<tenon::manifest> both;
    for (const std::string& word : words) {
        const found_manifest m = find_manifest(word, options, interrupt);
        if (!m) return m.exit;
        both.push_back(*m.manifest);
    }
    const std::vector<tenon::change> changes = tenon::compare(both[0], both[1]);
    write_out(options.json ? tenon::to_json(as_value(changes)) + "\n" : as_text(changes));
    return breaks(changes) ? exit_breaking : 0;
}

}  // namespace cli
