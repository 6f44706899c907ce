#include "raw_peer.hpp"

#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace e2e {

using namespace std::chrono;

namespace {

std::uint64_t number(std::string_view bytes) {
    std::uint64_t n = 0;
    for (const char c : bytes) n = n << 8 | static_cast<unsigned char>(c);
    return n;
}

int connect_to(std::string_view endpoint, int receive_buffer) {
    const bool tcp = endpoint.starts_with("tcp://");
    const int fd = ::socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) throw std::runtime_error("no socket");
    if (receive_buffer != 0)
        ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    int failed;
    if (tcp) {
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const auto port = std::stoul(std::string(endpoint.substr(endpoint.rfind(':') + 1)));
        a.sin_port = htons(static_cast<std::uint16_t>(port));
        failed = ::connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a);
    } else {
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        const std::string_view path = endpoint.substr(std::string_view("unix:").size());
        std::memcpy(a.sun_path, path.data(), std::min(path.size(), sizeof a.sun_path - 1));
        failed = ::connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a);
    }
    if (failed) {
        ::close(fd);
        throw std::runtime_error("cannot connect to " + std::string(endpoint) + ": " +
                                 std::strerror(errno));
    }
    return fd;
}

}  // namespace

std::string be(std::uint64_t value, unsigned bytes) {
    std::string s(bytes, '\0');
    for (unsigned i = bytes; i-- > 0; value >>= 8) s[i] = static_cast<char>(value & 0xff);
    return s;
}

std::string make_frame(std::uint32_t stream, unsigned type, unsigned flags, std::string_view body) {
    std::string f = be(body.size() + 6, 3) + be(stream, 4) + be(type << 10 | flags, 2);
    f += body;
    return f;
}

std::string make_setup(std::string_view data_mime, unsigned flags, std::string_view metadata_mime) {
    std::string body = be(1, 2) + be(0, 2) + be(20'000, 4) + be(90'000, 4);
    if (flags & resume_flag) body += be(4, 2) + "some";
    body += be(metadata_mime.size(), 1);
    body += metadata_mime;
    body += be(data_mime.size(), 1);
    body += data_mime;
    return make_frame(0, setup_frame, flags, body);
}

std::string route_entry(std::string_view route) {
    std::string entry = be(0xfe, 1) + be(route.size() + 1, 3) + be(route.size(), 1);
    entry += route;
    return entry;
}

std::string request_body(std::string_view route, std::string_view data) {
    const std::string entry = route_entry(route);
    std::string body = be(entry.size(), 3) + entry;
    body += data;
    return body;
}

std::string make_request(std::uint32_t stream, std::string_view route, std::string_view data,
                         unsigned flags) {
    return make_frame(stream, request_response_frame, flags | metadata_flag,
                      request_body(route, data));
}

std::uint32_t raw_frame::code() const {
    return type == error_frame && body.size() >= 4
               ? static_cast<std::uint32_t>(number(std::string_view(body).substr(0, 4)))
               : 0;
}

std::string raw_frame::text() const { return body.size() >= 4 ? body.substr(4) : std::string(); }

std::string raw_frame::to_string() const {
    char head[64];
    std::snprintf(head, sizeof head, "stream %u type 0x%x flags 0x%x code 0x%x: ", stream, type,
                  flags, code());
    return head + (type == error_frame ? text() : body).substr(0, 200);
}

raw_peer::raw_peer(std::string_view endpoint, int receive_buffer)
    : fd_(connect_to(endpoint, receive_buffer)) {}

raw_peer::~raw_peer() { close(); }

bool raw_peer::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

std::size_t raw_peer::send_some(std::string_view bytes) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? 0 : static_cast<std::size_t>(n);
}

bool raw_peer::fill(steady_clock::time_point end) {
    if (ended_) return false;
    const auto left = duration_cast<milliseconds>(end - steady_clock::now()).count();
    pollfd p{fd_, POLLIN, 0};
    if (::poll(&p, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) <= 0) return false;
    char buffer[65536];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) return ended_ = true, false;
    if (taken_ == input_.size()) input_.clear(), taken_ = 0;
    input_.append(buffer, static_cast<std::size_t>(n));
    return true;
}

std::optional<raw_frame> raw_peer::receive(milliseconds limit) {
    const auto end = steady_clock::now() + limit;
    for (;;) {
        const std::string_view have = std::string_view(input_).substr(taken_);
        if (have.size() >= 3) {
            const auto size = static_cast<std::size_t>(number(have.substr(0, 3)));
            if (have.size() >= size + 3 && size >= 6) {
                const std::string_view f = have.substr(3, size);
                taken_ += size + 3;
                const auto head = static_cast<unsigned>(number(f.substr(4, 2)));
                return raw_frame{static_cast<std::uint32_t>(number(f.substr(0, 4))), head >> 10,
                                 head & 0x3ff, std::string(f.substr(6))};
            }
        }
        if (!fill(end)) return std::nullopt;
    }
}

bool raw_peer::ended(milliseconds limit) {
    const auto end = steady_clock::now() + limit;
    while (fill(end)) input_.clear(), taken_ = 0;
    return ended_;
}

void raw_peer::half_close() { ::shutdown(fd_, SHUT_WR); }

void raw_peer::reset() {
    const linger l{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    close();
}

void raw_peer::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    ended_ = true;
}

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto c = static_cast<unsigned char>(text[i]);
        const std::size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || i + n > text.size()) return false;
        for (std::size_t k = 1; k < n; ++k)
            if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
        i += n;
    }
    return true;
}

}  // namespace e2e
