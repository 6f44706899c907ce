#include "codec/json_writer.hpp"

#include <cmath>

#include "codec/swar.hpp"

namespace tenon::inline v0::coding {

bool json_writer::float32(float f) {
    if (!std::isfinite(f)) return trouble_.invalid("JSON has no NaN and no infinity");
    return number([f](char* at) { return write_float(at, f); });
}

bool json_writer::float64(double d) {
    if (!std::isfinite(d)) return trouble_.invalid("JSON has no NaN and no infinity");
    return number([d](char* at) { return write_double(at, d); });
}

namespace {

constexpr char hex[] = "0123456789abcdef";

// Room for six bytes is there.
char* write_escape(char* at, unsigned char c) {
    *at++ = '\\';
    switch (c) {
        case '"':
        case '\\': *at++ = static_cast<char>(c); return at;
        case '\b': *at++ = 'b'; return at;
        case '\t': *at++ = 't'; return at;
        case '\n': *at++ = 'n'; return at;
        case '\f': *at++ = 'f'; return at;
        case '\r': *at++ = 'r'; return at;
        default: break;
    }
    std::memcpy(at, "u00", 3);
    at[3] = hex[c >> 4];
    at[4] = hex[c & 15];
    return at + 5;
}

}  // namespace

bool json_writer::string(std::string_view s) {
    if (!is_utf8(s)) return trouble_.invalid("text is not UTF-8");
    out_.put('"');
    while (!s.empty()) {
        const std::size_t plain = plain_length(s.data(), s.size());
        out_.put(s.data(), plain);
        if (plain == s.size()) break;
        char* at = reinterpret_cast<char*>(out_.room(6));
        at = write_escape(at, static_cast<unsigned char>(s[plain]));
        out_.advance_to(reinterpret_cast<std::byte*>(at));
        s.remove_prefix(plain + 1);
    }
    out_.put('"');
    return true;
}

bool json_writer::bytes(bytes_view b) {
    const std::size_t size = base64_size(b.size());
    char* at = reinterpret_cast<char*>(out_.room(size + 2));
    *at++ = '"';
    write_base64(b, at);
    at += size;
    *at++ = '"';
    out_.advance_to(reinterpret_cast<std::byte*>(at));
    return true;
}

bool json_writer::time(timestamp t) {
    const std::string s = to_rfc3339(t);
    if (s.empty()) return trouble_.invalid("time is outside the years 0 to 9999");
    return string(s);
}

bool json_writer::tagged(const value::tagged& t) {
    if (t.name == "time" && t.content.is_string()) return string(t.content.as_string());
    return trouble_.unsupported("JSON cannot carry a value tagged " + quoted(t.name));
}

bool json_writer::key(scope& s, std::int64_t n) {
    separate(s);
    out_.put('"');
    int64(n);
    out_.put('"');
    return colon();
}

bool json_writer::key(scope& s, std::uint64_t n) {
    separate(s);
    out_.put('"');
    uint64(n);
    out_.put('"');
    return colon();
}

bool json_writer::value_key(scope& s, const value& v) {
    if (v.is_string()) return key(s, v.as_string());
    if (const auto* n = v.get_if<std::int64_t>()) return key(s, *n);
    if (const auto* n = v.get_if<std::uint64_t>()) return key(s, *n);
    return trouble_.unsupported("JSON cannot carry a map key of type " +
                                std::string(to_string(v.type())));
}

void json_writer::new_line() {
    out_.put('\n');
    for (unsigned i = 0; i < depth_; ++i) out_.put(std::string_view("  "));
}

}  // namespace tenon::inline v0::coding
