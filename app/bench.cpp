// tenon bench: how fast a method answers.

#include <fmt/format.h>

#include <optional>

#include "command_line.hpp"
#include "load.hpp"
#include "output.hpp"

namespace cli {

namespace {

double us(double ns) { return ns / 1000; }
double us(std::uint64_t ns) { return us(static_cast<double>(ns)); }

double rate(const load_result& r) {
    return r.seconds > 0 ? static_cast<double>(r.times.count()) / r.seconds : 0;
}

std::string grouped(double number) {
    std::string digits = fmt::format("{:.0f}", number);
    for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
    return digits;
}

void print_heading(const load& what, const target_options& options, std::size_t width) {
    const std::string count =
        what.calls ? grouped(static_cast<double>(what.calls)) + " calls"
                   : fmt::format("{} s", static_cast<double>(what.time.count()) / 1000);
    write_out(fmt::format("{}  {}, {} connection{}, {} outstanding each, {}\n",
                          bold(what.name.route()), tenon::to_string(options.codec),
                          what.connections, what.connections == 1 ? "" : "s", what.outstanding,
                          count));
    write_out(dim(fmt::format("{:{}}  {:>9} {:>9} {:>9} {:>9} {:>10} {:>8}\n", "endpoint", width,
                              "p50 us", "p90 us", "p99 us", "max us", "calls/s", "errors")));
}

void print_row(const load_result& r, const std::string& endpoint, std::size_t width) {
    write_out(fmt::format("{:{}}  {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f} {:>10} {:>8}\n", endpoint,
                          width, us(r.times.quantile(0.5)), us(r.times.quantile(0.9)),
                          us(r.times.quantile(0.99)), us(r.times.most()), grouped(rate(r)),
                          grouped(static_cast<double>(r.error_count))));
}

void print_json(const load& what, const load_result& r, const std::string& endpoint,
                const target_options& options) {
    tenon::value by_code = tenon::value::map{};
    for (std::size_t i = 0; i < r.errors.size(); ++i)
        if (r.errors[i]) by_code[tenon::to_string(static_cast<tenon::errc>(i))] = r.errors[i];
    const tenon::value line = tenon::value::object({{"endpoint", endpoint},
                                                    {"route", what.name.route()},
                                                    {"codec", tenon::to_string(options.codec)},
                                                    {"connections", what.connections},
                                                    {"outstanding", what.outstanding},
                                                    {"seconds", r.seconds},
                                                    {"calls", r.times.count()},
                                                    {"errors", r.error_count},
                                                    {"errors_by_code", by_code},
                                                    {"calls_per_s", rate(r)},
                                                    {"mean_us", us(r.times.mean())},
                                                    {"p50_us", us(r.times.quantile(0.5))},
                                                    {"p90_us", us(r.times.quantile(0.9))},
                                                    {"p99_us", us(r.times.quantile(0.99))},
                                                    {"max_us", us(r.times.most())}});
    write_out(tenon::to_json(line) + "\n");
}

struct bench_options {
    target_options target;
    load what;
    std::vector<std::string> words;
};

void read_options(arguments args, bench_options& to) {
    to.target.shared_memory = true;
    load& what = to.what;
    command_line line("bench", "[OPTION…] PUBLISHER/SERVICE.METHOD [ARGUMENT…]",
                      "Calls a method again and again and prints how long it takes: latency and\n"
                      "calls per second of the calls that succeeded, and the number of errors.",
                      std::string(argument_help) + R"(
Examples:
  tenon bench example/echo.plus 1 2
  tenon bench --at unix:@demo --at tcp://127.0.0.1:5555 example/echo.plus 1 2 --seconds 1
  tenon bench --at unix:@demo example/echo.plus 1 2 --outstanding 64 --codec msgpack --json
)");
    to.target.add_to(line, true);
    bool by_time = false;
    line.option("--seconds", "S", "how long (default 3)", [&](const std::string& text) {
        const bool unit = !text.empty() && text.find_first_not_of("0123456789.") != text.npos;
        what.time = parse_duration("--seconds", unit ? text : text + "s");
        if (what.time.count() == 0) throw usage_error("--seconds: must be more than 0");
        by_time = true;
    });
    line.number("--calls", 1, 1'000'000'000'000, what.calls, "how many calls, in place of a time");
    line.number("--outstanding", 1, 1024, what.outstanding,
                "calls under way per connection (default 1: waits for each answer)");
    line.number("--connections", 1, 1024, what.connections, "connections (default 1)");
    to.words = line.parse(args);
    if (!to.target.at.empty() && !to.target.instance.empty())
        throw usage_error("give either --at or --instance: an endpoint has one instance");
    if (by_time && what.calls) throw usage_error("give either --seconds or --calls");
    if (to.words.empty())
        throw usage_error("which method? give PUBLISHER/SERVICE.METHOD, as in example/echo.plus");
    what.name = parse_route(to.words[0]);
}

}  // namespace

int bench(arguments args, interruption& interrupt) {
    bench_options o;
    read_options(args, o);
    const call_arguments given = read_arguments(std::span(o.words).subspan(1), o.target.codec);
    o.what.arguments = &given;

    // By name if there is no --at.
    std::vector<std::optional<std::string>> places(o.target.at.begin(), o.target.at.end());
    if (places.empty()) places.emplace_back();
    std::size_t width = o.target.at.empty() ? o.what.name.text().size() : 8;
    for (const std::string& at : o.target.at) width = std::max(width, at.size());
    bool heading = o.target.json;
    int status = 0;
    for (const auto& place : places) {
        const auto connect = [&] {
            return place ? open_endpoint(*place, o.target) : open_target(o.what.name, o.target);
        };
        const target to = connect();
        bool taken = false;  // `to` is the first connection
        const load_result r = run_load(
            o.what, [&] { return std::exchange(taken, true) ? connect() : to; }, o.target.codec,
            interrupt);
        if (interrupt.happened() && r.times.count() == 0) break;
        if (r.seconds > 0) {
            if (!std::exchange(heading, true)) print_heading(o.what, o.target, width);
            if (o.target.json) print_json(o.what, r, to.text, o.target);
            else print_row(r, to.text, width);
        }
        if (r.first_error) {
            const int code =
                report(*r.first_error, advice(*r.first_error, to, o.target, given), o.target.json);
            if (status == 0) status = code;
        }
        if (interrupt.happened()) break;
    }
    return interrupt.happened() ? interruption::exit_code : status;
}

}  // namespace cli
