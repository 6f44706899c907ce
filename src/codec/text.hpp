#pragma once
// Text formats shared by the codecs: UTF-8, base64, RFC 3339 times, numbers.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "tenon/bytes.hpp"

namespace tenon::inline v0::coding {

/// RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF.
bool is_utf8_slow(const char* p, const char* end) noexcept;

inline bool is_utf8(std::string_view s) noexcept {
    constexpr std::uint64_t high_bits = 0x8080808080808080u;
    const char* p = s.data();
    const char* const end = p + s.size();
    for (; end - p >= 8; p += 8) {
        std::uint64_t word;
        std::memcpy(&word, p, 8);
        if ((word & high_bits) != 0) return is_utf8_slow(p, end);
    }
    for (; p != end; ++p)
        if ((*p & 0x80) != 0) return is_utf8_slow(p, end);
    return true;
}

/// RFC 4648 section 4, with padding.
constexpr std::size_t base64_size(std::size_t n) noexcept { return (n + 2) / 3 * 4; }
void write_base64(bytes_view in, char* out) noexcept;
/// Takes the padding, which may be missing, off `in`, and gives the size of the content.
std::size_t base64_content_size(std::string_view& in) noexcept;
/// Writes that content; false if `in` is not base64.
bool read_base64(std::string_view in, std::byte* out) noexcept;

struct timestamp {
    std::int64_t seconds = 0;       // since 1970-01-01T00:00:00Z, rounded down
    std::uint32_t nanoseconds = 0;  // 0 … 999,999,999
};
/// "2026-11-20T21:45:43.120Z": UTC, with 0, 3, 6 or 9 digits of fraction as needed. Empty for
/// years outside 0 … 9999.
std::string to_rfc3339(timestamp t);
bool from_rfc3339(std::string_view text, timestamp& t) noexcept;

/// Seconds as a double, to the nearest nanosecond; false if out of int64's range or NaN.
bool to_timestamp(double seconds, timestamp& t) noexcept;

constexpr std::size_t number_size = 32;  // room for any number below
/// Writes the shortest text that reads back as the same number, always with a fraction or an
/// exponent; returns its end. Finite numbers only.
char* write_double(char* out, double d) noexcept;
char* write_float(char* out, float f) noexcept;
char* write_int64(char* out, std::int64_t n) noexcept;
char* write_uint64(char* out, std::uint64_t n) noexcept;

std::string number_text(std::int64_t n);
std::string number_text(std::uint64_t n);
std::string number_text(double d);

}  // namespace tenon::inline v0::coding
