#pragma once
// RSocket 1.0 frames: one parser for all of them, and the writers of their fixed parts.
//
// A frame here is the bytes behind the 24-bit length prefix (which message transports do not
// have). Parsing copies nothing: views point into the parsed bytes. All functions are pure and
// thread-safe. Format: https://github.com/rsocket/rsocket/blob/master/Protocol.md, docs/wire.md.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/buffer.hpp"
#include "tenon/bytes.hpp"
#include "tenon/result.hpp"

namespace tenon::inline v0::wire {

enum class frame_type : std::uint8_t {
    ignored = 0x00,  ///< not on the wire: a frame the specification says to ignore
    setup = 0x01,
    lease = 0x02,
    keepalive = 0x03,
    request_response = 0x04,
    request_fnf = 0x05,
    request_stream = 0x06,
    request_channel = 0x07,
    request_n = 0x08,
    cancel = 0x09,
    payload = 0x0a,
    error = 0x0b,
    metadata_push = 0x0c,
    resume = 0x0d,
    resume_ok = 0x0e,
    ext = 0x3f,
};

/// The ten flag bits of a header. The same bit means different things in different frames.
namespace flag {
inline constexpr std::uint16_t ignore = 0x200;    // any: drop the frame if not understood
inline constexpr std::uint16_t metadata = 0x100;  // metadata present
inline constexpr std::uint16_t follows = 0x080;   // requests, PAYLOAD: more fragments follow
inline constexpr std::uint16_t resume = 0x080;    // SETUP: a resume token is present
inline constexpr std::uint16_t respond = 0x080;   // KEEPALIVE: answer wanted
inline constexpr std::uint16_t complete = 0x040;  // PAYLOAD, REQUEST_CHANNEL: last of its side
inline constexpr std::uint16_t lease = 0x040;     // SETUP: the client honours LEASE
inline constexpr std::uint16_t next = 0x020;      // PAYLOAD: holds a value
// Requests, PAYLOAD, over shared memory only: the data is a reference to where the data lies.
inline constexpr std::uint16_t by_reference = 0x010;
}  // namespace flag

/// Error codes below the application range, see base/error_codes.hpp for the others.
namespace error_code {
inline constexpr std::uint32_t invalid_setup = 0x001;
inline constexpr std::uint32_t unsupported_setup = 0x002;
inline constexpr std::uint32_t rejected_setup = 0x003;
inline constexpr std::uint32_t rejected_resume = 0x004;
inline constexpr std::uint32_t connection_error = 0x101;
inline constexpr std::uint32_t connection_close = 0x102;
inline constexpr std::uint32_t application_error = 0x201;
inline constexpr std::uint32_t rejected = 0x202;
inline constexpr std::uint32_t canceled = 0x203;
inline constexpr std::uint32_t invalid = 0x204;
}  // namespace error_code

constexpr bool is_request(frame_type type) noexcept {
    return type >= frame_type::request_response && type <= frame_type::request_channel;
}
/// Whether a message of this type may be cut into fragments, of which the others are PAYLOAD.
constexpr bool may_be_cut(frame_type type) noexcept {
    return is_request(type) || type == frame_type::payload;
}

/// Whether frames of this type count in the positions that resumption goes by: requests, REQUEST_N,
/// CANCEL, PAYLOAD and ERROR do, on a stream; what concerns the connection and EXT do not.
constexpr bool moves_position(frame_type type, std::uint32_t stream) noexcept {
    return stream != 0 && type >= frame_type::request_response && type <= frame_type::error;
}

inline constexpr std::size_t header_size = 6;
inline constexpr std::size_t reference_size = 16;  // see flag::by_reference
inline constexpr std::size_t prefix_size = 3;
inline constexpr std::size_t max_frame_size = 0xff'ffff;  // by the 24-bit length
inline constexpr std::size_t max_metadata_size = std::size_t{64} * 1024;
inline constexpr std::size_t max_setup_size = std::size_t{64} * 1024;  // first byte on TCP: 0x00
inline constexpr std::uint32_t max_stream_id = 0x7fff'ffff;
inline constexpr std::uint32_t max_n = 0x7fff'ffff;  // as credit: without end

struct frame {
    frame_type type = frame_type::ignored;
    bool has_metadata = false;  ///< also true for metadata of length zero
    std::uint16_t flags = 0;
    std::uint32_t stream = 0;  ///< 0 is the connection itself
    /// REQUEST_STREAM, REQUEST_CHANNEL, REQUEST_N: messages granted, 1 to max_n. LEASE: requests.
    std::uint32_t n = 0;
    /// ERROR: its code. EXT: extended type. LEASE: time to live in ms.
    std::uint32_t code = 0;
    /// KEEPALIVE, RESUME_OK: last received position.
    std::uint64_t position = 0;
    /// How far a parsed frame moves the position of its direction: its size, or 0 if frames of its
    /// type have no position. See moves_position().
    std::uint32_t counted = 0;
    bytes_view metadata;
    bytes_view data;
    /// SETUP, RESUME: the fields between header and metadata, see setup_of() and resume_of().
    bytes_view fields;

    bool has(std::uint16_t bit) const noexcept { return (flags & bit) != 0; }
};

struct setup_fields {
    std::uint16_t major = 1;
    std::uint16_t minor = 0;
    std::uint32_t keepalive_ms = 0;
    std::uint32_t lifetime_ms = 0;
    bytes_view token;  ///< empty unless the R flag is set
    std::string_view metadata_mime;
    std::string_view data_mime;
};

struct resume_fields {
    std::uint16_t major = 1;
    std::uint16_t minor = 0;
    bytes_view token;
    std::uint64_t last_received = 0;
    std::uint64_t first_available = 0;
};

/// Takes one frame apart. What the specification says to ignore (unknown types with the I flag,
/// metadata longer than the frame, stream frames on a wrong stream id) comes back with type
/// `ignored`; what breaks the protocol is an error `invalid` whose message is fit for an ERROR
/// frame, and the connection must be closed.
result<frame> parse_frame(bytes_view bytes);

/// Fields of a parsed SETUP or RESUME frame; undefined for other frames.
setup_fields setup_of(const frame& f) noexcept;
resume_fields resume_of(const frame& f) noexcept;

/// Size of the fixed part that write_head() writes for this frame: header, numbers, and the
/// metadata length; without prefix, metadata and data. Not for SETUP and RESUME.
std::size_t head_size(const frame& f) noexcept;

/// Writes header, numbers and metadata length, and returns the position behind them. The caller
/// appends metadata and data. flag::metadata is set from f.has_metadata.
std::byte* write_head(std::byte* to, const frame& f) noexcept;

/// Appends a whole frame (not SETUP, RESUME), with the 24-bit length prefix if asked for.
void append_frame(base::byte_buffer& to, const frame& f, bool with_prefix);

/// Appends a SETUP frame. MIME types are at most 255 bytes, the token at most 65,535.
void append_setup(base::byte_buffer& to, const setup_fields& s, std::uint16_t flags,
                  const bytes_view* metadata, bytes_view data, bool with_prefix);

/// Appends a RESUME frame. The token is at most 65,535 bytes.
void append_resume(base::byte_buffer& to, const resume_fields& r, bool with_prefix);

/// For example "REQUEST_STREAM #5 MF n=3 metadata=12 data=40".
std::string to_string(const frame& f);
std::string_view to_string(frame_type type) noexcept;

}  // namespace tenon::inline v0::wire
