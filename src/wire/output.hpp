#pragma once
// output_queue: frames on their way out, as memory segments ready for writev.
//
// Small frames are copied into blocks; payloads above copy_limit stay where they are, if they come
// with an owner or are lent. Messages above large_limit are cut into fragments only when their turn comes, one after the
// other in rotation, so that small frames pass between them; frames of one stream never overtake
// each other. Segments given out by gather() stay valid until consume(), whatever is added or
// dropped meanwhile. Not thread-safe: the owner locks around every call, but may write the
// segments without the lock.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "base/block.hpp"
#include "base/buffer.hpp"
#include "base/segment.hpp"
#include "wire/frame.hpp"

namespace tenon::inline v0::wire {

using base::segment;

/// A payload to send: copied, unless one of these says that it need not be.
struct outgoing {
    outgoing() noexcept = default;
    outgoing(bytes_view d) noexcept : data(d) {}
    outgoing(bytes_view d, base::byte_buffer* o) noexcept : data(d), owned(o) {}
    outgoing(bytes_view d, base::block* b) noexcept : data(d), block(b) {}
    static outgoing lend(bytes_view d) noexcept {
        outgoing o(d);
        o.is_lent = true;
        return o;
    }

    bytes_view data;
    base::byte_buffer* owned = nullptr;  ///< `data` lies in it, and it may be moved out
    base::block* block = nullptr;        ///< `data` lies in it, and nobody writes there any more
    bool is_lent = false;                ///< `data` stays as it is until take_back()
    bool by_reference = false;           ///< see flag::by_reference
};

enum class framing : std::uint8_t {
    stream,    ///< every frame has a 24-bit length prefix; segments run on across frames
    messages,  ///< no prefix; gather() returns exactly one frame at a time
};

class output_queue {
public:
    /// Larger payloads stay where they are.
    static constexpr std::size_t copy_limit = std::size_t{4} * 1024;
    /// Large messages in rotation at a time; the peer holds as many unfinished ones.
    static constexpr std::size_t lanes_at_once = 4;
    /// Longest frame of a message that is cut, while others wait and otherwise.
    static constexpr std::size_t large_limit = std::size_t{64} * 1024;
    static constexpr std::size_t fragment_limit = std::size_t{256} * 1024;

    explicit output_queue(framing f = framing::stream) noexcept : framing_(f) {}
    output_queue(const output_queue&) = delete;
    output_queue& operator=(const output_queue&) = delete;
    ~output_queue();

    /// Adds a frame with f's head and metadata and with `payload` in place of f.data. Requests
    /// and PAYLOAD may be of any size, other frames must fit into max_frame_size; metadata is at
    /// most max_metadata_size. Returns a mark for may_have_left().
    std::uint64_t add(const frame& f, outgoing payload);
    std::uint64_t add(const frame& f) { return add(f, outgoing(f.data)); }

    /// Adds a finished frame (without prefix) of the connection, at most 64 KiB; for SETUP.
    void add_raw(bytes_view frame_bytes);

    enum class dropped : std::uint8_t {
        nothing,  ///< no message of the stream waited
        request,  ///< gone, with the stream's request; the peer has not seen all of it
        rest,     ///< gone, but the peer knows the stream
    };
    /// Takes out every frame of the stream that waits behind or in a message above large_limit.
    /// What remains to be said to the peer, if anything, is up to the caller; after `request`
    /// that is a CANCEL if `*begun`.
    dropped drop(std::uint32_t stream, bool* begun) noexcept {
        *begun = false;
        return lanes_.empty() ? dropped::nothing : drop_lane(stream, begun);
    }

    /// Takes out all such messages of all streams.
    void drop_all() noexcept;

    /// Fills in what is to be written next and returns how many segments; 0 if nothing waits.
    /// `to` holds at least 4.
    std::size_t gather(std::span<segment> to);

    /// The first `n` bytes of what gather() returned have been written.
    void consume(std::size_t n) noexcept;

    /// From here on nothing refers to memory that was lent, and lies in `memory`: what has still
    /// to go out is copied. Segments that gather() gave out may still point there. Out of memory:
    /// as after shut().
    void take_back(bytes_view memory) noexcept;

    /// Bytes that wait, without the heads of fragments to come.
    std::size_t pending() const noexcept { return shut_ ? 0 : committed_ + waiting_; }
    bool empty() const noexcept { return pending() == 0; }

    /// Whether gather() has given out all of the request that add() returned `mark` for, so
    /// that the peer may have received it.
    bool may_have_left(std::uint64_t mark, std::uint32_t stream) const noexcept;

    /// From now on gather() returns nothing; what waits is lost.
    void shut() noexcept { shut_ = true; }

    /// Whether the stream's request waits to be cut and has not been to its end.
    bool waits(std::uint32_t stream) const noexcept;

    /// Gives the storage back if nothing waits; about how many bytes.
    std::size_t release_if_empty() noexcept;

private:
    // Memory that chunks point into, counted because a block serves many chunks, and a payload
    // many fragments.
    struct storage {
        base::byte_buffer bytes;
        base::block_ref block;
        std::uint32_t refs = 0;
        bool is_lent = false;
        storage* next_free = nullptr;
    };
    struct chunk {
        const std::byte* data = nullptr;
        std::size_t size = 0;
        storage* owner = nullptr;
        bool frame_end = false;
    };
    // A message that is cut when its turn comes, and the small frames of its stream behind it.
    struct message {
        frame head;
        base::byte_buffer metadata;
        storage* owner = nullptr;
        bytes_view rest;
        base::byte_buffer after;  // each with a 24-bit length, whatever the framing
        bool begun = false;
    };
    // The waiting messages of one stream, in order.
    struct lane {
        std::uint32_t stream = 0;
        std::deque<message> messages;
    };

    std::byte* small(std::size_t size);
    std::byte* open_frame(std::size_t frame_size, std::size_t in_block);
    void put_small(bytes_view frame_bytes);
    void put_reference(storage* owner, bytes_view part);
    void push(const chunk& c);
    void new_block(std::size_t size);
    storage* take_storage();
    storage* take_payload(outgoing& payload);
    bool own(storage*& owner, bytes_view& part, bytes_view memory);
    void unref(storage* s) noexcept;
    lane* find_lane(std::uint32_t stream) noexcept;
    void wait_in(lane& l, const frame& f, outgoing& payload);
    void cut_next();
    void finish_front(std::size_t index);
    dropped drop_lane(std::uint32_t stream, bool* begun) noexcept;
    void forget_message(message& m) noexcept;

    framing framing_;
    bool shut_ = false;
    std::vector<chunk> ring_;  // size is 0 or a power of two
    std::size_t head_ = 0;
    std::size_t count_ = 0;
    storage* block_ = nullptr;  // where small frames go; holds one reference
    std::size_t block_used_ = 0;
    storage* free_ = nullptr;
    std::vector<std::unique_ptr<lane>> lanes_;
    std::size_t turn_ = 0;       // the lane to cut from next
    std::size_t committed_ = 0;  // bytes in the ring
    std::size_t waiting_ = 0;    // bytes in lanes
    std::uint64_t consumed_ = 0;
    std::uint64_t plain_end_ = 0;  // behind the last frame that was not cut
    std::uint64_t gathered_ = 0;   // how far gather() has ever given out
};

}  // namespace tenon::inline v0::wire
