#pragma once
// waiting_output: frames that have no place in the line to the socket yet, and the choice of what
// goes next. See output_queue.
//
// There are six levels: of each priority first the small frames, then the large messages. A turn is
// about 64 KiB of small frames or one fragment of a large message. It is the highest level's,
// unless a lower one has let `patience` bytes pass: so that each level gets at least about a ninth
// of what goes out. Large messages of a priority are cut in rotation. Frames of one stream keep
// their order if they all have the same priority. Not thread-safe.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "tenon/priority.hpp"
#include "wire/output_line.hpp"

namespace tenon::inline v0::wire {

class waiting_output {
public:
    /// Large messages in rotation at a time, but one of each priority at least; the peer holds as many
    /// unfinished ones.
    static constexpr std::size_t lanes_at_once = 4;
    /// Longest frame of a message that is cut, while others wait and otherwise.
    static constexpr std::size_t large_limit = std::size_t{64} * 1024;
    static constexpr std::size_t fragment_limit = std::size_t{256} * 1024;
    /// Bytes of higher levels that a level lets pass before it gets a turn.
    static constexpr std::size_t patience = std::size_t{512} * 1024;

    /// `bytes`: to be kept up to date, without the heads of fragments to come. `first`: where marks
    /// begin, so that those of an earlier one remain true.
    waiting_output(storage_pool& pool, framing f, std::size_t& bytes, std::uint64_t first);
    waiting_output(const waiting_output&) = delete;
    waiting_output& operator=(const waiting_output&) = delete;
    ~waiting_output();

    /// Bytes left of the largest message in a lane; 0 if there is none.
    std::size_t largest() const noexcept;

    static bool is_large(const frame& f, const outgoing& payload) noexcept {
        return payload.data.size() > large_limit && may_be_cut(f.type);
    }

    /// Returns a mark for is_placed().
    std::uint64_t add(const frame& f, outgoing& payload, priority p);

    /// Moves what is next to the end of `line`. `others` says whether small frames are in it.
    /// Whether what was moved was small frames.
    bool commit(output_line& line, bool others);
    /// Moves all that is not behind or in a large message.
    void commit_small(output_line& line);

    /// Behind all marks so far.
    std::uint64_t end() const noexcept;
    /// Of a mark with is_mark(): whether the frame has been moved to the line.
    static bool is_mark(std::uint64_t mark) noexcept { return (mark & mark_bit) != 0; }
    bool is_placed(std::uint64_t mark, std::uint32_t stream) const noexcept;
    /// Whether the stream's request waits to be cut and has not been to its end.
    bool waits(std::uint32_t stream) const noexcept;

    enum class dropped : std::uint8_t { nothing, request, rest };  // see output_queue
    dropped drop(std::uint32_t stream, bool* begun) noexcept;
    void drop_all() noexcept;

    void take_back(bytes_view memory);

private:
    static constexpr std::uint64_t mark_bit = std::uint64_t{1} << 63;
    static constexpr unsigned mark_shift = 61;                     // of the priority
    static constexpr std::uint64_t cut_later = ~std::uint64_t{0};  // mark of a message in a lane
    static constexpr std::size_t tiers = 3;
    static constexpr std::size_t levels = 2 * tiers;

    // A message that is cut when its turn comes, and the small frames of its stream behind it.
    struct message {
        frame head;
        base::byte_buffer metadata;
        output_storage* owner = nullptr;
        bytes_view rest;
        base::byte_buffer after;  // each with a 24-bit length, whatever the framing
        bool begun = false;
    };
    // The waiting messages of one stream, in order.
    struct lane {
        std::uint32_t stream = 0;
        std::uint64_t behind = 0;  // how much of the tier's line has to go before
        bool open = false;         // in rotation
        std::deque<message> messages;
    };
    struct tier {
        tier(storage_pool& pool, framing f, std::uint64_t first)
            : line(pool, f), added(first), moved(first) {}
        output_line line;
        std::uint64_t added;                       // bytes, to the line, ever …
        std::uint64_t moved;                       // … and from it
        std::vector<std::unique_ptr<lane>> lanes;  // in order of `behind`
        std::size_t open = 0;  // how many of them, the first ones, are in rotation
        std::size_t turn = 0;  // the lane to cut from next
    };

    static std::size_t tier_of(std::size_t level) noexcept { return tiers - 1 - level / 2; }
    bool has(std::size_t level) const noexcept;
    bool is_mixed() const noexcept;
    std::size_t next_level() const noexcept;
    void count(std::size_t level, std::size_t n) noexcept;
    std::size_t move_line(tier& t, output_line& line, std::size_t quota);
    std::size_t next_lane(tier& t) noexcept;
    lane* find_lane(std::uint32_t stream) const noexcept;
    void wait_in(lane& l, const frame& f, outgoing& payload);
    std::size_t cut_next(tier& t, output_line& line, std::size_t limit);
    void finish_front(tier& t, std::size_t index, output_line& line);
    void erase(tier& t, std::size_t index) noexcept;
    void forget(message& m) noexcept;

    storage_pool& pool_;
    std::size_t& bytes_;
    std::array<tier, tiers> tiers_;
    std::array<std::size_t, levels> passed_{};  // bytes that went before, since the last turn
    std::size_t lanes_ = 0;                     // of all tiers …
    std::size_t open_ = 0;                      // … and those in rotation
};

}  // namespace tenon::inline v0::wire
