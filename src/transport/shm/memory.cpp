#include "transport/shm/memory.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace tenon::inline v0::transport::shm {
namespace {

// SHRINK: no SIGBUS. FUTURE_WRITE: no hole can be punched, nobody else can write. SEAL: it stays so.
constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

// Since Linux 6.3; some systems insist on it. Older ones do not know it.
constexpr unsigned no_exec_seal = 0x0008U;

int make_memfd() noexcept {
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    const int fd = ::memfd_create("tenon", flags | no_exec_seal);
    return fd >= 0 || errno != EINVAL ? fd : ::memfd_create("tenon", flags);
}

}  // namespace

mapping::~mapping() {
    if (at_) ::munmap(at_, size_);
}

sealed_memory make_sealed(std::size_t size) noexcept {
    sealed_memory out;
    const auto failed = [&out] {
        out.error = errno;
        out.map = mapping();
        out.fd.reset();
        return std::move(out);
    };
    out.fd.reset(make_memfd());
    if (!out.fd || ::ftruncate(out.fd.get(), static_cast<off_t>(size)) != 0) return failed();
    // Mapped before it is sealed: afterwards not even we could.
    void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, out.fd.get(), 0);
    if (at == MAP_FAILED) return failed();
    out.map = mapping(at, size);
    if (::fcntl(out.fd.get(), F_ADD_SEALS, seals) != 0) return failed();
    return out;
}

mapped_memory map_sealed(int fd, std::size_t size) noexcept {
    mapped_memory out;
    out.error = EPROTO;
    // Only memfds can have these seals; but one of huge pages can run out of them, with SIGBUS.
    const int have = ::fcntl(fd, F_GET_SEALS);
    struct stat s {};
    struct statfs fs {};
    if (have < 0 || (have & seals) != seals || ::fstat(fd, &s) != 0 || s.st_size < 0 ||
        static_cast<std::uint64_t>(s.st_size) != size || ::fstatfs(fd, &fs) != 0 ||
        fs.f_type != TMPFS_MAGIC)
        return out;
    void* const at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        out.error = errno;
        return out;
    }
    out.map = mapping(at, size);
    out.error = 0;
    return out;
}

}  // namespace tenon::inline v0::transport::shm
