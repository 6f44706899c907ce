#include "transport/listener.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "transport/path_claim.hpp"
#include "transport/shm/shm_link.hpp"
#include "transport/socket_address.hpp"
#include "transport/socket_link.hpp"

namespace tenon::inline v0::transport {
namespace {

error cannot_listen(errc code, const endpoint& at, const char* why) {
    return error(code, "cannot listen at " + to_string(at) + ": " + why);
}

error cannot_listen(const endpoint& at, int error) {
    switch (error) {
        case EADDRINUSE: return cannot_listen(errc::conflict, at, "another server listens there");
        case EACCES:
            return cannot_listen(errc::denied, at, "no permission (ports below 1024 need root)");
        case EADDRNOTAVAIL:
            return cannot_listen(errc::unavailable, at, "this machine has no such address");
        case EMFILE:
        case ENFILE:
            return cannot_listen(errc::overloaded, at, "out of file descriptors (see ulimit -n)");
        default: return cannot_listen(errc::unavailable, at, strerrordesc_np(error));
    }
}

// Errors of one waiting connection, which accept() has taken off the queue (see accept(2)).
bool concerns_one_connection(int error) noexcept {
    switch (error) {
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
        case EPERM:
        case ENOPROTOOPT:
        case ENETDOWN:
        case ENETUNREACH:
        case EHOSTDOWN:
        case EHOSTUNREACH:
        case ENONET: return true;
        default: return false;
    }
}

class socket_listener final : public listener {
public:
    socket_listener(base::unique_fd fd, endpoint local, std::unique_ptr<path_claim> claim,
                    const shared_memory_options& shared)
        : fd_(std::move(fd)), local_(std::move(local)), claim_(std::move(claim)), shared_(shared) {
        open_spare();
    }
    ~socket_listener() override { close(); }

    int fd() const noexcept override { return fd_.get(); }
    const endpoint& local() const noexcept override { return local_; }
    accepted accept() override;

    void close() noexcept override {
        // The path goes first: a client must not find it and then be refused.
        claim_.reset();
        fd_.reset();
        spare_.reset();
    }

private:
    void open_spare() noexcept { spare_.reset(open("/dev/null", O_RDONLY | O_CLOEXEC)); }
    void shed_one() noexcept;

    base::unique_fd fd_;
    base::unique_fd spare_;  // makes room for one accept when descriptors have run out
    endpoint local_;
    std::unique_ptr<path_claim> claim_;
    shared_memory_options shared_;
};

listener::accepted socket_listener::accept() {
    constexpr int most_dead_connections = 64;  // in one call
    if (!fd_) return {io_state::closed, nullptr, 0};
    int error = 0;
    for (int i = 0; i < most_dead_connections; ++i) {
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        base::unique_fd fd(accept4(fd_.get(), reinterpret_cast<sockaddr*>(&from), &length,
                                   SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (fd) {
            peer_identity peer;
            if (local_.kind == scheme::tcp) {
                peer.kind = scheme::tcp;
                describe_tcp(from, peer.address, peer.port);
                prepare_tcp(fd.get(), is_loopback({scheme::tcp, {}, peer.address, peer.port}));
            } else {
                peer = identify_unix_peer(fd.get(), local_.kind);
                if (shared_.allowed && is_path(local_))
                    return {
                        io_state::ok,
                        std::make_unique<shm::shm_link>(std::move(fd), std::move(peer), shared_),
                        0};
            }
            return {io_state::ok,
                    std::make_unique<socket_link>(std::move(fd), std::move(peer), true), 0};
        }
        error = errno;
        if (error == EAGAIN || error == EWOULDBLOCK) return {};
        if (!concerns_one_connection(error)) break;
    }
    if (error == EMFILE || error == ENFILE) shed_one();
    return {io_state::failed, nullptr, error};
}

void socket_listener::shed_one() noexcept {
    spare_.reset();
    base::unique_fd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    open_spare();
}

result<std::unique_ptr<listener>> open_unix(const endpoint& at, listen_options options,
                                            std::unique_ptr<path_claim> claim = nullptr) {
    base::unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return cannot_listen(at, errno);
    if (at.kind == scheme::shm) options.shared_memory.allowed = true;
    if (is_path(at)) {
        if (!claim) {
            auto acquired = path_claim::acquire(at.name);
            if (!acquired) return std::move(acquired).error();
            claim = *std::move(acquired);
        }
        TENON_TRY(claim->publish(fd.get(), options));
    } else {
        const auto address = to_socket_address(at);
        if (!address) return address.error();
        if (::bind(fd.get(), address->get(), address->length) != 0 ||
            ::listen(fd.get(), options.backlog) != 0)
            return cannot_listen(at, errno);
    }
    return std::unique_ptr<listener>(std::make_unique<socket_listener>(
        std::move(fd), at, std::move(claim), options.shared_memory));
}

result<std::unique_ptr<listener>> open_tcp(const endpoint& wanted, const listen_options& options) {
    const auto resolved = resolve(wanted);
    if (!resolved) return resolved.error();
    endpoint local = resolved->front();
    if (!is_loopback(local) && !options.insecure)
        return cannot_listen(errc::denied, wanted,
                             "other machines could connect, and nothing would be encrypted; "
                             "listen at 127.0.0.1, or allow it with the option `insecure` if "
                             "everybody on the network may call this service");
    const auto address = to_socket_address(local);
    if (!address) return address.error();

    base::unique_fd fd(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return cannot_listen(wanted, errno);
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->family() == AF_INET6) {
        // The wildcard address serves both families; others do not concern IPv4.
        const int only = local.host == "::" ? 0 : 1;
        setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    }
    if (::bind(fd.get(), address->get(), address->length) != 0 ||
        ::listen(fd.get(), options.backlog) != 0)
        return cannot_listen(wanted, errno);

    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0)
        return cannot_listen(wanted, errno);
    std::string host;
    describe_tcp(bound, host, local.port);
    return std::unique_ptr<listener>(std::make_unique<socket_listener>(
        std::move(fd), std::move(local), nullptr, shared_memory_options()));
}

}  // namespace

result<std::unique_ptr<listener>> open_listener(const endpoint& at, const listen_options& options) {
    switch (at.kind) {
        case scheme::unix_path:
        case scheme::unix_abstract:
        case scheme::shm: return open_unix(at, options);
        case scheme::tcp: return open_tcp(at, options);
        case scheme::inproc: break;
    }
    return cannot_listen(errc::invalid, at, "in-process endpoints have no socket");
}

result<std::unique_ptr<listener>> open_listener(const endpoint& at, const listen_options& options,
                                                std::unique_ptr<path_claim> claim) {
    return open_unix(at, options, std::move(claim));
}

}  // namespace tenon::inline v0::transport
