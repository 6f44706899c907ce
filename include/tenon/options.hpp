#pragma once
// Options of calls, clients and servers. Structs are extended at the end only; every default is
// what most users want.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tenon/codec.hpp"
#include "tenon/limits.hpp"
#include "tenon/priority.hpp"
#include "tenon/runtime.hpp"
#include "tenon/scope.hpp"

namespace tenon::inline v0 {

class cancellation;

/// How one call is made.
struct call_options {
    /// Longest time until the call returns; negative: as the client says; zero: no limit.
    /// Inside a handler a call never outlasts the deadline of the call being served. Of a stream:
    /// for all of it, from its opening to its end; negative: no limit.
    std::chrono::milliseconds timeout{-1};
    /// Gives the call up from another thread: it returns `cancelled`. Must outlive the call; of a
    /// stream, its end and its handles.
    tenon::cancellation* cancel = nullptr;
    /// How it waits beside others, here and at the server; none: as the method's description says.
    std::optional<tenon::priority> priority{};
};

/// How a client connects and calls.
struct client_options {
    /// Default of call_options::timeout; zero: no limit.
    std::chrono::milliseconds timeout{0};
    /// Longest time for opening a connection.
    std::chrono::milliseconds connect_timeout{5000};
    /// Repetitions of an `idempotent` method after `unavailable` or `overloaded`: 0 none,
    /// -1 until the call's deadline. Besides, a blocking call with at most 4 KiB of arguments that
    /// found its connection broken, and so surely did not run, is repeated once.
    int retries = 0;
    /// Wait before the n-th attempt to connect again: first · 2^n up to last, with jitter.
    std::chrono::milliseconds backoff_first{10};
    std::chrono::milliseconds backoff_last{2000};
    /// A connection without an answer to its keep-alives for `keepalive_lifetime` is dead.
    std::chrono::milliseconds keepalive_interval{20'000};
    std::chrono::milliseconds keepalive_lifetime{90'000};
    /// Codec of arguments and results, where the method does not declare one.
    tenon::codec codec = tenon::codec::msgpack;
    /// Where loops, pool and clock come from; null: runtime::process().
    tenon::runtime* runtime = nullptr;
    tenon::limits limits{};
    /// Users (uids) whose servers are trusted at Unix endpoints, by what the kernel says of them;
    /// others are `denied`. Empty: any.
    std::vector<std::uint32_t> owners{};
    /// Use shared memory with servers at `unix:` endpoints that offer it and are of the same user.
    bool shared_memory = true;
    /// Sends and takes codec `marshal` over the network (TCP), too, where it is refused otherwise:
    /// whoever can write to the connection is believed.
    bool force_insecure_serialisation = false;
    /// Go on over another connection when one is lost: calls and streams that are under way wait for
    /// it, for `limits.resume_time` at most, and nothing is lost or comes twice. What was sent is
    /// kept until the server has acknowledged it, up to `limits.retention`. Not over shared memory.
    bool resume = false;
};

/// How a server accepts and serves.
struct server_options {
    /// Allows TCP beyond loopback without TLS.
    bool insecure = false;
    /// Users and groups admitted on Unix sockets besides the server's own user and root.
    std::vector<std::uint32_t> allow_uids{};
    std::vector<std::uint32_t> allow_gids{};
    /// How long stop() waits for calls in flight.
    std::chrono::milliseconds drain{5000};
    /// Refuse struct members that the handler's types do not know.
    bool refuse_unknown_members = false;
    /// Where loops, pool and clock come from; null: runtime::process().
    tenon::runtime* runtime = nullptr;
    tenon::limits limits{};
    /// Group and mode of the sockets at Unix paths, those in the runtime directory included, whose
    /// directories get matching search and read permission. They also admit: group write the
    /// members of `group` (default: the process's group), other write everybody.
    std::optional<std::uint32_t> group{};
    unsigned mode = 0600;
    /// Let clients of the same user come over shared memory.
    bool shared_memory = true;
    /// Serves codec `marshal` over the network (TCP), too; see client_options.
    bool force_insecure_serialisation = false;
};

/// How one service is offered.
struct publish_options {
    /// From where it is seen. Calls that come from elsewhere get `not_found`.
    scopes seen = scope::all;
    /// Whether tenon/control tells of it: manifest, stats, operations.
    bool control = true;
};

}  // namespace tenon::inline v0
