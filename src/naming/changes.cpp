#include "naming/changes.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "naming/instance_files.hpp"
#include "naming/listing.hpp"

namespace tenon::inline v0::naming {
namespace {

// Directories that come, or become readable.
constexpr std::uint32_t of_directories =
    IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
// Sockets that come and go, and locks that end with their process.
constexpr std::uint32_t of_files =
    IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_ONLYDIR;

/// The directory that is open, without asking its path again.
std::string path_of(const open_directory& d) {
    return "/proc/self/fd/" + std::to_string(d.fd.get());
}

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == path.npos ? "." : path.substr(0, slash + 1);
}

}  // namespace

result<directory_changes> directory_changes::open(const std::string& configured) {
    directory_changes c;
    c.fd_.reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!c.fd_)
        return error(errc::overloaded, std::string("cannot watch the runtime directory: ") +
                                           strerrordesc_np(errno) +
                                           " (see fs.inotify.max_user_instances)");
    for (std::string& base : searched_directories(configured))
        c.bases_.push_back({std::move(base), -1});
    return c;
}

int directory_changes::watch(const std::string& path, std::uint32_t events) noexcept {
    // Watched already: nothing changes. Not allowed: nothing there concerns this user.
    return inotify_add_watch(fd_.get(), path.c_str(), events | IN_MASK_ADD);
}

void directory_changes::cover(std::string_view pattern) {
    for (base_directory& base : bases_) {
        auto root = open_base(base.path);
        if (!root) {
            // Made here if that is possible, because its parent may be as busy as /tmp.
            mkdir(base.path.c_str(), 0700);
            base.parent_watch = watch(parent_of(base.path), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
            root = open_base(base.path);
        }
        if (!root) continue;
        if (base.parent_watch >= 0) inotify_rm_watch(fd_.get(), base.parent_watch);
        base.parent_watch = -1;
        watch(path_of(*root), of_directories);
        for_each_service(
            *root, pattern,
            [&](const open_directory& publisher) { watch(path_of(publisher), of_directories); },
            [&](const open_directory& d, const std::string&, const std::string&) {
                watch(path_of(d), of_files);
            });
    }
}

directory_changes::seen directory_changes::drain() noexcept {
    seen s;
    alignas(inotify_event) std::array<char, 16384> buffer;
    for (;;) {
        const ssize_t n = ::read(fd_.get(), buffer.data(), buffer.size());
        if (n <= 0) return s;
        s.anything = true;
        for (ssize_t at = 0; at < n;) {
            const auto& e = *reinterpret_cast<const inotify_event*>(buffer.data() + at);
            if (e.len != 0 && (e.mask & IN_CLOSE_WRITE) != 0 &&
                std::string_view(e.name).ends_with(lock_extension))
                s.lock_closed = true;
            at += static_cast<ssize_t>(sizeof e) + e.len;
        }
    }
}

}  // namespace tenon::inline v0::naming
