// tenon subscribe: the values of a source.

#include <fmt/format.h>
#include <signal.h>

#include <array>
#include <charconv>
#include <ctime>

#include "commands.hpp"
#include "output.hpp"
#include "streams.hpp"

namespace cli {

namespace {

using time_point = std::chrono::system_clock::time_point;

/// "2026-01-31T08:00:00Z", with fractions of a second and with "+01:00" in place of Z, too.
std::optional<time_point> parse_time(const std::string& text) {
    std::tm t{};
    const char* at = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &t);
    if (!at) return std::nullopt;
    double fraction = 0;
    if (*at == '.') {
        const auto [end, problem] =
            std::from_chars(at, text.c_str() + text.size(), fraction, std::chars_format::fixed);
        if (problem != std::errc()) return std::nullopt;
        at = end;
    }
    std::chrono::minutes east{0};
    if (*at == '+' || *at == '-') {
        int hours = 0, minutes = 0, used = 0;
        if (std::sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5)
            return std::nullopt;
        east = std::chrono::hours(hours) + std::chrono::minutes(minutes);
        if (*at == '-') east = -east;
        at += 1 + used;
    } else if (*at++ != 'Z') {
        return std::nullopt;
    }
    if (at != text.c_str() + text.size()) return std::nullopt;
    return std::chrono::system_clock::from_time_t(::timegm(&t)) - east +
           std::chrono::duration_cast<std::chrono::system_clock::duration>(
               std::chrono::duration<double>(fraction));
}

tenon::stream_start parse_start(const std::string& text) {
    using start = tenon::stream_start;
    if (text == "earliest") return start::earliest();
    if (text == "latest") return start::latest();
    std::uint64_t position = 0;
    const char* const end = text.data() + text.size();
    const auto [at, problem] = std::from_chars(text.data(), end, position);
    if (problem == std::errc() && at == end) return start::at_position(position);
    if (const auto time = parse_time(text)) return start::since(*time);
    try {
        return start::since(std::chrono::system_clock::now() - parse_duration("--from", text));
    } catch (const usage_error&) {
        throw usage_error(
            "--from: expected earliest, latest, a position, a time such as 2026-01-31T08:00:00Z, "
            "or for how long back, such as 10m or 1h; got \"" +
            text + "\"");
    }
}

/// A stream that does not say where it is cannot have begun where it was told to.
tenon::result<void> check_positions(const tenon::reader<tenon::value>& in) {
    if (in.stats().position != 0) return {};
    return tenon::error(tenon::errc::unsupported,
                        "this source keeps no values: it has no positions for --from");
}

struct subscription {
    stream_command stream{"subscribe", {}};
    std::optional<tenon::stream_start> from;
    std::uint64_t limit = 0;
};

int fail(const subscription& s, stream_request& request, tenon::error e) {
    if (!s.from || e.code() != tenon::errc::unsupported) return request.fail(std::move(e));
    return request.fail(std::move(e), fmt::format("without --from it begins as it likes; `tenon "
                                                  "describe {}` may tell more",
                                                  request.route()));
}

int run(const subscription& s, const std::vector<std::string>& words, interruption& interrupt) {
    stream_request request(s.stream, words, interrupt);
    if (const auto exit = request.check()) return *exit;
    try {
        tenon::stream_options how = request.options();
        if (s.from) how.start = *s.from;
        auto in =
            tenon::subscribe_with(how, request.client(), request.route(), request.arguments());
        const on_interruption stop(interrupt, [&]() noexcept { in.stop(); });
        value_printer out(s.stream.format());
        std::function<tenon::result<void>()> check;
        if (s.from) check = [&] { return check_positions(in); };
        const auto done = print_values(in, out, s.limit, s.stream.target.timeout, check);
        if (interrupt.happened()) return interruption::exit_code;
        if (!done) return fail(s, request, done.error());
        return 0;
    } catch (const tenon::failure& f) {
        return fail(s, request, f.error());
    } catch (const output_error&) {
        if (reader_has_gone()) return 0;  // as of head
        throw;
    }
}

}  // namespace

int subscribe(arguments args, interruption& interrupt) {
    subscription s;
    command_line line(
        "subscribe", "[OPTION…] PUBLISHER/SERVICE.SOURCE [ARGUMENT…]",
        "Prints the values of a source as they come, a line of JSON each, until it ends\n"
        "or is interrupted. --timeout is the longest wait for the next one.",
        std::string(argument_help) + R"(
With --json each line is an object: the value, its position if it has one, and as
gap how many values were lost before it.

Examples:
  tenon subscribe example/echo.count 0 1000 0
  tenon subscribe example/echo.count from=5 n=3 interval_ms=1000
  tenon subscribe demo/feed.ticks --limit 10 --json
  tenon subscribe example/echo.count 0 1000 --from 990 --json
  tenon subscribe demo/log.lines --from 10m --text | grep error
)");
    line.number("--limit", 1, UINT64_MAX, s.limit, "end after N values");
    line.option("--from", "START",
                "of a source that keeps its values: earliest, latest, a position, a time",
                [&](const std::string& text) { s.from = parse_start(text); });
    s.stream.add_to(line, "print strings as they are, not as JSON");
    const std::vector<std::string> words = line.parse(args);
    if (words.empty())
        throw usage_error("which source? give PUBLISHER/SERVICE.SOURCE, as in example/echo.count");
    ::signal(SIGPIPE, SIG_IGN);  // written to in vain, it ends as one that was read to the end
    return run(s, words, interrupt);
}

}  // namespace cli
