#include "base/random.hpp"

#include <sys/random.h>

#include <bit>
#include <chrono>

namespace tenon::inline v0::base {
namespace {

// splitmix64 (Vigna): spreads one seed over the whole state, which must not be all zero.
std::uint64_t split_mix(std::uint64_t& state) noexcept {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

}  // namespace

random_source::random_source(std::uint64_t seed) noexcept {
    for (std::uint64_t& s : s_) s = split_mix(seed);
}

random_source::result_type random_source::operator()() noexcept {
    const std::uint64_t value = std::rotl(s_[0] + s_[3], 23) + s_[0];
    const std::uint64_t t = s_[1] << 17;
    s_[2] ^= s_[0];
    s_[3] ^= s_[1];
    s_[1] ^= s_[2];
    s_[0] ^= s_[3];
    s_[2] ^= t;
    s_[3] = std::rotl(s_[3], 45);
    return value;
}

std::uint64_t random_source::below(std::uint64_t bound) noexcept {
    if (bound == 0) return 0;
    // Values under 2^64 mod bound would favour small results.
    const std::uint64_t threshold = (0 - bound) % bound;
    for (;;) {
        const std::uint64_t value = (*this)();
        if (value >= threshold) return value % bound;
    }
}

double random_source::unit() noexcept { return static_cast<double>((*this)() >> 11) * 0x1.0p-53; }

std::uint64_t random_seed() noexcept {
    std::uint64_t seed = 0;
    if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) == static_cast<ssize_t>(sizeof seed))
        return seed;
    // Only early at boot. Time and an address differ between processes well enough for jitter.
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    return static_cast<std::uint64_t>(now) ^ reinterpret_cast<std::uintptr_t>(&seed);
}

random_source& thread_random() noexcept {
    thread_local random_source source(random_seed());
    return source;
}

}  // namespace tenon::inline v0::base
