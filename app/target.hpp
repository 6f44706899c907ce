#pragma once
// Where a command's calls go: a service by its name, one instance of it, or an endpoint; how long
// they may take, and what to advise when they fail.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "names.hpp"
#include "tenon/client.hpp"

namespace cli {

/// Options of every command that talks to a server.
struct target_options {
    std::vector<std::string> at;
    std::string instance;
    std::chrono::milliseconds timeout{0};  ///< zero: no limit
    tenon::codec codec = tenon::codec::json;
    bool json = false;
    bool shared_memory = false;  ///< use it where it is offered: worth its set-up for many calls

    void add_to(command_line& line, bool with_codec);
    /// The endpoint of --at, if it is given. Throws usage_error if it is given twice.
    std::optional<std::string> endpoint() const;
};

/// One end of calls.
struct target {
    std::string text;  ///< as the user may know it: "example/echo" or an endpoint
    bool by_name = false;
    tenon::client client;
};

/// What --at says, or else the service of that name, of which --instance may choose one. Nothing is
/// printed, and nobody needs to be there. Throws usage_error.
target open_target(const service_name& name, const target_options& options);
/// An endpoint. Throws usage_error if it cannot be called from here.
target open_endpoint(const std::string& endpoint, const target_options& options);

/// What the user can do about it; may be empty. `about` is the target's text.
std::string advice(const tenon::error& e, const target& to, const target_options& options);

/// The names of services that run here, each once.
std::vector<std::string> running_services();
/// "nothing runs here; looked in /run/tenon" or so.
std::string nobody_serves(const std::string& name, const std::string& instance);

}  // namespace cli
