#pragma once
// Results as a table for people and as JSON for programs: what holds for the whole run, and an array
// of flat objects.

#include <optional>
#include <string>
#include <vector>

#include "harness.hpp"

namespace bench {

/// A measurement with its floor's, or a floor.
struct row {
    /// One repetition, and the floor's next to it.
    struct repetition {
        measurement result;
        std::optional<measurement> floor;
    };

    cell what;
    std::optional<cell> against{};  ///< its floor; floors have none
    std::vector<repetition> repetitions{};

    measurement result{};                ///< medians of the repetitions
    std::optional<measurement> floor{};  ///< likewise
    /// Medians of the repetitions' own ratios. Above 1 is worse than the floor: Tenon / floor for
    /// latency and CPU time, floor / Tenon for throughput.
    double ratio = 0;
    double cpu_ratio = 0;
    bool noisy = false;  ///< other processes were busy meanwhile

    void add(const repetition& r) { repetitions.push_back(r); }
    /// Fills in the medians.
    void sum_up();
};

/// What is compared: a latency, or calls per second.
double compared_value(const cell& c, const measurement& m);

/// What holds for all rows.
struct run_facts {
    std::vector<fact> machine;
    unsigned repetitions;
    bool quick;
};

void print_facts(const run_facts& facts);

/// All rows are of one placement.
void print_table(const std::vector<row>& rows);

void write_json(const std::string& path, const run_facts& facts, const std::vector<row>& rows);

}  // namespace bench
