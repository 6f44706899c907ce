#pragma once
// Segments: memory for large messages, which go by reference instead of through the ring.
//
// The side that makes a segment announces it over the socket, once, before the first reference to
// it goes into the ring. A segment is used by one message at a time: each use has the next number,
// and is over when the receiver has written this number into the release table of its own header.
// The receiver holds all of it against a peer that makes things up: a reference counts only if
// its segment is known, its use is the next one, the one before has been given back, and the bytes
// lie inside.
//
// A segment's number is slot + 64 × (how many the slot has had); so a reference never means an
// earlier segment of the same slot. Uses are counted per slot.

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "base/mutex.hpp"
#include "base/unique_fd.hpp"
#include "transport/link.hpp"
#include "transport/shared_memory.hpp"
#include "transport/shm/layout.hpp"
#include "transport/shm/memory.hpp"

namespace tenon::inline v0::transport::shm {

inline constexpr std::size_t smallest_segment = std::size_t{128} << 10;

/// Both ends of one link's memory, kept by whatever refers to it.
struct memory_pair {
    mapping own;
    mapping peer;

    header& own_header() const noexcept { return *reinterpret_cast<header*>(own.data()); }
    const header& peer_header() const noexcept {
        return *reinterpret_cast<const header*>(peer.data());
    }
};

class lent_segment;

/// The segments that this side makes. Thread-safe. Blocks may outlive it and the link.
class segment_pool final : public lending, public std::enable_shared_from_this<segment_pool> {
public:
    /// `socket` must live until detach().
    segment_pool(std::shared_ptr<const memory_pair> memory, int socket,
                 const shared_memory_options& options);
    ~segment_pool() override;

    base::block_ref lend(std::size_t size) noexcept override;
    std::optional<block_reference> pass(base::block& b, std::size_t size) noexcept;
    void recall(const block_reference& r) noexcept;
    void trim() noexcept;

    /// The link ends: nothing is lent any more, and memory goes as soon as its blocks have.
    void detach() noexcept;

private:
    friend class lent_segment;

    struct slot {
        std::unique_ptr<lent_segment> segment;
        std::uint32_t made = 0;  // segments so far
        std::uint32_t use = 0;   // the last one
    };

    std::size_t slot_of(const lent_segment& s) const noexcept;
    bool is_free(const slot& s) const noexcept;
    slot* find_free(std::size_t size) noexcept;
    slot* make(std::size_t size);
    slot* make_room_for(std::size_t size) noexcept;
    bool forget(slot& s) noexcept;
    void destroy(slot& s) noexcept;
    void take_back(lent_segment& s) noexcept;

    const std::shared_ptr<const memory_pair> memory_;
    const shared_memory_options options_;
    const pid_t owner_;
    base::mutex mutex_;  // guards what follows, and the pool's part of the segments
    int socket_;         // -1: detached
    std::size_t bytes_ = 0;
    std::array<slot, max_segment_slots> slots_;
};

class borrowed_segment;

/// The peer's segments. For the link's reader only; blocks may outlive it.
class borrowed_segments {
public:
    borrowed_segments(std::shared_ptr<const memory_pair> memory,
                      const shared_memory_options& options) noexcept;
    ~borrowed_segments();

    /// 0 or an errno: EPROTO if the peer may not say so.
    int announce(std::uint32_t number, std::uint64_t size, base::unique_fd fd) noexcept;
    int forget(std::uint32_t number) noexcept;

    bool knows(std::uint32_t number) const noexcept;
    /// Null: it is no such thing.
    base::block_ref borrow(const block_reference& r) noexcept;

private:
    struct slot {
        borrowed_segment* segment = nullptr;
        std::uint32_t number = 0;
        std::uint32_t use = 0;  // the last one
    };

    bool is_out(std::size_t slot) const noexcept;

    const std::shared_ptr<const memory_pair> memory_;
    const std::size_t largest_;
    const std::size_t limit_;
    std::size_t bytes_ = 0;
    std::array<slot, max_segment_slots> slots_{};
};

}  // namespace tenon::inline v0::transport::shm
