#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "floors.hpp"

namespace bench {
namespace {

double median_of(const std::vector<measurement>& of, double measurement::*member) {
    std::vector<double> values;
    for (const measurement& m : of) values.push_back(m.*member);
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

std::string size_text(std::size_t n) {
    if (n >= 1 << 20) return fmt::format("{} MiB", n >> 20);
    if (n >= 1 << 10) return fmt::format("{} KiB", n >> 10);
    return fmt::format("{} B", n);
}

// Three significant digits.
std::string time_text(double us) {
    return fmt::format("{:.{}f}", us, us < 1 ? 3 : us < 10 ? 2 : us < 100 ? 1 : 0);
}

std::string json_number(double d) { return fmt::format("{:.6g}", d); }

// The other suites have one target, which needs no name.
bool has_variants(const cell& c) { return c.suite == "floor" || c.suite == "mixed"; }

std::string json_object(const row& r) {
    const cell& c = r.what;
    std::string out = fmt::format(R"({{"bench": "{}", )", c.suite);
    if (r.floor) out += fmt::format(R"("transport": "{}", )", c.transport);
    if (!r.floor) out += fmt::format(R"("name": "{} {}", )", c.transport, c.target);
    else if (has_variants(c)) out += fmt::format(R"("name": "{}", )", c.target);
    out += fmt::format(R"("placement": "{}", "size": {}, "outstanding": {}, "connections": {}, )",
                       to_string(c.where), c.size, c.outstanding, c.connections);
    out += fmt::format(R"("p50_us": {}, "p99_us": {}, "calls_per_s": {}, "cpu_us_per_call": {}, )",
                       json_number(r.result.p50_us), json_number(r.result.p99_us),
                       json_number(r.result.calls_per_s), json_number(r.result.cpu_us_per_call));
    out +=
        fmt::format(R"("floor": "{}", "floor_value": {})",
                    r.floor ? reference_floor(c).target : c.target, json_number(r.floor_value()));
    if (r.floor) out += fmt::format(R"(, "ratio": {})", json_number(r.ratio()));
    return out + "}";
}

}  // namespace

double row::floor_value() const {
    const measurement& m = floor ? *floor : result;
    return compares_latency(what) ? m.p50_us : m.calls_per_s;
}

double row::ratio() const {
    return compares_latency(what) ? result.p50_us / floor_value()
                                  : floor_value() / result.calls_per_s;
}

measurement median(const std::vector<measurement>& of) {
    return {median_of(of, &measurement::p50_us), median_of(of, &measurement::p99_us),
            median_of(of, &measurement::calls_per_s), median_of(of, &measurement::cpu_us_per_call),
            median_of(of, &measurement::other_cpu)};
}

void print_table(const std::vector<row>& rows) {
    if (rows.empty()) return;
    fmt::print("\n{:<28}{:>8}{:>6}{:>5}{:>10}{:>10}{:>12}{:>10}{:>7}\n",
               fmt::format("placement {}", to_string(rows[0].what.where)), "size", "out", "conn",
               "p50 us", "p99 us", "calls/s", "CPU us", "ratio");
    bool any_noisy = false;
    for (const row& r : rows) {
        const cell& c = r.what;
        std::string name = fmt::format("{} {}", c.suite, c.transport);
        if (has_variants(c)) name += " " + c.target;
        fmt::print("{:<28}{:>8}{:>6}{:>5}{:>10}{:>10}{:>12.0f}{:>10}{:>7}{}\n", name,
                   size_text(c.size),
                   c.outstanding == open_loop ? "open" : std::to_string(c.outstanding),
                   c.connections, time_text(r.result.p50_us), time_text(r.result.p99_us),
                   r.result.calls_per_s, time_text(r.result.cpu_us_per_call),
                   r.floor ? fmt::format("{:.2f}", r.ratio()) : "", r.noisy ? " ~" : "");
        any_noisy |= r.noisy;
    }
    if (any_noisy) fmt::print("~ other processes were busy meanwhile; take it with care\n");
    std::fflush(stdout);
}

void write_json(const std::string& path, const std::vector<row>& rows) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    if (!file) fail("cannot write " + path);
    std::fputs("[\n", file);
    for (std::size_t i = 0; i < rows.size(); ++i)
        fmt::print(file, "  {}{}\n", json_object(rows[i]), i + 1 < rows.size() ? "," : "");
    std::fputs("]\n", file);
    if (std::fclose(file) != 0) fail("cannot write " + path);
}

}  // namespace bench
