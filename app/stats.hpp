#pragma once
// What the servers that match a pattern have counted, once and again.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "interruption.hpp"
#include "target.hpp"
#include "tenon/stats.hpp"

namespace cli {

/// One server's answer.
struct counted {
    target from;
    std::chrono::steady_clock::time_point when;
    tenon::server_stats stats;
};

/// A server that did not answer.
struct silence {
    target from;
    tenon::error why;
};

/// What could be learnt, and why not more.
struct survey {
    std::vector<counted> servers;
    std::vector<silence> errors;
};

/// The servers that `pattern` means, or the one of --at or --instance. Empty: there are none.
std::vector<target> find_servers(const name_pattern& pattern, const target_options& options);

/// Asks each; a server that has just left counts as if it had not been found.
survey ask_for_stats(std::vector<target> servers, const name_pattern& pattern,
                     interruption& interrupt);

/// Per second, since the survey before.
struct rate {
    double calls = 0;
    double errors = 0;
};

/// Keeps the last survey, to compare the next one with.
class rates {
public:
    /// Nothing for a method that was not there before, or whose server was not.
    std::optional<rate> of(const counted& server, const tenon::method_stats& m) const;
    void keep(const survey& s);

private:
    struct sample {
        std::chrono::steady_clock::time_point when;
        std::uint64_t calls, errors;
    };
    std::map<std::pair<std::string, std::string>, sample> last_;  // by instance and route
};

}  // namespace cli
