// storage, on the file system of the machine.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/unique_fd.hpp"
#include "journal/storage.hpp"

namespace tenon::inline v0::journal {
namespace {

using base::unique_fd;

error failed(const std::string& what, const std::string& path, int e) {
    errc code = errc::unavailable;
    switch (e) {
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
        case EMFILE:
        case ENFILE:
        case ENOMEM: code = errc::overloaded; break;
        case EACCES:
        case EPERM:
        case EROFS: code = errc::denied; break;
        case ENOENT: code = errc::not_found; break;
        case EEXIST: code = errc::conflict; break;
        default: break;
    }
    return error(code, "log: cannot " + what + " " + path + ": " + strerrordesc_np(e));
}

class disk_file final : public file {
public:
    disk_file(unique_fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    result<std::uint64_t> size() override {
        struct stat s {};
        if (::fstat(fd_.get(), &s) != 0) return failed("look at", path_, errno);
        return static_cast<std::uint64_t>(s.st_size);
    }

    result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) override {
        std::size_t done = 0;
        while (done < into.size()) {
            const ssize_t n = ::pread(fd_.get(), into.data() + done, into.size() - done,
                                      static_cast<off_t>(offset + done));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return failed("read", path_, errno);
            if (n == 0) break;
            done += static_cast<std::size_t>(n);
        }
        return done;
    }

    result<void> write(std::uint64_t offset, std::span<const bytes_view> parts) override {
        constexpr std::size_t at_once = 64;
        std::array<iovec, at_once> vectors;
        while (!parts.empty()) {
            const std::size_t count = std::min(parts.size(), at_once);
            for (std::size_t i = 0; i < count; ++i)
                vectors[i] = {const_cast<std::byte*>(parts[i].data()), parts[i].size()};
            TENON_TRY(write_vectors(offset, {vectors.data(), count}));
            for (const bytes_view& part : parts.first(count)) offset += part.size();
            parts = parts.subspan(count);
        }
        return {};
    }

    result<void> truncate(std::uint64_t size) override {
        if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0)
            return failed("shorten", path_, errno);
        return {};
    }

    result<void> sync() override {
        if (::fdatasync(fd_.get()) != 0) return failed("write to the disk", path_, errno);
        return {};
    }

private:
    result<void> write_vectors(std::uint64_t offset, std::span<iovec> left) {
        while (!left.empty()) {
            const ssize_t n = ::pwritev(fd_.get(), left.data(), static_cast<int>(left.size()),
                                        static_cast<off_t>(offset));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return failed("write to", path_, errno);
            offset += static_cast<std::uint64_t>(n);
            std::size_t done = static_cast<std::size_t>(n);
            while (!left.empty() && done >= left.front().iov_len) {
                done -= left.front().iov_len;
                left = left.subspan(1);
            }
            if (left.empty()) break;
            left.front().iov_base = static_cast<std::byte*>(left.front().iov_base) + done;
            left.front().iov_len -= done;
        }
        return {};
    }

    unique_fd fd_;
    const std::string path_;
};

boot_id read_boot_id() noexcept {
    boot_id id{};
    const unique_fd fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
    char text[36] = {};
    if (!fd || ::read(fd.get(), text, sizeof text) != sizeof text) return id;
    std::size_t digits = 0;
    for (const char c : text) {
        const int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (v < 0 || digits == 2 * id.size()) continue;
        id[digits / 2] |= static_cast<std::byte>(digits % 2 == 0 ? v << 4 : v);
        ++digits;
    }
    return id;
}

class directory final : public storage {
public:
    directory(unique_fd fd, unique_fd lock, std::string path)
        : fd_(std::move(fd)),
          lock_(std::move(lock)),
          path_(std::move(path)),
          boot_(read_boot_id()) {}

    const std::string& path() const noexcept override { return path_; }
    boot_id boot() const noexcept override { return boot_; }

    result<std::vector<std::string>> list() override {
        unique_fd again(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!again) return failed("list", path_, errno);
        const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(again.get()), ::closedir);
        if (!stream) return failed("list", path_, errno);
        (void)again.release();
        std::vector<std::string> names;
        errno = 0;
        while (const dirent* e = ::readdir(stream.get())) names.emplace_back(e->d_name);
        if (errno != 0) return failed("list", path_, errno);
        return names;
    }

    result<std::unique_ptr<file>> create(const std::string& name) override {
        return open_with(name, O_RDWR | O_CREAT | O_EXCL, "create");
    }
    result<std::unique_ptr<file>> open(const std::string& name, bool writable) override {
        return open_with(name, writable ? O_RDWR : O_RDONLY, "open");
    }
    result<void> rename(const std::string& from, const std::string& to) override {
        if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) != 0)
            return failed("rename", path_of(from), errno);
        return {};
    }
    result<void> remove(const std::string& name) override {
        if (::unlinkat(fd_.get(), name.c_str(), 0) != 0)
            return failed("remove", path_of(name), errno);
        return {};
    }
    result<void> sync() override {
        if (::fsync(fd_.get()) != 0) return failed("write to the disk", path_, errno);
        return {};
    }

private:
    std::string path_of(const std::string& name) const { return path_ + "/" + name; }

    result<std::unique_ptr<file>> open_with(const std::string& name, int flags, const char* what) {
        unique_fd fd(::openat(fd_.get(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!fd) return failed(what, path_of(name), errno);
        return std::unique_ptr<file>(std::make_unique<disk_file>(std::move(fd), path_of(name)));
    }

    const unique_fd fd_;
    const unique_fd lock_;
    const std::string path_;
    const boot_id boot_;
};

}  // namespace

result<std::unique_ptr<storage>> open_directory(const std::string& path) {
    const bool made = ::mkdir(path.c_str(), 0700) == 0;
    if (!made && errno != EEXIST) return failed("make directory", path, errno);
    unique_fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return failed("open directory", path, errno);
    unique_fd lock(::openat(fd.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock) return failed("open", path + "/lock", errno);
    // A lock of the open file, not of the process: it also keeps out a second log of this one.
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(lock.get(), F_OFD_SETLK, &whole) != 0) {
        if (errno == EAGAIN || errno == EACCES)
            return error(errc::conflict, "log: " + path + " is in use by another process or log");
        return failed("lock", path + "/lock", errno);
    }
    if (made) {
        // The directory's own name is in its parent.
        const unique_fd parent(::openat(fd.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (parent && ::fsync(parent.get()) != 0)
            return failed("write to the disk the parent of", path, errno);
    }
    return std::unique_ptr<storage>(
        std::make_unique<directory>(std::move(fd), std::move(lock), path));
}

}  // namespace tenon::inline v0::journal
