#pragma once
// Turns described types (tenon/struct.hpp) and values (tenon/value.hpp) into bytes and back.
// docs/guide/types.md has the table of how each type looks in JSON and MessagePack.
//
// Everything here is thread-safe. Failures have the code `invalid` and name the path:
// "items[3].price: expected number, got string".

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tenon/bytes.hpp"
#include "tenon/error.hpp"
#include "tenon/export.hpp"
#include "tenon/result.hpp"
#include "tenon/shape.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0 {

enum class codec : std::uint8_t {
    raw,      ///< the bytes themselves: bytes, bytes_view, std::string, std::string_view
    json,     ///< RFC 8259
    msgpack,  ///< MessagePack, https://github.com/msgpack/msgpack/blob/master/spec.md
    /// Objects as they lie in memory, for peers built alike on one machine, who trust each other:
    /// numbers, bools, enums, times, structs, arrays and tuples of those, and vectors of them,
    /// strings and bytes as whole arguments or results. A hash of the layouts is checked.
    marshal,
};

/// "raw", "json", "msgpack", "marshal"
TENON_API std::string_view to_string(codec c) noexcept;
TENON_API std::optional<codec> codec_from_string(std::string_view name) noexcept;

/// "application/octet-stream", "application/json", "application/x-msgpack",
/// "application/vnd.tenon.marshal.v1"
TENON_API std::string_view mime_type(codec c) noexcept;
/// Knows the usual aliases and ignores case and parameters ("; charset=utf-8").
TENON_API std::optional<codec> codec_from_mime_type(std::string_view mime) noexcept;

/// Bounds and strictness of decoding. Lengths and counts are checked against the input before
/// anything is allocated for them.
struct decode_options {
    bool refuse_unknown_members = false;  ///< otherwise ignored
    bool refuse_duplicate_keys = false;   ///< otherwise the last one wins
    unsigned max_depth = 64;              ///< of arrays and maps within one another; <= 1000
    /// What the elements of all vectors, maps and values may take together, in bytes, beyond the
    /// text and bytes copied from the input.
    std::size_t max_memory = std::size_t{256} << 20;
};

namespace detail {
TENON_API result<bytes> encode_object(codec c, const shape& s, const void* object);
TENON_API result<void> decode_object(codec c, const shape& s, void* object, bytes_view in,
                                     const decode_options& options);
}  // namespace detail

template <class T>
result<bytes> encode(codec c, const T& object) {
    return detail::encode_object(c, shape_of<T>(), &object);
}

/// The whole input is one object; anything after it is an error. T is default-constructed first.
/// A string_view or bytes_view within T points into `in`; JSON strings with escapes and JSON bytes
/// cannot, and are refused there.
template <class T>
result<T> decode(codec c, bytes_view in, const decode_options& options = {}) {
    T object{};
    if (auto done = detail::decode_object(c, shape_of<T>(), &object, in, options); !done)
        return std::move(done).error();
    return object;
}

/// Throws failure(unsupported) if it holds something JSON cannot say (NaN, an unknown tag).
TENON_API std::string to_json(const value& v, bool pretty = false);
TENON_API result<value> parse_json(std::string_view text, const decode_options& options = {});

template <class T>
std::optional<T> error::details_as() const {
    if (details().empty()) return std::nullopt;
    T object{};
    if (!detail::decode_object(codec::msgpack, shape_of<T>(), &object, details(), {}))
        return std::nullopt;
    return object;
}

}  // namespace tenon::inline v0
