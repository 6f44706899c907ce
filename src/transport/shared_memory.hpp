#pragma once
// What a connection may use of shared memory.

#include <chrono>
#include <cstddef>
#include <memory>

#include "wire/budget.hpp"

namespace tenon::inline v0::transport {

struct shared_memory_options {
    /// Whether a Unix socket may be used to set up a link in shared memory. At `shm:` endpoints it
    /// always may.
    bool allowed = false;
    /// Of the ring that this side sends through: a power of two, 4 KiB to 16 MiB.
    std::size_t ring_size = std::size_t{128} << 10;
    /// Bytes in one loan at most, and so of a segment that is accepted from the peer.
    std::size_t largest_segment = std::size_t{64} << 20;
    /// Bytes of one link's segments, those of this side and those of the peer counted separately.
    std::size_t link_limit = std::size_t{256} << 20;
    /// Segments that have not been used for so long are given back by trim().
    std::chrono::milliseconds idle_after{10'000};
    /// What the links of a server or client have in common: bytes of rings and segments that this
    /// side makes. Null: no limit. A link without its ring stays a socket.
    std::shared_ptr<wire::byte_budget> budget{};
};

}  // namespace tenon::inline v0::transport
