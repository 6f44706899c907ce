#pragma once
// --watch and --interval: commands that show the same again and again.

#include <chrono>
#include <optional>
#include <string>

#include "command_line.hpp"
#include "interruption.hpp"

namespace cli {

struct watching {
    bool on = false;
    std::chrono::milliseconds interval{1000};

    void add_to(command_line& line);
    /// Writes one look; where it can it takes the place of the one before, and else, unless in JSON,
    /// a blank line goes between them.
    void show(std::string text, bool first, bool json) const;
    /// Until the next look. An exit code: there is none.
    std::optional<int> wait(interruption& interrupt) const;
};

}  // namespace cli
