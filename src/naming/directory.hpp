#pragma once
// The runtime directory: where servers of this machine leave their sockets, by name.
//
//     DIRECTORY/PUBLISHER/SERVICE/INSTANCE.lock   locked for writing as long as the server lives
//                                INSTANCE.json   what it is
//                                INSTANCE.sock   the last to come, and what makes it visible
//
// Everything here is opened relative to a directory that is open, and never through a symbolic link
// below DIRECTORY, so that whoever may write somewhere below it can only lead others to files of
// his own. Directories come and go with the instances in them.

#include <sys/stat.h>
#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "tenon/options.hpp"
#include "tenon/result.hpp"

namespace tenon::inline v0::naming {

/// Who besides the owner may see and reach what a server publishes.
struct sharing {
    bool with_group = false;
    bool with_all = false;
    gid_t group = 0;

    static sharing of(const server_options& options);

    bool any() const noexcept { return with_group || with_all; }
    /// Of a file that these people may read.
    mode_t file_mode() const noexcept { return with_all ? 0644 : with_group ? 0640 : 0600; }
};

/// Where this process publishes: `configured` (runtime_options::directory), else
/// $TENON_RUNTIME_DIR, else for root /run/tenon, else $XDG_RUNTIME_DIR/tenon, else /tmp/tenon-UID.
std::string own_directory(const std::string& configured);

/// Where this process looks: there first, and if nobody has told it where, also in /run/tenon, so
/// that users find what root serves.
std::vector<std::string> searched_directories(const std::string& configured);

/// A directory below the runtime directory, or itself, open for reading.
struct open_directory {
    base::unique_fd fd;
    uid_t base_owner = 0;  // of the runtime directory
};

/// Opens a runtime directory. Errors: `not_found`; `denied` if it is not to be trusted.
result<open_directory> open_base(const std::string& path);

/// Opens `name` in `parent`. Nothing if there is no such directory, or it cannot be read.
std::optional<open_directory> open_below(const open_directory& parent, std::string_view name);

/// Opens DIRECTORY/PUBLISHER/SERVICE for publishing: makes what is missing, and gives people that
/// it is shared with permission to enter and list. Errors: `denied`, `unavailable`.
result<open_directory> make_service_directory(const std::string& base, std::string_view publisher,
                                              std::string_view service, const sharing& with);

/// Removes DIRECTORY/PUBLISHER/SERVICE and DIRECTORY/PUBLISHER if they are empty.
void remove_empty_directories(const std::string& base, const std::string& publisher,
                              const std::string& service) noexcept;

/// Calls `visit(name)` for the entries of a directory, up to a limit that nobody needs but who
/// means harm.
void for_each_entry(const open_directory& d, const std::function<void(std::string_view)>& visit);

/// A file name that is an instance's, such as "0123456789ab.sock": its instance; else empty.
std::string_view instance_of(std::string_view file, std::string_view extension) noexcept;

/// Whether this is a name that may be published, and so the name of a directory.
bool is_directory_name(std::string_view name, bool publisher) noexcept;

}  // namespace tenon::inline v0::naming
