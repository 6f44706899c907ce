// tenon_bench: measures Tenon against the floors of this machine, in three placements.

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "echo_target.hpp"
#include "floors.hpp"
#include "report.hpp"

namespace bench {
namespace {

constexpr double noise_limit = 0.25;  // CPUs used by others
constexpr int most_attempts = 3;      // at one cell while the machine is noisy

struct options {
    std::vector<std::string> words;  // suites; none: all
    std::vector<placement> placements;
    std::string json;
    bool quick = false;
};

std::vector<suite> make_suites() {
    std::vector<suite> out;
    out.push_back(make_floor_suite());
    out.push_back(make_rpc_suite());
    out.push_back(make_plus_suite());
    out.push_back(make_mixed_suite());
    out.push_back(make_discover_suite());
    return out;
}

[[noreturn]] void usage(const std::vector<suite>& suites, int status) {
    std::string words;
    for (const suite& s : suites) words += " [" + s.name + "]";
    fmt::print(status == 0 ? stdout : stderr,
               "usage: tenon_bench{} [--placement same|free|split] [--quick] [--json FILE]\n\n"
               "Without words it measures everything; what is compared with a floor brings that\n"
               "floor along. Placements: same = both processes on one CPU, free = left to the\n"
               "scheduler, split = one CPU each; the default is all. --quick takes seconds per\n"
               "placement, and its figures are rough. Ratios above 1 are worse than the floor.\n",
               words);
    std::exit(status);
}

options parse(const std::vector<std::string>& arguments, const std::vector<suite>& suites) {
    options o;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& a = arguments[i];
        const bool has_value = i + 1 < arguments.size();
        const auto is_named = [&](const suite& s) { return s.name == a; };
        if (a == "--help" || a == "-h") usage(suites, 0);
        else if (a == "--quick") o.quick = true;
        else if (a == "--json" && has_value) o.json = arguments[++i];
        else if (a == "--placement" && has_value) {
            const std::string& wanted = arguments[++i];
            const std::size_t before = o.placements.size();
            for (const placement p : {placement::same, placement::free, placement::split})
                if (wanted == to_string(p)) o.placements.push_back(p);
            if (o.placements.size() == before) usage(suites, 2);
        } else if (std::any_of(suites.begin(), suites.end(), is_named)) o.words.push_back(a);
        else usage(suites, 2);
    }
    if (o.placements.empty()) {
        o.placements = {placement::same, placement::free, placement::split};
        if (cpu_count() < 2) o.placements = {placement::same};
    }
    return o;
}

/// Where the servers of this run, which are killed in the end, leave their names.
class name_directory {
public:
    name_directory() {
        if (!mkdtemp(path_) || setenv("TENON_RUNTIME_DIR", path_, 1) != 0)
            fail("cannot make a directory in /tmp");
    }
    name_directory(const name_directory&) = delete;
    name_directory& operator=(const name_directory&) = delete;
    ~name_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

private:
    char path_[32] = "/tmp/tenon-bench-XXXXXX";
};

/// All cells of one placement, each floor once and in front.
std::vector<row> plan(const options& o, const std::vector<suite>& suites, placement where) {
    std::vector<row> floors;
    std::vector<row> others;
    const auto add = [&](std::vector<row>& to, cell c, double longer) {
        c.where = where;
        c.seconds = longer * (o.quick ? 0.12 : 0.5);
        c.warm_up = longer * (o.quick ? 0.04 : 0.1);
        const auto is_there = [&](const row& r) { return r.what == c; };
        if (!is_pointless(c) && std::none_of(to.begin(), to.end(), is_there))
            to.push_back({c, {}, {}, false});
        return c;
    };
    for (const suite& s : suites) {
        if (!o.words.empty() && std::find(o.words.begin(), o.words.end(), s.name) == o.words.end())
            continue;
        for (const cell& c : s.cells) {
            const cell added = add(s.name == "floor" ? floors : others, c, s.longer);
            if (s.name != "floor") add(floors, reference_floor(added), 1);
        }
    }
    floors.insert(floors.end(), others.begin(), others.end());
    return floors;
}

/// Measures again while others keep the machine busy and there is patience left.
std::optional<measurement> measure_quietly(const cell& what, double& patience) {
    auto best = measure(what);
    for (int i = 1; best && i < most_attempts && best->other_cpu > noise_limit && patience > 0;
         ++i) {
        constexpr auto pause = std::chrono::milliseconds(300);
        std::this_thread::sleep_for(pause);
        patience -= what.seconds + what.warm_up + std::chrono::duration<double>(pause).count();
        const auto again = measure(what);
        if (again && again->other_cpu < best->other_cpu) best = again;
    }
    return best;
}

/// Without what failed.
std::vector<row> measure_all(const options& o, std::vector<row> rows) {
    const int repetitions = o.quick ? 1 : 3;
    const bool on_terminal = isatty(STDERR_FILENO) != 0;
    double patience = o.quick ? 5 : 120;  // seconds
    std::vector<std::vector<measurement>> results(rows.size());
    for (int repetition = 0; repetition < repetitions; ++repetition) {
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (on_terminal)
                fmt::print(stderr, "\r\033[K[{}/{}] {}", repetition * rows.size() + i + 1,
                           repetitions * rows.size(), rows[i].what.text());
            if (const auto m = measure_quietly(rows[i].what, patience)) results[i].push_back(*m);
        }
    }
    if (on_terminal) fmt::print(stderr, "\r\033[K");
    std::vector<row> measured;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (results[i].empty()) continue;
        row& r = measured.emplace_back(rows[i]);
        r.result = median(results[i]);
        r.noisy = r.result.other_cpu > noise_limit;
    }
    for (row& r : measured) {
        if (r.what.suite == "floor") continue;
        cell wanted = reference_floor(r.what);
        for (const row& f : measured) {
            wanted.seconds = f.what.seconds;
            wanted.warm_up = f.what.warm_up;
            if (f.what == wanted) r.floor = f.result;
        }
    }
    return measured;
}

}  // namespace

int run_bench(const std::vector<std::string>& arguments) {
    const std::vector<suite> suites = make_suites();
    if (run_as_part(arguments, suites)) return 0;
    const options o = parse(arguments, suites);
    const name_directory names;
    if (!o.json.empty()) write_json(o.json, {});  // fails now rather than in the end
    fmt::print("{}{}\n", machine_text(), o.quick ? ", quick" : "");
    std::vector<row> all;
    std::size_t failures = 0;
    for (const placement where : o.placements) {
        const std::vector<row> planned = plan(o, suites, where);
        const std::vector<row> rows = measure_all(o, planned);
        print_table(rows);
        failures += planned.size() - rows.size();
        all.insert(all.end(), rows.begin(), rows.end());
    }
    if (!o.json.empty()) write_json(o.json, all);
    if (failures != 0) fmt::print("{} measurements failed, see above\n", failures);
    return failures == 0 ? 0 : 1;
}

}  // namespace bench

int main(int argc, char** argv) {
    // A part ends here: what it still has in flight is of no interest to anyone.
    const int status = bench::run_bench({argv + 1, argv + argc});
    std::fflush(nullptr);
    std::_Exit(status);
}
