#pragma once
// What the commands that call have in common: where to, which method, with what, how long, and what
// to advise when it fails.

#include <chrono>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "tenon/client.hpp"

namespace cli {

/// Options of every command that talks to a server.
struct target_options {
    std::vector<std::string> at;
    std::chrono::milliseconds timeout{0};  ///< zero: no limit
    tenon::codec codec = tenon::codec::json;
    bool json = false;

    void add_to(command_line& line, bool with_codec);
    /// The one endpoint. Throws usage_error unless exactly one was given.
    const std::string& endpoint() const;
};

/// A client that says nothing on its own. Throws usage_error for an endpoint that cannot be called.
tenon::client open(const std::string& endpoint, const target_options& options);

/// The words behind the route, understood.
struct call_arguments {
    tenon::value list;     ///< array: by position; map: by name
    tenon::bytes encoded;  ///< the same for the wire
    /// Words that look like JSON but are not, and were taken as strings.
    std::vector<std::string> doubtful;
};

/// "publisher/service.method". Throws usage_error.
void check_route(const std::string& route);

/// Reads files and stdin as the words say. Throws usage_error.
call_arguments read_arguments(std::span<const std::string> words, tenon::codec codec);

/// The result in JSON, or nothing for nil. Raw: a string of base64.
tenon::result<tenon::value> decode_result(tenon::codec codec, const tenon::bytes& encoded);

/// What the user can do about it; may be empty.
std::string advice(const tenon::error& e, const std::string& endpoint,
                   const target_options& options, const call_arguments* arguments);

/// The part of the help on ARGS.
extern const char* const argument_help;

}  // namespace cli
