#include "sums.hpp"

#include <cstring>

namespace bench {
namespace {

// Sums go by blocks, which the compiler makes vectors of.
constexpr std::size_t lanes = 8;
using block = std::uint64_t[lanes];

std::uint8_t byte_of(std::uint64_t seed) { return static_cast<std::uint8_t>(seed % 255 + 1); }

}  // namespace

std::uint64_t sum_of(std::span<const std::byte> message) {
    block sums{};
    for (std::size_t at = 0; at + sizeof(block) <= message.size(); at += sizeof(block)) {
        block b;
        std::memcpy(b, message.data() + at, sizeof b);
        for (std::size_t i = 0; i < lanes; ++i) sums[i] += b[i];
    }
    std::uint64_t sum = 0;
    for (const std::uint64_t s : sums) sum += s;
    return sum;
}

void build(std::span<std::byte> message, std::uint64_t seed) {
    std::memset(message.data(), byte_of(seed), message.size());
}

std::uint64_t expected_sum(std::size_t size, std::uint64_t seed) {
    const std::uint64_t words = size / sizeof(std::uint64_t);
    return words * 0x0101010101010101u * byte_of(seed);
}

}  // namespace bench
