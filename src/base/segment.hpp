#pragma once
// segment: a borrowed run of bytes in a gathered write. Protocols hand out lists of them,
// transports send them in order.

#include <cstddef>

namespace tenon::inline v0::base {

struct segment {
    const std::byte* data = nullptr;
    std::size_t size = 0;
};

}  // namespace tenon::inline v0::base
