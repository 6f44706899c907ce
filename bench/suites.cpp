#include "bench.hpp"
#include "echo_target.hpp"
#include "floors.hpp"

namespace bench {

std::vector<suite> make_suites() {
    std::vector<suite> out;
    out.push_back(make_floor_suite());
    out.push_back(make_rpc_suite());
    out.push_back(make_plus_suite());
    out.push_back(make_large_suite());
    out.push_back(make_streams_suite());
    out.push_back(make_spin_suite());
    out.push_back(make_mixed_suite());
    out.push_back(make_priority_suite());
    out.push_back(make_discover_suite());
    out.push_back(make_connections_suite());
    out.push_back(make_loops_suite());
    return out;
}

}  // namespace bench
