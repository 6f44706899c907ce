#pragma once
// Results as a table for people and as JSON for programs: one array of flat objects.

#include <optional>
#include <string>
#include <vector>

#include "harness.hpp"

namespace bench {

struct row {
    cell what;
    measurement result;                ///< medians of the repetitions
    std::optional<measurement> floor;  ///< of reference_floor(what); floors have none
    bool noisy = false;                ///< other processes were busy during a repetition

    /// What is compared: p50 in microseconds where one call is in flight, else calls per second.
    double floor_value() const;
    /// Above 1 is worse than the floor: Tenon / floor for latency, floor / Tenon for throughput.
    double ratio() const;
};

measurement median(const std::vector<measurement>& of);

/// All rows are of one placement.
void print_table(const std::vector<row>& rows);

void write_json(const std::string& path, const std::vector<row>& rows);

}  // namespace bench
