#pragma once
// What lies in shared memory. Both processes run on one machine: numbers are in its byte order.
//
// Each side of a link makes one memory: a header and the ring that it sends through. It alone can
// write there; the peer maps it read-only. So every word below has one writing process, and what is
// read from the peer's header is a claim to be checked, each word read once per decision.
//
// Words that different roles write, or that the peer polls, have lines of their own; 128 bytes,
// because processors fetch lines in pairs.
//
// The bell protocol, for sleeping readers and for writers without room alike (Dekker): one who
// wants to be woken makes its word odd, then looks once more at the other's index; the other
// moves its index, then looks at the word. All four accesses are sequentially consistent, so at
// least one of the two sees what the other did. A word counts its periods, so that a bell is rung
// once for each.

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tenon::inline v0::transport::shm {

inline constexpr std::uint32_t version = 1;
inline constexpr std::size_t header_bytes = 4096;
inline constexpr std::size_t smallest_ring = 4096;
inline constexpr std::size_t largest_ring = std::size_t{16} << 20;
inline constexpr std::size_t max_segment_slots = 64;

using word = std::atomic<std::uint64_t>;
using small_word = std::atomic<std::uint32_t>;

struct header {
    // Written by the owner's writer.
    alignas(128) word produced;  ///< bytes ever put into the owner's ring
    word room_wanted;            ///< odd: the writer waits for room
    small_word finished;         ///< not 0: nothing more will be put into the ring

    // Written by the owner's reader.
    alignas(128) word consumed;  ///< bytes ever taken from the peer's ring
    alignas(128) word asleep;    ///< odd: the reader sleeps

    /// Of each of the peer's segments, by slot: the last use that has been given back. Written by
    /// whichever thread of the owner drops the last reference.
    alignas(128) small_word released[max_segment_slots];
};

static_assert(sizeof(header) <= header_bytes);
static_assert(offsetof(header, produced) == 0 && offsetof(header, room_wanted) == 8 &&
              offsetof(header, finished) == 16 && offsetof(header, consumed) == 128 &&
              offsetof(header, asleep) == 256 && offsetof(header, released) == 384);
// Locks would lie in each process' own memory. And a load must not be a disguised exchange, which
// needs write access: true where a word is a machine word.
static_assert(word::is_always_lock_free && small_word::is_always_lock_free);
static_assert(sizeof(void*) == 8);

}  // namespace tenon::inline v0::transport::shm
