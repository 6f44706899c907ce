#pragma once
// The bench program: its suites, and a run of some of them.

#include <string>
#include <vector>

#include "harness.hpp"

namespace bench {

/// Floors and Tenon.
std::vector<suite> make_suites();

/// Measures what the arguments ask for, which may be a part that another process started. Gives the
/// exit code.
int run_bench(const std::vector<std::string>& arguments, const std::vector<suite>& suites);

/// The suite `codecs`, which compares codecs with each other instead of with floors. Gives the exit
/// code.
int run_codecs(const std::vector<std::string>& arguments);

}  // namespace bench
