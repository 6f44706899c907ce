#pragma once
// kept_output: what an output_queue has besides if its session can be resumed: written frames that
// the peer may not have received, and frames that are never written twice. See retention.
//
// The frames of a link itself (SETUP, RESUME, RESUME_OK, LEASE, KEEPALIVE) do not wait with the
// others: they go between the next two frames, also while nothing else may be written, and are
// forgotten with their link.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/segment.hpp"
#include "wire/output_line.hpp"
#include "wire/retention.hpp"

namespace tenon::inline v0::wire {

class kept_output {
public:
    kept_output(storage_pool& pool, framing f, std::size_t limit)
        : account(f, limit), framing_(f), line_(pool, f) {}

    retention account;

    /// Adds a frame of the link.
    void add(const frame& f);
    /// The same, finished, without prefix.
    void add(bytes_view frame_bytes);
    /// KEEPALIVE with the position of what has been received.
    void add_keepalive(std::uint16_t flags, bytes_view data);

    /// Bytes of frames of the link.
    std::size_t pending() const noexcept { return now_.size() - done_ + next_.size(); }
    /// Whether it is their turn.
    bool goes_first() const noexcept {
        return pending() != 0 && (!open_ || account.unfinished() == 0);
    }
    /// Whether other frames may be written.
    bool is_open() const noexcept { return open_ && !account.holds_back(); }
    /// How many bytes of them at most, at this moment; if it is open.
    std::size_t quota() const noexcept;

    /// Fills in a frame of the link, or several; consume() is then about these.
    std::size_t give(std::span<base::segment> to) noexcept;
    /// Other segments are given out; consume() is then about those.
    void give_others() noexcept { giving_ = false; }
    /// The first `n` bytes of what was given out have been written; of others, they are the first of
    /// `from`. How many of the latter.
    std::size_t consume(output_line& from, std::size_t n);

    /// False: the position is beyond what can have been written, of which `unwritten` bytes have not
    /// been counted yet.
    bool acknowledge(std::uint64_t position, std::size_t unwritten) noexcept;

    /// The link is gone.
    void detach() noexcept;
    /// There is another one: for frames of the link, or for all.
    void attach(bool for_all) noexcept { open_ = for_all; }
    /// Whether rewind() may find this position.
    bool reaches(std::uint64_t position) const noexcept {
        return account.reaches(position) ||
               (position > account.sent() && position <= account.ever_sent());
    }
    /// What is kept from this position on goes back to the front of `to`; or less of `to` is to be
    /// written, if it was before. How many bytes more there are in `to`; nothing if there is no such
    /// position.
    std::optional<std::ptrdiff_t> rewind(std::uint64_t position, output_line& to);

    void take_back(bytes_view memory) { line_.take_back(memory); }
    std::size_t release_if_empty() noexcept { return line_.release_if_empty(); }

private:
    void skip_frame(output_line& from);

    const framing framing_;
    output_line line_;        // written, not known to be received
    base::byte_buffer now_;   // frames of the link that are being written, with prefix
    base::byte_buffer next_;  // the ones after them
    std::size_t done_ = 0;    // of now_
    bool giving_ = false;     // what was given out last are frames of the link
    bool open_ = true;
};

}  // namespace tenon::inline v0::wire
