#pragma once
// The link over a stream socket, Unix or TCP.

#include "transport/link.hpp"

namespace tenon::inline v0::transport {

class socket_link final : public link {
public:
    /// Takes over a non-blocking, close-on-exec socket; finish_connect decides about one that is
    /// not known to be `connected`.
    socket_link(base::unique_fd fd, peer_identity peer, bool connected) noexcept
        : link(std::move(fd), std::move(peer)), connected_(connected) {}

    io_result read(std::span<std::byte> into) noexcept override;
    io_result scatter(std::span<std::byte> first, std::span<std::byte> second) noexcept override;
    io_result write(std::span<const base::segment> segments) noexcept override;
    io_result finish_connect() noexcept override;
    void finish_writes() noexcept override;
    void shutdown() noexcept override;

private:
    bool connected_;
    int connect_error_ = 0;
};

/// One read and one gathered write of a stream socket, as link has them.
io_result read_socket(int fd, std::span<std::byte> into) noexcept;
io_result write_socket(int fd, std::span<const base::segment> segments) noexcept;

/// A Unix peer by its credentials.
peer_identity identify_unix_peer(int fd, scheme kind) noexcept;

}  // namespace tenon::inline v0::transport
