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
    std::uint32_t seek = 0;       ///< of a value: the first from where that seek led to
};

/// What a receiver says that goes on elsewhere.
struct stream_seek {
    std::uint32_t number = 0;  ///< of its seeks, from 1
    stream_start to;
};

/// The extended type of the EXT frame that says: send me no more on this stream.
inline constexpr std::uint32_t stop_extension = 0x544E0001;

/// … and of the one that says up to which number values have been dealt with (u64, big-endian).
inline constexpr std::uint32_t acknowledge_extension = 0x544E0002;

/// … and of the one of a source's receiver that goes on elsewhere; its data is as put_seek() says.
inline constexpr std::uint32_t seek_extension = 0x544E0003;

void put_seek(base::byte_buffer& to, const stream_seek& s);
/// Nothing: it makes no sense.
std::optional<stream_seek> read_seek(bytes_view data);

/// Appends the entry; nothing if there is nothing to say.
void put_stream_status(base::byte_buffer& to, const stream_status& s);

/// Of composite metadata. What is damaged counts as not said.
stream_status read_stream_status(bytes_view metadata);

}  // namespace tenon::inline v0::rpc
