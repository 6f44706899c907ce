#include "naming/instance_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "transport/path_claim.hpp"

namespace tenon::inline v0::naming {
namespace {

// A manifest has at most 4 MiB and 64 levels.
constexpr std::size_t largest_description = std::size_t{5} << 20;
constexpr unsigned deepest_description = 70;

std::string file(std::string_view instance, std::string_view extension) {
    return std::string(instance).append(extension);
}

bool stat_at(const open_directory& d, const std::string& name, struct stat& s) noexcept {
    return fstatat(d.fd.get(), name.c_str(), &s, AT_SYMLINK_NOFOLLOW) == 0;
}

struct flock whole_file() noexcept {
    struct flock region {};
    region.l_type = F_WRLCK;
    region.l_whence = SEEK_SET;
    return region;
}

/// Removes a file of the right kind; others are somebody else's business.
void remove_if(const open_directory& d, const std::string& name, mode_t kind) noexcept {
    struct stat s {};
    if (stat_at(d, name, s) && (s.st_mode & S_IFMT) == kind) unlinkat(d.fd.get(), name.c_str(), 0);
}

}  // namespace

result<void> write_description(const open_directory& d, const std::string& instance,
                               const std::string& text, const sharing& with) {
    const std::string temporary = file(instance, ".tmp");
    const auto failed = [&](const char* step) {
        const int e = errno;
        unlinkat(d.fd.get(), temporary.c_str(), 0);
        return error(errc::unavailable, std::string("cannot write its description: ") + step +
                                            ": " + strerrordesc_np(e));
    };
    unlinkat(d.fd.get(), temporary.c_str(), 0);
    const base::unique_fd fd(openat(d.fd.get(), temporary.c_str(),
                                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return failed("open");
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return failed("write");
    if (with.with_group && fchown(fd.get(), static_cast<uid_t>(-1), with.group) != 0)
        return failed("set group");
    if (fchmod(fd.get(), with.file_mode()) != 0) return failed("set mode");
    if (renameat(d.fd.get(), temporary.c_str(), d.fd.get(),
                 file(instance, json_extension).c_str()) != 0)
        return failed("rename");
    return {};
}

std::optional<value> read_description(const open_directory& d, std::string_view instance) {
    const base::unique_fd fd(openat(d.fd.get(), file(instance, json_extension).c_str(),
                                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat s {};
    if (!fd || fstat(fd.get(), &s) != 0 || !S_ISREG(s.st_mode)) return std::nullopt;
    std::string text;
    std::array<char, 4096> chunk;
    for (;;) {
        const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
        if (n < 0) return std::nullopt;
        if (n == 0) break;
        text.append(chunk.data(), static_cast<std::size_t>(n));
        if (text.size() > largest_description) return std::nullopt;
    }
    decode_options limits;
    limits.max_depth = deepest_description;
    limits.max_memory = 8 * largest_description;
    auto parsed = parse_json(text, limits);
    if (!parsed) return std::nullopt;
    return *std::move(parsed);
}

std::optional<uid_t> owner_of(const open_directory& d, std::string_view instance) {
    struct stat s {};
    if (!stat_at(d, file(instance, socket_extension), s) || !S_ISSOCK(s.st_mode))
        return std::nullopt;
    return s.st_uid;
}

life look_at(const open_directory& d, std::string_view instance) noexcept {
    // Read-only, because closing a file that was open for writing is what observers take for the
    // end of a server.
    const base::unique_fd fd(openat(d.fd.get(), file(instance, lock_extension).c_str(),
                                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd) return life::unknown;
    struct flock region = whole_file();
    struct stat s {};
    if (fstat(fd.get(), &s) != 0 || !S_ISREG(s.st_mode) ||
        fcntl(fd.get(), F_OFD_GETLK, &region) != 0)
        return life::unknown;
    return region.l_type == F_UNLCK ? life::dead : life::lives;
}

void clean_up(const open_directory& d, std::string_view instance) noexcept {
    if (look_at(d, instance) != life::dead) return;
    const std::string lock = file(instance, lock_extension);
    const base::unique_fd fd(
        openat(d.fd.get(), lock.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct flock region = whole_file();
    struct stat mine {
    }, there{};
    if (!fd || fstat(fd.get(), &mine) != 0 || !transport::is_lock_file(fd.get())) return;
    if (fcntl(fd.get(), F_OFD_SETLK, &region) != 0) return;
    // Only the holder of the lock that is there removes anything.
    if (!stat_at(d, lock, there) || there.st_ino != mine.st_ino || there.st_dev != mine.st_dev)
        return;
    remove_if(d, file(instance, json_extension), S_IFREG);
    remove_if(d, file(instance, ".tmp"), S_IFREG);
    remove_if(d, file(instance, socket_extension), S_IFSOCK);
    remove_if(d, file(instance, new_extension), S_IFSOCK);
    unlinkat(d.fd.get(), lock.c_str(), 0);
}

}  // namespace tenon::inline v0::naming
