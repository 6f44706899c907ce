// tenon_bench_peers: the bench program with other systems beside Tenon.

#include <cstdio>
#include <cstdlib>

#include "bench.hpp"
#include "peers.hpp"

int main(int argc, char** argv) {
    std::vector<bench::suite> suites = bench::make_suites();
    suites.push_back(bench::make_peers_suite());
    const int status = bench::run_bench({argv + 1, argv + argc}, suites);
    std::fflush(nullptr);
    std::_Exit(status);
}
