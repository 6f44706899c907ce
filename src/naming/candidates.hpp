#pragma once
// candidates: who offers one service, by a look at the process table and the runtime directories.

#include <string>
#include <vector>

#include "rpc/runtime_core.hpp"
#include "tenon/discover.hpp"

namespace tenon::inline v0::naming {

struct service_name {
    std::string publisher;
    std::string service;

    /// Throws failure(invalid).
    static service_name parse(std::string_view text);
    std::string text() const { return publisher + "/" + service; }
};

/// One instance that may serve, not yet asked.
struct candidate {
    std::string id;
    std::string endpoint;
    bool local = false;  // in this process
    std::string base;    // the runtime directory it was found in; empty for local ones
};

/// The candidates of the nearest scope that has any, without those that were `tried`. Those in the
/// wrong hands or of the wrong instance are left out; dead ones are not.
std::vector<candidate> find_candidates(detail::runtime_core& runtime, const service_name& name,
                                       const discover_options& options,
                                       const std::vector<std::string>& tried);

/// False for one that is known to be dead; its files are cleaned up then.
bool may_live(const candidate& c, const service_name& name);

}  // namespace tenon::inline v0::naming
