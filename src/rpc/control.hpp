#pragma once
// Serves tenon/control (tenon/control.hpp) for one server.

#include <string_view>
#include <vector>

#include "tenon/scope.hpp"
#include "tenon/stats.hpp"

namespace tenon::inline v0::rpc {

class method_entry;
class server_core;

/// Of the product, "1.2.3".
std::string_view library_version() noexcept;

/// While the server is being configured. Throws failure.
void publish_control(server_core& server);

/// Who asks what a server has counted.
struct observer {
    scopes from{};          // tells of what is seen from all of these
    bool is_owner = false;  // also of services published without control
};
/// Published without control.
bool is_hidden(const server_core& server, std::string_view service);
/// The methods of services that match and that are told of to such an observer.
std::vector<const method_entry*> methods_for(const server_core& server, std::string_view pattern,
                                             observer who);
server_stats status_of(const server_core& server, std::string_view pattern, observer who);

}  // namespace tenon::inline v0::rpc
