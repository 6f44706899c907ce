#pragma once
// segment: a borrowed run of bytes in a gathered write. Protocols hand out lists of them,
// transports send them in order.

#include <cstddef>

namespace tenon::inline v0::base {

/// Without initial values, because lists of many are filled a few at a time.
struct segment {
    const std::byte* data;
    std::size_t size;
};

}  // namespace tenon::inline v0::base
