#pragma once
// Raw bytes as they travel on the wire.

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace tenon::inline v0 {

/// Owned bytes.
using bytes = std::vector<std::byte>;

/// Borrowed bytes. As a handler's parameter it points into the receive buffer and is valid until
/// the handler returns (for a coroutine handler: until it has finished). Debug builds of the library
/// then write over that memory, so that a view kept for longer is noticed.
using bytes_view = std::span<const std::byte>;

/// The same memory seen as text, or text seen as memory. No copy, no validation.
inline std::string_view as_text(bytes_view b) noexcept {
    return {reinterpret_cast<const char*>(b.data()), b.size()};
}
inline bytes_view as_bytes(std::string_view s) noexcept {
    return {reinterpret_cast<const std::byte*>(s.data()), s.size()};
}

}  // namespace tenon::inline v0
