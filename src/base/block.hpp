#pragma once
// block: a counted run of memory that messages lie in, whoever it belongs to: a buffer of this
// process, a segment of shared memory of ours or of a peer. What tenon::blob holds.
//
// Counting is thread-safe. The bytes are not guarded.

#include <atomic>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "base/buffer.hpp"
#include "tenon/blob.hpp"

namespace tenon::inline v0 {

namespace detail {

class block {
public:
    enum class memory : unsigned char {
        own,       ///< of this process alone
        lent_out,  ///< shared; this process writes it
        borrowed,  ///< shared; another process may write it, this one cannot
    };

    block(const block&) = delete;
    block& operator=(const block&) = delete;

    memory kind() const noexcept { return kind_; }
    bool is_shared() const noexcept { return kind_ != memory::own; }
    bool is_writable() const noexcept { return kind_ != memory::borrowed; }
    /// All of the memory; a blob is a part of it.
    std::span<std::byte> room() const noexcept { return room_; }

    void add_ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        // acq_rel: the last owner sees what the others did.
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) dispose();
    }

protected:
    block(memory kind, std::span<std::byte> room) noexcept : kind_(kind), room_(room) {}
    ~block() = default;

    /// Nobody refers to it any more; may make it live again, with reset_refs().
    virtual void dispose() noexcept = 0;
    void reset_refs() noexcept { refs_.store(1, std::memory_order_relaxed); }

private:
    const memory kind_;
    const std::span<std::byte> room_;
    std::atomic<unsigned> refs_{1};
};

}  // namespace detail

namespace base {

using detail::block;

/// One reference to a block, or none.
class block_ref {
public:
    block_ref() noexcept = default;
    /// Takes over a reference.
    explicit block_ref(block* b) noexcept : block_(b) {}
    block_ref(block_ref&& o) noexcept : block_(o.release()) {}
    block_ref& operator=(block_ref&& o) noexcept {
        if (this != &o) reset(o.release());
        return *this;
    }
    ~block_ref() { reset(); }

    static block_ref share(block* b) noexcept {
        if (b) b->add_ref();
        return block_ref(b);
    }

    block* get() const noexcept { return block_; }
    block* operator->() const noexcept { return block_; }
    explicit operator bool() const noexcept { return block_ != nullptr; }
    block* release() noexcept { return std::exchange(block_, nullptr); }
    void reset(block* b = nullptr) noexcept {
        if (block* old = std::exchange(block_, b)) old->release();
    }

private:
    block* block_ = nullptr;
};

/// A block around a buffer.
block_ref make_block(byte_buffer&& buffer);
/// A blob of what the object holds.
blob make_blob(bytes&& from);
blob make_blob(std::string&& from);

/// A blob of `part`, which lies in `b`.
inline blob make_blob(block_ref b, bytes_view part) noexcept { return {b.release(), part}; }

}  // namespace base
}  // namespace tenon::inline v0
