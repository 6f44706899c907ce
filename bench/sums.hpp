#pragma once
// Large messages one way: the sender makes or has them, the receiver reads every byte and answers
// with the sum. Sizes are multiples of 64.

#include <cstddef>
#include <cstdint>
#include <span>

namespace bench {

/// Sum of the 64-bit words, whatever the alignment.
std::uint64_t sum_of(std::span<const std::byte> message);

/// Builds a message, in the fastest way there is; the next seed makes another one.
void build(std::span<std::byte> message, std::uint64_t seed);

/// What sum_of() gives for it.
std::uint64_t expected_sum(std::size_t size, std::uint64_t seed);

}  // namespace bench
