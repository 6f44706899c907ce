#pragma once
// Other systems, measured like Tenon: the same echo, the same processes, placements and counting.

#include <functional>
#include <memory>
#include <string>
#include <span>
#include <vector>

#include "harness.hpp"

namespace bench {

using bytes_view = std::span<const std::byte>;

/// The client's side of a peer, with one connection.
class caller {
public:
    virtual ~caller() = default;
    /// One echo. The reply stays readable until the next call.
    virtual bytes_view call(bytes_view payload) = 0;
    /// Keeps that many calls in flight until the run is over, then waits for the last of them.
    virtual void pipeline(bytes_view payload, unsigned outstanding, lane& calls) = 0;
};

/// A peer is a target that makes callers.
class peer : public target {
public:
    explicit peer(std::string_view name) : name_(name) {}
    std::string_view name() const override { return name_; }
    void drive(const cell& what, const std::string& endpoint, run& r) override;

private:
    virtual std::unique_ptr<caller> connect(const cell& what, const std::string& endpoint) = 0;

    std::string_view name_;
};

/// Ends the process unless the reply is what was sent.
void check_reply(bytes_view payload, bytes_view reply);

/// A path for a socket of this process, in the directory of this run.
std::string socket_path(std::string_view name);
/// A loopback port that nobody has at the moment.
std::string free_port();

/// Starts a program, which dies with this process; -1 leaves a descriptor as it is.
pid_t start_program(const std::vector<std::string>& command, int input = -1, int output = -1,
                    int errors = -1);

/// gRPC with its synchronous or its completion-queue server; the client is synchronous for one call
/// in flight and has a completion queue for more.
std::unique_ptr<target> make_grpc_peer(bool async);
/// Cap'n Proto RPC, an event loop on either side.
std::unique_ptr<target> make_capnp_peer();
/// ZeroMQ: REQ and REP, for more calls in flight DEALER and ROUTER.
std::unique_ptr<target> make_zeromq_peer();
/// nng: REQ and REP, for more calls in flight a context for each.
std::unique_ptr<target> make_nng_peer();
/// D-Bus by sdbus-c++, over a bus of its own, whose CPU time is counted.
std::unique_ptr<target> make_sdbus_peer();
/// Redis: PING with a payload, from a minimal blocking client; for more calls in flight from
/// redis-benchmark -P.
std::unique_ptr<target> make_redis_peer();

suite make_peers_suite();

}  // namespace bench
