#pragma once
// What a session is made with, and what it tells.

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/buffer.hpp"
#include "wire/budget.hpp"
#include "wire/frame.hpp"
#include "wire/output_line.hpp"
#include "wire/stream_table.hpp"

namespace tenon::inline v0::wire {

using time_point = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

enum class role : std::uint8_t { client, server };

/// One stream, and not a later one with the same id. Calls with a stale one do nothing. That of
/// a fire-and-forget names no open stream.
struct stream_ref {
    std::uint32_t id = 0;
    std::uint32_t use = 0;
    friend bool operator==(const stream_ref&, const stream_ref&) = default;
};

struct session_options {
    framing output_framing = framing::stream;
    /// Of one reassembled message, metadata included; and of all unfinished ones together.
    std::size_t message_limit = std::size_t{64} << 20;
    std::size_t reassembly_limit = std::size_t{64} << 20;
    /// The same of all sessions that share it; may be null.
    byte_budget* shared_reassembly = nullptr;
    /// Of the peer, in flight at once; more are answered with REJECTED.
    std::size_t max_requests = 1024;
    /// Server: from the start to SETUP.
    milliseconds setup_timeout{5'000};
    /// Between two fragments of a message.
    milliseconds fragment_timeout{30'000};
    /// Client: sent in SETUP, 1 ms or more; silence for max_lifetime ends the session.
    milliseconds keepalive_interval{20'000};
    milliseconds max_lifetime{90'000};
    /// Server: the shortest silence that ends the session, whatever the client asks for.
    milliseconds min_lifetime{30'000};
    /// Bytes of written frames that are kept until the peer has acknowledged them, so that the
    /// session can go on over another link; 0: it ends with its link. Client: see setup().
    std::size_t retention = 0;
    /// How long it waits for another link.
    milliseconds resume_time{60'000};
};

enum class event_kind : std::uint8_t {
    none,
    setup,          ///< server: the client's SETUP was accepted; read it with setup_of(frame)
    request,        ///< the peer asks; answer with respond/send/fail, or attach() and do so later
    payload,        ///< a value (next), the end of the peer's direction (complete), or both
    failed,         ///< the stream has ended with an error: code, and the error data in `data`
    cancel,         ///< the peer does not want (more of) our answer; see `ended`
    credit,         ///< the peer grants more messages: n is what it added
    metadata_push,  ///< metadata for the connection
    extension,      ///< an EXT frame; code is the extended type
    lease,          ///< the peer's LEASE, already applied
    keepalive,      ///< a KEEPALIVE came (and was answered if that was asked for)
    closing,        ///< CONNECTION_CLOSE while busy: see closing(); new requests are refused
    closed,         ///< the session is over: take orphan()s, flush out(), close the transport
    resume,         ///< server: the client asks to go on with another session, whose token and
                    ///< positions resume_of(frame) tells; resume() that one or refuse_resume()
    resumed,        ///< client: the session goes on
    silent,         ///< nothing has come for too long: detach() and go on over another link
};

/// Views are valid as long as the frame given to receive(), or `storage`.
struct event {
    event_kind kind = event_kind::none;
    request_kind request = request_kind::response;  ///< of the stream
    bool own = false;                               ///< the stream was requested by this side
    bool next = false;                              ///< payload: holds a value
    bool complete = false;                          ///< payload: the peer's direction has ended;
        ///< request: a channel whose peer sends no more values
    bool ended = false;  ///< the stream is gone; `user` is given back
    bool has_metadata = false;
    bool may_have_run = true;  ///< failed: false if the peer surely did not run the request
    std::uint32_t n = 0;       ///< request: initial credit; credit: added
    std::uint32_t code = 0;    ///< failed, closed: error code on the wire; extension: type
    stream_ref stream;
    void* user = nullptr;
    bytes_view metadata;
    bytes_view data;            ///< failed, closed: the error data, or a text by this side
    base::byte_buffer storage;  ///< holds metadata and data of a reassembled message, else empty
    bool local = false;         ///< failed, closed: found by this side, not told by the peer
};

enum class send_result : std::uint8_t {
    sent,
    no_credit,  ///< nothing was sent
    no_room,    ///< nothing was sent: too much is not acknowledged; see session::has_room()
    gone,       ///< the stream, or our direction of it, has ended
};

}  // namespace tenon::inline v0::wire
