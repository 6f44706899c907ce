#pragma once
// Serves tenon/control (tenon/control.hpp) for one server.

#include <string_view>

#include "tenon/scope.hpp"
#include "tenon/stats.hpp"

namespace tenon::inline v0::rpc {

class server_core;

/// While the server is being configured. Throws failure.
void publish_control(server_core& server);

/// Who asks what a server has counted.
struct observer {
    scopes from{};          // tells of what is seen from all of these
    bool is_owner = false;  // also of services published without control
};
server_stats status_of(const server_core& server, std::string_view pattern, observer who);

}  // namespace tenon::inline v0::rpc
