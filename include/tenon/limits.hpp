#pragma once
// Every bound of the runtime in one place, with its default. docs/operate.md derives the worst-case
// memory of a server from them.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tenon::inline v0 {

/// Sizes are in bytes. Extended only at the end.
struct limits {
    /// Nesting of a structured value.
    std::uint32_t depth = 64;

    /// Connections of one server, and of one user or remote address.
    std::uint32_t connections = 16'384;
    std::uint32_t connections_per_peer = 1'024;

    /// A new connection must have said SETUP within this time.
    std::chrono::milliseconds setup_time{5'000};
    /// An unfinished frame or message is given up after this long without a byte.
    std::chrono::milliseconds stall_time{30'000};

    /// Calls in flight on one connection; more are refused as `overloaded`.
    std::uint32_t calls_per_connection = 1'024;

    /// Output a peer does not take: at this size the connection's input is no longer read …
    std::size_t unsent = std::size_t(4) << 20;
    /// … and after this time in that state the connection is closed.
    std::chrono::milliseconds unsent_time{30'000};

    /// One message, counted before anything is allocated for it.
    std::size_t message = std::size_t(64) << 20;
    /// The SETUP frame; metadata is at most 64 KiB in any case.
    std::size_t setup = std::size_t(64) << 10;
    /// Messages being put together from fragments, per connection and per server.
    std::size_t reassembly_per_connection = std::size_t(64) << 20;
    std::size_t reassembly = std::size_t(512) << 20;

    /// Descriptors are exhausted: how long accepting pauses.
    std::chrono::milliseconds accept_pause{100};

    /// Shared memory that this side makes for one connection, and a server for all of its own.
    /// Where there is no more, messages go through the ring, and new connections over the socket.
    std::size_t shared_memory_per_connection = std::size_t(256) << 20;
    std::size_t shared_memory = std::size_t(2) << 30;

    /// Sessions of a server whose clients may resume them (client_options::resume) over another
    /// connection; more are refused, and with 0 all.
    std::uint32_t resumable_sessions = 256;
    /// What one side of such a session keeps of what it has sent until that is acknowledged, at
    /// least 1 MiB; and again as much may wait to be sent.
    std::size_t retention = std::size_t(16) << 20;
    /// How long it waits without a connection.
    std::chrono::milliseconds resume_time{60'000};

    /// Values of streams that have come and wait to be taken, beyond 64 KiB of each stream: of one
    /// connection, and of all of a server. One that finds no room ends its stream as `overloaded`.
    std::size_t stream_memory_per_connection = std::size_t(256) << 20;
    std::size_t stream_memory = std::size_t(1) << 30;
};

}  // namespace tenon::inline v0
