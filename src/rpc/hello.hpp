#pragma once
// What Tenon peers tell each other about themselves, in metadata. Bytes: docs/wire.md.

#include <string>
#include <string_view>

#include "base/buffer.hpp"

namespace tenon::inline v0::rpc {

/// Version of the protocol's Tenon part.
inline constexpr int wire_version = 1;

/// Whether composite metadata holds a hello entry.
bool has_hello(bytes_view metadata) noexcept;

/// Appends a hello entry {version, instance}.
void put_hello_entry(base::byte_buffer& to, std::string_view instance);

/// Appends a status entry that says: no new requests, please.
void put_going_away_entry(base::byte_buffer& to);

/// Whether pushed metadata says so.
bool is_going_away(bytes_view metadata) noexcept;

/// 12 hex digits, unlike those of any other process or start.
std::string make_instance_id();

}  // namespace tenon::inline v0::rpc
