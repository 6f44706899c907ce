#pragma once
// listing: the living instances that match a pattern, by a look at the process table and the
// runtime directories.

#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "naming/directory.hpp"
#include "rpc/runtime_core.hpp"
#include "tenon/discover.hpp"

namespace tenon::inline v0::naming {

/// Publisher, service, id.
using instance_key = std::tuple<std::string, std::string, std::string>;
using instances = std::map<instance_key, instance>;

/// Calls `visit` with the publishers and services that have a directory in `base` and match.
/// `publisher_seen`, if any, is called for each publisher's directory that may hold some.
void for_each_service(
    const open_directory& base, std::string_view pattern,
    const std::function<void(const open_directory& publisher)>& publisher_seen,
    const std::function<void(const open_directory& d, const std::string& publisher,
                             const std::string& service)>& visit);

/// The descriptions of those in `known` are not read again.
instances scan(detail::runtime_core& runtime, std::string_view pattern, const list_options& options,
               const instances& known);

}  // namespace tenon::inline v0::naming
