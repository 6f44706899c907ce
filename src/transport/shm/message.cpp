#include "transport/shm/message.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cassert>
#include <cerrno>
#include <cstring>

#include "wire/endian.hpp"

namespace tenon::inline v0::transport::shm {
namespace {

constexpr std::size_t magic_bytes = sizeof message_magic - 1;

// Room for more than we want, so that what is too much is seen and closed by us.
constexpr std::size_t most_fds = 8;

using control = std::array<std::byte, CMSG_SPACE(most_fds * sizeof(int))>;

std::size_t fds_of(message_type type) noexcept {
    switch (type) {
        case message_type::offer:
        case message_type::accept: return 2;
        case message_type::segment: return 1;
        case message_type::refuse:
        case message_type::forget: break;
    }
    return 0;
}

// Takes over every descriptor that came; returns how many there were.
std::size_t take_fds(msghdr& header, std::array<base::unique_fd, max_message_fds>& into) noexcept {
    std::size_t count = 0;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < n; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            base::unique_fd owner(fd);
            if (count < into.size()) into[count] = std::move(owner);
            ++count;
        }
    }
    return count;
}

received failed(int error) noexcept {
    received out;
    out.what = received::outcome::failed;
    out.error = error;
    return out;
}

}  // namespace

int send_message(int socket, const message& m, std::span<const int> fds) noexcept {
    assert(fds.size() <= most_fds);
    std::array<std::byte, message_bytes> bytes{};
    std::memcpy(bytes.data(), message_magic, magic_bytes);
    std::byte* at =
        wire::store_be32(bytes.data() + magic_bytes, static_cast<std::uint32_t>(m.type));
    at = wire::store_be32(at, m.a);
    at = wire::store_be64(at, m.b);
    at = wire::store_be64(at, m.c);
    wire::store_be64(at, m.d);

    iovec iov{bytes.data(), bytes.size()};
    msghdr header{};
    header.msg_iov = &iov;
    header.msg_iovlen = 1;
    alignas(cmsghdr) control ancillary{};
    if (!fds.empty()) {
        header.msg_control = ancillary.data();
        header.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* const c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
    }
    ssize_t n;
    do n = ::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0) return errno;
    // The kernel takes so few bytes whole or not at all.
    return n == static_cast<ssize_t>(bytes.size()) ? 0 : EPROTO;
}

received receive_message(int socket) noexcept {
    // A look first, which passes no descriptors on: what is no message is not ours to take.
    std::array<std::byte, message_bytes> bytes{};
    ssize_t n;
    do n = ::recv(socket, bytes.data(), 1, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    received out;
    if (n < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) return out;
        return failed(errno);
    }
    if (n == 0 || bytes[0] != static_cast<std::byte>(message_magic[0])) {
        out.what = n == 0 ? received::outcome::end : received::outcome::foreign;
        return out;
    }

    iovec iov{bytes.data(), bytes.size()};
    alignas(cmsghdr) control ancillary;
    msghdr header{};
    header.msg_iov = &iov;
    header.msg_iovlen = 1;
    header.msg_control = ancillary.data();
    header.msg_controllen = ancillary.size();
    do n = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0) return failed(errno);
    const std::size_t count = take_fds(header, out.fds);
    // Messages are sent in one piece, and the kernel keeps it one.
    if (n != static_cast<ssize_t>(bytes.size()) ||
        std::memcmp(bytes.data(), message_magic, magic_bytes) != 0)
        return failed(EPROTO);
    out.message.type = static_cast<message_type>(wire::load_be32(&bytes[magic_bytes]));
    out.message.a = wire::load_be32(&bytes[magic_bytes + 4]);
    out.message.b = wire::load_be64(&bytes[magic_bytes + 8]);
    out.message.c = wire::load_be64(&bytes[magic_bytes + 16]);
    out.message.d = wire::load_be64(&bytes[magic_bytes + 24]);
    out.what = received::outcome::message;
    const std::size_t expected = fds_of(out.message.type);
    if (count == expected) return out;
    // The kernel drops descriptors when this process can have no more.
    const bool lost = count < expected && (header.msg_flags & MSG_CTRUNC) != 0;
    if (!lost) return failed(EPROTO);
    out.error = EMFILE;
    for (base::unique_fd& fd : out.fds) fd.reset();
    return out;
}

}  // namespace tenon::inline v0::transport::shm
