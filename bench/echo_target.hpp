#pragma once
// Tenon's side of the bench: the echo service, and how it is reached over each transport.

#include <functional>
#include <memory>
#include <string>

#include "../examples/echo.hpp"
#include "harness.hpp"
#include "tenon/client.hpp"
#include "tenon/server.hpp"

namespace bench {

/// The spelling a server listens at, fresh for this process: "inproc", "unix" or "tcp".
std::string tenon_endpoint(const std::string& transport);

/// Runs a configured server at that endpoint until the process is killed.
void serve_until_killed(tenon::server& server, const std::string& transport,
                        const target::announce& ready);

/// Fills in `echo` and `plus`.
void implement(example::echo& e);

/// For "inproc": a server in this process, which `endpoint` then names. Else null.
std::unique_ptr<tenon::server> local_echo_server(const cell& what, std::string& endpoint);

/// For a client of that transport.
tenon::client_options options_for(const std::string& transport);

template <class Contract>
void wait_for(tenon::stub<Contract>& client) {
    if (!client.wait_ready(std::chrono::seconds(5))) fail("cannot connect");
}

/// A connected client.
tenon::stub<example::echo> connect_echo(const cell& what, const std::string& endpoint);

/// Ends the process if a call has failed.
template <class T>
void need(const tenon::result<T>& reply) {
    if (!reply) fail("a call failed: " + std::string(reply.error().message()));
}

/// The suites.
suite make_rpc_suite();
suite make_plus_suite();
suite make_large_suite();
suite make_streams_suite();
suite make_spin_suite();
suite make_mixed_suite();
suite make_priority_suite();
suite make_discover_suite();
suite make_connections_suite();
suite make_loops_suite();

}  // namespace bench
