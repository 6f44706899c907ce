#pragma once
// Instances of services as the commands show them.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "target.hpp"
#include "tenon/discover.hpp"
#include "tenon/value.hpp"

namespace cli {

struct listed {
    tenon::instance is;
    std::string doc;  ///< empty if unknown
};

/// What an instance on this machine says of itself, from the file beside its socket, without
/// asking it: a map, or nil. Its manifest is in "manifest".
tenon::value description_of(const tenon::instance& i);

/// With the documentation, if `closer`.
listed look_closer(const tenon::instance& i, bool closer);

/// What a server says that it offers.
tenon::result<std::vector<listed>> ask_server(target& to, const std::string& pattern,
                                              const tenon::call_options& how);

/// "polw", with '-' for a scope that it is not seen from.
std::string seen_mask(tenon::scopes s);
std::vector<std::string> seen_names(tenon::scopes s);

/// Since its start; nothing if it does not say when that was.
std::optional<std::chrono::seconds> uptime_of(const tenon::instance& i);
/// "12 s", "3 min", "5 h", "2 days"
std::string readable_span(std::chrono::seconds s);

}  // namespace cli
