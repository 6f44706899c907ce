#pragma once
// The codec `raw`: an object that is itself bytes or text, as it is.

#include "base/buffer.hpp"
#include "tenon/result.hpp"
#include "tenon/shape.hpp"

namespace tenon::inline v0::coding {

result<void> encode_raw(const shape& s, const void* o, base::byte_buffer& out);
result<void> decode_raw(const shape& s, void* o, bytes_view in);

}  // namespace tenon::inline v0::coding
