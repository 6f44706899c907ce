#pragma once
// How objects of a flat type lie in memory: numbers, bools, enums, times, fixed bytes, and arrays,
// tuples and structs of those. For the codec `marshal`.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "codec/trouble.hpp"
#include "tenon/shape.hpp"

namespace tenon::inline v0::coding {

class image {
public:
    /// Bytes that have a meaning, or elements that have some such each.
    struct part {
        std::uint32_t offset;
        std::uint32_t size;    // of an element
        std::uint32_t count;   // of elements
        const image* element;  // null: one run of bytes
    };

    image(const shape& type, std::vector<part> parts);

    std::size_t size() const noexcept { return size_; }
    std::size_t align() const noexcept { return align_; }
    /// Equal for types with the same names, layout and members.
    std::uint64_t hash() const noexcept { return hash_; }
    const std::vector<part>& parts() const noexcept { return parts_; }
    /// Every byte has a meaning: there is no padding, nor a member that is not described.
    bool is_whole() const noexcept { return whole_; }
    /// Some bytes would be no object: a bool that is 2, an enum that is not listed.
    bool is_checked() const noexcept { return checked_; }

    /// The bytes with a meaning of `n` objects side by side; the others stay as they are.
    void copy(std::byte* to, const std::byte* from, std::size_t n) const noexcept;
    /// Sets the bytes with a meaning to 0.
    void clear(std::byte* object) const noexcept;

private:
    std::vector<part> parts_;  // by offset
    std::uint64_t hash_;
    std::size_t size_;
    std::size_t align_;
    bool whole_;
    bool checked_;
};

/// Null, with the trouble recorded, if the type is not flat. Lives as long as the process.
const image* image_of(const shape& s, trouble& t);

/// Whether `n` objects side by side are what their type allows.
bool check_objects(const shape& s, const image& i, const std::byte* objects, std::size_t n,
                   trouble& t);
/// The same for those just copied from elsewhere; if they are not, all of them become 0.
bool accept_objects(const shape& s, const image& i, std::byte* objects, std::size_t n, trouble& t);

}  // namespace tenon::inline v0::coding
