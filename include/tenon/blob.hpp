#pragma once
// blob: bytes that change hands instead of being copied.
//
// A blob owns a run of bytes: memory of its own, the buffer that a message was received in, or, over
// shared memory, a segment that both processes see. Where a method's only parameter or its result is
// a blob and its codec is `raw`, the bytes go from the sender's blob to the receiver's as they are:
//
//     tenon::method<tenon::blob(tenon::blob)> process;          // description: .codec(codec::raw)
//
//     tenon::blob image = m.process.loan(1 << 20);              // client: room for the message
//     draw(image.edit());                                       // built in place
//     tenon::blob done = m.process(std::move(image));           // read in place: done.view()
//
// Everywhere else a blob is bytes like any others, and is copied.

#include <cstddef>
#include <span>
#include <utility>

#include "tenon/bytes.hpp"
#include "tenon/export.hpp"

namespace tenon::inline v0 {

namespace detail {
class block;
}  // namespace detail

/// One owner, movable; a copy has memory of its own. Not thread-safe, but may be passed from thread
/// to thread, and outlives the connection it came over.
class TENON_API blob {
public:
    blob() noexcept = default;
    /// Uninitialised bytes, in memory of its own.
    explicit blob(std::size_t size);
    /// A copy of `from`.
    explicit blob(bytes_view from);
    blob(const blob& o);
    blob(blob&& o) noexcept
        : block_(std::exchange(o.block_, nullptr)),
          data_(std::exchange(o.data_, nullptr)),
          size_(std::exchange(o.size_, 0)) {}
    blob& operator=(const blob& o);
    blob& operator=(blob&& o) noexcept;
    ~blob() { reset(); }

    /// The bytes, valid until the blob is changed, moved from or destroyed. Those received over
    /// shared memory belong to the sender, which can change them at any time if it is malicious:
    /// copy what must not change between being checked and being used.
    bytes_view view() const noexcept { return {data_, size_}; }
    const std::byte* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

    /// The bytes, for writing. What was received over shared memory is copied to memory of its own
    /// first.
    std::span<std::byte> edit();

    /// Becomes `size` bytes, uninitialised beyond the old ones. Making it smaller keeps the memory.
    void resize(std::size_t size);
    /// Becomes empty and gives the memory back.
    void reset() noexcept;

    /// Whether other processes see this memory.
    bool is_shared() const noexcept;

    // For the library: takes over one reference.
    blob(detail::block* block, bytes_view part) noexcept
        : block_(block), data_(part.data()), size_(part.size()) {}
    detail::block* block() const noexcept { return block_; }

private:
    detail::block* block_ = nullptr;
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace tenon::inline v0
