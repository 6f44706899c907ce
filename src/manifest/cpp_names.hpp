#pragma once
// What may stand as a name in generated C++, and how text is written there.

#include <string>
#include <string_view>
#include <vector>

#include "tenon/value.hpp"

namespace tenon::inline v0::manifests {

/// An identifier that is no keyword, not reserved, and no macro of the standard library's.
bool is_cpp_name(std::string_view name) noexcept;
/// The nearest such name; for those that do not travel.
std::string to_cpp_name(std::string_view name);
/// What TENON_INTERFACE can turn into a parameter's name: any word, also a keyword.
bool is_cpp_word(std::string_view name) noexcept;

/// A string literal, or several, one after the other, of at most `width` columns each.
std::vector<std::string> cpp_literals(std::string_view text, std::size_t width);
/// An expression that makes this value.
std::string cpp_value(const value& v);

/// prefix a, b, c suffix; on several lines if need be, aligned behind the prefix.
std::string cpp_list(const std::string& prefix, const std::vector<std::string>& entries,
                     const std::string& suffix);

constexpr std::size_t cpp_columns = 100;

}  // namespace tenon::inline v0::manifests
