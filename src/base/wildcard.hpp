#pragma once
// Wildcards in names: `*` stands for any characters, also none, `?` for one; all else for itself.

#include <string_view>

namespace tenon::inline v0::base {

/// Takes at most as many steps as the product of the lengths.
constexpr bool matches(std::string_view pattern, std::string_view text) noexcept {
    std::size_t p = 0, t = 0;
    std::size_t star = std::string_view::npos,
                after_star = 0;  // the last `*` can take more of text
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            after_star = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p, ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++after_star;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

}  // namespace tenon::inline v0::base
