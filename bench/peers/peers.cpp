#include "peers.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

namespace bench {

void peer::drive(const cell& what, const std::string& endpoint, run& r) {
    const auto client = connect(what, endpoint);
    const std::vector<std::byte> payload = make_payload(what.size);
    lane& calls = r.add_lane();
    if (what.outstanding == 1)
        repeat(calls, 1, [&] { check_reply(payload, client->call(payload)); });
    else client->pipeline(payload, what.outstanding, calls);
}

void check_reply(bytes_view payload, bytes_view reply) {
    if (reply.size() != payload.size() || reply.front() != payload.front() ||
        reply.back() != payload.back())
        fail("the reply differs from the request");
}

std::string socket_path(std::string_view name) {
    return own_directory() + "/" + std::string(name) + "-" + std::to_string(getpid());
}

std::string free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0) fail("bind");
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    close(fd);
    return std::to_string(ntohs(address.sin_port));
}

pid_t start_program(const std::vector<std::string>& command, int input, int output, int errors) {
    std::vector<char*> raw;
    for (const std::string& word : command) raw.push_back(const_cast<char*>(word.c_str()));
    raw.push_back(nullptr);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid > 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) std::_Exit(1);
    if (input >= 0 && dup2(input, STDIN_FILENO) < 0) fail("dup2");
    if (output >= 0 && dup2(output, STDOUT_FILENO) < 0) fail("dup2");
    if (errors >= 0 && dup2(errors, STDERR_FILENO) < 0) fail("dup2");
    execvp(raw[0], raw.data());
    fail("cannot start " + command[0]);
}

}  // namespace bench
