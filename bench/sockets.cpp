#include "sockets.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "process.hpp"

namespace bench {
namespace {

constexpr std::string_view unix_prefix = "unix:@";
constexpr std::string_view tcp_prefix = "tcp://127.0.0.1:";

struct address {
    sockaddr_storage storage{};
    socklen_t length = 0;
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

address unix_address(std::string_view name) {
    address a;
    auto& un = reinterpret_cast<sockaddr_un&>(a.storage);
    un.sun_family = AF_UNIX;
    std::memcpy(un.sun_path + 1, name.data(), name.size());
    a.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    return a;
}

address tcp_address(int port) {
    address a;
    auto& in = reinterpret_cast<sockaddr_in&>(a.storage);
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons(static_cast<std::uint16_t>(port));
    a.length = sizeof in;
    return a;
}

int make_socket(bool tcp) {
    const int fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    // Accepted sockets inherit it.
    const int on = 1;
    if (tcp) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

}  // namespace

int listen_at(const std::string& transport, std::string& endpoint) {
    const bool tcp = transport == "tcp";
    const std::string name = "tenon-bench-" + std::to_string(getpid());
    const int fd = make_socket(tcp);
    address a = tcp ? tcp_address(0) : unix_address(name);
    if (bind(fd, a.get(), a.length) != 0 || listen(fd, 64) != 0) fail("bind or listen");
    endpoint = std::string(unix_prefix) + name;
    if (tcp) {
        getsockname(fd, a.get(), &a.length);
        const auto& in = reinterpret_cast<const sockaddr_in&>(a.storage);
        endpoint = std::string(tcp_prefix) + std::to_string(ntohs(in.sin_port));
    }
    return fd;
}

int connect_to(const std::string& endpoint) {
    const bool tcp = endpoint.starts_with(tcp_prefix);
    const int fd = make_socket(tcp);
    address a = tcp ? tcp_address(std::stoi(endpoint.substr(tcp_prefix.size())))
                    : unix_address(std::string_view(endpoint).substr(unix_prefix.size()));
    if (connect(fd, a.get(), a.length) != 0) fail("connect to " + endpoint);
    return fd;
}

int accept_from(int listener) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) fail("accept");
    return fd;
}

void make_non_blocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace bench
