#pragma once
// Big-endian numbers in byte memory, whatever the host's byte order and alignment rules.

#include <cstddef>
#include <cstdint>

namespace tenon::inline v0::wire {

namespace detail {
inline std::uint32_t at(const std::byte* p, int i) noexcept {
    return std::to_integer<std::uint32_t>(p[i]);
}
}  // namespace detail

inline std::uint16_t load_be16(const std::byte* p) noexcept {
    return static_cast<std::uint16_t>(detail::at(p, 0) << 8 | detail::at(p, 1));
}
inline std::uint32_t load_be24(const std::byte* p) noexcept {
    return detail::at(p, 0) << 16 | detail::at(p, 1) << 8 | detail::at(p, 2);
}
inline std::uint32_t load_be32(const std::byte* p) noexcept {
    return detail::at(p, 0) << 24 | detail::at(p, 1) << 16 | detail::at(p, 2) << 8 |
           detail::at(p, 3);
}
inline std::uint64_t load_be64(const std::byte* p) noexcept {
    return static_cast<std::uint64_t>(load_be32(p)) << 32 | load_be32(p + 4);
}

/// Each store returns the position behind what it wrote.
inline std::byte* store_u8(std::byte* p, std::uint32_t v) noexcept {
    *p = static_cast<std::byte>(v);
    return p + 1;
}
inline std::byte* store_be16(std::byte* p, std::uint32_t v) noexcept {
    return store_u8(store_u8(p, v >> 8), v);
}
inline std::byte* store_be24(std::byte* p, std::uint32_t v) noexcept {
    return store_be16(store_u8(p, v >> 16), v);
}
inline std::byte* store_be32(std::byte* p, std::uint32_t v) noexcept {
    return store_be16(store_be16(p, v >> 16), v);
}
inline std::byte* store_be64(std::byte* p, std::uint64_t v) noexcept {
    return store_be32(store_be32(p, static_cast<std::uint32_t>(v >> 32)),
                      static_cast<std::uint32_t>(v));
}

}  // namespace tenon::inline v0::wire
