#pragma once
// control: what every server offers besides its own services, at each of its endpoints.
//
//     auto c = tenon::connect<tenon::control>("unix:/run/demo/math.sock");
//     for (const auto& m : c.stats("demo/*").methods) …
//
// It tells of services that the caller's scope may see, and were not published with
// publish_options::control off: of those it only says that they exist. Patterns are of
// "publisher/service"; `*` stands for any characters, `?` for one. tenon/control itself is told of
// where the pattern names the publisher "tenon".

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tenon/contract.hpp"
#include "tenon/limits.hpp"
#include "tenon/stats.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/struct.hpp"

namespace tenon::inline v0 {

// Durations travel as seconds.
TENON_STRUCT(quantiles, count, mean, p50, p90, p99)
TENON_STRUCT(method_stats, route, calls, errors, slow, on_pool, (in_flight, defaulted),
             (errors_by_code, defaulted), (latency, defaulted), (queue_wait, defaulted),
             (kind, defaulted), (streams, defaulted))
TENON_STRUCT(server_stats, instance, uptime, connections, accepted, calls, errors, in_flight,
             methods)
TENON_STRUCT(connection_stats, id, transport, address, pid, uid, scope, since, calls, in_flight,
             bytes_in, bytes_out, unsent, (kept, defaulted), (resumed, defaulted),
             (detached, defaulted))
TENON_STRUCT(stream_direction, connection, stream, member, kind, direction, passed, lost, position,
             waiting, credit, (paused, defaulted))
TENON_STRUCT(limits, depth, connections, connections_per_peer, setup_time, stall_time,
             calls_per_connection, unsent, unsent_time, message, setup, reassembly_per_connection,
             reassembly, accept_pause)

/// Who serves.
struct server_info {
    /// 12 hex digits, different for every server object that ever ran.
    std::string instance;
    std::int64_t pid = 0;
    std::uint32_t uid = 0;
    std::string host;
    /// Of the library, and of what it speaks.
    std::string version;
    std::uint32_t wire = 0;
    std::chrono::system_clock::time_point started;
    std::chrono::nanoseconds uptime{0};
    std::vector<std::string> endpoints;
    tenon::limits limits;
};
TENON_STRUCT(server_info, instance, pid, uid, host, version, wire, started, uptime, endpoints,
             limits)

/// One service of a server.
struct service_summary {
    std::string publisher;
    std::string service;
    std::string version;
    std::string instance;
    /// "process", "os", "lan", "wan"
    std::vector<std::string> seen;
    /// False: published without control, and so nothing but the above is told.
    bool control = true;
    std::string doc;
    /// Of the manifest.
    std::string hash;
};
TENON_STRUCT(service_summary, publisher, service, version, instance, seen, control, doc, hash)

/// What a server notices of itself.
struct server_event {
    /// "watching": the first one; what happens from here on is told. "going_away": the last one,
    /// because the server stops. "slow": the rest says what.
    std::string what;
    std::chrono::system_clock::time_point at;
    std::string instance;
    /// A method that has held its event loop, if neither of the next two is there;
    /// "publisher/service.member".
    std::string member;
    /// With `member` and `stream`: a stream whose receiver does not keep up, so that values are
    /// dropped; without: a connection whose client does not take what is sent.
    std::optional<std::uint64_t> connection;
    std::optional<std::uint32_t> stream;
    /// For people.
    std::string note;
};
TENON_STRUCT(server_event, what, at, instance, (member, defaulted), (connection, defaulted),
             (stream, defaulted), (note, defaulted))

struct control {
    method<value(value)> ping;
    method<server_info()> info;
    method<std::vector<service_summary>(std::string)> list;
    /// Of "publisher/service", for tenon::manifest::from(); nil if its hash is `if_not`. A service
    /// published without control is `unsupported`.
    method<value(std::string, std::string)> manifest;
    method<server_stats(std::string)> stats;
    /// `denied` unless the caller is in the server's process, or has a Unix socket and is root or
    /// the server's user.
    method<std::vector<connection_stats>()> connections;
    /// Of members that match, on all connections. `denied` as above.
    method<std::vector<stream_direction>(std::string)> streams;
    /// What operators do to a stream, named by stream_direction::connection and ::stream. `not_found`
    /// if it is not open, `denied` as above. A paused one goes on as if nobody took its values, in
    /// both directions, until it is resumed. One that is closed ends as `cancelled` on both sides.
    method<void(std::uint64_t, std::uint32_t)> pause;
    method<void(std::uint64_t, std::uint32_t)> resume;
    method<void(std::uint64_t, std::uint32_t)> close;
    /// Events of services that match, from now on. Methods that are slow are told at most twice a
    /// minute each, connections and streams, which are for callers as above, once a second. Of a
    /// receiver that does not keep up the newest 64 wait; how many older ones were dropped is a gap.
    /// A server that stops says so and ends the stream; without time to drain it may not get there.
    source<server_event(std::string)> watch;
    /// The least level that is logged, after setting it if one is given, which is `denied` as
    /// above. It is that of the server's runtime.
    method<std::string(std::optional<std::string>)> log_level;

    /// Prometheus' text format 0.0.4; see docs/operate.md.
    method<std::string()> metrics;

    TENON_API static void describe(description<control>& d);
};
TENON_INTERFACE(control, "tenon", "control", "1.0.0", (ping, v), info, (list, pattern),
                (manifest, service, if_not), (stats, pattern), connections, (streams, pattern),
                (pause, connection, stream), (resume, connection, stream),
                (close, connection, stream), (watch, pattern), (log_level, level), metrics)

}  // namespace tenon::inline v0
