#pragma once
// The status entry of requests and values: what Tenon peers tell each other of a stream besides its
// values. A MessagePack map; unknown keys are skipped. Keys and bytes: docs/wire.md.

#include <optional>

#include "base/buffer.hpp"
#include "rpc/stream/queues.hpp"
#include "tenon/error.hpp"

namespace tenon::inline v0::rpc {

struct stream_status {
    value_note note;
    std::optional<error> failed;  ///< why the sender ends its direction
    bool open = false;            ///< of a REQUEST_CHANNEL: it holds no first value
    stream_start start;           ///< of a REQUEST_STREAM
    stream_origin origin;         ///< of a REQUEST_CHANNEL
};

/// The extended type of the EXT frame that says: send me no more on this stream.
inline constexpr std::uint32_t stop_extension = 0x544E0001;

/// … and of the one that says up to which number values have been dealt with (u64, big-endian).
inline constexpr std::uint32_t acknowledge_extension = 0x544E0002;

/// Appends the entry; nothing if there is nothing to say.
void put_stream_status(base::byte_buffer& to, const stream_status& s);

/// Of composite metadata. What is damaged counts as not said.
stream_status read_stream_status(bytes_view metadata);

}  // namespace tenon::inline v0::rpc
