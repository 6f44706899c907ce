#pragma once
// output_queue: frames on their way out, as memory segments ready for writev.
//
// A frame that comes while little waits goes to the end of the line to the socket at once. Behind
// that, frames wait by priority (waiting_output) and are given their place when there is room for
// it; messages above large_limit always wait, are then cut into fragments one at a time, in
// rotation, so that small frames pass between them. Frames of one stream never overtake each other,
// but for REQUEST_N. Segments given out by gather() stay valid until consume(), whatever is added or
// dropped meanwhile. Not thread-safe: the owner locks around every call, but may write the
// segments without the lock.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/segment.hpp"
#include "tenon/priority.hpp"
#include "wire/kept_output.hpp"
#include "wire/output_line.hpp"
#include "wire/waiting_output.hpp"

namespace tenon::inline v0::wire {

using base::segment;

class output_queue {
public:
    static constexpr std::size_t copy_limit = output_line::copy_limit;
    static constexpr std::size_t lanes_at_once = waiting_output::lanes_at_once;
    static constexpr std::size_t large_limit = waiting_output::large_limit;
    static constexpr std::size_t fragment_limit = waiting_output::fragment_limit;

    explicit output_queue(framing f = framing::stream) noexcept : framing_(f), line_(pool_, f) {}
    output_queue(const output_queue&) = delete;
    output_queue& operator=(const output_queue&) = delete;

    /// Adds a frame with f's head and metadata and with `payload` in place of f.data. Requests
    /// and PAYLOAD may be of any size, other frames must fit into max_frame_size; metadata is at
    /// most max_metadata_size. All frames of a stream have the same priority, except REQUEST_N and
    /// CANCEL once is_placed() says that the peer will know the stream. Returns a mark.
    std::uint64_t add(const frame& f, outgoing payload, priority p = priority::normal);
    std::uint64_t add(const frame& f, priority p = priority::normal) {
        return add(f, outgoing(f.data), p);
    }

    /// The same for the last frame of a session: nothing goes behind it but what is left of large
    /// messages.
    void add_last(const frame& f);

    /// Adds a frame that is about the link rather than the session: LEASE, KEEPALIVE.
    void add_of_link(const frame& f);
    /// The same, finished, without prefix, at most 64 KiB: SETUP, RESUME, RESUME_OK.
    void add_raw(bytes_view frame_bytes);
    /// KEEPALIVE, with the position if one is counted.
    void add_keepalive(std::uint16_t flags, bytes_view data);

    using dropped = waiting_output::dropped;
    /// Takes out every frame of the stream that waits behind or in a message above large_limit:
    /// whether none waited (nothing), the stream's request was among them (request), so that the
    /// peer has not seen all of it, or the peer knows the stream (rest).
    /// What remains to be said to the peer, if anything, is up to the caller; after `request`
    /// that is a CANCEL if `*begun`.
    dropped drop(std::uint32_t stream, bool* begun) noexcept {
        *begun = false;
        return waiting_bytes_ == 0 ? dropped::nothing : waiting_->drop(stream, begun);
    }

    /// Takes out all such messages of all streams.
    void drop_all() noexcept {
        if (waiting_) waiting_->drop_all();
    }

    /// Fills in what is to be written next and returns how many segments; 0 if nothing waits.
    /// `to` holds at least 4.
    std::size_t gather(std::span<segment> to);

    /// The first `n` bytes of what gather() returned have been written.
    void consume(std::size_t n) noexcept {
        if (kept_) [[unlikely]]
            return consume_kept(n);
        consumed_ += n;
        line_.consume(n);
    }

    /// From here on nothing refers to memory that was lent, and lies in `memory`: what has still
    /// to go out is copied. Segments that gather() gave out may still point there. Out of memory:
    /// as after shut().
    void take_back(bytes_view memory) noexcept;

    /// Bytes that wait, without the heads of fragments to come.
    std::size_t pending() const noexcept {
        if (special_) [[unlikely]]
            return special_pending();
        return line_.bytes() + waiting_bytes_;
    }
    /// Whether gather() has nothing to give, at this moment.
    bool empty() const noexcept { return pending() == 0 || (special_ && kept_ && !may_write()); }
    /// Whether more than `limit` bytes wait. While there is a large message, that and what has its
    /// place in front of it do not count, so that it alone does not keep others from being answered.
    bool exceeds(std::size_t limit) const noexcept {
        if (pending() <= limit) return false;
        const std::size_t largest = waiting_bytes_ != 0 ? waiting_->largest() : 0;
        return largest == 0 || waiting_bytes_ - largest > limit;
    }

    /// Whether gather() has given out all of the request that add() returned `mark` for, so
    /// that the peer may have received it. True may be said a little early.
    bool may_have_left(std::uint64_t mark, std::uint32_t stream) const noexcept {
        return waiting_output::is_mark(mark) ? is_placed(mark, stream) : gathered_ >= mark;
    }
    /// Whether nothing that is added from now on can go before the frame that add() returned `mark`
    /// for.
    bool is_placed(std::uint64_t mark, std::uint32_t stream) const noexcept {
        return !waiting_output::is_mark(mark) || waiting_bytes_ == 0 ||
               waiting_->is_placed(mark, stream);
    }

    /// From now on gather() returns nothing; what waits is lost.
    void shut() noexcept { shut_ = special_ = true; }

    /// Whether the stream's request waits to be cut and has not been to its end.
    bool waits(std::uint32_t stream) const noexcept {
        return waiting_bytes_ != 0 && waiting_->waits(stream);
    }

    /// Gives the storage back if nothing waits; about how many bytes.
    std::size_t release_if_empty() noexcept;

    // For a session that can be resumed. See retention and kept_output.

    /// From here on, before the first frame: what is written is kept, as much as `limit` bytes.
    void keep(std::size_t limit);
    /// Null if nothing is kept.
    retention* kept() noexcept { return kept_ ? &kept_->account : nullptr; }
    const retention* kept() const noexcept { return kept_ ? &kept_->account : nullptr; }
    /// The peer says that it has received everything before this position. False: it cannot have.
    bool acknowledge(std::uint64_t position) noexcept {
        return kept_->acknowledge(position, line_.bytes());
    }
    /// False: as much as may be kept is not acknowledged or not written yet.
    bool has_room() const noexcept;
    /// Nothing is being written, and what was written may not have arrived.
    void detach() noexcept { kept_->detach(); }
    /// There is another link: for frames of the link first, then for all of them.
    void attach(bool for_all) noexcept { kept_->attach(for_all); }
    /// Whether rewind() may find this position.
    bool reaches(std::uint64_t position) const noexcept { return kept_->reaches(position); }
    /// What the peer has not received, from this position on, is to be written (again). False: that
    /// is not known any more, or no frame begins there.
    bool rewind(std::uint64_t position) noexcept;

private:
    void consume_kept(std::size_t n) noexcept;
    bool may_write() const noexcept;
    std::size_t special_pending() const noexcept;
    std::size_t gather_kept(std::span<segment> to);
    inline std::size_t gather_line(std::span<segment> to, std::size_t most);
    void commit();
    waiting_output& waiting();

    const framing framing_;
    bool shut_ = false;
    bool special_ = false;  // shut, or something is kept
    storage_pool pool_;     // outlives what follows
    output_line line_;      // to the socket
    std::size_t waiting_bytes_ = 0;
    std::unique_ptr<waiting_output> waiting_;  // made when first needed
    std::unique_ptr<kept_output> kept_;        // present if the session can be resumed
    std::uint64_t next_mark_ = 0;              // where a waiting_output to come begins to count
    std::uint64_t consumed_ = 0;
    std::uint64_t plain_end_ = 0;  // behind the last frame that was not cut
    std::uint64_t gathered_ = 0;   // how far gather() has ever given out
};

}  // namespace tenon::inline v0::wire
