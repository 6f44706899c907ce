#pragma once
// The byte stream in shared memory, one direction: a ring that one side writes and the other one
// reads. Which word is whose, and how the two wake each other, is in layout.hpp.
//
// A writer and a reader of one side are independent of each other: one thread may use the one while
// another uses the other. What may be called from elsewhere says so.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/segment.hpp"
#include "transport/shm/layout.hpp"

namespace tenon::inline v0::transport::shm {

/// Rings a peer's bell, an eventfd. It is non-blocking, unless the peer has changed that behind our
/// back, filled it, and so stopped us; a process of the same user can stop us by a signal as well.
void ring_bell(int bell) noexcept;

class ring_writer {
public:
    /// `ring` belongs to `own`; its size is a power of two.
    ring_writer(header& own, std::span<std::byte> ring, const header& peer, int peer_bell) noexcept
        : own_(own), ring_(ring), peer_(peer), bell_(peer_bell) {}

    enum class state : std::uint8_t { ok, full, broken };
    struct outcome {
        state what = state::ok;
        std::size_t n = 0;
    };

    /// Copies as much as there is room for. `full`: nothing was copied, and the peer will ring when
    /// there is room. `broken`: the peer claims to have read what was never written.
    outcome write(std::span<const base::segment> segments) noexcept;

    /// Nothing will be written any more. Any thread.
    void finish() noexcept {
        // Release: the reader that sees it sees all bytes written before.
        own_.finished.store(1, std::memory_order_release);
    }

    /// Whether room has come since write() found none. Any thread.
    bool has_room_again() const noexcept {
        const std::uint64_t at = stuck_at_.load(std::memory_order_relaxed);
        return at != not_stuck && peer_.consumed.load(std::memory_order_relaxed) != at;
    }

private:
    static constexpr std::uint64_t not_stuck = ~std::uint64_t{0};
    // A long write is shown to the reader in parts, so that both copy at the same time.
    static constexpr std::size_t most_unpublished = std::size_t{32} << 10;

    std::size_t room() const noexcept {
        return ring_.size() - static_cast<std::size_t>(produced_ - consumed_);
    }
    bool learn_consumed(std::memory_order order) noexcept;
    state make_room() noexcept;
    void copy_in(const std::byte* from, std::size_t n) noexcept;
    void publish() noexcept;

    header& own_;
    const std::span<std::byte> ring_;
    const header& peer_;
    const int bell_;
    std::uint64_t produced_ = 0;
    std::uint64_t published_ = 0;    // what of it the reader knows
    std::uint64_t consumed_ = 0;     // by the peer, as last looked up
    std::uint64_t rung_ = 0;         // the period of sleep that was ended last
    std::uint64_t room_wanted_ = 0;  // what own_.room_wanted holds
    std::atomic<std::uint64_t> stuck_at_{not_stuck};
};

class ring_reader {
public:
    /// `ring` belongs to `peer`.
    ring_reader(header& own, const header& peer, std::span<const std::byte> ring,
                int peer_bell) noexcept
        : own_(own), peer_(peer), ring_(ring), bell_(peer_bell) {}

    enum class state : std::uint8_t { ok, empty, finished, broken };
    struct outcome {
        state what = state::ok;
        std::size_t n = 0;
    };

    /// Copies out what there is, as far as it fits. `empty`: nothing was copied. `finished`: nothing
    /// is left and nothing more will come. `broken`: the peer claims to have written more than the
    /// ring holds.
    outcome read(std::span<std::byte> into) noexcept;

    /// From here to the next wake() the peer rings. False: there is something to read, or the end.
    bool sleep() noexcept;
    void wake() noexcept;
    bool is_asleep() const noexcept { return (asleep_ & 1) != 0; }

    /// Whether there is something to read. Any thread.
    bool has_bytes() const noexcept {
        return peer_.produced.load(std::memory_order_acquire) !=
               consumed_.load(std::memory_order_relaxed);
    }

private:
    void publish() noexcept;

    header& own_;
    const header& peer_;
    const std::span<const std::byte> ring_;
    const int bell_;
    std::atomic<std::uint64_t> consumed_{0};  // written by the reader only
    std::uint64_t published_ = 0;             // what of it the writer knows
    std::uint64_t produced_ = 0;              // by the peer, as last looked up
    std::uint64_t rung_ = 0;                  // the period of wanting room that was ended last
    std::uint64_t asleep_ = 0;                // what own_.asleep holds
};

}  // namespace tenon::inline v0::transport::shm
