#pragma once
// Access to objects through their shapes, shared by encoder and decoder.

#include <cstdint>
#include <cstring>
#include <string>

#include "codec/text.hpp"
#include "tenon/shape.hpp"

namespace tenon::inline v0::coding {

// Copies instead of casts: the object may be another type of the same size and sign.
template <class T>
inline T load(const void* o) noexcept {
    T n;
    std::memcpy(&n, o, sizeof n);
    return n;
}
template <class T>
inline void store(void* o, T n) noexcept {
    std::memcpy(o, &n, sizeof n);
}

inline const void* at_offset(const void* o, std::size_t offset) noexcept {
    return static_cast<const char*>(o) + offset;
}
inline void* at_offset(void* o, std::size_t offset) noexcept {
    return static_cast<char*>(o) + offset;
}

inline bool is_signed(kind k) noexcept { return k >= kind::int8 && k <= kind::int64; }

/// An integer, boolean or the content of an enum; uint64 as its two's complement.
std::int64_t load_integer(kind k, const void* o) noexcept;
void store_integer(kind k, void* o, std::int64_t n) noexcept;

/// Null if the object's number is not listed.
const enumerator* find_enumerator(const enum_ops& ops, const void* o) noexcept;
const enumerator* find_enumerator(const enum_ops& ops, std::string_view name) noexcept;

/// A map key as people read it.
std::string key_text(const shape& type, const void* key);

/// To the nearest double; below 2^53 ns (104 days) nanoseconds survive the way back.
double to_double(timestamp t) noexcept;

}  // namespace tenon::inline v0::coding
