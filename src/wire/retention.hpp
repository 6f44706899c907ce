#pragma once
// retention: what a session that can be resumed knows of the frames it has written: where they
// begin and end, and which of them the peer may not have received.
//
// A position counts the bytes of frames, without length prefix, from the begin of the session, in
// one direction; moves_position() says of which frames. METADATA_PUSH and EXT have none: they are
// kept in their place between the others until a later one has been acknowledged, and written again
// with them, so that they arrive at least once. This class only counts; the memory is the
// output_queue's. Not thread-safe.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "wire/frame.hpp"
#include "wire/output_line.hpp"

namespace tenon::inline v0::wire {

class retention {
public:
    /// What is kept may exceed the limit by one frame.
    retention(framing f, std::size_t limit) noexcept : framing_(f), limit_(limit) {}

    /// `n` bytes have been written that follow those of the last call. They lie at `data`, and so
    /// does the rest of a frame's head that begins in them. `frame_end` counts for messages: these
    /// bytes end a frame.
    void wrote(const std::byte* data, std::size_t n, bool frame_end);

    /// A frame of the peer has come that moves its position so far.
    void received(std::uint32_t counted) noexcept { received_ += counted; }
    std::uint64_t received() const noexcept { return received_; }
    /// Whether the peer should hear that without having asked.
    bool owes() const noexcept { return received_ - told_ >= limit_ / 4; }
    /// What it is told now.
    std::uint64_t tell() noexcept { return told_ = received_; }

    /// The peer has received everything before this position. Older ones than known change nothing.
    void acknowledge(std::uint64_t position) noexcept;
    /// Says that the peer will acknowledge, before it has done so.
    void expect_acknowledgements() noexcept { acknowledging_ = true; }

    /// Whether drop() might find something.
    bool may_drop() const noexcept {
        return count_ != 0 && (acked_ > first_ || full() || finishing());
    }
    /// Frames that need not be kept any more: how many bytes at the front of what is kept. Of a peer
    /// that never acknowledges, these are also the oldest ones beyond the limit.
    std::size_t drop() noexcept;

    /// Whether a frame that is kept begins at this position, or the next one will.
    bool reaches(std::uint64_t position) const noexcept;
    /// The peer goes on behind this position. True: it is the first one kept now, drop() has been
    /// taken into account in `dropped`, and everything left is to be written again, as if it never
    /// had been. False, and nothing has changed: some of it is gone, or nothing ends there.
    bool rewind(std::uint64_t position, std::size_t& dropped) noexcept;

    /// Of the first frame kept, or to come; and behind the last whole one that was written.
    std::uint64_t first() const noexcept { return first_; }
    std::uint64_t sent() const noexcept { return sent_; }
    /// Behind the last one that ever was, also before rewind().
    std::uint64_t ever_sent() const noexcept { return std::max(sent_, ever_sent_); }
    /// Kept, frames that are not finished included.
    std::size_t bytes() const noexcept { return bytes_; }
    std::size_t limit() const noexcept { return limit_; }

    /// Bytes of the frame that has begun and are still to be written; 0 between two frames. In
    /// messages, whether one has begun.
    std::size_t unfinished() const noexcept { return rest_; }
    /// Size of the same, or at least what of it has been written.
    std::size_t begun() const noexcept { return rest_ == 0 ? 0 : size_; }
    bool full() const noexcept { return used() >= limit_; }
    std::size_t room() const noexcept { return full() ? 0 : limit_ - used(); }
    /// The peer acknowledges, but has not done so for long: nothing may be written until it does.
    bool holds_back() const noexcept { return acknowledging_ && rest_ == 0 && full(); }
    bool acknowledging() const noexcept { return acknowledging_; }
    /// Nobody will go on here: writes what there is, and keeps no whole frame of it.
    void finish_writing() noexcept { limit_ = ~std::size_t{0}; }
    /// True, once in a while: the peer should be asked how far it is.
    bool asks() noexcept;

private:
    // Of the record of a frame.
    static constexpr std::size_t cost_of_frame = 2 * sizeof(std::uint32_t);

    bool finishing() const noexcept { return limit_ == ~std::size_t{0}; }
    std::size_t used() const noexcept { return bytes_ + count_ * cost_of_frame; }
    void begin(const std::byte* data) noexcept;
    void finish();
    void pop() noexcept;
    std::uint32_t front() const noexcept { return ring_[head_ & (ring_.size() - 1)]; }

    const framing framing_;
    std::size_t limit_;
    // Whole frames in order: bytes as written, times two, plus one if the frame has a position.
    std::vector<std::uint32_t> ring_;  // size is 0 or a power of two
    std::size_t head_ = 0;
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
    std::uint64_t first_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t ever_sent_ = 0;  // before the last rewind()
    std::uint64_t acked_ = 0;
    std::uint64_t since_asked_ = 0;  // written and recorded since the peer was asked last
    std::uint64_t received_ = 0;
    std::uint64_t told_ = 0;  // what the peer knows of received_
    std::size_t rest_ = 0;    // of the frame that has begun
    std::uint32_t size_ = 0;  // of the same
    bool counted_ = false;    // the same has a position
    bool acknowledging_ = false;
};

}  // namespace tenon::inline v0::wire
