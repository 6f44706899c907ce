#pragma once
// Plain sockets for the floors.

#include <string>

namespace bench {

/// Listens at a fresh Unix or TCP loopback address ("unix" or "tcp") and gives its spelling.
int listen_at(const std::string& transport, std::string& endpoint);
int connect_to(const std::string& endpoint);
int accept_from(int listener);
void make_non_blocking(int fd);

}  // namespace bench
