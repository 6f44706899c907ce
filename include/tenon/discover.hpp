#pragma once
// Finding services by name: in this process, then on this machine.
//
//     auto m = tenon::discover<math>();
//     int x = m.plus(10, 20);
//
// A server publishes under the names of its contracts by itself; see publish_options::seen. There
// is no daemon: on a machine the names are files in a runtime directory, docs/operate.md.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenon/client.hpp"
#include "tenon/scope.hpp"

namespace tenon::inline v0 {

/// Which of several instances a call goes to, among those of the nearest scope that has any.
enum class choice : std::uint8_t {
    random,            ///< any one, and then the same as long as it can be reached
    round_robin,       ///< one after the other
    least_outstanding  ///< the one with the fewest calls of this client under way
};

/// How a service is looked for.
struct discover_options {
    /// How long discover() waits for a first instance; zero: not at all.
    std::chrono::milliseconds wait{0};
    tenon::choice choice = tenon::choice::random;
    /// This instance and no other; empty: any.
    std::string instance{};
    /// Users (uids) whose servers are trusted; empty: whoever may write in the runtime directory.
    /// Root is not implied, servers in this process are.
    std::vector<std::uint32_t> owners{};
    /// Where to look.
    tenon::scopes scopes = scope::all;
    client_options client{};
};

/// A client of whoever serves "publisher/service". Calls go to an instance of the nearest scope, and
/// on to another one if they surely did not run; so a server that stops or dies is forgotten at
/// once, and one that comes is found. Calls by name go there as well, whatever service they name.
///
/// Like connect() it succeeds whether or not anybody serves: calls are `unavailable` until somebody
/// does. With `wait` it throws failure(unavailable) if nobody has come after that time. Throws
/// failure(invalid) for a misspelt name.
TENON_API client discover(std::string_view name, const discover_options& options = {});

template <class Contract>
stub<Contract> discover(const discover_options& options = {}) {
    const detail::contract_info& contract = detail::contract_of<Contract>();
    return stub<Contract>(discover(contract.publisher + "/" + contract.service, options));
}

/// One server's offer of one service.
struct instance {
    std::string publisher;
    std::string service;
    std::string id;                      ///< 12 hex digits; the same for all services of a server
    scopes seen;                         ///< from where it may be called
    std::vector<std::string> endpoints;  ///< nearest first
    std::string version;
    std::string hash;  ///< of the manifest; empty if it is published without control
    std::int64_t pid = 0;
    std::uint32_t uid = 0;  ///< the owner of its socket
    std::string started;    ///< RFC 3339, UTC

    friend bool operator==(const instance&, const instance&) = default;
};

/// What list() and watch() look for.
struct list_options {
    /// Where to look.
    tenon::scopes scopes = scope::all;
    /// As discover_options::owners.
    std::vector<std::uint32_t> owners{};
    /// Null: runtime::process().
    tenon::runtime* runtime = nullptr;
};

/// The living instances of services that match `pattern`, such as "demo/*" or "*", sorted by
/// publisher, service and id. In "publisher/service" `*` stands for any characters, `?` for one.
/// An instance that can be reached in the process and on the machine is told of once. What this
/// user may not reach is left out, and so is tenon/control, which every server has.
TENON_API std::vector<instance> list(std::string_view pattern = "*",
                                     const list_options& options = {});

/// The runtime directories that names are looked for in, in this order; some may not exist. Null:
/// those of runtime::process().
TENON_API std::vector<std::string> name_directories(const runtime* r = nullptr);

enum class presence : std::uint8_t { arrived, left };

/// As long as it lives, watch() goes on.
class TENON_API watching {
public:
    watching() noexcept;
    watching(watching&&) noexcept;
    watching& operator=(watching&&) noexcept;
    /// stop()
    ~watching();

    /// Afterwards the callback does not run, and will not, unless this is called by the callback
    /// itself: then it is the last time.
    void stop() noexcept;

    // For the library.
    class state;
    explicit watching(std::shared_ptr<state> s) noexcept;

private:
    std::shared_ptr<state> state_;
};

/// Tells of instances that match `pattern` as they come and go; those that are there already arrive
/// first. The callback runs on a thread that the watch starts, one call at a time, must not throw,
/// and may take its time: what has come and gone meanwhile is not told. A killed server is noticed
/// within about 10 ms. Throws failure(overloaded) if the system has no more inotify instances
/// (fs.inotify.max_user_instances).
[[nodiscard]] TENON_API watching watch(std::string_view pattern,
                                       std::function<void(presence, const instance&)> callback,
                                       const list_options& options = {});

}  // namespace tenon::inline v0
