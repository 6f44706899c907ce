#pragma once
// The codec `raw`: an object that is itself bytes or text, as it is.

#include "base/buffer.hpp"
#include "codec/codec.hpp"
#include "tenon/result.hpp"
#include "tenon/shape.hpp"

namespace tenon::inline v0::coding {

result<void> encode_raw(const shape& s, const void* o, base::byte_buffer& out);
result<void> decode_raw(const shape& s, void* o, const source& from);
/// The bytes of an object of fixed kind; nothing if it has none.
std::optional<bytes_view> view_raw(const shape& s, const void* o) noexcept;

}  // namespace tenon::inline v0::coding
