#pragma once
// The sub-commands of the tenon program, one file each.

#include <span>
#include <string>

namespace cli {

class interruption;

/// The words behind the sub-command's name.
using arguments = std::span<const std::string>;

// Each gives the exit code of the program; throws help_wanted, usage_error, output_error and
// tenon::failure.
int call(arguments, interruption&);
int ping(arguments, interruption&);
int bench(arguments, interruption&);

}  // namespace cli
