#pragma once
// copy: memcpy for what may be long.
//
// memcpy leaves long copies to the processor's string instructions, and some processors (AMD's of
// several generations) carry those out 20 times slower where the target lies a few bytes behind the
// source within its page, as what follows the header of a message does all the time. Those copies go
// in pieces that are too short for them.

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tenon::inline v0::base {

inline void copy(void* to, const void* from, std::size_t n) noexcept {
    constexpr std::size_t piece = 1024;
    constexpr std::uintptr_t page = 4096;
    constexpr std::uintptr_t close = 16;
    const std::uintptr_t behind =
        (reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from)) % page;
    auto* t = static_cast<std::byte*>(to);
    const auto* f = static_cast<const std::byte*>(from);
    if (n > piece && behind != 0 && behind < close)
        for (; n > piece; n -= piece, t += piece, f += piece) std::memcpy(t, f, piece);
    if (n != 0) std::memcpy(t, f, n);
}

}  // namespace tenon::inline v0::base
