#pragma once
// Appends to a byte_buffer through a pair of pointers, so that a small write is one comparison.
// The buffer's size is right after commit(), and as it was before if the sink is dropped without.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/buffer.hpp"

namespace tenon::inline v0::coding {

template <class T>
inline T to_big_endian(T n) noexcept {
    if constexpr (std::endian::native == std::endian::little && sizeof(T) > 1) {
        if constexpr (sizeof(T) == 2) return __builtin_bswap16(n);
        else if constexpr (sizeof(T) == 4) return __builtin_bswap32(n);
        else return __builtin_bswap64(n);
    }
    return n;
}

class sink {
public:
    explicit sink(base::byte_buffer& out) : out_(out), start_(out.size()) {
        if (out.capacity() - out.size() < 64) out.reserve(out.size() + 64);
        attach();
    }
    sink(const sink&) = delete;
    sink& operator=(const sink&) = delete;
    ~sink() { out_.resize(start_); }

    /// Counts in what was written since the last commit.
    void commit() {
        start_ = size();
        out_.resize(start_);
    }
    std::size_t size() const { return static_cast<std::size_t>(at_ - out_.data()); }
    std::byte* data() { return out_.data(); }

    /// Room for `n` bytes, to be followed by advance_to(). Ends the life of earlier pointers.
    std::byte* room(std::size_t n) {
        if (static_cast<std::size_t>(end_ - at_) < n) grow(n);
        return at_;
    }
    void advance_to(std::byte* at) { at_ = at; }

    void put(std::uint8_t b) {
        *room(1) = std::byte{b};
        ++at_;
    }
    void put(char c) { put(static_cast<std::uint8_t>(c)); }
    void put(const void* from, std::size_t n) {
        std::byte* at = room(n);
        if (n != 0) std::memcpy(at, from, n);
        at_ = at + n;
    }
    void put(std::string_view s) { put(s.data(), s.size()); }
    /// `first`, then the number in network order.
    template <class T>
    void put_big(std::uint8_t first, T number) {
        std::byte* at = room(1 + sizeof(T));
        *at++ = std::byte{first};
        number = to_big_endian(number);
        std::memcpy(at, &number, sizeof number);
        at_ = at + sizeof number;
    }

private:
    void attach() {
        at_ = out_.data() + out_.size();
        end_ = out_.data() + out_.capacity();
    }
    void grow(std::size_t n) {
        out_.resize(size());
        out_.reserve(out_.size() + n);
        attach();
    }

    base::byte_buffer& out_;
    std::size_t start_;
    std::byte* at_ = nullptr;
    std::byte* end_ = nullptr;
};

}  // namespace tenon::inline v0::coding
