#pragma once
// The command line of one sub-command: options and words in any order.
//
// Words are handed on as they are, so that JSON survives: "[1,2]", "{}" and "-5" are words. What
// stands behind "--" is a word in any case.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "commands.hpp"

namespace cli {

/// The command cannot be carried out as written. Exit code 2.
class usage_error : public std::runtime_error {
public:
    explicit usage_error(const std::string& what) : std::runtime_error(what) {}
};

/// --help was asked for.
struct help_wanted {
    std::string text;
};

/// One option of a command, for completion.
struct option_info {
    std::vector<std::string> names;     ///< "-o", "--output"
    std::string placeholder;            ///< of its value; empty if it takes none
    std::vector<std::string> values{};  ///< that it takes, where they are few
    std::string help{};
};

/// In place of a command's words: parse() throws options_wanted.
inline constexpr const char* ask_for_options = "--tenon-options";
struct options_wanted {
    std::vector<option_info> options;
};

class command_line {
public:
    /// `usage` is shown behind "Usage: tenon NAME", `more` at the end of the help.
    command_line(const std::string& name, const std::string& usage, const std::string& about,
                 const std::string& more);
    ~command_line();
    command_line(const command_line&) = delete;
    command_line& operator=(const command_line&) = delete;

    // Names are the likes of "--json" and "-o,--output".
    void flag(const std::string& name, bool& to, const std::string& help);

    /// `take` is called with the option's value as written; it throws usage_error.
    void option(const std::string& name, const std::string& placeholder, const std::string& help,
                std::function<void(const std::string&)> take);
    /// The same for one of a few values.
    void choice(const std::string& name, const std::vector<std::string>& values,
                const std::string& help, std::function<void(const std::string&)> take);
    void number(const std::string& name, std::uint64_t least, std::uint64_t most, std::uint64_t& to,
                const std::string& help);
    void duration(const std::string& name, const std::string& placeholder,
                  std::chrono::milliseconds& to, const std::string& help);

    /// The words. Throws usage_error and help_wanted.
    std::vector<std::string> parse(arguments args);

private:
    struct parser;
    [[noreturn]] void unknown(const std::string& option) const;

    std::unique_ptr<parser> parser_;
};

/// "250" and "250ms" are milliseconds; "1.5s" and "2m" are seconds and minutes. At most 24 days.
/// Throws usage_error; `what` names the option.
std::chrono::milliseconds parse_duration(const std::string& what, std::string_view text);

/// The candidate that `word` may be a slip of, or nothing.
std::string_view closest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace cli
