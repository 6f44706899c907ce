#pragma once
// What the tests of streams share: a server and clients over one transport, and whether any stream is
// left on either side.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rpc/direct_client.hpp"
#include "rpc/test_support.hpp"
#include "tenon/control.hpp"
#include "tenon/stream_members.hpp"

namespace rpc_test {

/// A server of `Contract`, with a runtime; clients have their own, so that each side has its loop.
template <class Contract>
class stream_server {
public:
    explicit stream_server(std::string_view transport, tenon::runtime_options ro = test_runtime(),
                           tenon::server_options so = {})
        : runtime(ro), client_runtime(test_runtime()), is_local(transport == "inproc") {
        so.runtime = &runtime;
        server.emplace(so);
        members = &server->publish<Contract>();
        server->listen(fresh_endpoint(transport));
        if (!is_local) server->listen(fresh_endpoint("inproc"));
    }

    void start() {
        server->start();
        endpoint = server->endpoints().at(0);
        tenon::client_options o;
        o.runtime = &runtime;
        control.emplace(tenon::connect<tenon::control>(server->endpoints().back(), o));
    }
    tenon::stub<Contract> connect(tenon::client_options o = {}) {
        o.runtime = is_local ? &runtime : &client_runtime;
        return tenon::connect<Contract>(endpoint, o);
    }

    /// No handler runs any more.
    void stop() {
        control.reset();
        server.reset();
    }

    /// Streams and calls that are open on all connections.
    std::size_t open_on_server() {
        std::size_t n = 0;
        for (const auto& c : control->connections()) n += c.in_flight;
        return n;
    }
    /// The same of a client.
    static std::size_t open_on_client(tenon::stub<Contract>& c) {
        return static_cast<tenon::rpc::direct_client&>(c.handle().core()).async_calls();
    }
    /// Handlers that have not ended.
    std::size_t handlers() {
        std::size_t n = 0;
        for (const auto& m : control->stats("*").methods)
            if (!m.route.starts_with("tenon/")) n += m.in_flight;
        return n;
    }
    testing::AssertionResult all_ended(tenon::stub<Contract>& c) {
        if (eventually(
                [&] { return open_on_server() == 0 && open_on_client(c) == 0 && handlers() == 0; }))
            return testing::AssertionSuccess();
        return testing::AssertionFailure()
               << open_on_server() << " streams are left on the server, " << open_on_client(c)
               << " on the client, " << handlers() << " handlers";
    }

    tenon::runtime runtime;
    tenon::runtime client_runtime;
    const bool is_local;
    std::optional<tenon::server> server;
    Contract* members = nullptr;
    std::string endpoint;
    std::optional<tenon::stub<tenon::control>> control;
};

/// The code of what is thrown; nothing: nothing is.
template <class F>
std::optional<tenon::errc> code_thrown_by(F f) {
    try {
        f();
    } catch (const tenon::failure& e) {
        return e.error().code();
    }
    return std::nullopt;
}

inline constexpr const char* every_transport[] = {"inproc", "unix", "shm", "tcp"};

}  // namespace rpc_test
