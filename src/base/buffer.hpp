#pragma once
// byte_buffer: a growable, movable block of bytes whose storage comes from and returns to a small
// per-thread cache, so that steady traffic allocates nothing. Large storage (above 256 KiB) is shared
// by all threads, and grows without copying where the kernel can move it.
//
// Growth leaves new bytes uninitialised. One owner at a time; not thread-safe. Storage may be
// released on another thread than the one that took it.

#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

#include "tenon/bytes.hpp"

namespace tenon::inline v0::base {

class byte_buffer {
public:
    /// Of the storage, on every machine: what messages want (`marshal` reads them in place).
    static constexpr std::size_t alignment = 16;

    byte_buffer() noexcept = default;
    explicit byte_buffer(std::size_t capacity) { reserve(capacity); }
    byte_buffer(byte_buffer&& o) noexcept
        : data_(std::exchange(o.data_, nullptr)),
          size_(std::exchange(o.size_, 0)),
          capacity_(std::exchange(o.capacity_, 0)) {}
    byte_buffer& operator=(byte_buffer&& o) noexcept {
        if (this != &o) {
            reset();
            data_ = std::exchange(o.data_, nullptr);
            size_ = std::exchange(o.size_, 0);
            capacity_ = std::exchange(o.capacity_, 0);
        }
        return *this;
    }
    ~byte_buffer() { reset(); }

    std::byte* data() noexcept { return data_; }
    const std::byte* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    bool empty() const noexcept { return size_ == 0; }
    bytes_view view() const noexcept { return {data_, size_}; }

    /// Keeps the storage.
    void clear() noexcept { size_ = 0; }
    /// Gives the storage back.
    void reset() noexcept {
        if (data_ != nullptr) give_back();
    }
    void reserve(std::size_t capacity) {
        if (capacity > capacity_) grow(capacity);
    }
    /// Bytes beyond the old size are uninitialised.
    void resize(std::size_t size) {
        reserve(size);
        size_ = size;
    }
    /// Makes room for `n` more bytes at the end, counts them in, and returns where they start.
    std::byte* extend(std::size_t n) {
        if (n > capacity_ - size_) grow(size_ + n);
        std::byte* at = data_ + size_;
        size_ += n;
        return at;
    }
    void push_back(std::byte b) { *extend(1) = b; }
    void append(const void* from, std::size_t n) {
        if (n != 0) std::memcpy(extend(n), from, n);
    }
    void append(bytes_view b) { append(b.data(), b.size()); }

private:
    void give_back() noexcept;
    void grow(std::size_t at_least);  // to the next size class, doubling

    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

/// Gives back to the system what large storage is kept for reuse, but for what was in use a moment
/// ago (250 ms). Thread-safe.
void trim_large_storage() noexcept;

}  // namespace tenon::inline v0::base
