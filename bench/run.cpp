// A run: what to measure, in which order, how often; and the command line.

#include "bench.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "floors.hpp"
#include "report.hpp"

namespace bench {
namespace {

constexpr double noise_limit = 0.25;  // CPUs used by others
constexpr double floors_agree = 1.15;
constexpr unsigned most_repetitions = 1000;
constexpr unsigned most_threads = 256;
constexpr int most_attempts = 3;  // at one cell while the machine is noisy

struct options {
    std::vector<std::string> words;  // suites; none: all
    std::vector<placement> placements;
    std::string json;
    std::vector<std::string> only;  // what the texts of the cells hold
    unsigned repetitions = 3;
    unsigned threads = 1;
    bool quick = false;
};

[[noreturn]] void usage(const std::vector<suite>& suites, int status) {
    std::string words;
    for (const suite& s : suites) words += " [" + s.name + "]";
    fmt::print(
        status == 0 ? stdout : stderr,
        "usage: tenon_bench{}\n"
        "                   [--placement same|free|split] [--repeat N] [--quick] [--json FILE]\n"
        "                   [--only TEXT] [--threads N]\n"
        "       tenon_bench codecs [--quick] [--json FILE]\n\n"
        "Without words it measures everything; what is compared with a floor brings that\n"
        "floor along. Placements: same = both processes on one CPU, free = left to the\n"
        "scheduler, split = one CPU each; the default is all. Figures are medians of 3\n"
        "repetitions, or as many as --repeat says, and ratios those of the ratios to the floor\n"
        "measured before and after; above 1 is worse than the floor. --quick takes seconds per\n"
        "placement, and its figures are rough. --only, also several times, leaves what has TEXT "
        "in\n"
        "its name, as in --only 'unix echo' --only '1048576 B'. --threads gives servers as many\n"
        "event loops; the suite \"loops\" compares one with two.\n",
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
        else if (a == "--quick") o.quick = true, o.repetitions = 1;
        else if (a == "--json" && has_value) o.json = arguments[++i];
        else if (a == "--only" && has_value) o.only.push_back(arguments[++i]);
        else if (a == "--repeat" && has_value) {
            o.repetitions =
                static_cast<unsigned>(std::strtoul(arguments[++i].c_str(), nullptr, 10));
            if (o.repetitions == 0 || o.repetitions > most_repetitions) usage(suites, 2);
        } else if (a == "--threads" && has_value) {
            o.threads = static_cast<unsigned>(std::strtoul(arguments[++i].c_str(), nullptr, 10));
            if (o.threads == 0 || o.threads > most_threads) usage(suites, 2);
        } else if (a == "--placement" && has_value) {
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

/// All cells of one placement: what is compared with a floor follows right behind that, so that the
/// machine is in the same state for both.
class plan {
public:
    plan(const options& o, placement where)
        : quick_(o.quick), threads_(o.threads), only_(o.only), where_(where) {}

    void add(const cell& wanted, double longer) {
        const cell c = placed(wanted, longer);
        if (is_pointless(c) || !is_wanted(c) || find(c) != rows_.end()) return;
        const auto reference = reference_floor(c);
        if (!reference) {
            rows_.push_back({.what = c});
            return;
        }
        const cell floor = placed(*reference, reference->suite == c.suite ? longer : 1);
        auto at = find(floor);
        if (at == rows_.end()) at = rows_.insert(at, {.what = floor});
        do ++at;
        while (at != rows_.end() && at->against == floor);
        rows_.insert(at, {.what = c, .against = floor});
    }

    const std::vector<row>& rows() const { return rows_; }

private:
    cell placed(cell c, double longer) const {
        c.where = where_;
        if (c.suite == "floor") c.threads = 1;
        else if (c.suite != "loops") c.threads = threads_;
        c.seconds = longer * (quick_ ? 0.12 : 0.5);
        c.warm_up = longer * (quick_ ? 0.04 : 0.1);
        return c;
    }
    std::vector<row>::iterator find(const cell& c) {
        return std::find_if(rows_.begin(), rows_.end(), [&](const row& r) { return r.what == c; });
    }

    bool is_wanted(const cell& c) const {
        const std::string text = c.text();
        return std::all_of(only_.begin(), only_.end(), [&](const std::string& part) {
            return text.find(part) != std::string::npos;
        });
    }

    bool quick_;
    unsigned threads_;
    std::vector<std::string> only_;
    placement where_;
    std::vector<row> rows_;
};

std::vector<row> make_plan(const options& o, const std::vector<suite>& suites, placement where) {
    plan p(o, where);
    for (const suite& s : suites)
        if (o.words.empty() || std::find(o.words.begin(), o.words.end(), s.name) != o.words.end())
            for (const cell& c : s.cells) p.add(c, s.longer);
    return p.rows();
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

/// Of the two measurements of a floor around that of another cell.
measurement mean(const measurement& a, const measurement& b) {
    measurement m;
    for (const auto member : {&measurement::p50_us, &measurement::p99_us, &measurement::calls_per_s,
                              &measurement::cpu_us_per_call, &measurement::other_cpu})
        m.*member = (a.*member + b.*member) / 2;
    return m;
}

/// Measures a cell and its floor before and after, again if these two differ: then the machine has
/// changed meanwhile, as virtual ones do when their CPUs are moved. `floor` is the one before, and
/// then the one after. Gives the cell's and the mean of the floor's.
std::optional<row::repetition> measure_between(const row& r, std::optional<measurement>& floor,
                                               double& patience) {
    std::optional<row::repetition> last;
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        const auto before = floor;
        const auto m = measure_quietly(r.what, patience);
        if (!m) return std::nullopt;
        floor = measure_quietly(*r.against, patience);
        if (!floor || !before) return row::repetition{*m, floor};
        last = row::repetition{*m, mean(*before, *floor)};
        const double a = compared_value(*r.against, *before);
        const double b = compared_value(*r.against, *floor);
        if (std::max(a, b) <= floors_agree * std::min(a, b)) break;
    }
    return last;
}

/// Without what failed.
std::vector<row> measure_all(const options& o, std::vector<row> rows) {
    const bool on_terminal = isatty(STDERR_FILENO) != 0;
    double patience = o.quick ? 5 : 40 * o.repetitions;  // seconds
    for (unsigned repetition = 0; repetition < o.repetitions; ++repetition) {
        std::optional<measurement> floor;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            row& r = rows[i];
            if (on_terminal)
                fmt::print(stderr, "\r\033[K[{}/{}] {}", repetition * rows.size() + i + 1,
                           o.repetitions * rows.size(), r.what.text());
            if (o.quick || !r.against || !is_paired(r.what)) {
                const auto m = measure_quietly(r.what, patience);
                if (!r.against) floor = m;
                if (m) r.add({*m, r.against ? floor : std::nullopt});
            } else if (const auto between = measure_between(r, floor, patience)) {
                r.add(*between);
            }
        }
    }
    if (on_terminal) fmt::print(stderr, "\r\033[K");
    std::erase_if(rows, [](const row& r) { return r.repetitions.empty(); });
    for (row& r : rows) {
        r.sum_up();
        r.noisy = r.result.other_cpu > noise_limit;
    }
    return rows;
}

}  // namespace

int run_bench(const std::vector<std::string>& arguments, const std::vector<suite>& suites) {
    if (run_as_part(arguments, suites)) return 0;
    if (!arguments.empty() && arguments.front() == "codecs")
        return run_codecs({arguments.begin() + 1, arguments.end()});
    const options o = parse(arguments, suites);
    const name_directory names;
    const run_facts facts{machine_facts(), o.repetitions, o.quick};
    if (!o.json.empty()) write_json(o.json, facts, {});  // fails now rather than in the end
    print_facts(facts);
    std::vector<row> all;
    std::size_t failures = 0;
    for (const placement where : o.placements) {
        const std::vector<row> planned = make_plan(o, suites, where);
        const std::vector<row> rows = measure_all(o, planned);
        print_table(rows);
        failures += planned.size() - rows.size();
        all.insert(all.end(), rows.begin(), rows.end());
    }
    if (!o.json.empty()) write_json(o.json, facts, all);
    if (failures != 0) fmt::print("{} measurements failed, see above\n", failures);
    return failures == 0 ? 0 : 1;
}

}  // namespace bench
