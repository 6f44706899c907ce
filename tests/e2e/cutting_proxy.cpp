#include "cutting_proxy.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace e2e {
namespace {

constexpr std::size_t most_pairs = 64;

int unix_socket() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

sockaddr_un address_of(const std::string& path) {
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    if (path.size() >= sizeof a.sun_path) throw std::runtime_error("path too long: " + path);
    std::memcpy(a.sun_path, path.data(), path.size());
    return a;
}

// The rest runs in a forked child of a process with threads: system calls and static memory only.

struct direction {
    std::array<char, 16384> bytes;
    std::size_t begin, end;
};
struct pair {
    int fds[2];  // of the client, of the server
    direction from[2];
};
pair pairs[most_pairs];

void close_pair(pair& p) {
    for (int& fd : p.fds) {
        if (fd >= 0) ::close(fd);
        fd = -1;
    }
}

void open_pair(int client, const sockaddr_un& target) {
    for (pair& p : pairs) {
        if (p.fds[0] >= 0) continue;
        p.fds[0] = client;
        p.fds[1] = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        for (direction& d : p.from) d.begin = d.end = 0;
        if (::connect(p.fds[1], reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0)
            close_pair(p);
        else ::fcntl(p.fds[1], F_SETFL, O_NONBLOCK);
        return;
    }
    ::close(client);
}

/// False: the connection has ended.
bool pass(pair& p, int side, short ready) {
    direction& d = p.from[side];
    if (d.begin == d.end && (ready & (POLLIN | POLLHUP | POLLERR))) {
        const ssize_t n = ::read(p.fds[side], d.bytes.data(), d.bytes.size());
        if (n == 0 || (n < 0 && errno != EAGAIN)) return false;
        d.begin = 0;
        d.end = n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    if (d.begin != d.end) {
        const ssize_t n =
            ::send(p.fds[1 - side], d.bytes.data() + d.begin, d.end - d.begin, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) return false;
        if (n > 0) d.begin += static_cast<std::size_t>(n);
    }
    return true;
}

[[noreturn]] void run(int listener, int commands, const sockaddr_un& target) {
    bool admitting = true;
    for (pair& p : pairs) p.fds[0] = p.fds[1] = -1;
    for (;;) {
        std::array<pollfd, 2 + 2 * most_pairs> polled;
        polled[0] = {commands, POLLIN, 0};
        polled[1] = {listener, POLLIN, 0};
        for (std::size_t i = 0; i < most_pairs; ++i) {
            pair& p = pairs[i];
            for (int side = 0; side < 2; ++side) {
                const bool has = p.from[side].begin != p.from[side].end;
                const bool owes = p.from[1 - side].begin != p.from[1 - side].end;
                polled[2 + 2 * i + static_cast<std::size_t>(side)] = {
                    p.fds[side], static_cast<short>((has ? 0 : POLLIN) | (owes ? POLLOUT : 0)), 0};
            }
        }
        if (::poll(polled.data(), polled.size(), -1) < 0) continue;
        if (polled[0].revents != 0) {
            char command = 0;
            if (::read(commands, &command, 1) != 1) ::_exit(0);
            if (command == 'c' || command == 'r')
                for (pair& p : pairs) close_pair(p);
            if (command != 'c') admitting = command == 'a';
            continue;
        }
        if (polled[1].revents != 0) {
            const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (client >= 0 && admitting) open_pair(client, target);
            else if (client >= 0) ::close(client);
        }
        for (std::size_t i = 0; i < most_pairs; ++i) {
            pair& p = pairs[i];
            for (int side = 0; side < 2 && p.fds[0] >= 0; ++side) {
                const short ready = polled[2 + 2 * i + static_cast<std::size_t>(side)].revents;
                if (polled[2 + 2 * i].fd == p.fds[0] && !pass(p, side, ready)) close_pair(p);
            }
        }
    }
}

}  // namespace

cutting_proxy::cutting_proxy(const std::string& path, const std::string& target) {
    const sockaddr_un at = address_of(path);
    const sockaddr_un to = address_of(target);
    const int listener = unix_socket();
    int ends[2];
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
        ::listen(listener, 64) != 0 || ::pipe2(ends, O_CLOEXEC) != 0)
        throw std::runtime_error("the proxy cannot listen at " + path);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::close(ends[1]);
        run(listener, ends[0], to);
    }
    ::close(listener);
    ::close(ends[0]);
    commands_ = ends[1];
}

cutting_proxy::~cutting_proxy() {
    ::close(commands_);
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void cutting_proxy::tell(char command) {
    if (::write(commands_, &command, 1) != 1) throw std::runtime_error("the proxy has gone");
}

void cutting_proxy::freeze() { ::kill(pid_, SIGSTOP); }
void cutting_proxy::thaw() { ::kill(pid_, SIGCONT); }

}  // namespace e2e
