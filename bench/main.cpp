// tenon_bench: measures Tenon against the floors of this machine, in three placements.

#include <cstdio>
#include <cstdlib>

#include "bench.hpp"

int main(int argc, char** argv) {
    // A part ends here: what it still has in flight is of no interest to anyone.
    const int status = bench::run_bench({argv + 1, argv + argc}, bench::make_suites());
    std::fflush(nullptr);
    std::_Exit(status);
}
