#include "codec/json_reader.hpp"

#include <charconv>

#include "codec/swar.hpp"

namespace tenon::inline v0::coding {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool json_reader::malformed(const char* what) {
    if (trouble_.happened()) return false;
    std::string message = "malformed JSON: ";
    if (at_ == end_) message.append("ends where ").append(what).append(" is expected");
    else message.append("expected ").append(what);
    message.append(" at byte ").append(std::to_string(at_ - begin_));
    trouble_.invalid(std::move(message));
    return trouble_.in_nothing();
}

bool json_reader::at_end() {
    skip_space();
    return at_ == end_;
}

bool json_reader::finish() { return at_end() || malformed("the end"); }

token json_reader::peek() {
    skip_space();
    if (at_ == end_) return malformed("a value"), token::bad;
    switch (*at_) {
        case 'n': return token::nil;
        case 't':
        case 'f': return token::boolean;
        case '"': return token::string;
        case '[': return token::array;
        case '{': return token::map;
        case '-': return token::number;
        default:
            if (is_digit(*at_)) return token::number;
            return malformed("a value"), token::bad;
    }
}

bool json_reader::literal(std::string_view word) {
    if (!std::string_view(at_, remaining()).starts_with(word)) return malformed("a value");
    at_ += word.size();
    return true;
}

bool json_reader::boolean(bool& b) {
    b = *at_ == 't';
    return literal(b ? "true" : "false");
}

bool json_reader::number(coding::number& n) {
    const char* const start = at_;
    const bool negative = *at_ == '-';
    if (negative) ++at_;
    if (at_ == end_ || !is_digit(*at_)) return malformed("a digit");
    std::uint64_t whole = 0;
    bool exact = true;
    if (*at_ == '0') {
        ++at_;
    } else {
        for (; at_ != end_ && is_digit(*at_); ++at_) {
            const auto digit = static_cast<unsigned>(*at_ - '0');
            if (whole > UINT64_MAX / 10 || (whole == UINT64_MAX / 10 && digit > UINT64_MAX % 10))
                exact = false;
            whole = whole * 10 + digit;
        }
    }
    if (at_ != end_ && (*at_ == '.' || *at_ == 'e' || *at_ == 'E')) return real(start, n);
    constexpr std::uint64_t lowest = std::uint64_t{1} << 63;  // of int64, without its sign
    if (!exact || (negative && whole > lowest)) return real(start, n);
    if (negative) n.set(static_cast<std::int64_t>(0 - whole));
    else n.set(whole);
    return true;
}

namespace {

// Whether a number that double cannot hold is too small for it, rather than too large: whether its
// first digit that counts stands behind the decimal point.
bool is_small(std::string_view text) {
    constexpr std::int64_t enough = 1'000'000'000;
    std::int64_t place = 0;  // of that digit, 0 being the one before the point
    bool found = false;
    bool behind_point = false;
    std::size_t i = text[0] == '-' ? 1 : 0;
    for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
        if (text[i] == '.') {
            behind_point = true;
            continue;
        }
        if (behind_point && !found) --place;
        if (!behind_point && found) ++place;
        if (text[i] != '0') found = true;
    }
    if (i == text.size()) return place < 0;
    ++i;
    const bool negative = text[i] == '-';
    if (text[i] == '-' || text[i] == '+') ++i;
    std::int64_t exponent = 0;
    for (; i < text.size() && exponent < enough; ++i) exponent = exponent * 10 + (text[i] - '0');
    return place + (negative ? -exponent : exponent) < 0;
}

}  // namespace

// at_ is behind the integer part that begins at `start`.
bool json_reader::real(const char* start, coding::number& n) {
    if (at_ != end_ && *at_ == '.') {
        ++at_;
        if (at_ == end_ || !is_digit(*at_)) return malformed("a digit");
        while (at_ != end_ && is_digit(*at_)) ++at_;
    }
    if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
        ++at_;
        if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
        if (at_ == end_ || !is_digit(*at_)) return malformed("a digit");
        while (at_ != end_ && is_digit(*at_)) ++at_;
    }
    double d = 0;
    const std::string_view text(start, static_cast<std::size_t>(at_ - start));
    if (std::from_chars(start, at_, d).ec == std::errc::result_out_of_range) {
        if (!is_small(text)) return trouble_.invalid("number out of range: " + quoted(text));
        d = *start == '-' ? -0.0 : 0.0;
    }
    n.set(d);
    return true;
}

bool json_reader::string(std::string_view& s, bool& stable) {
    const char* const start = ++at_;  // behind the quote
    at_ += plain_length(at_, remaining());
    if (at_ != end_ && *at_ == '"') {
        s = {start, static_cast<std::size_t>(at_ - start)};
        ++at_;
        stable = true;
    } else {
        stable = false;
        if (!long_string(start, s)) return false;
    }
    return is_utf8(s) || trouble_.invalid("text is not UTF-8");
}

bool json_reader::long_string(const char* start, std::string_view& s) {
    scratch_.assign(start, at_);
    while (at_ != end_ && *at_ == '\\') {
        ++at_;
        if (!escape()) return false;
        const std::size_t plain = plain_length(at_, remaining());
        scratch_.append(at_, plain);
        at_ += plain;
    }
    if (at_ == end_ || *at_ != '"') return malformed("the end of a string");
    ++at_;
    s = scratch_;
    return true;
}

bool json_reader::hex4(unsigned& n) {
    n = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
        if (at_ == end_) return malformed("a hex digit");
        const char c = *at_;
        if (is_digit(c)) n = n * 16 + static_cast<unsigned>(c - '0');
        else if (c >= 'a' && c <= 'f') n = n * 16 + static_cast<unsigned>(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F') n = n * 16 + static_cast<unsigned>(c - 'A' + 10);
        else return malformed("a hex digit");
    }
    return true;
}

namespace {

void append_utf8(std::string& s, unsigned c) {
    const auto put = [&](unsigned b) { s += static_cast<char>(b); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | c >> 6), put(0x80 | (c & 63));
    } else if (c < 0x10000) {
        put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    } else {
        put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 63));
        put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    }
}

}  // namespace

// at_ is behind the backslash.
bool json_reader::escape() {
    if (at_ == end_) return malformed("an escape");
    switch (const char c = *at_++) {
        case '"':
        case '\\':
        case '/': scratch_ += c; return true;
        case 'b': scratch_ += '\b'; return true;
        case 'f': scratch_ += '\f'; return true;
        case 'n': scratch_ += '\n'; return true;
        case 'r': scratch_ += '\r'; return true;
        case 't': scratch_ += '\t'; return true;
        case 'u': break;
        default: --at_; return malformed("an escape");
    }
    unsigned c = 0;
    if (!hex4(c)) return false;
    if (c >= 0xDC00 && c <= 0xDFFF) return malformed("no lone surrogate");
    if (c >= 0xD800 && c <= 0xDBFF) {
        if (remaining() < 2 || at_[0] != '\\' || at_[1] != 'u') return malformed("a low surrogate");
        at_ += 2;
        unsigned low = 0;
        if (!hex4(low)) return false;
        if (low < 0xDC00 || low > 0xDFFF) return malformed("a low surrogate");
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(scratch_, c);
    return true;
}

bool json_reader::open(char) {
    if (depth_left_ == 0) return trouble_.too_deep();
    --depth_left_;
    ++at_;
    return true;
}

bool json_reader::more(scope& s, char bracket) {
    if (trouble_.happened()) return false;
    skip_space();
    if (at_ != end_ && *at_ == bracket) {
        ++at_;
        ++depth_left_;
        return false;
    }
    if (s.first) {
        s.first = false;
        return true;
    }
    if (at_ == end_ || *at_ != ',') return malformed(bracket == ']' ? "',' or ']'" : "',' or '}'");
    ++at_;
    return true;
}

bool json_reader::next_key(scope& s, key& k) {
    if (!more(s, '}')) return false;
    skip_space();
    if (at_ == end_ || *at_ != '"') return malformed("a key");
    k.is = token::string;
    if (!string(k.text, k.stable)) return false;
    skip_space();
    if (at_ == end_ || *at_ != ':') return malformed("':'");
    ++at_;
    return true;
}

}  // namespace tenon::inline v0::coding
