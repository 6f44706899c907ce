#include "naming/directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace tenon::inline v0::naming {
namespace {

constexpr std::string_view fallback_prefix = "/tmp/tenon-";
constexpr std::string_view system_directory = "/run/tenon";
constexpr mode_t enter_and_list = 05;

error cannot(const std::string& what, int e) {
    const errc code = e == ENOENT                               ? errc::not_found
                      : e == EACCES || e == EPERM || e == EROFS ? errc::denied
                      : e == EMFILE || e == ENFILE              ? errc::overloaded
                                                                : errc::unavailable;
    return error(code, what + ": " + strerrordesc_np(e));
}

std::string fallback_directory() {
    return std::string(fallback_prefix) + std::to_string(geteuid());
}

/// In /tmp anybody might have been first.
result<void> check_fallback(const std::string& path, const struct stat& s) {
    if (s.st_uid == geteuid() && (s.st_mode & 0022) == 0) return {};
    return error(errc::denied, path + " does not belong to this user alone; set TENON_RUNTIME_DIR");
}

/// Lets the people of `with` enter and list. Nothing is ever taken away.
result<void> share(int fd, const std::string& path, const sharing& with) {
    if (!with.any()) return {};
    struct stat s {};
    if (fstat(fd, &s) != 0) return cannot(path, errno);
    mode_t wanted = s.st_mode & 07777;
    bool change_group = false;
    if (with.with_group && s.st_gid == with.group) {
        wanted |= enter_and_list << 3;
    } else if (with.with_group && (s.st_mode & 070) == 0) {
        change_group = true;
        wanted |= enter_and_list << 3;
    } else if (with.with_group) {
        wanted |= enter_and_list;  // shared with another group: two need to enter
    }
    if (with.with_all) wanted |= enter_and_list | enter_and_list << 3;
    if (change_group && fchown(fd, static_cast<uid_t>(-1), with.group) != 0)
        return cannot("cannot share " + path + " with group " + std::to_string(with.group), errno);
    if (wanted != (s.st_mode & 07777) && fchmod(fd, wanted) != 0)
        return cannot("cannot share " + path, errno);
    return {};
}

result<base::unique_fd> make_below(const open_directory& parent, const std::string& name,
                                   const std::string& path, const sharing& with) {
    if (mkdirat(parent.fd.get(), name.c_str(), 0700) != 0 && errno != EEXIST)
        return cannot("cannot make directory " + path, errno);
    base::unique_fd fd(
        openat(parent.fd.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return cannot("cannot open directory " + path, errno);
    struct stat s {};
    if (fstat(fd.get(), &s) != 0) return cannot(path, errno);
    if (s.st_uid != geteuid() && s.st_uid != 0 && s.st_uid != parent.base_owner)
        return error(errc::denied, "directory " + path + " belongs to user " +
                                       std::to_string(s.st_uid) +
                                       ", who could take the place of "
                                       "any server in it");
    TENON_TRY(share(fd.get(), path, with));
    return fd;
}

result<open_directory> try_make(const std::string& base, const std::string& publisher,
                                const std::string& service, const sharing& with) {
    if (mkdir(base.c_str(), 0700) != 0 && errno != EEXIST)
        return cannot("cannot make the runtime directory " + base, errno);
    auto root = open_base(base);
    if (!root) return root;
    TENON_TRY(share(root->fd.get(), base, with));
    auto outer = make_below(*root, publisher, base + "/" + publisher, with);
    if (!outer) return std::move(outer).error();
    const open_directory parent{*std::move(outer), root->base_owner};
    auto inner = make_below(parent, service, base + "/" + publisher + "/" + service, with);
    if (!inner) return std::move(inner).error();
    return open_directory{*std::move(inner), root->base_owner};
}

}  // namespace

sharing sharing::of(const server_options& options) {
    constexpr unsigned group_write = 0020, other_write = 0002;
    sharing s;
    s.with_all = (options.mode & other_write) != 0 || !options.allow_uids.empty() ||
                 !options.allow_gids.empty();
    s.with_group = (options.mode & group_write) != 0;
    s.group = options.group ? *options.group : getegid();
    return s;
}

std::string own_directory(const std::string& configured) {
    return searched_directories(configured).front();
}

std::vector<std::string> searched_directories(const std::string& configured) {
    const auto from = [](const char* variable, const char* suffix) {
        const char* v = secure_getenv(variable);
        return v && *v ? std::string(v) + suffix : std::string();
    };
    std::string told = configured.empty() ? from("TENON_RUNTIME_DIR", "") : configured;
    while (told.size() > 1 && told.back() == '/') told.pop_back();
    if (!told.empty()) return {std::move(told)};
    if (geteuid() == 0) return {std::string(system_directory)};
    std::string own = from("XDG_RUNTIME_DIR", "/tenon");
    return {own.empty() ? fallback_directory() : std::move(own), std::string(system_directory)};
}

result<open_directory> open_base(const std::string& path) {
    const bool fallback = path == fallback_directory();
    open_directory d;
    d.fd.reset(
        open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | (fallback ? O_NOFOLLOW : 0)));
    if (!d.fd) return cannot("cannot open the runtime directory " + path, errno);
    struct stat s {};
    if (fstat(d.fd.get(), &s) != 0) return cannot(path, errno);
    if (fallback) TENON_TRY(check_fallback(path, s));
    d.base_owner = s.st_uid;
    return d;
}

std::optional<open_directory> open_below(const open_directory& parent, std::string_view name) {
    base::unique_fd fd(openat(parent.fd.get(), std::string(name).c_str(),
                              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return std::nullopt;
    return open_directory{std::move(fd), parent.base_owner};
}

result<open_directory> make_service_directory(const std::string& base, std::string_view publisher,
                                              std::string_view service, const sharing& with) {
    // Others remove a directory that they find empty, so it may go between two steps.
    constexpr int attempts = 100;
    for (int i = 1;; ++i) {
        auto made = try_make(base, std::string(publisher), std::string(service), with);
        if (made || made.error().code() != errc::not_found || i == attempts) return made;
    }
}

void remove_empty_directories(const std::string& base, const std::string& publisher,
                              const std::string& service) noexcept {
    const auto root = open_base(base);
    if (!root) return;
    if (const auto outer = open_below(*root, publisher))
        unlinkat(outer->fd.get(), service.c_str(), AT_REMOVEDIR);
    unlinkat(root->fd.get(), publisher.c_str(), AT_REMOVEDIR);
}

void for_each_entry(const open_directory& d, const std::function<void(std::string_view)>& visit) {
    constexpr int most = 100'000;
    const int copy = openat(d.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const stream = copy < 0 ? nullptr : fdopendir(copy);
    if (!stream) {
        if (copy >= 0) close(copy);
        return;
    }
    int n = 0;
    while (const dirent* e = readdir(stream)) {
        if (++n > most) break;
        const std::string_view name = e->d_name;
        if (name != "." && name != "..") visit(name);
    }
    closedir(stream);
}

std::string_view instance_of(std::string_view file, std::string_view extension) noexcept {
    constexpr std::size_t digits = 12;
    if (file.size() != digits + extension.size() || !file.ends_with(extension)) return {};
    const std::string_view id = file.substr(0, digits);
    return id.find_first_not_of("0123456789abcdef") == id.npos ? id : std::string_view();
}

bool is_directory_name(std::string_view name, bool publisher) noexcept {
    constexpr std::size_t longest = 64;
    const auto fits = [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || (publisher && c == '.');
    };
    return !name.empty() && name.size() <= longest && name != "." && name != ".." &&
           std::all_of(name.begin(), name.end(), fits);
}

}  // namespace tenon::inline v0::naming
