#pragma once
// What went wrong while coding, and where. Interpreters return false as soon as something is
// recorded here; each level then adds its part of the path on the way out, so the way in costs
// nothing.

#include <string>
#include <string_view>

#include "tenon/error.hpp"

namespace tenon::inline v0::coding {

class trouble {
public:
    bool happened() const noexcept { return happened_; }

    // All return false, for `return trouble.…`.
    bool invalid(std::string message);
    bool unsupported(std::string message);
    bool expected(std::string_view what, std::string_view got);
    bool too_deep();

    bool in_member(std::string_view name);
    bool in_element(std::size_t index);
    bool in_entry(std::string_view key);
    /// For what is outside the data described, such as bad syntax: no path.
    bool in_nothing() { return path_.clear(), pathless_ = true, false; }

    /// "path: message"; of a long path the two ends.
    error take();

private:
    bool record(errc code, std::string message);

    bool happened_ = false;
    bool pathless_ = false;
    errc code_ = errc::invalid;
    std::string message_;
    std::string path_;
};

/// The text in quotes, shortened to 64 bytes, without control characters.
std::string quoted(std::string_view text);

}  // namespace tenon::inline v0::coding
