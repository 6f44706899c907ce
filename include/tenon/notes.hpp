#pragma once
// Notes: small values that client and server send each other at any time, besides calls and streams.
//
//     tenon::on_note(client, [](const tenon::note& n) { … n.content … });
//     tenon::send_note(client, "I am about to be upgraded");
//     server.on_note([](tenon::session& s, const tenon::note& n) { … });
//     session.note(42);
//
// A note arrives at most once, behind those that were sent before it, or not at all: it does not wait
// for whoever is slow. At most 64 wait at either side, of at most 16 KiB each; then the oldest is
// dropped, and the next one that is delivered says how many are missing. What matters goes by a call
// or a stream.

#include <cstdint>
#include <functional>

#include "tenon/client.hpp"
#include "tenon/session.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0 {

struct note {
    value content;
    /// So many before it were dropped, at the sender or here.
    std::uint64_t gap = 0;
};

/// To the server; over a connection that breaks before they arrive they are lost. They wait until the
/// server has said that it is Tenon's, so forever at one that is not. Errors: `unavailable` if nobody
/// is there, as far as that is known; `invalid` if it is too large, or cannot be encoded.
TENON_API result<void> send_note(const client& to, const value& content);

/// Told of what the server sends, by user code of the client's loop, so to be quick, one after the
/// other; several are all told. None begins once the last copy of the client has gone, which does not
/// wait for one that has: only the end of the runtime does. What it throws is dropped.
TENON_API void on_note(const client& from, std::function<void(const note&)> f);

}  // namespace tenon::inline v0
