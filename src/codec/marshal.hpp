#pragma once
// The codec `marshal`: objects as they lie in memory, for peers that are built alike.
//
// A message is 16 bytes of header (magic and version, number of objects, a hash of their layouts),
// then the objects one after another. Each starts at a multiple of its alignment, counted from the
// start of the message, and padding is 0. A vector, string or bytes is a count (8 bytes, aligned
// like that) and its content, which starts at a multiple of 16 at least. Nothing is turned round:
// byte order and layout are part of the hash. No object at all is no byte at all.
//
// What is read may be changed by others meanwhile: it is copied first, and checked then.

#include <span>

#include "codec/codec.hpp"
#include "codec/image.hpp"

namespace tenon::inline v0::coding {

/// All arguments must be given.
result<void> encode_marshal(std::span<const parameter> types, std::span<const void* const> objects,
                            base::byte_buffer& out);
result<void> decode_marshal(std::span<const parameter> types, std::span<void* const> objects,
                            const source& from, const decode_options& options);
/// The whole message, if that is what the object (a tenon::loaned) lies in.
std::optional<bytes_view> view_marshal(const shape& s, const void* o) noexcept;

/// `unsupported`, naming what cannot be carried.
result<void> check_marshal(std::span<const parameter> types);

}  // namespace tenon::inline v0::coding
