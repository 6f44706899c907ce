#pragma once
// What the commands that call a method have in common: its arguments, its result, and whether the
// server's manifest takes them.

#include <string>
#include <vector>

#include "target.hpp"

namespace cli {

/// The words behind the route, understood.
struct call_arguments {
    tenon::value list;     ///< array: by position; map: by name
    tenon::bytes encoded;  ///< the same for the wire
    /// Words that look like JSON but are not, and were taken as strings.
    std::vector<std::string> doubtful;
};

/// Reads files and stdin as the words say. Throws usage_error.
call_arguments read_arguments(std::span<const std::string> words, tenon::codec codec);

/// All of a file, or of stdin if it is "-". Throws usage_error.
std::string read_source(const std::string& name);

/// The result in JSON, or nothing for nil. Raw: a string of base64.
tenon::result<tenon::value> decode_result(tenon::codec codec, const tenon::bytes& encoded);

/// advice() of target.hpp, and more where it is about the arguments.
std::string advice(const tenon::error& e, const target& to, const target_options& options,
                   const call_arguments& arguments);

/// The part of the help on ARGS.
extern const char* const argument_help;

}  // namespace cli
