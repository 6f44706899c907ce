#pragma once
// What INSTANCE.json says: a map of instance, pid, uid, started, scopes, endpoints and the manifest
// (publisher, name and version only if the service is published without control).

#include <optional>
#include <string>
#include <string_view>

#include "rpc/server_core.hpp"
#include "tenon/discover.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0::naming {

/// As this process sees it: the first endpoint is "inproc:INSTANCE".
instance describe(const rpc::server_core& server, const rpc::published_service& service);

/// As others see it. `own` is the endpoint of this service's socket.
value describe_for_others(const rpc::server_core& server, const rpc::published_service& service,
                          const std::string& own);

/// What a description says. Nothing if it is not one of this service and instance: whoever wrote it
/// may have written anything.
std::optional<instance> read_instance(const value& description, std::string_view publisher,
                                      std::string_view service, std::string_view id);

}  // namespace tenon::inline v0::naming
