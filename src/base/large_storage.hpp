#pragma once
// Storage for large messages: whole pages, kept for reuse by the whole process because a fresh page
// costs more than copying into it. What one thread gives, another may take.
//
// At most 36 MiB are kept, those longest unused go first; trim_large_storage() gives back what is not
// in use any more. Pages that nobody has written to are no memory, so capacity is not; above 16 MiB
// they are of 2 MiB where the system allows.

#include <cstddef>

namespace tenon::inline v0::base {

/// The capacity for `n` bytes: a power of two and 64 KiB, so that a message of such a size fits with
/// what goes in front of it.
std::size_t large_capacity(std::size_t n);

// Capacities are those of large_capacity(). Throw std::bad_alloc.
std::byte* take_large(std::size_t capacity);
void give_large(std::byte* data, std::size_t capacity) noexcept;
/// Makes it larger; the first `size` bytes stay, the others need not.
std::byte* grow_large(std::byte* data, std::size_t size, std::size_t capacity,
                      std::size_t new_capacity);

}  // namespace tenon::inline v0::base
