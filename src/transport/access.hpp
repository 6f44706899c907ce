#pragma once
// Who may connect to a Unix socket, judged by the credentials the kernel gives of the peer.

#include <sys/types.h>

#include <vector>

#include "transport/link.hpp"

namespace tenon::inline v0::transport {

struct access_rule {
    std::vector<uid_t> allow_uid;
    std::vector<gid_t> allow_gid;
    bool everybody = false;
};

/// Admits root, this process's effective user, the listed users, and members of the listed groups
/// (primary or supplementary), or everybody with known credentials. A Unix peer without known credentials is refused. TCP peers have no
/// credentials; they are admitted here and judged by what the listener allows.
bool is_admitted(const access_rule& rule, const link& peer) noexcept;

}  // namespace tenon::inline v0::transport
