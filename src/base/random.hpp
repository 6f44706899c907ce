#pragma once
// Fast random numbers for jitter, identifiers and load spreading; not for secrets.
//
// xoshiro256++ 1.0 (Blackman and Vigna, prng.di.unimi.it). `thread_random()` is seeded from
// getrandom(2); tests construct their own with a seed that they print.

#include <cstdint>
#include <limits>

namespace tenon::inline v0::base {

/// A UniformRandomBitGenerator. Not thread-safe.
class random_source {
public:
    using result_type = std::uint64_t;

    explicit random_source(std::uint64_t seed) noexcept;

    static constexpr result_type min() noexcept { return 0; }
    static constexpr result_type max() noexcept { return std::numeric_limits<result_type>::max(); }
    result_type operator()() noexcept;

    /// Uniform in [0, bound); 0 for a bound of 0.
    std::uint64_t below(std::uint64_t bound) noexcept;
    /// Uniform in [0, 1).
    double unit() noexcept;

private:
    std::uint64_t s_[4];
};

/// 64 bits from the kernel.
std::uint64_t random_seed() noexcept;

/// The calling thread's own generator. After fork() without exec() parent and child share a
/// sequence; such children cannot use the library anyway.
random_source& thread_random() noexcept;

}  // namespace tenon::inline v0::base
