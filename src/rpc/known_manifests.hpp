#pragma once
// The manifests that a client has been asked to get, for checking calls by name before they go out.

#include <atomic>
#include <map>
#include <string>
#include <string_view>

#include "base/mutex.hpp"
#include "tenon/manifest.hpp"
#include "tenon/options.hpp"

namespace tenon::inline v0::rpc {

class client_core;

/// Thread-safe.
class known_manifests {
public:
    /// Asks the server, telling which one is known already.
    result<manifest> fetch(client_core& client, std::string_view service, const call_options& how);

    /// Whether the call fits the manifest, if there is one. Before it is refused the server is asked
    /// whether that has changed.
    result<void> check(client_core& client, std::string_view route, const value& arguments, codec c,
                       const call_options& how) {
        return check(client, route, arguments, c, how, &manifest::check_call);
    }
    /// The same for a stream that is opened.
    result<void> check_open(client_core& client, std::string_view route, const value& arguments,
                            codec c, const call_options& how) {
        return check(client, route, arguments, c, how, &manifest::check_open);
    }

private:
    using checking = result<void> (manifest::*)(std::string_view, const value&, codec) const;
    result<void> check(client_core& client, std::string_view route, const value& arguments, codec c,
                       const call_options& how, checking fits);
    std::optional<manifest> find(std::string_view service);

    std::atomic<bool> any_{false};
    base::mutex mutex_;  // guards all below
    std::map<std::string, manifest, std::less<>> by_service_;
};

}  // namespace tenon::inline v0::rpc
