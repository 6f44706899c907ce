#include "shared_memory.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "floors.hpp"

namespace bench {
namespace {

void map_at(std::byte* at, std::size_t size, int fd, std::size_t offset) {
    if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
             static_cast<off_t>(offset)) == MAP_FAILED)
        fail("mmap");
}

std::byte* reserve(std::size_t size) {
    void* at = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) fail("mmap");
    return static_cast<std::byte*>(at);
}

}  // namespace

segment::segment(std::size_t size) : fd_(memfd_create("tenon-bench", MFD_CLOEXEC)), size_(size) {
    if (fd_ < 0 || ftruncate(fd_, static_cast<off_t>(size)) != 0) fail("memfd");
    map();
}

segment::segment(const std::string& endpoint)
    : fd_(open(endpoint.c_str(), O_RDWR | O_CLOEXEC)), size_(0) {
    struct stat st {};
    if (fd_ < 0 || fstat(fd_, &st) != 0) fail("open " + endpoint);
    size_ = static_cast<std::size_t>(st.st_size);
    map();
}

void segment::map() {
    data_ = reserve(size_);
    map_at(data_, size_, fd_, 0);
}

std::string segment::endpoint() const {
    return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_);
}

clock::time_point bell_keeper::spin_end() { return clock::now() + floor_spin_time; }

void bell_keeper::wake() {
    others_.sleeping.store(0, std::memory_order_relaxed);
    syscall(SYS_futex, &others_.sleeping, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void bell_keeper::sleep() {
    syscall(SYS_futex, &own_.sleeping, FUTEX_WAIT, 1, nullptr, nullptr, 0);
}

ring::ring(const segment& in, std::size_t offset, std::size_t capacity)
    : capacity_(capacity),
      control_(reinterpret_cast<control*>(in.data() + offset)),
      data_(reserve(2 * capacity)) {
    map_at(data_, capacity, in.fd(), offset + page_size);
    map_at(data_ + capacity, capacity, in.fd(), offset + page_size);
}

bool ring::has_room(std::size_t payload) {
    const std::uint64_t end = written_ + record_size(payload);
    if (end - known_consumed_ <= capacity_) return true;
    known_consumed_ = control_->consumed.load(std::memory_order_acquire);
    return end - known_consumed_ <= capacity_;
}

bool ring::push(std::span<const std::byte> payload) {
    if (!has_room(payload.size())) return false;
    std::byte* at = data_ + written_ % capacity_;
    const std::uint64_t length = payload.size();
    std::memcpy(at, &length, sizeof length);
    std::memcpy(at + sizeof length, payload.data(), payload.size());
    written_ += record_size(payload.size());
    return true;
}

bool ring::is_empty() {
    if (consumed_ != known_written_) return false;
    known_written_ = control_->written.load(std::memory_order_acquire);
    return consumed_ == known_written_;
}

bool ring::front(std::span<const std::byte>& payload) {
    if (is_empty()) return false;
    const std::byte* at = data_ + consumed_ % capacity_;
    std::uint64_t length;
    std::memcpy(&length, at, sizeof length);
    payload = {at + sizeof length, length};
    return true;
}

}  // namespace bench
