#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "floors.hpp"

namespace bench {
namespace {

double median(std::vector<double> values) {
    if (values.empty()) return 0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

measurement median(const std::vector<measurement>& of) {
    const auto each = [&](double measurement::*member) {
        std::vector<double> values;
        for (const measurement& m : of) values.push_back(m.*member);
        return median(std::move(values));
    };
    return {each(&measurement::p50_us),      each(&measurement::p99_us),
            each(&measurement::calls_per_s), each(&measurement::cpu_us_per_call),
            each(&measurement::other_cpu),   each(&measurement::idle_bytes)};
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

// Some suites have one target, which needs no name.
bool has_variants(const cell& c) {
    return c.suite != "rpc" && c.suite != "plus" && c.suite != "discover";
}

std::string json_object(const row& r) {
    const cell& c = r.what;
    std::string out = fmt::format(R"({{"bench": "{}", "transport": "{}", "name": "{}", )", c.suite,
                                  c.transport, c.target);
    out += fmt::format(R"("placement": "{}", "size": {}, "outstanding": {}, "connections": {}, )",
                       to_string(c.where), c.size, c.outstanding, c.connections);
    out += fmt::format(R"("p50_us": {}, "p99_us": {}, "calls_per_s": {}, "cpu_us_per_call": {})",
                       json_number(r.result.p50_us), json_number(r.result.p99_us),
                       json_number(r.result.calls_per_s), json_number(r.result.cpu_us_per_call));
    if (r.floor)
        out += fmt::format(
            R"(, "floor": "{}", "floor_value": {}, "floor_cpu_us": {}, "ratio": {}, "cpu_ratio": {})",
            r.against->target, json_number(compared_value(c, *r.floor)),
            json_number(r.floor->cpu_us_per_call), json_number(r.ratio), json_number(r.cpu_ratio));
    if (c.threads != 1) out += fmt::format(R"(, "threads": {})", c.threads);
    if (r.result.idle_bytes != 0)
        out += fmt::format(R"(, "idle_bytes": {})", json_number(r.result.idle_bytes));
    return out + fmt::format(R"(, "noisy": {}}})", r.noisy);
}

std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) >= ' ') out += c;
    }
    return out + "\"";
}

}  // namespace

double compared_value(const cell& c, const measurement& m) {
    if (c.suite == "mixed" || c.suite == "priority") return m.p99_us;  // what others suffer
    return compares_latency(c) ? m.p50_us : m.calls_per_s;
}

void row::sum_up() {
    std::vector<measurement> results;
    std::vector<measurement> floors;
    std::vector<double> ratios;
    std::vector<double> cpu_ratios;
    for (const repetition& r : repetitions) {
        results.push_back(r.result);
        if (!r.floor) continue;
        floors.push_back(*r.floor);
        const double relative = compared_value(what, r.result) / compared_value(what, *r.floor);
        ratios.push_back(compares_latency(what) ? relative : 1 / relative);
        cpu_ratios.push_back(r.result.cpu_us_per_call / r.floor->cpu_us_per_call);
    }
    result = median(results);
    if (floors.empty()) return;
    floor = median(floors);
    ratio = median(std::move(ratios));
    cpu_ratio = median(std::move(cpu_ratios));
}

void print_facts(const run_facts& facts) {
    for (const fact& f : facts.machine) fmt::print("{:<14}{}\n", f.name, f.value);
    fmt::print("{:<14}{}{}\n", "repetitions", facts.repetitions, facts.quick ? ", quick" : "");
}

void print_table(const std::vector<row>& rows) {
    if (rows.empty()) return;
    const bool any_idle = std::any_of(rows.begin(), rows.end(),
                                      [](const row& r) { return r.result.idle_bytes != 0; });
    fmt::print("\n{:<28}{:>8}{:>6}{:>6}{:>10}{:>10}{:>12}{:>10}{:>7}{:>7}{}\n",
               fmt::format("placement {}", to_string(rows[0].what.where)), "size", "out", "conn",
               "p50 us", "p99 us", "calls/s", "CPU us", "ratio", "CPU x",
               any_idle ? "  idle B" : "");
    bool any_noisy = false;
    for (const row& r : rows) {
        const cell& c = r.what;
        std::string name = fmt::format("{} {}", c.suite, c.transport);
        if (has_variants(c)) name += " " + c.target;
        if (c.threads != 1) name += fmt::format(", {} loops", c.threads);
        fmt::print("{:<28}{:>8}{:>6}{:>6}{:>10}{:>10}{:>12.0f}{:>10}{:>7}{:>7}{}{}\n", name,
                   size_text(c.size),
                   c.outstanding == open_loop ? "open" : std::to_string(c.outstanding),
                   c.connections, time_text(r.result.p50_us), time_text(r.result.p99_us),
                   r.result.calls_per_s, time_text(r.result.cpu_us_per_call),
                   r.floor ? fmt::format("{:.2f}", r.ratio) : "",
                   r.floor ? fmt::format("{:.2f}", r.cpu_ratio) : "",
                   r.result.idle_bytes != 0 ? fmt::format("{:>8.0f}", r.result.idle_bytes) : "",
                   r.noisy ? " ~" : "");
        any_noisy |= r.noisy;
    }
    if (any_noisy) fmt::print("~ other processes were busy meanwhile; take it with care\n");
    std::fflush(stdout);
}

void write_json(const std::string& path, const run_facts& facts, const std::vector<row>& rows) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    if (!file) fail("cannot write " + path);
    fmt::print(file, "{{\n  \"machine\": {{\n");
    for (const fact& f : facts.machine)
        fmt::print(file, "    {}: {},\n", json_string(f.name), json_string(f.value));
    fmt::print(file, "    \"repetitions\": {}, \"quick\": {}\n  }},\n  \"results\": [\n",
               facts.repetitions, facts.quick);
    for (std::size_t i = 0; i < rows.size(); ++i)
        fmt::print(file, "    {}{}\n", json_object(rows[i]), i + 1 < rows.size() ? "," : "");
    fmt::print(file, "  ]\n}}\n");
    if (std::fclose(file) != 0) fail("cannot write " + path);
}

}  // namespace bench
