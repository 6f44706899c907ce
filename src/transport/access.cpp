#include "transport/access.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace tenon::inline v0::transport {
namespace {

template <class T>
bool contains(const std::vector<T>& list, T wanted) noexcept {
    return std::find(list.begin(), list.end(), wanted) != list.end();
}

// Users with more supplementary groups than this are judged by their uid and primary group.
constexpr std::size_t most_groups = 1024;

bool in_supplementary_group(const std::vector<gid_t>& allowed, int fd) noexcept {
    std::array<gid_t, most_groups> groups;
    socklen_t length = sizeof groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) != 0) return false;
    return std::any_of(groups.begin(), groups.begin() + length / sizeof(gid_t),
                       [&](gid_t g) { return contains(allowed, g); });
}

}  // namespace

bool is_admitted(const access_rule& rule, const link& peer) noexcept {
    const peer_identity& who = peer.peer();
    if (who.kind == scheme::tcp) return true;
    if (!who.has_credentials) return false;
    if (rule.everybody || who.uid == 0 || who.uid == geteuid() || contains(rule.allow_uid, who.uid))
        return true;
    if (rule.allow_gid.empty()) return false;
    return contains(rule.allow_gid, who.gid) || in_supplementary_group(rule.allow_gid, peer.fd());
}

}  // namespace tenon::inline v0::transport
