#include "transport/endpoint.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>

#include "transport/socket_address.hpp"

namespace tenon::inline v0::transport {
namespace {

constexpr std::size_t max_host_name = 253;

bool is_alnum(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// What was given, fit for a message: short and without control characters.
std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 80;
    std::string out = "'";
    for (const char c : text.substr(0, longest))
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    if (text.size() > longest) out += "...";
    return out += '\'';
}

error bad(std::string_view text, std::string_view why) {
    std::string message = "endpoint " + quoted(text) + ": ";
    return error(errc::invalid, message.append(why)).set_may_have_run(false);
}

// The canonical text of an IPv4 or IPv6 address (with a possible %zone), if it is one.
std::optional<std::string> canonical_address(const std::string& host, int family) {
    const std::size_t percent = family == AF_INET6 ? host.find('%') : std::string::npos;
    std::array<unsigned char, sizeof(in6_addr)> address{};
    if (inet_pton(family, host.substr(0, percent).c_str(), address.data()) != 1)
        return std::nullopt;
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(family, address.data(), text.data(), text.size());
    std::string out = text.data();
    if (percent != std::string::npos) {
        if (percent + 1 == host.size()) return std::nullopt;
        out += host.substr(percent);
    }
    return out;
}

bool is_ipv6_text(const std::string& host) noexcept { return host.find(':') != std::string::npos; }

bool is_host_name(std::string_view host) noexcept {
    if (host.empty() || host.size() > max_host_name || host.front() == '-') return false;
    return std::all_of(host.begin(), host.end(),
                       [](char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_'; });
}

bool is_localhost(std::string_view host) noexcept {
    return host == "localhost" || host.ends_with(".localhost");
}

result<endpoint> parse_inproc(std::string_view text, std::string_view name) {
    const bool fits = !name.empty() && name.size() <= max_inproc_name &&
                      std::all_of(name.begin(), name.end(), [](char c) {
                          return is_alnum(c) || c == '.' || c == '_' || c == '-' || c == '/';
                      });
    if (!fits)
        return bad(text, "expected inproc:NAME with 1 to 128 letters, digits, '.', '_', '-', '/'");
    return endpoint{scheme::inproc, std::string(name), {}, 0};
}

result<endpoint> parse_path(std::string_view text, scheme kind, std::string_view rest) {
    if (rest.size() > max_unix_path) return bad(text, "the path is longer than 4000 bytes");
    const std::string_view file = rest.substr(rest.rfind('/') + 1);
    if (file.empty() || file == "." || file == "..")
        return bad(text, "the path names a directory; expected a file, as in unix:/run/my.sock");
    if (file.size() > max_socket_file_name)
        return bad(text, "the file name (behind the last '/') is longer than 80 bytes");
    return endpoint{kind, std::string(rest), {}, 0};
}

result<endpoint> parse_shm(std::string_view text, std::string_view rest) {
    if (rest.empty() || rest.front() == '@') return bad(text, "expected shm:/path");
    if (rest.find('\0') != rest.npos) return bad(text, "a path holds no NUL byte");
    return parse_path(text, scheme::shm, rest);
}

result<endpoint> parse_unix(std::string_view text, std::string_view rest) {
    if (rest.empty()) return bad(text, "expected unix:/path or unix:@name");
    if (rest.find('\0') != rest.npos) return bad(text, "a Unix path or name holds no NUL byte");
    if (rest.front() == '@') {
        rest.remove_prefix(1);
        if (rest.empty() || rest.size() > max_abstract_name)
            return bad(text, "expected unix:@name with a name of 1 to 107 bytes");
        return endpoint{scheme::unix_abstract, std::string(rest), {}, 0};
    }
    return parse_path(text, scheme::unix_path, rest);
}

result<endpoint> parse_tcp(std::string_view text, std::string_view rest) {
    constexpr std::string_view expected =
        "expected tcp://host:port, as in tcp://127.0.0.1:5555, tcp://[::1]:5555 or "
        "tcp://localhost:5555";
    const std::size_t colon = rest.rfind(':');
    if (!rest.starts_with("//") || colon == rest.npos || colon < 2) return bad(text, expected);
    std::string host(rest.substr(2, colon - 2));
    const std::string_view digits = rest.substr(colon + 1);

    unsigned port = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (digits.empty() || ec != std::errc() || end != digits.data() + digits.size() || port > 65535)
        return bad(text, "expected a port from 0 to 65535 behind the last ':'");

    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        auto address = canonical_address(host.substr(1, host.size() - 2), AF_INET6);
        if (!address) return bad(text, "expected an IPv6 address between '[' and ']'");
        host = std::move(*address);
    } else if (is_ipv6_text(host)) {
        return bad(text, "an IPv6 address is written in brackets, as in tcp://[::1]:5555");
    } else if (host.find_first_not_of("0123456789.") == host.npos && !host.empty()) {
        if (!canonical_address(host, AF_INET))
            return bad(text, "expected an IPv4 address of four numbers from 0 to 255");
    } else if (is_host_name(host)) {
        std::transform(host.begin(), host.end(), host.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    } else {
        return bad(text, expected);
    }
    return endpoint{scheme::tcp, {}, std::move(host), static_cast<std::uint16_t>(port)};
}

}  // namespace

std::string_view to_string(scheme s) noexcept {
    switch (s) {
        case scheme::inproc: return "inproc";
        case scheme::unix_path:
        case scheme::unix_abstract: return "unix";
        case scheme::tcp: return "tcp";
        case scheme::shm: return "shm";
    }
    return "unknown";
}

result<endpoint> parse_endpoint(std::string_view text) {
    const std::size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    if (colon != text.npos) {
        const std::string_view rest = text.substr(colon + 1);
        if (name == "inproc") return parse_inproc(text, rest);
        if (name == "unix") return parse_unix(text, rest);
        if (name == "tcp") return parse_tcp(text, rest);
        if (name == "shm") return parse_shm(text, rest);
    }
    return bad(text, "expected unix:/path, unix:@name, shm:/path, tcp://host:port or inproc:NAME");
}

std::string to_string(const endpoint& at) {
    switch (at.kind) {
        case scheme::inproc: return "inproc:" + at.name;
        case scheme::unix_path: return "unix:" + at.name;
        case scheme::unix_abstract: return "unix:@" + at.name;
        case scheme::shm: return "shm:" + at.name;
        case scheme::tcp: break;
    }
    const bool ipv6 = is_ipv6_text(at.host);
    std::string out = ipv6 ? "tcp://[" : "tcp://";
    out.append(at.host).append(ipv6 ? "]:" : ":").append(std::to_string(at.port));
    return out;
}

bool is_numeric(const endpoint& at) noexcept {
    return at.kind == scheme::tcp &&
           (is_ipv6_text(at.host) || at.host.find_first_not_of("0123456789.") == at.host.npos);
}

bool is_loopback(const endpoint& at) noexcept {
    if (at.kind != scheme::tcp) return true;
    if (!is_numeric(at)) return is_localhost(at.host);
    return at.host.starts_with("127.") || at.host == "::1" || at.host.starts_with("::ffff:127.");
}

result<std::vector<endpoint>> resolve(const endpoint& at) {
    std::vector<endpoint> out;
    if (at.kind != scheme::tcp || is_numeric(at)) {
        out.push_back(at);
        return out;
    }
    if (is_localhost(at.host)) {
        out.push_back({scheme::tcp, {}, "127.0.0.1", at.port});
        out.push_back({scheme::tcp, {}, "::1", at.port});
        return out;
    }
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int failure = getaddrinfo(at.host.c_str(), nullptr, &hints, &list);
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, [](addrinfo* l) {
        if (l) freeaddrinfo(l);
    });
    if (failure != 0)
        return error(errc::unavailable,
                     "cannot resolve host name " + quoted(at.host) + ": " + gai_strerror(failure))
            .set_may_have_run(false);
    for (const addrinfo* a = list; a; a = a->ai_next) {
        sockaddr_storage address{};
        std::copy_n(reinterpret_cast<const char*>(a->ai_addr),
                    std::min<std::size_t>(a->ai_addrlen, sizeof address),
                    reinterpret_cast<char*>(&address));
        endpoint numeric{scheme::tcp, {}, {}, 0};
        describe_tcp(address, numeric.host, numeric.port);
        numeric.port = at.port;
        if (!numeric.host.empty() && std::find(out.begin(), out.end(), numeric) == out.end())
            out.push_back(std::move(numeric));
    }
    if (out.empty())
        return error(errc::unavailable, "host name " + quoted(at.host) + " has no address")
            .set_may_have_run(false);
    return out;
}

}  // namespace tenon::inline v0::transport
