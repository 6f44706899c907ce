#pragma once
// The load of `tenon bench`: one method, called over and over.

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "histogram.hpp"
#include "interruption.hpp"
#include "request.hpp"

namespace cli {

struct load {
    service_name name;  ///< of the method
    const call_arguments* arguments = nullptr;
    std::uint64_t connections = 1;
    /// Calls under way per connection. 1: a thread per connection that waits for each answer.
    std::uint64_t outstanding = 1;
    /// Measured calls altogether; 0: as many as fit into `time`.
    std::uint64_t calls = 0;
    std::chrono::milliseconds time{3000};
};

struct load_result {
    histogram times;                          ///< of the calls that succeeded
    std::array<std::uint64_t, 256> errors{};  ///< by errc
    std::uint64_t error_count = 0;
    std::optional<tenon::error> first_error;
    double seconds = 0;

    void add(const load_result& other);
    void add(std::uint64_t ns, const tenon::error* failed);
};

/// Calls until the time is over, the calls are made, a connection is lost, or Ctrl-C. Named
/// arguments need outstanding == 1; throws usage_error otherwise.
/// `connect` is called once for each connection.
load_result run_load(const load& what, const std::function<target()>& connect, tenon::codec codec,
                     interruption& interrupt);

}  // namespace cli
