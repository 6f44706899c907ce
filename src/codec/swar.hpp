#pragma once
// Scans text eight bytes at a time.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tenon::inline v0::coding {

/// How many bytes from the start are neither a control character, '"' nor '\\'.
inline std::size_t plain_length(const char* p, std::size_t size) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101u;
    constexpr std::uint64_t high = 0x8080808080808080u;
    std::size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        std::uint64_t w;
        std::memcpy(&w, p + i, 8);
        const std::uint64_t quote = w ^ (ones * '"');
        const std::uint64_t slash = w ^ (ones * '\\');
        // A byte below n sets its high bit in (w - ones * n) & ~w. Borrows can only mark bytes
        // above a true hit, so whether any byte is marked is exact.
        const std::uint64_t hit =
            ((w - ones * 0x20) & ~w) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
        if ((hit & high) != 0) break;
    }
    for (; i < size; ++i) {
        const auto c = static_cast<unsigned char>(p[i]);
        if (c < 0x20 || c == '"' || c == '\\') break;
    }
    return i;
}

}  // namespace tenon::inline v0::coding
