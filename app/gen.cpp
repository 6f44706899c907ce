// tenon gen cpp | json-schema: code and schemas from manifests.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "command_line.hpp"
#include "commands.hpp"
#include "manifests.hpp"
#include "output.hpp"

namespace cli {

namespace {

/// Complete or not at all, so that a build never sees half of it.
void write_file(const std::string& path, std::string_view text) {
    const auto failed = [&] {
        throw output_error("cannot write " + path + ": " + std::strerror(errno));
    };
    struct stat s {};
    const bool special = ::stat(path.c_str(), &s) == 0 && !S_ISREG(s.st_mode);
    const std::string temporary = special ? path : path + ".new";
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) failed();
    const bool written = write_to(fd, text);
    const int problem = errno;
    ::close(fd);
    if (written && (special || ::rename(temporary.c_str(), path.c_str()) == 0)) return;
    if (!written) errno = problem;
    const int why = errno;
    if (!special) ::unlink(temporary.c_str());
    errno = why;
    failed();
}

void deliver(const std::string& text, const std::string& to) {
    if (to.empty() || to == "-") write_out(text);
    else write_file(to, text);
}

}  // namespace

int gen_cpp(arguments args, interruption& interrupt) {
    target_options options;
    std::string output;
    command_line line("gen cpp", "[OPTION…] PUBLISHER/SERVICE | FILE",
                      "Makes a C++ header with the contract of a service, from what it says of\n"
                      "itself while it runs or from a manifest in a file.",
                      R"(Examples:
  tenon gen cpp example/echo -o echo.hpp
  tenon gen cpp echo.json
)");
    line.option("-o,--output", "FILE", "in place of stdout",
                [&](const std::string& text) { output = text; });
    const auto m = read_one_manifest(line, options, args, interrupt);
    if (!m) return m.exit;
    deliver(tenon::to_cpp(*m.manifest), output);
    return 0;
}

int gen_json_schema(arguments args, interruption& interrupt) {
    target_options options;
    std::string output;
    command_line line(
        "gen json-schema", "[OPTION…] PUBLISHER/SERVICE | FILE",
        "Makes a JSON Schema (draft 2020-12) of the arguments, results and types of a\n"
        "service.",
        R"(Examples:
  tenon gen json-schema example/echo -o echo.schema.json
)");
    line.option("-o,--output", "FILE", "in place of stdout",
                [&](const std::string& text) { output = text; });
    const auto m = read_one_manifest(line, options, args, interrupt);
    if (!m) return m.exit;
    deliver(tenon::to_json(tenon::to_json_schema(*m.manifest), !options.json) + "\n", output);
    return 0;
}

}  // namespace cli
