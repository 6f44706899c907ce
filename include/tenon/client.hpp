#pragma once
// client: calls services at one endpoint. connect<Contract>() gives the contract struct back,
// callable.
//
//     auto m = tenon::connect<math>("unix:/run/demo/math.sock");
//     int x = m.plus(10, 20);

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenon/contract.hpp"
#include "tenon/options.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0 {

class manifest;  // tenon/manifest.hpp

namespace rpc {
class client_core;
}  // namespace rpc

/// A handle; copies share one connection. Thread-safe. When the last copy (stubs and bound methods
/// count as copies) is gone, calls under way end as `cancelled`.
class TENON_API client {
public:
    /// See connect().
    explicit client(std::string_view endpoint, const client_options& options = {});

    /// Waits until connected. Errors: why it is not, once the time is over.
    result<void> wait_ready(std::chrono::milliseconds timeout);
    bool is_connected() const;

    /// Where it connects to.
    const std::string& endpoint() const noexcept;

    /// Calls a method by its name, "publisher/service.method", without a contract. The arguments
    /// are positional; throws failure.
    ///     int n = client.call("demo/math.plus", 10, 20).as<int>();
    template <class... Args>
    value call(std::string_view route, const Args&... args) {
        value list(value::array{to_value(args)...});
        return std::move(try_call(route, list)).value();
    }

    /// The same with the argument list as one value: an array is positional, a map by name.
    result<value> try_call(std::string_view route, const value& arguments,
                           const call_options& options = {});

    /// The same with encoded arguments and an encoded result. Codec raw: the bytes of the one
    /// parameter.
    result<bytes> try_call_encoded(std::string_view route, codec c, bytes_view arguments,
                                   const call_options& options = {});

    /// Fire-and-forget: returns when the request has been handed to the connection. No result, and
    /// no word of failures on the server. In process it returns when the handler has, with its error.
    result<void> send(std::string_view route, const value& arguments);

    /// Asks the server for the manifest of a service, "publisher/service", and keeps it: from then on
    /// call(), try_call() and send() to that service are checked against it before anything is
    /// sent, and fail with `invalid` or `unsupported` if they do not fit. A call that does not fit
    /// makes the client ask once more, in case the service has changed. Copies of the client share
    /// what is kept. Errors: `not_found`; `unsupported` if the service is published without
    /// control, or the server is too old or not Tenon's.
    result<tenon::manifest> manifest(std::string_view service, const call_options& options = {});

    /// For connect<>(): what the methods of a contract call.
    std::vector<detail::binding> bind(const detail::contract_info& contract) const;

    // For the library.
    explicit client(std::shared_ptr<rpc::client_core> core) noexcept : core_(std::move(core)) {}
    rpc::client_core& core() const noexcept { return *core_; }

private:
    template <class T>
    static value to_value(const T& v) {
        if constexpr (std::is_convertible_v<const T&, value>) return v;
        else return value::from(v);
    }

    std::shared_ptr<rpc::client_core> core_;
};

/// A contract struct bound to a client. Copies call the same client.
template <class Contract>
class stub : public Contract {
public:
    explicit stub(client c) : client_(std::move(c)) {
        const std::vector<detail::binding> bindings = client_.bind(detail::contract_of<Contract>());
        detail::contract_visitor<Contract> v{*this, nullptr, &bindings};
        tenon_interface(v);
    }

    /// For calls by name on the same connection.
    tenon::client& handle() noexcept { return client_; }
    result<void> wait_ready(std::chrono::milliseconds timeout) {
        return client_.wait_ready(timeout);
    }

private:
    tenon::client client_;
};

/// A client of the services at `endpoint`: "unix:/path", "unix:@name", "tcp://host:port" or
/// "inproc:name". Never waits, and succeeds whether or not anybody is there: it begins to connect,
/// and calls connect again as needed. Throws failure(invalid) for a misspelt endpoint.
TENON_API client connect(std::string_view endpoint, const client_options& options = {});

template <class Contract>
stub<Contract> connect(std::string_view endpoint, const client_options& options = {}) {
    return stub<Contract>(connect(endpoint, options));
}

}  // namespace tenon::inline v0
