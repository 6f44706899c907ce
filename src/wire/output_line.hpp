#pragma once
// output_line: frames in the order in which they are to be written, as memory segments.
//
// Small frames are copied into blocks; payloads above copy_limit stay where they are, if they come
// with an owner or are lent. Memory that segments point to stays valid until they are consumed,
// whatever is added meanwhile. Not thread-safe.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/block.hpp"
#include "base/buffer.hpp"
#include "wire/endian.hpp"
#include "wire/frame.hpp"

namespace tenon::inline v0::wire {

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
    messages,  ///< no prefix; segments are given out frame by frame
};

/// Memory that chunks point into, counted because a block serves many chunks, and a payload many
/// fragments.
struct output_storage {
    base::byte_buffer bytes;
    base::block_ref block;
    std::uint32_t refs = 0;
    bool is_lent = false;
    output_storage* next_free = nullptr;
};

class storage_pool {
public:
    /// What small frames are copied into.
    static constexpr std::size_t block_size = std::size_t{16} * 1024;

    storage_pool() noexcept = default;
    storage_pool(const storage_pool&) = delete;
    storage_pool& operator=(const storage_pool&) = delete;
    ~storage_pool() { release(); }

    /// With one reference.
    output_storage* take();
    /// Storage for the payload; payload.data then points to what it holds.
    output_storage* take(outgoing& payload);
    /// With at least `size` bytes of its own.
    output_storage* take_block(std::size_t size);
    void unref(output_storage* s) noexcept {
        if (--s->refs == 0) give_back(s);
    }
    /// Copies `part` if it was lent and lies in `memory`.
    bool own(output_storage*& owner, bytes_view& part, bytes_view memory);
    /// Frees what is not in use; about how many bytes.
    std::size_t release() noexcept;

private:
    void give_back(output_storage* s) noexcept;

    // Blocks wait here for the next frames: where one thread fills them and another writes them out,
    // the cache of the one would be empty and that of the other full. As many as streams leave unsent.
    static constexpr std::size_t most_spare = 16;

    output_storage* free_ = nullptr;
    output_storage* spare_ = nullptr;  // each with a block
    std::size_t spare_count_ = 0;
};

class output_line {
public:
    /// Larger payloads stay where they are.
    static constexpr std::size_t copy_limit = std::size_t{4} * 1024;

    struct chunk {
        const std::byte* data = nullptr;
        std::size_t size = 0;
        output_storage* owner = nullptr;
        bool frame_end = false;
    };

    /// The pool must outlive the line.
    output_line(storage_pool& pool, framing f) noexcept : pool_(pool), framing_(f) {}
    output_line(const output_line&) = delete;
    output_line& operator=(const output_line&) = delete;
    ~output_line();

    /// A frame with f's head and metadata, and with `payload` in place of f.data.
    void add(const frame& f, outgoing& payload);
    /// A finished frame, without prefix; copied.
    void add(bytes_view frame_bytes);
    /// A frame with f's head and metadata, and with `part`, which lies in `payload`.
    void add(const frame& f, output_storage* payload, bytes_view part);

    bool empty() const noexcept { return count_ == 0; }
    std::size_t bytes() const noexcept { return bytes_; }
    std::size_t chunks() const noexcept { return count_; }
    const chunk& operator[](std::size_t i) const noexcept {
        return ring_[(head_ + i) & (ring_.size() - 1)];
    }

    /// The first `n` bytes are not needed any more.
    void consume(std::size_t n) noexcept;

    /// Moves whole frames to the end of another line of the same pool: at least one, and others
    /// as long as there are no more than about `quota` bytes. How many bytes.
    std::size_t move_to(output_line& to, std::size_t quota);

    /// Moves the first `n` bytes, of the first chunk, to the end of another line of the same pool.
    void move_front(output_line& to, std::size_t n);
    /// Moves everything in `front` before what is here.
    void put_in_front(output_line& front);

    /// From here on nothing refers to lent memory that lies in `memory`. Throws if out of memory.
    void take_back(bytes_view memory);

    /// Gives the storage back if nothing waits; about how many bytes.
    std::size_t release_if_empty() noexcept;

private:
    chunk& last() noexcept { return ring_[(head_ + count_ - 1) & (ring_.size() - 1)]; }
    void add_reference(const frame& f, outgoing& payload);
    std::byte* open(std::size_t frame_size, std::size_t in_block);
    std::byte* small(std::size_t size, bool ends_frame);
    void push(const chunk& c);
    void new_block(std::size_t size);
    void reuse_block() noexcept;

    storage_pool& pool_;
    const framing framing_;
    std::vector<chunk> ring_;  // size is 0 or a power of two
    std::size_t head_ = 0;
    std::size_t count_ = 0;
    output_storage* block_ = nullptr;  // where small frames go; holds one reference
    std::size_t block_used_ = 0;
    std::size_t bytes_ = 0;
};

/// Begins a frame of which `in_block` bytes are written into the returned room.
inline std::byte* output_line::open(std::size_t frame_size, std::size_t in_block) {
    const bool whole = in_block == frame_size;
    if (framing_ == framing::messages) return small(in_block, whole);
    return store_be24(small(prefix_size + in_block, whole), static_cast<std::uint32_t>(frame_size));
}

inline void output_line::add(const frame& f, outgoing& payload) {
    if (payload.data.size() > copy_limit) return add_reference(f, payload);
    const std::size_t size = head_size(f) + f.metadata.size() + payload.data.size();
    std::byte* p = write_head(open(size, size), f);
    if (!f.metadata.empty()) std::memcpy(p, f.metadata.data(), f.metadata.size());
    p += f.metadata.size();
    if (!payload.data.empty()) std::memcpy(p, payload.data.data(), payload.data.size());
}

}  // namespace tenon::inline v0::wire
