#include "watching.hpp"

#include <unistd.h>

#include <utility>

#include "output.hpp"

namespace cli {

void watching::add_to(command_line& line) {
    line.flag("--watch", on, "again and again, with rates per second");
    line.option("--interval", "TIME", "--watch with this time between two looks (default 1s)",
                [this](const std::string& text) {
                    interval = parse_duration("--interval", text);
                    if (interval.count() == 0) throw usage_error("--interval: must be more than 0");
                    on = true;
                });
}

void watching::show(std::string text, bool first, bool json) const {
    if (on && !json && ::isatty(STDOUT_FILENO)) text.insert(0, "\x1b[H\x1b[2J\x1b[3J");
    else if (!first && !json) text.insert(0, "\n");
    write_out(text);
}

std::optional<int> watching::wait(interruption& interrupt) const {
    interrupt.sleep_for(interval);
    if (interrupt.happened()) return interruption::exit_code;
    if (reader_has_gone()) return 0;
    return std::nullopt;
}

}  // namespace cli
