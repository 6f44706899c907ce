#pragma once
// output_queue: frames on their way out, as memory segments ready for writev.
//
// Small frames are copied into blocks; payloads above copy_limit are kept in the buffer they came
// in. Messages above large_limit are cut into fragments only when their turn comes, one after the
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

#include "base/buffer.hpp"
#include "wire/frame.hpp"

namespace tenon::inline v0::wire {

struct segment {
    const std::byte* data;
    std::size_t size;
};

/// A payload to send. If `owned` is set, `data` lies in it, and the buffer may be moved out.
struct outgoing {
    outgoing() noexcept = default;
    outgoing(bytes_view d) noexcept : data(d) {}
    outgoing(bytes_view d, base::byte_buffer* o) noexcept : data(d), owned(o) {}

    bytes_view data;
    base::byte_buffer* owned = nullptr;
};

enum class framing : std::uint8_t {
    stream,    ///< every frame has a 24-bit length prefix; segments run on across frames
    messages,  ///< no prefix; gather() returns exactly one frame at a time
};

class output_queue {
public:
    static constexpr std::size_t copy_limit = 4 * 1024;
    static constexpr std::size_t large_limit = 64 * 1024;    // fragment size while others wait
    static constexpr std::size_t fragment_limit = 256 * 1024;  // fragment size otherwise

    explicit output_queue(framing f = framing::stream) noexcept : framing_(f) {}
    output_queue(output_queue&&) noexcept;
    output_queue& operator=(output_queue&&) noexcept;
    ~output_queue();

    /// Adds a frame whose head, metadata and data are f's; `payload`, if given, replaces f.data.
    /// Requests and PAYLOAD may be of any size, other frames must fit into one.
    /// Returns the position behind the frame in the output, see started(); `~0` for a message
    /// that is cut later.
    std::uint64_t add(const frame& f) { return add(f, outgoing(f.data)); }
    std::uint64_t add(const frame& f, outgoing payload);

    /// Adds a finished frame (without prefix) of at most 64 KiB; for SETUP.
    void add_raw(bytes_view frame_bytes);

    enum class dropped : std::uint8_t {
        nothing,     ///< no message of the stream waits
        unstarted,   ///< all that waited is gone, and nothing of the first message went out
        cut_short,   ///< the rest is gone, but a first part went out
    };
    /// Takes out every frame of the stream that gather() could still hold back.
    dropped drop(std::uint32_t stream) noexcept;

    /// Fills in what is to be written next and returns how many segments; 0 if nothing waits.
    /// `to` holds at least 4.
    std::size_t gather(std::span<segment> to);

    /// The first `n` bytes of what gather() returned have been written.
    void consume(std::size_t n) noexcept;

    /// Bytes that wait, without the heads of fragments to come.
    std::size_t pending() const noexcept { return pending_; }
    bool empty() const noexcept { return pending_ == 0; }

    /// Whether a byte of the frame that ended at `mark` may have been given out by gather().
    /// `stream` is the frame's stream, for messages that are cut later.
    bool started(std::uint64_t mark, std::uint32_t stream) const noexcept;

    /// Gives the storage back if nothing waits.
    void release_if_empty() noexcept;

private:
    struct large_message;
    struct chunk;

    std::byte* small(std::size_t size);
    void reference(std::shared_ptr<large_message> owner, bytes_view part);
    void end_frame() noexcept;
    bool cut_next();

    framing framing_;
    std::size_t pending_ = 0;
    std::uint64_t added_ = 0;     // bytes ever put in line
    std::uint64_t consumed_ = 0;
    std::uint64_t gathered_ = 0;  // high-water mark of what gather() gave out
};

}  // namespace tenon::inline v0::wire
