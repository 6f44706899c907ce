#include "transport/path_claim.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include "transport/socket_address.hpp"

namespace tenon::inline v0::transport {
namespace {

bool same_file(const struct stat& a, const struct stat& b) noexcept {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// What a connection attempt tells about a socket file: 0 somebody listens, else an errno.
// ECONNREFUSED: its server is dead.
int probe(const std::string& path, int directory, const std::string& name) noexcept {
    socket_address address;
    if (!fill_unix_address(address, path, directory, name)) return ENAMETOOLONG;
    const base::unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return errno;
    return ::connect(fd.get(), address.get(), address.length) == 0 ? 0 : errno;
}

// What the lock file of a server holds that shares memory; "shm " and the version.
constexpr std::string_view shares_mark = "shm 1\n";
constexpr std::string_view mark_prefix = "shm ";
constexpr std::size_t longest_mark = 16;

// The content of a regular file if it is short.
bool read_mark(int fd, std::array<char, longest_mark>& into, std::string_view& out) noexcept {
    struct stat s {};
    if (::fstat(fd, &s) != 0 || !S_ISREG(s.st_mode) || s.st_size > static_cast<off_t>(into.size()))
        return false;
    const ssize_t n = ::pread(fd, into.data(), into.size(), 0);
    if (n < 0) return false;
    out = {into.data(), static_cast<std::size_t>(n)};
    return true;
}

lock_says ask(const std::string& path) noexcept {
    const base::unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    std::array<char, longest_mark> buffer;
    std::string_view mark;
    if (!fd || !read_mark(fd.get(), buffer, mark)) return lock_says::nothing;
    return mark == shares_mark ? lock_says::shares : lock_says::plain;
}

}  // namespace

bool is_lock_file(int fd) noexcept {
    std::array<char, longest_mark> buffer;
    std::string_view mark;
    return read_mark(fd, buffer, mark) && (mark.empty() || mark.starts_with(mark_prefix));
}

lock_says ask_lock_file(const std::string& socket_path) noexcept {
    constexpr std::string_view extension = ".sock";
    const lock_says said = ask(socket_path + ".lock");
    if (said != lock_says::nothing || !socket_path.ends_with(extension)) return said;
    return ask(socket_path.substr(0, socket_path.size() - extension.size()) + ".lock");
}

path_claim::path_claim(const std::string& path) : path_(path), owner_(getpid()) {
    const std::size_t slash = path.rfind('/');
    directory_path_ = slash == path.npos ? "." : path.substr(0, slash + 1);
    name_ = path.substr(slash + 1);
    lock_name_ = name_ + ".lock";
    new_name_ = name_ + ".new";
}

error path_claim::failed(const char* step, int error) const {
    const errc code = error == EACCES || error == EPERM || error == EROFS ? errc::denied
                      : error == ENOENT || error == ENOTDIR               ? errc::not_found
                      : error == EMFILE || error == ENFILE                ? errc::overloaded
                                                                          : errc::unavailable;
    return tenon::error(
        code, "cannot listen at unix:" + path_ + ": " + step + ": " + strerrordesc_np(error));
}

error path_claim::taken(const char* why) const {
    return tenon::error(errc::conflict, "cannot listen at unix:" + path_ + ": " + why);
}

bool path_claim::is_at(const std::string& name, const struct stat& expected) const noexcept {
    struct stat found {};
    return fstatat(directory_.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
           same_file(found, expected);
}

result<std::unique_ptr<path_claim>> path_claim::acquire(const std::string& path) {
    std::unique_ptr<path_claim> claim(new path_claim(path));
    TENON_TRY(claim->open_directory());
    TENON_TRY(claim->lock());
    TENON_TRY(claim->check_vacant());
    return claim;
}

result<std::unique_ptr<path_claim>> path_claim::acquire(const std::string& path,
                                                        claim_options options) {
    std::unique_ptr<path_claim> claim(new path_claim(path));
    claim->directory_ = std::move(options.directory);
    claim->lock_name_ = std::move(options.lock_name);
    claim->new_name_ = std::move(options.new_name);
    claim->patient_ = options.patient;
    TENON_TRY(claim->lock());
    TENON_TRY(claim->check_vacant());
    claim->released_ = std::move(options.released);
    return claim;
}

result<void> path_claim::open_directory() {
    directory_.reset(open(directory_path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory_) {
        const int e = errno;
        return failed(("directory " + directory_path_).c_str(), e);
    }
    return {};
}

result<void> path_claim::lock() {
    // A retry means that a former holder has just removed the file; that cannot go on for long.
    constexpr int attempts = 100;
    // While somebody cleans up; a machine may be busy.
    constexpr int moments = 5000;
    for (int i = 0, waits = 0; i < attempts; ++i) {
        base::unique_fd fd(openat(directory_.get(), lock_name_.c_str(),
                                  O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
        if (!fd) {
            const int e = errno;
            return failed(("lock file " + lock_name_).c_str(), e);
        }
        struct flock region {};
        region.l_type = F_WRLCK;
        region.l_whence = SEEK_SET;
        if (fcntl(fd.get(), F_OFD_SETLK, &region) != 0) {
            const int e = errno;
            if ((e == EAGAIN || e == EACCES) && patient_ && waits++ < moments) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
                --i;
                continue;
            }
            if (e == EAGAIN || e == EACCES) return taken("another server listens there");
            return failed("lock", e);
        }
        if (fstat(fd.get(), &lock_stat_) != 0) return failed("lock file", errno);
        if (!is_lock_file(fd.get())) return taken((lock_name_ + " is not a lock file").c_str());
        if (is_at(lock_name_, lock_stat_)) {
            lock_ = std::move(fd);
            return {};
        }
    }
    return taken("other servers start and stop there all the time");
}

result<void> path_claim::check_vacant() {
    struct stat found {};
    if (fstatat(directory_.get(), name_.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return {};
        return failed("look-up", errno);
    }
    if (!S_ISSOCK(found.st_mode)) return taken("the path is taken by something else than a socket");
    occupied_ = true;
    switch (const int e = probe(path_, directory_.get(), name_)) {
        case ECONNREFUSED:
        case ENOENT: return {};
        case 0:
        case EAGAIN:
        case EINPROGRESS:
        case EPROTOTYPE: return taken("another server listens there");
        default: return failed("cannot tell whether a server still listens there", e);
    }
}

// What a killed predecessor has written may not be true any more. On a full disk nothing is said.
void path_claim::describe(const listen_options& options) noexcept {
    const std::string_view mark = options.shared_memory.allowed ? shares_mark : "";
    const auto whole = static_cast<ssize_t>(mark.size());
    if (::ftruncate(lock_.get(), 0) != 0 ||
        ::pwrite(lock_.get(), mark.data(), mark.size(), 0) != whole) [[maybe_unused]]
        const int ignored = ::ftruncate(lock_.get(), 0);
}

result<void> path_claim::publish(int socket, const listen_options& options) {
    describe(options);
    const int dir = directory_.get();
    const char* const fresh = new_name_.c_str();
    // Left by a server that was killed between bind and rename.
    struct stat left {};
    if (fstatat(dir, fresh, &left, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!S_ISSOCK(left.st_mode)) return taken((new_name_ + " is not a socket").c_str());
        if (unlinkat(dir, fresh, 0) != 0) return failed("remove the unfinished socket", errno);
    }
    socket_address address;
    if (!fill_unix_address(address, path_.substr(0, path_.size() - name_.size()) + new_name_, dir,
                           new_name_))
        return failed("bind", ENAMETOOLONG);
    if (::bind(socket, address.get(), address.length) != 0) return failed("bind", errno);

    const auto undo = [&](const char* step) {
        const int e = errno;
        unlinkat(dir, fresh, 0);
        if (e == EEXIST) return taken("another server has just appeared there");
        return failed(step, e);
    };
    if (options.group && fchownat(dir, fresh, static_cast<uid_t>(-1), *options.group, 0) != 0)
        return undo("set group");
    if (fchmodat(dir, fresh, options.mode & 0777, 0) != 0) return undo("set mode");
    if (::listen(socket, options.backlog) != 0) return undo("listen");
    if (fstatat(dir, fresh, &socket_stat_, AT_SYMLINK_NOFOLLOW) != 0) return undo("look-up");
    // Where nothing was, nothing may have come since; some file systems cannot make sure.
    const unsigned flags = occupied_ ? 0 : RENAME_NOREPLACE;
    const char* const final_name = name_.c_str();
    if (renameat2(dir, fresh, dir, final_name, flags) != 0 &&
        (errno != EINVAL || renameat(dir, fresh, dir, final_name) != 0))
        return undo("rename");
    published_ = true;
    return {};
}

void path_claim::release() noexcept {
    if (lock_ && owner_ == getpid()) {
        // The order matters: without the lock file the path is anybody's.
        if (published_ && is_at(name_, socket_stat_)) unlinkat(directory_.get(), name_.c_str(), 0);
        if (is_at(lock_name_, lock_stat_)) unlinkat(directory_.get(), lock_name_.c_str(), 0);
        if (released_) std::exchange(released_, nullptr)();
    }
    published_ = false;
    lock_.reset();
    directory_.reset();
}

}  // namespace tenon::inline v0::transport
