#pragma once
// The codecs as the layers above use them: typed objects and argument lists by shape, to and from
// bytes, without an intermediate tree and without allocating but for what the objects hold.
//
// All functions are thread-safe. Encoders append; on failure the buffer is as it was. Decoders
// take objects that are already constructed; on failure these are valid but hold anything.
// Errors are `invalid` and name the path; `unsupported` where the codec cannot carry a type.

#include <optional>
#include <span>

#include "base/block.hpp"
#include "base/buffer.hpp"
#include "tenon/codec.hpp"

namespace tenon::inline v0::coding {

/// What is to be decoded.
struct source {
    source() noexcept = default;
    source(bytes_view b, base::block* owner = nullptr) noexcept : in(b), lies_in(owner) {}

    bytes_view in;
    /// What holds `in`, if anything does that can be shared: a blob read with `raw`, or a loaned
    /// object read with `marshal`, becomes a part of it instead of a copy.
    base::block* lies_in = nullptr;

    /// The sender can still change the bytes: they must not be looked at twice, so they are only
    /// good for what reads_once() tells.
    bool may_change() const noexcept {
        return lies_in && lies_in->kind() == base::block::memory::borrowed;
    }
};

/// Whether decoding takes the bytes as they are, without looking at any of them twice; otherwise
/// those that may change have to be copied first.
bool reads_once(codec c, const shape& s) noexcept;

/// Views within the object (string_view, bytes_view) point into `from`, or into `arena` where the
/// input has escapes or base64. The arena is cleared, and reserved once, only when that happens;
/// without one such input is refused.
result<void> encode_object(codec c, const shape& s, const void* object, base::byte_buffer& out);
result<void> decode_object(codec c, const shape& s, void* object, const source& from,
                           const decode_options& options, base::byte_buffer* arena = nullptr);

/// One parameter of a method. Views in a decoded default point into `default_value`.
struct parameter {
    const char* name;
    const shape* type;
    bool optional = false;                        ///< may be missing; the object stays as it is
    const tenon::value* default_value = nullptr;  ///< what a missing one becomes; may be null
};

/// Where the encoded form lies in the object itself, if it does so (`raw`, tenon::loaned), so that it need not be
/// encoded; otherwise nothing. Valid until the object is changed.
std::optional<bytes_view> encoded_in_place(codec c, const shape& s, const void* object) noexcept;
std::optional<bytes_view> encoded_in_place(codec c, std::span<const parameter> parameters,
                                           std::span<const void* const> arguments) noexcept;

/// Moves the bytes of encoded_in_place() out of the object, with the memory they lie in. Empty if
/// the object's memory cannot be taken.
blob take_bytes(const shape& s, void* object);

/// Positional array of the given arguments, which may be fewer than the parameters. `raw`: the
/// bytes of the one argument. `marshal`: all of them must be given.
result<void> encode_arguments(codec c, std::span<const parameter> parameters,
                              std::span<const void* const> arguments, base::byte_buffer& out);

/// Whether such a codec can carry objects of these types at all: only `marshal` asks for certain
/// ones. `unsupported` otherwise, with the path.
result<void> check_types(codec c, std::span<const parameter> types);

/// An array is positional; a map is by name (with the first ones by position in an array under the
/// key "*", if the caller mixes) if every key is a parameter's name, otherwise the value
/// of a one-parameter method; anything else is the value of a one-parameter method. Unknown,
/// missing and doubled arguments are `invalid` and named. Parameters that are optional or of type
/// std::optional, or have a default, may be missing. Without parameters: nothing, nil, [] or {}.
result<void> decode_arguments(codec c, std::span<const parameter> parameters,
                              std::span<void* const> arguments, const source& from,
                              const decode_options& options, base::byte_buffer* arena = nullptr);

/// From one codec's bytes to another's: JSON and MessagePack in both directions, anything to
/// itself, and `raw` to a string or bytes. `marshal` says nothing of its types: `unsupported`.
result<void> transcode(codec from, bytes_view in, codec to, base::byte_buffer& out,
                       const decode_options& options = {});

result<void> encode_value(codec c, const value& v, base::byte_buffer& out);
result<value> decode_value(codec c, bytes_view in, const decode_options& options = {});

}  // namespace tenon::inline v0::coding
