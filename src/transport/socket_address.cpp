#include "transport/socket_address.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <array>
#include <charconv>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace tenon::inline v0::transport {
namespace {

error refuse(errc code, std::string message) {
    return error(code, std::move(message)).set_may_have_run(false);
}

bool fill(socket_address& out, std::string_view path) noexcept {
    auto& address = reinterpret_cast<sockaddr_un&>(out.storage);
    if (path.size() >= sizeof address.sun_path) return false;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    address.sun_path[path.size()] = '\0';
    out.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return true;
}

void fill_abstract(socket_address& out, std::string_view name) noexcept {
    auto& address = reinterpret_cast<sockaddr_un&>(out.storage);
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    out.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

// The index of an IPv6 zone: an interface's name or number. 0 if there is no such interface.
unsigned zone_index(const std::string& zone) noexcept {
    unsigned index = 0;
    const char* end = zone.data() + zone.size();
    const auto [last, ec] = std::from_chars(zone.data(), end, index);
    return ec == std::errc() && last == end ? index : if_nametoindex(zone.c_str());
}

result<socket_address> tcp_address(const endpoint& at) {
    socket_address out;
    auto& in4 = reinterpret_cast<sockaddr_in&>(out.storage);
    if (inet_pton(AF_INET, at.host.c_str(), &in4.sin_addr) == 1) {
        in4.sin_family = AF_INET;
        in4.sin_port = htons(at.port);
        out.length = sizeof in4;
        return out;
    }
    auto& in6 = reinterpret_cast<sockaddr_in6&>(out.storage);
    const std::size_t percent = at.host.find('%');
    if (inet_pton(AF_INET6, at.host.substr(0, percent).c_str(), &in6.sin6_addr) != 1)
        return refuse(errc::invalid, to_string(at) + ": the host is not a numeric address");
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(at.port);
    if (percent != at.host.npos) {
        in6.sin6_scope_id = zone_index(at.host.substr(percent + 1));
        if (in6.sin6_scope_id == 0)
            return refuse(errc::unavailable, to_string(at) + ": there is no such interface");
    }
    out.length = sizeof in6;
    return out;
}

result<socket_address> path_address(const endpoint& at) {
    socket_address out;
    if (fill(out, at.name)) return out;
    const std::size_t slash = at.name.rfind('/');
    const std::string directory = slash == at.name.npos ? "." : at.name.substr(0, slash + 1);
    out.directory.reset(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!out.directory) {
        const int e = errno;
        const errc code = e == EACCES                  ? errc::denied
                          : e == EMFILE || e == ENFILE ? errc::overloaded
                                                       : errc::not_found;
        return refuse(code, "cannot open directory " + directory + ": " + strerrordesc_np(e));
    }
    if (!fill_unix_address(out, at.name, out.directory.get(), at.name.substr(slash + 1)))
        return refuse(errc::invalid, to_string(at) + ": the file name is longer than 80 bytes");
    return out;
}

}  // namespace

bool fill_unix_address(socket_address& out, const std::string& path, int directory,
                       const std::string& name) noexcept {
    if (fill(out, path)) return true;
    std::array<char, sizeof(sockaddr_un::sun_path)> text{};
    constexpr std::string_view prefix = "/proc/self/fd/";
    char* at = std::copy(prefix.begin(), prefix.end(), text.data());
    at = std::to_chars(at, text.data() + text.size(), directory).ptr;
    if (at + 1 + name.size() >= text.data() + text.size()) return false;
    *at++ = '/';
    at = std::copy(name.begin(), name.end(), at);
    return fill(out, {text.data(), static_cast<std::size_t>(at - text.data())});
}

result<socket_address> to_socket_address(const endpoint& at) {
    switch (at.kind) {
        case scheme::unix_path:
        case scheme::shm: return path_address(at);
        case scheme::tcp: return tcp_address(at);
        case scheme::unix_abstract: {
            socket_address out;
            if (at.name.empty() || at.name.size() > max_abstract_name) break;
            fill_abstract(out, at.name);
            return out;
        }
        case scheme::inproc: break;
    }
    return refuse(errc::invalid, to_string(at) + " is not the address of a socket");
}

void describe_tcp(const sockaddr_storage& address, std::string& host, std::uint16_t& port) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    host.clear();
    if (address.ss_family == AF_INET) {
        const auto& in4 = reinterpret_cast<const sockaddr_in&>(address);
        inet_ntop(AF_INET, &in4.sin_addr, text.data(), text.size());
        port = ntohs(in4.sin_port);
        host = text.data();
    } else if (address.ss_family == AF_INET6) {
        const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
        port = ntohs(in6.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            inet_ntop(AF_INET, in6.sin6_addr.s6_addr + 12, text.data(), text.size());
            host = text.data();
            return;
        }
        inet_ntop(AF_INET6, &in6.sin6_addr, text.data(), text.size());
        host = text.data();
        if (in6.sin6_scope_id != 0) host += '%' + std::to_string(in6.sin6_scope_id);
    }
}

void prepare_tcp(int fd, bool is_peer_local) noexcept {
    constexpr int unsent = 128 * 1024;
    constexpr int received = 208 * 1024;  // what Unix sockets take
    constexpr int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    if (is_peer_local) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &received, sizeof received);
}

}  // namespace tenon::inline v0::transport
