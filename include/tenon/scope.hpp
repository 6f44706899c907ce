#pragma once
// scopes: from how far away a service is seen, as a set.
//
//     server.publish<math>(tenon::scope::process | tenon::scope::os);

#include <cstdint>

namespace tenon::inline v0 {

/// A set of scopes. The numbers are part of manifests and listings: process 1, os 2, lan 4, wan 8.
class scopes {
public:
    constexpr scopes() noexcept = default;
    constexpr explicit scopes(std::uint8_t bits) noexcept : bits_(bits & 15U) {}

    constexpr std::uint8_t bits() const noexcept { return bits_; }
    constexpr bool empty() const noexcept { return bits_ == 0; }
    /// Whether every scope of `other` is in this set.
    constexpr bool contains(scopes other) const noexcept {
        return (bits_ & other.bits_) == other.bits_;
    }

    friend constexpr scopes operator|(scopes a, scopes b) noexcept {
        return scopes(static_cast<std::uint8_t>(a.bits_ | b.bits_));
    }
    friend constexpr scopes operator&(scopes a, scopes b) noexcept {
        return scopes(static_cast<std::uint8_t>(a.bits_ & b.bits_));
    }
    friend constexpr bool operator==(scopes, scopes) noexcept = default;

private:
    std::uint8_t bits_ = 0;
};

namespace scope {
/// The same process.
inline constexpr scopes process{1};
/// The same machine: Unix sockets, and TCP on a loopback address.
inline constexpr scopes os{2};
/// Other machines, by an address the server listens at.
inline constexpr scopes lan{4};
/// Reserved for what lies behind routers and relays.
inline constexpr scopes wan{8};
inline constexpr scopes all{15};
}  // namespace scope

}  // namespace tenon::inline v0
