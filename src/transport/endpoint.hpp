#pragma once
// endpoint: where a service listens or is reached, and its spelling.
//
//   inproc:NAME         inside this process
//   unix:/path          Unix socket at an absolute or relative path
//   unix:@name          Unix socket in Linux' abstract name space, which has no file
//   shm:/path           shared memory, set up over the Unix socket at the path
//   tcp://host:port     TCP; host is an IPv4 address, an [IPv6] address or a name;
//                       port 0 means "any free port" and is for listening only
//
// parse_endpoint and to_string are inverse up to spelling: addresses come out in their canonical
// form and host names in lower case.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/result.hpp"

namespace tenon::inline v0::transport {

enum class scheme : std::uint8_t { inproc, unix_path, unix_abstract, tcp, shm };

/// "inproc", "unix" (for both kinds), "tcp", "shm".
std::string_view to_string(scheme s) noexcept;

struct endpoint {
    scheme kind = scheme::inproc;
    std::string name;  ///< inproc: NAME; unix, shm: the path, or the abstract name without '@'
    std::string host;  ///< tcp: address without brackets, or a name
    std::uint16_t port = 0;  ///< tcp

    friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// Longest path (of any Unix path, counted in bytes) and abstract name that are accepted. Paths
/// longer than the kernel's socket addresses are reached through their directory.
inline constexpr std::size_t max_unix_path = 4000;
inline constexpr std::size_t max_abstract_name = 107;
inline constexpr std::size_t max_inproc_name = 128;

/// Errors: `invalid`, with a message that shows what is expected.
result<endpoint> parse_endpoint(std::string_view text);

std::string to_string(const endpoint& at);

/// True for sockets that have a file: unix:/path and shm:/path.
inline bool is_path(const endpoint& at) noexcept {
    return at.kind == scheme::unix_path || at.kind == scheme::shm;
}

/// True for TCP endpoints whose host is an address rather than a name.
bool is_numeric(const endpoint& at) noexcept;

/// True if only this machine can reach it: all but TCP addresses outside 127.0.0.0/8 and ::1.
/// The name localhost and names below it count as loopback, other names do not.
bool is_loopback(const endpoint& at) noexcept;

/// The addresses of a TCP endpoint's host, in the order in which to try them, each with the port
/// of `at`. Blocks for names (not for addresses, nor for localhost, which is answered without
/// asking anyone), so never call it on a loop thread. Endpoints of other kinds come back as they
/// are. Errors: `unavailable` if the name cannot be resolved now.
result<std::vector<endpoint>> resolve(const endpoint& at);

}  // namespace tenon::inline v0::transport
