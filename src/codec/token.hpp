#pragma once
// The vocabulary of the pull readers. A reader (json_reader, msgpack_reader, value_reader) stands
// before one value: peek() tells its outer kind, one of nil(), boolean(), … consumes it. All
// return false after recording what is wrong.
//
//     scope s;
//     if (!r.begin_array(s)) return false;
//     while (r.next(s)) …                         // stands before an element
//     if (trouble.happened()) return false;       // next() also ends on trouble
//
// Maps likewise with begin_map and next_key, which reads the key and stands before its value.

#include <cstdint>
#include <string>
#include <string_view>

#include "codec/text.hpp"
#include "codec/trouble.hpp"
#include "tenon/codec.hpp"

namespace tenon::inline v0::coding {

/// Recursion stops here whatever decode_options say; encoding stops here as well.
constexpr unsigned deepest = 1000;

enum class token : std::uint8_t {
    bad,  // trouble is recorded
    nil,
    boolean,
    number,
    string,
    bytes,
    array,
    map,
    time,
    extension,  // MessagePack ext other than time; a tagged value
};

inline std::string_view to_string(token t) noexcept {
    constexpr std::string_view names[] = {"nothing", "nil",   "boolean", "number", "string",
                                          "bytes",   "array", "map",     "time",   "extension"};
    return names[static_cast<std::size_t>(t)];
}

struct number {
    enum class form : std::uint8_t { int64, uint64, real };  // uint64: beyond int64 only
    form is = form::int64;
    union {
        std::int64_t i = 0;
        std::uint64_t u;
        double d;
    };

    void set(std::int64_t n) { is = form::int64, i = n; }
    void set(std::uint64_t n) {
        is = n > INT64_MAX ? form::uint64 : form::int64;
        u = n;
    }
    void set(double n) { is = form::real, d = n; }
    double as_double() const {
        return is == form::real    ? d
               : is == form::int64 ? static_cast<double>(i)
                                   : static_cast<double>(u);
    }
    std::string text() const {
        return is == form::real    ? number_text(d)
               : is == form::int64 ? number_text(i)
                                   : number_text(u);
    }
};

/// A map key: nil, boolean, number, string or bytes (the last two in `text`, valid until the
/// reader goes on).
struct key {
    token is = token::string;
    bool stable = false;  // text points into the input
    bool flag = false;
    std::string_view text;
    number num;

    std::string readable() const {
        if (is == token::number) return num.text();
        if (is == token::boolean) return flag ? "true" : "false";
        return is == token::nil ? "nil" : std::string(text);
    }
};

}  // namespace tenon::inline v0::coding
