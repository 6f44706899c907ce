#include "manifest/cpp_names.hpp"

#include <algorithm>
#include <iterator>

#include "codec/text.hpp"
#include "tenon/codec.hpp"

namespace tenon::inline v0::manifests {
namespace {

// Sorted. Behind the keywords what GCC's and the C library's headers define as macros.
constexpr std::string_view taken[] = {"EOF",
                                      "NULL",
                                      "alignas",
                                      "alignof",
                                      "and",
                                      "and_eq",
                                      "asm",
                                      "assert",
                                      "auto",
                                      "bitand",
                                      "bitor",
                                      "bool",
                                      "break",
                                      "case",
                                      "catch",
                                      "char",
                                      "char16_t",
                                      "char32_t",
                                      "char8_t",
                                      "class",
                                      "co_await",
                                      "co_return",
                                      "co_yield",
                                      "compl",
                                      "concept",
                                      "const",
                                      "const_cast",
                                      "consteval",
                                      "constexpr",
                                      "constinit",
                                      "continue",
                                      "decltype",
                                      "default",
                                      "delete",
                                      "do",
                                      "double",
                                      "dynamic_cast",
                                      "else",
                                      "enum",
                                      "errno",
                                      "explicit",
                                      "export",
                                      "extern",
                                      "false",
                                      "float",
                                      "for",
                                      "friend",
                                      "goto",
                                      "if",
                                      "inline",
                                      "int",
                                      "linux",
                                      "long",
                                      "mutable",
                                      "namespace",
                                      "new",
                                      "noexcept",
                                      "not",
                                      "not_eq",
                                      "nullptr",
                                      "operator",
                                      "or",
                                      "or_eq",
                                      "private",
                                      "protected",
                                      "public",
                                      "register",
                                      "reinterpret_cast",
                                      "requires",
                                      "return",
                                      "short",
                                      "signed",
                                      "sizeof",
                                      "static",
                                      "static_assert",
                                      "static_cast",
                                      "stderr",
                                      "stdin",
                                      "stdout",
                                      "struct",
                                      "switch",
                                      "template",
                                      "this",
                                      "thread_local",
                                      "throw",
                                      "true",
                                      "try",
                                      "typedef",
                                      "typeid",
                                      "typename",
                                      "union",
                                      "unix",
                                      "unsigned",
                                      "using",
                                      "virtual",
                                      "void",
                                      "volatile",
                                      "wchar_t",
                                      "while",
                                      "xor",
                                      "xor_eq"};
static_assert(std::is_sorted(std::begin(taken), std::end(taken)));

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}

std::string escaped(char c, char before) {
    switch (c) {
        case '"': return "\\\"";
        case '\\': return "\\\\";
        case '\n': return "\\n";
        case '\t': return "\\t";
        case '?': return before == '?' ? "\\?" : "?";  // no trigraphs
        default: break;
    }
    const auto u = static_cast<unsigned char>(c);
    if (u >= 0x20 && u != 0x7F) return std::string(1, c);
    return {'\\', static_cast<char>('0' + (u >> 6)), static_cast<char>('0' + (u >> 3 & 7)),
            static_cast<char>('0' + (u & 7))};
}

}  // namespace

bool is_cpp_name(std::string_view name) noexcept {
    if (name.empty() || is_digit(name.front())) return false;
    if (!std::all_of(name.begin(), name.end(), is_word_character)) return false;
    const bool reserved = name.find("__") != name.npos ||
                          (name.size() > 1 && name[0] == '_' && name[1] >= 'A' && name[1] <= 'Z');
    return !reserved && name != "std" && name != "tenon" && !name.starts_with("tenon_") &&
           !name.starts_with("TENON_") &&
           !std::binary_search(std::begin(taken), std::end(taken), name);
}

std::string to_cpp_name(std::string_view name) {
    std::string s;
    for (const char c : name) {
        const char plain = is_word_character(c) ? c : '_';
        if (plain != '_' || (!s.empty() && s.back() != '_')) s += plain;
    }
    if (s.empty() || is_digit(s.front())) s.insert(0, "n");
    while (!is_cpp_name(s)) s = is_cpp_name(s + "_") ? s + "_" : "my_" + s;
    return s;
}

bool is_cpp_word(std::string_view name) noexcept {
    constexpr std::string_view macros[] = {"EOF",   "NULL", "assert", "errno", "linux",
                                           "stdin", "unix", "stdout", "stderr"};
    return !name.empty() && name.find("__") == name.npos &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return is_word_character(c) || c == '-'; }) &&
           !name.starts_with("TENON_") &&
           std::find(std::begin(macros), std::end(macros), name) == std::end(macros);
}

std::vector<std::string> cpp_literals(std::string_view text, std::size_t width) {
    std::vector<std::string> all;
    std::string line = "\"";
    char before = 0;
    while (!text.empty()) {
        // A word with the space behind it.
        const std::size_t end = std::min(text.find(' '), text.size() - 1) + 1;
        std::string word;
        for (const char c : text.substr(0, end)) word += escaped(c, before), before = c;
        text.remove_prefix(end);
        if (line.size() + word.size() + 1 > width && line.size() > 1) {
            all.push_back(line + "\"");
            line = "\"";
        }
        line += word;
    }
    all.push_back(line + "\"");
    return all;
}

std::string cpp_value(const value& v) {
    if (v.is_nil()) return "nullptr";
    if (v.is_string() && v.as_string().find('\0') == std::string::npos)
        return cpp_literals(v.as_string(), std::string::npos).front();
    if (v == value(INT64_MIN)) return "INT64_MIN";
    const std::string json = tenon::to_json(v);
    if (v.type() == value::type::uint64) return json + "u";
    if (v.is_number() || v.is_bool()) return json;
    std::string mark = "json";
    while (json.find(")" + mark + "\"") != std::string::npos) mark += "_";
    return "tenon::parse_json(R\"" + mark + "(" + json + ")" + mark + "\").value()";
}

std::string cpp_list(const std::string& prefix, const std::vector<std::string>& entries,
                     const std::string& suffix) {
    std::string all = prefix;
    const std::size_t last_line = prefix.rfind('\n') == prefix.npos ? 0 : prefix.rfind('\n') + 1;
    const std::size_t indent = prefix.size() - last_line;
    std::size_t column = indent;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const bool last = i + 1 == entries.size();
        const std::size_t needed = entries[i].size() + (last ? suffix.size() : 1);
        if (i != 0 && column + 1 + needed > cpp_columns) {
            all.append(1, '\n').append(indent, ' ');
            column = indent;
        } else if (i != 0) {
            all += ' ';
            ++column;
        }
        all.append(entries[i]).append(last ? "" : ",");
        column += entries[i].size() + 1;
    }
    return all + suffix;
}

}  // namespace tenon::inline v0::manifests
