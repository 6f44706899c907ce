#include "manifest/canonical.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

namespace tenon::inline v0::manifests {
namespace {

constexpr char hex[] = "0123456789abcdef";

void write_real(std::string& out, double d) {
    if (std::isnan(d)) return void(out += "(gene/float \"nan\")");
    if (std::isinf(d)) return void(out += d < 0 ? "(gene/float \"-inf\")" : "(gene/float \"inf\")");
    char room[40];
    const auto end = std::to_chars(room, room + sizeof room, d, std::chars_format::scientific).ptr;
    std::string_view text(room, static_cast<std::size_t>(end - room));
    if (text.front() == '-') out += '-', text.remove_prefix(1);
    const std::size_t e = text.find('e');
    int exponent = 0;
    const char* const digits_of_e = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
    std::from_chars(digits_of_e, text.data() + text.size(), exponent);
    std::string digits(1, text[0]);
    if (e > 2) digits += text.substr(2, e - 2);

    const auto put_point = [&](std::size_t at) {
        if (digits.size() <= at) digits.append(at + 1 - digits.size(), '0');
        out.append(digits, 0, at).append(1, '.').append(digits, at);
    };
    if (exponent < -5 || exponent >= 16) {
        put_point(1);
        out.append(1, 'e').append(std::to_string(exponent));
    } else if (exponent < 0) {
        out.append("0.").append(static_cast<std::size_t>(-exponent - 1), '0').append(digits);
    } else {
        put_point(static_cast<std::size_t>(exponent) + 1);
    }
}

void write_string(std::string& out, std::string_view s) {
    out += '"';
    for (const char c : s) {
        const auto u = static_cast<unsigned char>(c);
        switch (c) {
            case '"': out += "\\\""; continue;
            case '\\': out += "\\\\"; continue;
            case '\n': out += "\\n"; continue;
            case '\r': out += "\\r"; continue;
            case '\t': out += "\\t"; continue;
            case '\b': out += "\\b"; continue;
            default: break;
        }
        if (u < 0x20 || u == 0x7F) out.append("\\u00").append({hex[u >> 4], hex[u & 15]});
        else out += c;
    }
    out += '"';
}

// The next character of valid UTF-8.
char32_t take_scalar(std::string_view& s) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    const std::size_t size = byte(0) < 0x80 ? 1 : byte(0) < 0xE0 ? 2 : byte(0) < 0xF0 ? 3 : 4;
    char32_t c = size == 1 ? byte(0) : byte(0) & (0xFFu >> (size + 1));
    for (std::size_t i = 1; i < size && i < s.size(); ++i) c = c << 6 | (byte(i) & 0x3F);
    s.remove_prefix(std::min(size, s.size()));
    return c;
}

// What Gene admits in names besides ASCII: anything that is neither space nor control.
bool is_uchar(char32_t c) {
    const auto in = [c](char32_t from, char32_t to) { return c >= from && c <= to; };
    return c >= 0xA1 && c != 0x1680 && !in(0x2000, 0x200F) && !in(0x2028, 0x202F) &&
           !in(0x205F, 0x206F) && c != 0x3000 && c != 0xFEFF;
}

bool is_plain_key(std::string_view key) {
    if (key.empty()) return false;
    for (bool first = true; !key.empty(); first = false) {
        const char32_t c = take_scalar(key);
        if (c >= 0x80) {
            if (!is_uchar(c)) return false;
            continue;
        }
        const char a = static_cast<char>(c);
        const bool plain = (a >= 'a' && a <= 'z') || (a >= 'A' && a <= 'Z') ||
                           (a >= '0' && a <= '9') ||
                           std::string_view("_$@*./<>=?&|~").find(a) != std::string_view::npos;
        const bool later = a == '+' || a == '-' || a == ':' || a == '!';
        if (!plain && (first || !later)) return false;
    }
    return true;
}

using entry = std::pair<std::string_view, const value*>;

// By key; a key that begins with "$" has one more in Gene's JSON.
std::vector<entry> sorted(const value::map& m) {
    std::vector<entry> entries;
    entries.reserve(m.size());
    for (const auto& [k, v] : m) {
        std::string_view key = k.is_string() ? std::string_view(k.as_string()) : "";
        if (key.starts_with("$$")) key.remove_prefix(1);
        entries.emplace_back(key, &v);
    }
    std::stable_sort(entries.begin(), entries.end(),
                     [](const entry& a, const entry& b) { return a.first < b.first; });
    return entries;
}

class printer {
public:
    explicit printer(std::string& out) : out_(out) {}

    void write(const value& v) {
        switch (v.type()) {
            case value::type::boolean: out_ += v.as_bool() ? "true" : "false"; return;
            case value::type::int64: out_ += std::to_string(v.as_int64()); return;
            case value::type::uint64:
                out_.append("(gene/int \"").append(std::to_string(v.as_uint64())).append("\")");
                return;
            case value::type::float64: return write_real(out_, v.as_double());
            case value::type::string: return write_string(out_, v.as_string());
            case value::type::array: {
                out_ += '[';
                write_all(v.as_array(), "");
                out_ += ']';
                return;
            }
            case value::type::map: return write_map(v.as_map());
            default: out_ += "nil"; return;
        }
    }

private:
    void write_all(const value::array& elements, std::string_view before) {
        for (const value& element : elements) {
            out_ += before;
            write(element);
            before = " ";
        }
    }

    void write_map(const value::map& m) {
        if (m.size() == 1 && m[0].first.is_string() &&
            write_tag(m[0].first.as_string(), m[0].second))
            return;
        const std::vector<entry> entries = sorted(m);
        const bool plain = std::all_of(entries.begin(), entries.end(),
                                       [](const entry& e) { return is_plain_key(e.first); });
        out_ += plain ? "{" : "(gene/map";
        std::string_view before = "^";
        for (const auto& [key, content] : entries) {
            if (plain) {
                out_.append(before).append(key).append(1, ' ');
                before = " ^";
                write(*content);
            } else {
                out_ += " [";
                write_string(out_, key);
                out_ += ' ';
                write(*content);
                out_ += ']';
            }
        }
        out_ += plain ? '}' : ')';
    }

    bool write_tag(std::string_view key, const value& content) {
        if (!key.starts_with('$') || key.starts_with("$$") || key.size() == 1) return false;
        const std::string_view name = key.substr(1);
        if (name == "sym") return content.is_string() && (out_ += content.as_string(), true);
        if (!content.is_array()) return false;
        const value::array& parts = content.as_array();
        if (name == "gene") return write_gene(parts);
        out_.append("(gene/").append(name);
        write_all(parts, " ");
        out_ += ')';
        return true;
    }

    bool write_gene(const value::array& parts) {
        if (parts.size() != 3 || !parts[1].is_map() || !parts[2].is_array()) return false;
        out_ += '(';
        write(parts[0]);
        for (const auto& [key, content] : sorted(parts[1].as_map())) {
            out_.append(" ^").append(key).append(1, ' ');
            write(*content);
        }
        write_all(parts[2].as_array(), " ");
        out_ += ')';
        return true;
    }

    std::string& out_;
};

}  // namespace

std::string canonical_text(const value& v) {
    std::string out;
    printer(out).write(v);
    return out;
}

std::string sha256_of(std::string_view text) {
    std::array<unsigned char, 32> digest{};
    if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
        throw failure(error(errc::internal, "OpenSSL cannot compute SHA-256"));
    std::string out = "sha256:";
    for (const unsigned char byte : digest) out.append({hex[byte >> 4], hex[byte & 15]});
    return out;
}

}  // namespace tenon::inline v0::manifests
