#pragma once
// Manifests: of a service that runs, and from files.

#include <optional>
#include <string>
#include <vector>

#include "interruption.hpp"
#include "request.hpp"
#include "target.hpp"
#include "tenon/manifest.hpp"

namespace cli {

/// Asks the server. Errors: those of calls; `unsupported` if it does not tell.
tenon::result<tenon::manifest> ask_for_manifest(target& to, const service_name& name,
                                                std::chrono::milliseconds timeout,
                                                interruption& interrupt);

/// A manifest, or the exit code of a command that has already said why there is none.
struct found_manifest {
    std::optional<tenon::manifest> manifest;
    int exit = 0;
    explicit operator bool() const { return manifest.has_value(); }
};

inline constexpr std::chrono::milliseconds manifest_timeout{5000};

/// Of a service that runs, if `word` has the form of its name, else of a file; "-" is stdin. With
/// --at the name is asked for there.
found_manifest find_manifest(const std::string& word, const target_options& options,
                             interruption& interrupt);
/// The same for a command whose only word it is; adds the target's options to `line`.
found_manifest read_one_manifest(command_line& line, target_options& options, arguments args,
                                 interruption& interrupt);

/// Whether a request fits what the service says of itself.
struct fit {
    /// It does not, as has been reported, or the command was interrupted.
    std::optional<int> exit;
    /// The server tells what it knows, and this service is not among that.
    bool is_unknown = false;
};
/// Asks the server for the manifest, which need not be there. Not for codec raw. `command` is the one
/// that makes the request: "call", "subscribe", …
fit check_request(target& to, const service_name& name, const target_options& options,
                  const call_arguments& given, interruption& interrupt, const std::string& command);

/// Where a manifest describes methods, and the service's own control operations.
inline constexpr const char* member_sections[]{"members", "operations"};

/// The members, in their order; operations behind methods.
std::vector<std::string> members_of(const tenon::manifest& m);
/// A method's description, or null.
const tenon::value* find_member(const tenon::value& manifest, std::string_view name);
/// The command of this program that is for such members: "call", "subscribe", …
std::string_view command_for(const tenon::value& member);
/// The parameters' names.
std::vector<std::string> params_of(const tenon::value& member);

/// What to do if a server does not give its manifest.
std::string advice_manifest(const tenon::error& e, target& to, const service_name& name,
                            const target_options& options);
/// What to do about a member that there is not.
std::string advice_member(const tenon::manifest& m, const service_name& name);
/// What to do about arguments that do not fit.
std::string advice_arguments(const tenon::manifest& m, const service_name& name);

}  // namespace cli
