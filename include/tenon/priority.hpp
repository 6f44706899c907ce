#pragma once
// How urgent a call or a stream is beside others that wait for the same thing.

#include <cstdint>

namespace tenon::inline v0 {

/// Where something waits (for a connection to write, a thread, a serial member) the higher goes
/// before the lower; of the same priority the first comes first. A lower one gets a small share
/// nevertheless, so that it does not wait for ever. What never waits is not touched by it.
enum class priority : std::uint8_t { low, normal, high };

}  // namespace tenon::inline v0
