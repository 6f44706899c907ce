#include "codec/text.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>

namespace tenon::inline v0::coding {

bool is_utf8_slow(const char* p, const char* end) noexcept {
    const auto at = [&](std::ptrdiff_t i) { return static_cast<unsigned char>(p[i]); };
    const auto follows = [&](std::ptrdiff_t i) { return (at(i) & 0xC0) == 0x80; };
    while (p != end) {
        const unsigned char c = at(0);
        const std::ptrdiff_t left = end - p;
        if (c < 0x80) {
            p += 1;
        } else if (c >= 0xC2 && c <= 0xDF) {
            if (left < 2 || !follows(1)) return false;
            p += 2;
        } else if ((c & 0xF0) == 0xE0) {
            if (left < 3 || !follows(1) || !follows(2)) return false;
            if ((c == 0xE0 && at(1) < 0xA0) || (c == 0xED && at(1) > 0x9F)) return false;
            p += 3;
        } else if (c >= 0xF0 && c <= 0xF4) {
            if (left < 4 || !follows(1) || !follows(2) || !follows(3)) return false;
            if ((c == 0xF0 && at(1) < 0x90) || (c == 0xF4 && at(1) > 0x8F)) return false;
            p += 4;
        } else {
            return false;
        }
    }
    return true;
}

namespace {

constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> base64_values = [] {
    std::array<std::int8_t, 256> values{};
    values.fill(-1);
    for (std::size_t i = 0; i < base64_digits.size(); ++i)
        values[static_cast<unsigned char>(base64_digits[i])] = static_cast<std::int8_t>(i);
    return values;
}();

}  // namespace

void write_base64(bytes_view in, char* out) noexcept {
    std::size_t i = 0;
    for (; i + 3 <= in.size(); i += 3) {
        const auto group = std::to_integer<std::uint32_t>(in[i]) << 16 |
                           std::to_integer<std::uint32_t>(in[i + 1]) << 8 |
                           std::to_integer<std::uint32_t>(in[i + 2]);
        for (int shift = 18; shift >= 0; shift -= 6) *out++ = base64_digits[group >> shift & 63];
    }
    const std::size_t rest = in.size() - i;
    if (rest == 0) return;
    std::uint32_t group = std::to_integer<std::uint32_t>(in[i]) << 16;
    if (rest == 2) group |= std::to_integer<std::uint32_t>(in[i + 1]) << 8;
    *out++ = base64_digits[group >> 18];
    *out++ = base64_digits[group >> 12 & 63];
    *out++ = rest == 2 ? base64_digits[group >> 6 & 63] : '=';
    *out = '=';
}

std::size_t base64_content_size(std::string_view& in) noexcept {
    if (in.size() % 4 == 0)
        for (int i = 0; i < 2 && in.ends_with('='); ++i) in.remove_suffix(1);
    return in.size() / 4 * 3 + in.size() % 4 * 3 / 4;
}

bool read_base64(std::string_view in, std::byte* out) noexcept {
    if (in.size() % 4 == 1) return false;
    std::uint32_t group = 0;
    int bits = 0;
    for (const char c : in) {
        const int digit = base64_values[static_cast<unsigned char>(c)];
        if (digit < 0) return false;
        group = group << 6 | static_cast<std::uint32_t>(digit);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *out++ = static_cast<std::byte>(group >> bits);
        }
    }
    return (group & ((1u << bits) - 1)) == 0;  // unused bits are zero: one text per content
}

namespace {

char* two_digits(char* out, unsigned n) {
    *out++ = static_cast<char>('0' + n / 10);
    *out++ = static_cast<char>('0' + n % 10);
    return out;
}

// Takes exactly `count` digits off the front.
bool take_digits(std::string_view& text, std::size_t count, unsigned& n) {
    if (text.size() < count) return false;
    n = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (text[i] < '0' || text[i] > '9') return false;
        n = n * 10 + static_cast<unsigned>(text[i] - '0');
    }
    text.remove_prefix(count);
    return true;
}

bool take_char(std::string_view& text, char c) {
    if (text.empty() || text[0] != c) return false;
    text.remove_prefix(1);
    return true;
}

bool take_offset(std::string_view& text, std::int64_t& seconds) {
    seconds = 0;
    if (take_char(text, 'Z') || take_char(text, 'z')) return true;
    if (text.empty() || (text[0] != '+' && text[0] != '-')) return false;
    const bool east = text[0] == '+';
    text.remove_prefix(1);
    unsigned hours = 0;
    unsigned minutes = 0;
    if (!take_digits(text, 2, hours) || !take_char(text, ':') || !take_digits(text, 2, minutes) ||
        hours > 23 || minutes > 59)
        return false;
    seconds = (hours * 60 + minutes) * 60;
    if (!east) seconds = -seconds;
    return true;
}

bool take_fraction(std::string_view& text, std::uint32_t& nanoseconds) {
    nanoseconds = 0;
    if (!take_char(text, '.')) return true;
    std::size_t digits = 0;
    for (std::uint32_t unit = 100'000'000; !text.empty() && text[0] >= '0' && text[0] <= '9';
         unit /= 10, ++digits) {
        nanoseconds += static_cast<std::uint32_t>(text[0] - '0') * unit;
        text.remove_prefix(1);
    }
    return digits != 0;
}

}  // namespace

std::string to_rfc3339(timestamp t) {
    using namespace std::chrono;
    constexpr std::int64_t first = -62'167'219'200;  // year 0
    constexpr std::int64_t last = 253'402'300'799;   // year 9999
    if (t.seconds < first || t.seconds > last) return {};
    const auto day_number = floor<days>(seconds(t.seconds));
    const year_month_day date{sys_days(day_number)};
    const auto of_day = static_cast<unsigned>((seconds(t.seconds) - day_number).count());
    char text[32];
    const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
    char* p = two_digits(two_digits(text, year / 100), year % 100);
    *p++ = '-';
    p = two_digits(p, static_cast<unsigned>(date.month()));
    *p++ = '-';
    p = two_digits(p, static_cast<unsigned>(date.day()));
    *p++ = 'T';
    p = two_digits(p, of_day / 3600);
    *p++ = ':';
    p = two_digits(p, of_day / 60 % 60);
    *p++ = ':';
    p = two_digits(p, of_day % 60);
    if (t.nanoseconds != 0) {
        *p++ = '.';
        std::uint32_t rest = t.nanoseconds;
        for (std::uint32_t unit = 100'000'000; unit != 0; rest %= unit, unit /= 10) {
            if (rest == 0 && (unit == 100'000 || unit == 100)) break;  // after 3 or 6 digits
            *p++ = static_cast<char>('0' + rest / unit);
        }
    }
    *p++ = 'Z';
    return {text, p};
}

bool from_rfc3339(std::string_view text, timestamp& t) noexcept {
    using namespace std::chrono;
    unsigned y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
    if (!take_digits(text, 4, y) || !take_char(text, '-') || !take_digits(text, 2, mo) ||
        !take_char(text, '-') || !take_digits(text, 2, d))
        return false;
    if (!take_char(text, 'T') && !take_char(text, 't') && !take_char(text, ' ')) return false;
    if (!take_digits(text, 2, h) || !take_char(text, ':') || !take_digits(text, 2, mi) ||
        !take_char(text, ':') || !take_digits(text, 2, s))
        return false;
    std::int64_t offset = 0;
    if (!take_fraction(text, t.nanoseconds) || !take_offset(text, offset) || !text.empty())
        return false;
    const year_month_day date{year(static_cast<int>(y)), month(mo), day(d)};
    if (!date.ok() || h > 23 || mi > 59 || s > 60) return false;  // 60: a leap second
    const std::int64_t day_number = sys_days(date).time_since_epoch().count();
    t.seconds = day_number * 86'400 + (h * 60 + mi) * 60 + s - offset;
    return true;
}

bool to_timestamp(double seconds, timestamp& t) noexcept {
    if (!(seconds > -9.2e18 && seconds < 9.2e18)) return false;
    const double whole = std::floor(seconds);
    t.seconds = static_cast<std::int64_t>(whole);
    const double nanoseconds = std::round((seconds - whole) * 1e9);
    t.nanoseconds = static_cast<std::uint32_t>(nanoseconds);
    if (nanoseconds >= 1e9) {
        t.nanoseconds = 0;
        ++t.seconds;
    }
    return true;
}

namespace {

template <class T>
char* write_real(char* out, T number) noexcept {
    char* const end = std::to_chars(out, out + number_size, number).ptr;
    for (const char* p = out; p != end; ++p)
        if (*p == '.' || *p == 'e' || *p == 'n') return end;
    end[0] = '.';
    end[1] = '0';
    return end + 2;
}

}  // namespace

char* write_double(char* out, double d) noexcept { return write_real(out, d); }
char* write_float(char* out, float f) noexcept { return write_real(out, f); }
char* write_int64(char* out, std::int64_t n) noexcept {
    return std::to_chars(out, out + number_size, n).ptr;
}
char* write_uint64(char* out, std::uint64_t n) noexcept {
    return std::to_chars(out, out + number_size, n).ptr;
}

std::string number_text(std::int64_t n) { return std::to_string(n); }
std::string number_text(std::uint64_t n) { return std::to_string(n); }
std::string number_text(double d) {
    char text[number_size];
    return {text, write_double(text, d)};
}

}  // namespace tenon::inline v0::coding
