#pragma once
// The sub-commands of the tenon program: one file each, and the list of them, which the help and
// the completion are made from.

#include <span>
#include <string>
#include <string_view>

namespace cli {

class interruption;

/// The words behind the sub-command's name.
using arguments = std::span<const std::string>;

/// What a word of a command line stands for; completion asks.
enum class word : unsigned char {
    none,
    command,
    shell,
    service,  ///< PUBLISHER/SERVICE
    member,   ///< PUBLISHER/SERVICE.METHOD
    source,   ///< PUBLISHER/SERVICE.SOURCE …
    sink,
    channel,
    name,             ///< either of them
    argument,         ///< of the method that was named before
    pattern,          ///< PUBLISHER/SERVICE with wildcards
    member_pattern,   ///< PUBLISHER/SERVICE.METHOD with wildcards
    service_or_file,  ///< a manifest
    log_level
};

enum class group : unsigned char { use, look, contracts, program, hidden };

struct command {
    const char* name;  ///< "call", "manifest diff"
    const char* summary;
    cli::group group;
    /// Gives the exit code of the program; throws help_wanted, usage_error, output_error and
    /// tenon::failure.
    int (*run)(arguments, interruption&);
    word first;  ///< its first word
    word rest;   ///< all further ones
};

/// In the order of the overview.
std::span<const command> all_commands();

/// The command that `args` begin with, and how many words its name has. Null if there is none.
const command* find_command(arguments args, std::size_t& words);

int call(arguments, interruption&);
int ping(arguments, interruption&);
int bench(arguments, interruption&);
int subscribe(arguments, interruption&);
int send(arguments, interruption&);
int chat(arguments, interruption&);
int list(arguments, interruption&);
int describe(arguments, interruption&);
int stats(arguments, interruption&);
int log_level(arguments, interruption&);
int control_streams(arguments, interruption&);
int control_pause(arguments, interruption&);
int control_resume(arguments, interruption&);
int control_close(arguments, interruption&);
int control_watch(arguments, interruption&);
int manifest_show(arguments, interruption&);
int manifest_diff(arguments, interruption&);
int manifest_hash(arguments, interruption&);
int gen_cpp(arguments, interruption&);
int gen_json_schema(arguments, interruption&);
int completion_script(arguments, interruption&);
int complete(arguments, interruption&);

}  // namespace cli
