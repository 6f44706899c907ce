#include "transport/socket_link.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "transport/path_claim.hpp"
#include "transport/shm/shm_link.hpp"
#include "transport/socket_address.hpp"

namespace tenon::inline v0::transport {
namespace {

// A list of segments goes to the kernel as it is.
static_assert(sizeof(base::segment) == sizeof(iovec));
static_assert(offsetof(base::segment, data) == offsetof(iovec, iov_base));
static_assert(offsetof(base::segment, size) == offsetof(iovec, iov_len));

io_result not_done(int error) noexcept {
    if (error == EAGAIN || error == EWOULDBLOCK) return {io_state::would_block, 0, 0};
    if (error == EPIPE) return {io_state::closed, 0, error};
    return {io_state::failed, 0, error};
}

bool same_tcp_address(const sockaddr_storage& a, const sockaddr_storage& b) noexcept {
    if (a.ss_family != b.ss_family) return false;
    if (a.ss_family == AF_INET) {
        const auto& x = reinterpret_cast<const sockaddr_in&>(a);
        const auto& y = reinterpret_cast<const sockaddr_in&>(b);
        return x.sin_port == y.sin_port && x.sin_addr.s_addr == y.sin_addr.s_addr;
    }
    const auto& x = reinterpret_cast<const sockaddr_in6&>(a);
    const auto& y = reinterpret_cast<const sockaddr_in6&>(b);
    return x.sin6_port == y.sin6_port &&
           std::memcmp(&x.sin6_addr, &y.sin6_addr, sizeof x.sin6_addr) == 0;
}

error refuse(errc code, std::string message) {
    return error(code, std::move(message)).set_may_have_run(false);
}

}  // namespace

io_result read_socket(int fd, std::span<std::byte> into) noexcept {
    if (into.empty()) return {};
    ssize_t n;
    do n = ::recv(fd, into.data(), into.size(), MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0) return {io_state::ok, static_cast<std::size_t>(n), 0};
    if (n == 0) return {io_state::closed, 0, 0};
    return not_done(errno);
}

io_result write_socket(int fd, std::span<const base::segment> segments) noexcept {
    constexpr int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    if (segments.empty()) return {};
    ssize_t n;
    if (segments.size() == 1) {
        do n = ::send(fd, segments[0].data, segments[0].size, flags);
        while (n < 0 && errno == EINTR);
    } else {
        msghdr message{};
        message.msg_iov = reinterpret_cast<iovec*>(const_cast<base::segment*>(segments.data()));
        message.msg_iovlen = std::min(segments.size(), link::max_segments);
        do n = ::sendmsg(fd, &message, flags);
        while (n < 0 && errno == EINTR);
    }
    if (n >= 0) return {io_state::ok, static_cast<std::size_t>(n), 0};
    return not_done(errno);
}

io_result socket_link::read(std::span<std::byte> into) noexcept {
    return read_socket(fd_.get(), into);
}

io_result socket_link::scatter(std::span<std::byte> first, std::span<std::byte> second) noexcept {
    iovec parts[2] = {{first.data(), first.size()}, {second.data(), second.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    ssize_t n;
    do n = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n > 0) return {io_state::ok, static_cast<std::size_t>(n), 0};
    if (n == 0) return {io_state::closed, 0, 0};
    return not_done(errno);
}

io_result socket_link::write(std::span<const base::segment> segments) noexcept {
    return write_socket(fd_.get(), segments);
}

io_result socket_link::finish_connect() noexcept {
    if (connected_) return {};
    if (connect_error_ == 0) {
        socklen_t length = sizeof connect_error_;
        if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &connect_error_, &length) != 0)
            connect_error_ = errno;
    }
    if (connect_error_ != 0) return {io_state::failed, 0, connect_error_};

    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    if (getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &length) != 0) {
        if (errno == ENOTCONN) return {io_state::would_block, 0, 0};
        connect_error_ = errno;
        return {io_state::failed, 0, connect_error_};
    }
    // A connection to a free local port can meet itself (simultaneous open): nobody listens there.
    sockaddr_storage self{};
    length = sizeof self;
    if (getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&self), &length) == 0 &&
        same_tcp_address(self, peer)) {
        connect_error_ = ECONNREFUSED;
        shutdown();
        return {io_state::failed, 0, connect_error_};
    }
    connected_ = true;
    return {};
}

void socket_link::finish_writes() noexcept { ::shutdown(fd_.get(), SHUT_WR); }

void socket_link::shutdown() noexcept { ::shutdown(fd_.get(), SHUT_RDWR); }

peer_identity identify_unix_peer(int fd, scheme kind) noexcept {
    peer_identity peer;
    peer.kind = kind;
    ucred credentials{};
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
        peer.has_credentials = true;
        peer.pid = credentials.pid;
        peer.uid = credentials.uid;
        peer.gid = credentials.gid;
    }
    return peer;
}

std::string to_string(const peer_identity& peer) {
    if (peer.kind == scheme::tcp)
        return to_string(endpoint{scheme::tcp, {}, peer.address, peer.port});
    std::string out(to_string(peer.kind));
    if (peer.has_credentials)
        out.append(" (pid ")
            .append(std::to_string(peer.pid))
            .append(", uid ")
            .append(std::to_string(peer.uid))
            .append(")");
    return out;
}

error connect_error(const endpoint& to, int error) {
    const std::string at = to_string(to);
    switch (error) {
        case ENOENT:
        case ENOTDIR:
            return refuse(errc::unavailable, "nothing listens at " + at +
                                                 ": there is no such file; is the server "
                                                 "running?");
        case ECONNREFUSED:
            return refuse(errc::unavailable, "nothing listens at " + at +
                                                 ": connection refused; is the server "
                                                 "running?");
        case EACCES:
        case EPERM: return refuse(errc::denied, "no permission to connect to " + at);
        case EAGAIN:
            return refuse(errc::overloaded, at + " accepts no connections: its queue is full");
        case EMFILE:
        case ENFILE:
            return refuse(errc::overloaded,
                          "cannot connect to " + at + ": out of file descriptors (see ulimit -n)");
        case EPROTONOSUPPORT:
            return refuse(errc::unsupported,
                          "the server at " + at + " does not share memory with this process");
        case EPROTO:
            return refuse(errc::unavailable,
                          "cannot connect to " + at + ": what answers does not keep to the rules");
        case EPROTOTYPE:
        case ENOTSOCK: return refuse(errc::unavailable, at + " is not a stream socket");
        default:
            return refuse(errc::unavailable,
                          "cannot connect to " + at + ": " + strerrordesc_np(error));
    }
}

namespace {

result<base::unique_fd> connect_socket(const endpoint& to, const socket_address& address) {
    base::unique_fd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return connect_error(to, errno);
    const bool tcp = to.kind == scheme::tcp;
    if (tcp) prepare_tcp(fd.get(), is_loopback(to));
    const bool done = ::connect(fd.get(), address.get(), address.length) == 0;
    if (!done && !(tcp && (errno == EINPROGRESS || errno == EINTR)))
        return connect_error(to, errno);
    return fd;
}

// A connected socket at a path, and the offer to share memory, if it makes sense.
result<std::unique_ptr<link>> open_path(const endpoint& to, base::unique_fd fd,
                                        const shared_memory_options& options) {
    const bool insists = to.kind == scheme::shm;
    peer_identity peer = identify_unix_peer(fd.get(), to.kind);
    const bool same_user = peer.has_credentials && peer.uid == geteuid();
    bool offers = insists || (options.allowed && same_user);
    lock_says said = lock_says::nothing;
    if (offers) {
        said = ask_lock_file(to.name);
        // Servers that say nothing at all may know nothing of offers, and end the connection.
        offers = said == lock_says::shares || (insists && said == lock_says::nothing);
    }
    if (insists && (!offers || !same_user)) return connect_error(to, EPROTONOSUPPORT);
    if (offers) {
        auto shared = std::make_unique<shm::shm_link>(std::move(fd), std::move(peer), options);
        const int error = shared->offer(insists, said == lock_says::shares);
        if (error != 0 && insists) return connect_error(to, error);
        return std::unique_ptr<link>(std::move(shared));
    }
    return std::unique_ptr<link>(
        std::make_unique<socket_link>(std::move(fd), std::move(peer), true));
}

}  // namespace

result<std::unique_ptr<link>> open_link(const endpoint& to, const connect_options& options) {
    auto address = to_socket_address(to);
    if (!address) {
        if (address.error().code() == errc::not_found) return connect_error(to, ENOENT);
        return std::move(address).error();
    }
    if (to.kind == scheme::tcp && to.port == 0)
        return refuse(errc::invalid, to_string(to) + ": port 0 is for listening only");

    auto fd = connect_socket(to, *address);
    if (!fd) return std::move(fd).error();
    if (is_path(to)) return open_path(to, *std::move(fd), options.shared_memory);
    peer_identity peer;
    if (to.kind == scheme::tcp) {
        peer.kind = scheme::tcp;
        describe_tcp(address->storage, peer.address, peer.port);
    } else {
        peer = identify_unix_peer(fd->get(), to.kind);
    }
    // TCP always goes through finish_connect, which recognises a connection to itself.
    return std::unique_ptr<link>(
        std::make_unique<socket_link>(*std::move(fd), std::move(peer), to.kind != scheme::tcp));
}

}  // namespace tenon::inline v0::transport
