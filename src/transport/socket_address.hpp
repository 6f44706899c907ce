#pragma once
// Endpoints as the kernel's socket addresses, and back.

#include <sys/socket.h>

#include <string>

#include "base/unique_fd.hpp"
#include "transport/endpoint.hpp"

namespace tenon::inline v0::transport {

struct socket_address {
    sockaddr_storage storage{};
    socklen_t length = 0;
    base::unique_fd directory{};  // keeps a /proc/self/fd/N/name address valid

    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
    sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
    int family() const noexcept { return storage.ss_family; }
};

/// Unix and numeric TCP endpoints only; others are `invalid`. Opens the directory of a path that
/// is too long, and so may also fail with `not_found`, `denied` or `overloaded`.
result<socket_address> to_socket_address(const endpoint& at);

/// The address of `name` in the open directory `directory`, whose path is `path`. False if even
/// the name alone is too long.
bool fill_unix_address(socket_address& out, const std::string& path, int directory,
                       const std::string& name) noexcept;

/// The longest file name that fill_unix_address is sure to accept.
inline constexpr std::size_t max_socket_file_name = 80;

/// Numeric host and port of an IPv4 or IPv6 address; IPv4-mapped ones come out as IPv4.
void describe_tcp(const sockaddr_storage& address, std::string& host, std::uint16_t& port);

/// For a TCP socket that is connected or will be: nothing waits for more data to send, and little
/// waits in the kernel, where what is urgent cannot pass it. Without a network between them, what
/// the sender is ahead of the receiver would otherwise grow to many MiB of received data.
void prepare_tcp(int fd, bool is_peer_local) noexcept;

}  // namespace tenon::inline v0::transport
