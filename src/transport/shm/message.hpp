#pragma once
// What goes over the socket of a link in shared memory: first the handshake, then segments that
// come and go. Each message is 40 bytes, sent at once, and may bring descriptors; docs/wire.md.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/unique_fd.hpp"

namespace tenon::inline v0::transport::shm {

enum class message_type : std::uint32_t {
    /// Client: a version, b ring bytes; of the segments it accepts, c bytes of the largest one, d
    /// bytes of all; descriptors: memory, bell.
    offer = 1,
    accept = 2,   ///< server: the same
    refuse = 3,   ///< server: a refusal; both go on over the socket
    segment = 4,  ///< a number, b bytes; descriptor: memory
    forget = 5,   ///< a number of a segment that will not be used any more
};

enum class refusal : std::uint32_t { other_user = 1, version = 2, resources = 3 };

struct message {
    message_type type{};
    std::uint32_t a = 0;
    std::uint64_t b = 0;
    std::uint64_t c = 0;
    std::uint64_t d = 0;
};

inline constexpr std::size_t message_bytes = 40;
inline constexpr std::size_t max_message_fds = 2;

/// Begins every message; an RSocket connection begins with a byte of 0.
inline constexpr char message_magic[] = "tenonshm";

/// 0, or an errno: nothing was sent. Never waits.
int send_message(int socket, const message& m, std::span<const int> fds) noexcept;

struct received {
    enum class outcome : std::uint8_t {
        message,  ///< `error` is EMFILE if its descriptors were lost for want of room for them
        nothing,  ///< no message has come yet
        end,      ///< the peer will send nothing more
        foreign,  ///< what waits is no message; it was left there
        failed,   ///< `error`: EPROTO for a damaged message, else the connection's
    };
    outcome what = outcome::nothing;
    int error = 0;
    shm::message message{};
    std::array<base::unique_fd, max_message_fds> fds{};  ///< as many as the type has
};

/// Never waits. Closes what descriptors came beside the expected ones.
received receive_message(int socket) noexcept;

}  // namespace tenon::inline v0::transport::shm
