#pragma once
// What happens to the values of a stream that come faster than they are taken. Set in `describe`;
// see tenon/stream_description.hpp.

#include <cstdint>
#include <functional>

namespace tenon::inline v0 {

/// What happens to a value for which the receiver has no room.
enum class overflow : std::uint8_t {
    block,     ///< its sender waits
    drop_new,  ///< it is dropped
    drop_old,  ///< it takes the place of the oldest that waits
    latest,    ///< it takes the place of the one with the same key that waits, else of the oldest
    fail,      ///< the stream ends with `overloaded`
};

namespace detail {

/// How values that wait are dropped, and what the receiver takes at a time; of one direction.
struct flow_settings {
    tenon::overflow overflow = tenon::overflow::block;
    std::uint32_t buffer = 0;  // values that wait at the sender; 0: 64, unless it blocks
    std::uint32_t window = 0;  // values that may be on their way; 0: the library chooses
    std::function<bool(const void*, const void*)> same_key{};  // for `latest`
    const char* key = nullptr;  // the field that the key is, if it is one

    bool is_declared() const noexcept {
        return overflow != tenon::overflow::block || buffer != 0 || window != 0;
    }
};

}  // namespace detail
}  // namespace tenon::inline v0
