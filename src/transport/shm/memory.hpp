#pragma once
// Memory that one process writes and another one reads: memfds that are mapped, then sealed against
// resizing and against any further writable mapping, then passed.

#include <cstddef>
#include <span>
#include <utility>

#include "base/unique_fd.hpp"

namespace tenon::inline v0::transport::shm {

/// A mapping that goes away with its owner.
class mapping {
public:
    mapping() noexcept = default;
    mapping(void* at, std::size_t size) noexcept : at_(static_cast<std::byte*>(at)), size_(size) {}
    mapping(mapping&& o) noexcept
        : at_(std::exchange(o.at_, nullptr)), size_(std::exchange(o.size_, 0)) {}
    mapping& operator=(mapping&& o) noexcept {
        std::swap(at_, o.at_);
        std::swap(size_, o.size_);
        return *this;
    }
    ~mapping();

    std::byte* data() const noexcept { return at_; }
    std::size_t size() const noexcept { return size_; }
    std::span<std::byte> bytes() const noexcept { return {at_, size_}; }
    explicit operator bool() const noexcept { return at_ != nullptr; }

private:
    std::byte* at_ = nullptr;
    std::size_t size_ = 0;
};

struct sealed_memory {
    mapping map;
    base::unique_fd fd;  ///< to be passed, then closed
    int error = 0;       ///< errno if there is no mapping
};

/// `size` zero bytes that this process may write and nobody else ever.
sealed_memory make_sealed(std::size_t size) noexcept;

struct mapped_memory {
    mapping map;
    int error = 0;  ///< EPROTO: it is not what it has to be; else why it could not be mapped
};

/// Maps what a peer made with make_sealed, read-only. EPROTO unless it is a memfd of exactly `size`
/// bytes with all the seals, so that touching any byte of the mapping is safe for ever.
mapped_memory map_sealed(int fd, std::size_t size) noexcept;

}  // namespace tenon::inline v0::transport::shm
