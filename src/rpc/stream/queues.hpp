#pragma once
// The two queues of values: as objects (in process, and at senders), and encoded (as they came over
// a connection). Neither allocates once it is as large as it gets. Not thread-safe.

#include <cstdint>
#include <memory>

#include "base/block.hpp"
#include "base/buffer.hpp"
#include "tenon/stream_core.hpp"

namespace tenon::inline v0::rpc {

/// What is told of a value besides itself.
struct value_note {
    std::uint64_t gap = 0;       ///< values dropped just before it
    std::uint64_t position = 0;  ///< in the sender's log; 0: none
    std::uint64_t epoch = 0;     ///< of that log; 0: as before

    bool says_something() const noexcept { return (gap | position | epoch) != 0; }
};

/// Objects of one type, first in, first out.
class object_queue {
public:
    explicit object_queue(const detail::value_ops& ops) noexcept : ops_(ops) {}
    object_queue(const object_queue&) = delete;
    object_queue& operator=(const object_queue&) = delete;
    ~object_queue() { clear(); }

    std::size_t size() const noexcept { return count_; }
    bool empty() const noexcept { return count_ == 0; }
    /// The i-th from the front.
    void* at(std::size_t i) noexcept { return slot(head_ + i); }
    value_note& note(std::size_t i) noexcept { return notes_[(head_ + i) & (capacity_ - 1)]; }

    /// Constructs one at the end from `value`, which may be moved from if `movable`.
    void push(void* value, bool movable, const value_note& note);
    /// Destroys the front.
    void pop() noexcept;
    void clear() noexcept {
        while (count_ != 0) pop();
    }

private:
    struct aligned_free {
        std::size_t align;
        void operator()(std::byte* p) const noexcept {
            ::operator delete (p, std::align_val_t{align});
        }
    };
    using memory = std::unique_ptr<std::byte, aligned_free>;

    void* slot(std::size_t i) const noexcept {
        return memory_.get() + (i & (capacity_ - 1)) * ops_.size;
    }
    void grow();

    const detail::value_ops& ops_;
    memory memory_{nullptr, {1}};
    std::unique_ptr<value_note[]> notes_;
    std::size_t capacity_ = 0;  // 0 or a power of two
    std::size_t head_ = 0;
    std::size_t count_ = 0;
};

/// Encoded values, first in, first out: small ones in a row, large ones where they came to lie.
class encoded_queue {
public:
    /// Larger ones stay where they are, if they have an owner.
    static constexpr std::size_t copy_limit = 4096;

    struct item {
        bytes_view data;
        base::block_ref owner;  // of a large one
        value_note note;
    };

    encoded_queue() noexcept = default;
    encoded_queue(const encoded_queue&) = delete;
    encoded_queue& operator=(const encoded_queue&) = delete;
    ~encoded_queue() { clear(); }

    std::size_t size() const noexcept { return count_; }
    bool empty() const noexcept { return count_ == 0; }
    /// Of all values that wait.
    std::size_t bytes() const noexcept { return bytes_; }

    void push(bytes_view data, base::block_ref owner, const value_note& note);
    value_note front_note() const noexcept;
    /// Takes the front. The data of a small one is valid until the next push() or clear().
    item pop() noexcept;
    void clear() noexcept;
    void swap(encoded_queue& o) noexcept;

private:
    struct head {
        std::uint32_t size;
        bool is_large;
        bool has_note;
    };
    struct large {
        const std::byte* data;
        base::block* owner;
    };

    base::byte_buffer row_;  // head, note if any, data if small, else where it is; …
    std::size_t at_ = 0;
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace tenon::inline v0::rpc
