#pragma once
// Errors on the wire: the data of ERROR frames. Foreign peers get and send the message as text;
// Tenon peers (those that said hello) a MessagePack map, see docs/wire.md.

#include <cstdint>

#include "base/buffer.hpp"
#include "tenon/error.hpp"

namespace tenon::inline v0::rpc {

/// Appends the data of an ERROR frame.
void encode_error(const error& e, bool to_tenon, base::byte_buffer& out);

/// The error that an ERROR frame stands for. Damaged maps count as text; texts are cut at 4 KiB and
/// bytes that are not UTF-8 are replaced.
error decode_error(std::uint32_t code, bytes_view data);

}  // namespace tenon::inline v0::rpc
