#pragma once
// Shared by the tests of this folder: hexadecimal bytes, and what an output queue would send.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/endian.hpp"
#include "wire/frame.hpp"
#include "wire/output.hpp"

namespace tenon::inline v0::wire::test {

/// "00 0a ff" as bytes; blanks are free.
inline bytes hex(std::string_view text) {
    bytes out;
    int half = -1;
    for (const char c : text) {
        if (c == ' ' || c == '\n') continue;
        const int v = c <= '9' ? c - '0' : c - 'a' + 10;
        if (half < 0) {
            half = v;
        } else {
            out.push_back(static_cast<std::byte>(half * 16 + v));
            half = -1;
        }
    }
    return out;
}

inline std::string to_hex(bytes_view b) {
    std::string s;
    for (const std::byte x : b) {
        const auto v = std::to_integer<unsigned>(x);
        if (!s.empty()) s += ' ';
        s += "0123456789abcdef"[v >> 4];
        s += "0123456789abcdef"[v & 15];
    }
    return s;
}

/// Bytes 0, 1, 2, … shifted by `seed`, so that misplaced parts show.
inline bytes pattern(std::size_t size, unsigned seed = 0) {
    bytes b(size);
    for (std::size_t i = 0; i < size; ++i)
        b[i] = static_cast<std::byte>((i * 31 + seed + (i >> 8)) & 0xff);
    return b;
}

/// One write: at most `limit` bytes of what the queue gives out.
inline bytes write_some(output_queue& q, std::size_t limit = ~std::size_t{0}) {
    segment s[8];
    bytes out;
    const std::size_t n = q.gather(s);
    for (std::size_t i = 0; i < n && out.size() < limit; ++i) {
        const std::size_t part = std::min(s[i].size, limit - out.size());
        out.insert(out.end(), s[i].data, s[i].data + part);
    }
    if (!out.empty()) q.consume(out.size());
    return out;
}

/// Everything that waits, cut into frames without prefix.
inline std::vector<bytes> frames_of(output_queue& q) {
    bytes all;
    while (true) {
        const bytes part = write_some(q);
        if (part.empty()) break;
        all.insert(all.end(), part.begin(), part.end());
    }
    std::vector<bytes> frames;
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t size = load_be24(all.data() + at);
        frames.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(at + 3),
                            all.begin() + static_cast<std::ptrdiff_t>(at + 3 + size));
        at += 3 + size;
    }
    return frames;
}

/// The same in words: "CANCEL #1; PAYLOAD #3 CN data=5".
inline std::string said(output_queue& q) {
    std::string s;
    for (const bytes& b : frames_of(q)) {
        const auto f = parse_frame(b);
        if (!s.empty()) s += "; ";
        s += f ? to_string(*f) : "bad: " + f.error().to_string();
        if (f && f->type == frame_type::error) s.append(" ").append(as_text(f->data));
    }
    return s;
}

}  // namespace tenon::inline v0::wire::test
