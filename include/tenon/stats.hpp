#pragma once
// What a server counts: per method, per connection, and altogether. Plain data; tenon/control.hpp
// describes it for codecs.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tenon::inline v0 {

/// How long something took. A quantile is at most 1/16 of its value, or 2 ns, away from that of the
/// measured calls.
struct quantiles {
    /// Calls that this stands for. After the first 64 only one in 16 of a method's quick calls is
    /// measured, and counts for 16; of those made in process, one in 64.
    std::uint64_t count = 0;
    std::chrono::nanoseconds mean{0};
    std::chrono::nanoseconds p50{0};
    std::chrono::nanoseconds p90{0};
    std::chrono::nanoseconds p99{0};
};

/// Counters of one member since the server started. A stream counts as one call.
struct method_stats {
    std::string route;
    std::uint64_t calls = 0;
    std::uint64_t errors = 0;
    /// Runs that held an event loop for too long, as seen by the monitor.
    std::uint64_t slow = 0;
    /// Runs on the pool: declared blocking, or found slow repeatedly.
    bool on_pool = false;

    /// Calls not answered yet: coroutines, those on the pool or waiting for it, those whose loop
    /// was taken away. Others are never seen unanswered.
    std::uint64_t in_flight = 0;
    /// `errors` by the name of the code.
    std::map<std::string, std::uint64_t> errors_by_code{};
    /// From when the server took the call up until its handler answered.
    quantiles latency{};
    /// How much of it was waiting for a thread of the pool, or for a serial method. Of calls that
    /// go to the pool only.
    quantiles queue_wait{};
    /// "method", "source", "sink" or "channel"
    std::string kind = "method";
    /// Of the latter three: streams that are open now. In process a stream is open for as long as
    /// somebody holds an end of it.
    std::uint64_t streams = 0;
};

/// A whole server.
struct server_stats {
    std::string instance;
    std::chrono::nanoseconds uptime{0};
    /// Connections now, and since the server started.
    std::uint64_t connections = 0;
    std::uint64_t accepted = 0;
    /// Sums over `methods`.
    std::uint64_t calls = 0;
    std::uint64_t errors = 0;
    std::uint64_t in_flight = 0;
    std::vector<method_stats> methods;
};

/// One connection of a server.
struct connection_stats {
    /// Different for every connection of the server.
    std::uint64_t id = 0;
    /// "unix", "tcp"
    std::string transport;
    /// "127.0.0.1:40312"; empty where the transport has none.
    std::string address;
    /// Of the peer's process, where the kernel vouches for it.
    std::optional<std::int64_t> pid;
    std::optional<std::uint32_t> uid;
    /// "os" or "lan"
    std::string scope;
    std::chrono::system_clock::time_point since;
    std::uint64_t calls = 0;
    std::uint64_t in_flight = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    /// Output that the peer has not taken yet, in bytes.
    std::uint64_t unsent = 0;
    /// Of a session that can be resumed: output that the peer has not acknowledged yet, in bytes; how
    /// often the peer has come back; and whether it is away at the moment.
    std::uint64_t kept = 0;
    std::uint64_t resumed = 0;
    bool detached = false;
};

/// One direction of a stream that is open on a connection of a server, as the server sees it.
struct stream_direction {
    /// See connection_stats::id.
    std::uint64_t connection = 0;
    /// Different for all streams that are open on that connection.
    std::uint32_t stream = 0;
    /// "publisher/service.member"
    std::string member;
    /// "source", "sink", "channel"
    std::string kind;
    /// "in": values come from the client; "out": they go to it.
    std::string direction;
    /// Values sent, or taken by the handler.
    std::uint64_t passed = 0;
    /// Values dropped on the way.
    std::uint64_t lost = 0;
    /// Of the last value that passed; 0: the stream has no positions.
    std::uint64_t position = 0;
    /// Values that have come and are not taken yet, or wait to be sent.
    std::uint64_t waiting = 0;
    /// Values that may follow before the receiver grants more; nothing: any number.
    std::optional<std::uint64_t> credit;
    /// An operator has paused the stream; see tenon/control.hpp.
    bool paused = false;
};

}  // namespace tenon::inline v0
