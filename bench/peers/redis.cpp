#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "peers.hpp"

namespace bench {
namespace {

/// "PATH" or "PORT".
bool is_port(const std::string& endpoint) { return endpoint.front() != '/'; }

int try_to_connect(const std::string& endpoint) {
    sockaddr_storage storage{};
    socklen_t length;
    const bool tcp = is_port(endpoint);
    if (tcp) {
        auto& in = reinterpret_cast<sockaddr_in&>(storage);
        in.sin_family = AF_INET;
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in.sin_port = htons(static_cast<std::uint16_t>(std::stoi(endpoint)));
        length = sizeof in;
    } else {
        auto& un = reinterpret_cast<sockaddr_un&>(storage);
        un.sun_family = AF_UNIX;
        endpoint.copy(un.sun_path, sizeof un.sun_path - 1);
        length = sizeof un;
    }
    const int fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    if (connect(fd, reinterpret_cast<sockaddr*>(&storage), length) != 0) {
        close(fd);
        return -1;
    }
    const int on = 1;
    if (tcp) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/// The server announces itself before it is one.
int connect_when_up(const std::string& endpoint) {
    for (int attempt = 0; attempt < 500; ++attempt) {
        if (const int fd = try_to_connect(endpoint); fd >= 0) return fd;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    fail("redis-server did not start");
}

class redis_caller {
public:
    redis_caller(int fd, std::size_t size) : fd_(fd) {
        const std::string length = "$" + std::to_string(size) + "\r\n";
        prefix_ = "*2\r\n$4\r\nPING\r\n" + length;
        reply_prefix_ = length.size();
        reply_.resize(reply_prefix_ + size + 2);
    }

    bytes_view call(bytes_view payload) {
        iovec parts[3] = {{prefix_.data(), prefix_.size()},
                          {const_cast<std::byte*>(payload.data()), payload.size()},
                          {const_cast<char*>("\r\n"), 2}};
        if (writev(fd_, parts, 3) != static_cast<ssize_t>(prefix_.size() + payload.size() + 2))
            fail("writev");
        for (std::size_t have = 0; have < reply_.size();) {
            const ssize_t n = read(fd_, reply_.data() + have, reply_.size() - have);
            if (n <= 0) fail("read");
            have += static_cast<std::size_t>(n);
        }
        return std::as_bytes(std::span(reply_)).subspan(reply_prefix_, payload.size());
    }

private:
    int fd_;
    std::string prefix_;
    std::string reply_;
    std::size_t reply_prefix_;
};

/// redis-benchmark, which waits for a whole batch before it sends the next one.
class load_generator {
public:
    load_generator(const cell& what, std::string endpoint)
        : what_(what), endpoint_(std::move(endpoint)), payload_(memfd_create("payload", 0)) {
        std::string text;
        for (const std::byte b : make_payload(what.size))
            text += static_cast<char>('a' + static_cast<int>(b) % 26);
        if (write(payload_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
            fail("write");
    }

    /// Makes so many calls.
    measurement measure(std::uint64_t calls, const run& r) const {
        std::vector<std::string> command = {"redis-benchmark",
                                            "-c",
                                            "1",
                                            "--csv",
                                            "-x",
                                            "-P",
                                            std::to_string(what_.outstanding),
                                            "-n",
                                            std::to_string(calls)};
        if (is_port(endpoint_)) command.insert(command.end(), {"-h", "127.0.0.1", "-p", endpoint_});
        else command.insert(command.end(), {"-s", endpoint_});
        command.emplace_back("PING");

        lseek(payload_, 0, SEEK_SET);
        int out[2];
        if (pipe2(out, O_CLOEXEC) != 0) fail("pipe");
        const cpu_times cpu_begin = r.cpu_now();
        const auto begun = clock::now();
        const pid_t pid = start_program(command, payload_, out[1]);
        close(out[1]);
        std::string csv;
        char chunk[4096];
        for (ssize_t n; (n = read(out[0], chunk, sizeof chunk)) > 0;)
            csv.append(chunk, static_cast<std::size_t>(n));
        close(out[0]);
        int status = 0;
        rusage usage{};
        wait4(pid, &status, 0, &usage);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail("redis-benchmark failed: " + csv);
        const std::chrono::duration<double> took = clock::now() - begun;
        const cpu_times cpu_end = r.cpu_now();

        const std::vector<double> numbers = last_numbers(csv);
        const auto us = [](const timeval& t) {
            return 1e6 * static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec);
        };
        const double cpu = us(usage.ru_utime) + us(usage.ru_stime) + cpu_end.client -
                           cpu_begin.client + cpu_end.server - cpu_begin.server;
        const double machine = cpu_end.machine - cpu_begin.machine;
        return {1e3 * numbers[3], 1e3 * numbers[5], numbers[0], cpu / static_cast<double>(calls),
                std::max(0.0, (machine - cpu) / (took.count() * 1e6))};
    }

private:
    /// Of its last line: "test","rps","avg","min","p50","p95","p99","max", times in milliseconds.
    /// "test" repeats the whole payload, so this reads from the end.
    static std::vector<double> last_numbers(const std::string& csv) {
        std::vector<double> numbers(7);
        std::size_t end = csv.size();
        for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
            const std::size_t start = csv.rfind(",\"", end - 1);
            if (start == std::string::npos) fail("redis-benchmark said: " + csv);
            *number = std::stod(csv.substr(start + 2, 32));
            end = start;
        }
        return numbers;
    }

    const cell& what_;
    std::string endpoint_;
    int payload_;
};

class redis_peer final : public target {
public:
    std::string_view name() const override { return "redis"; }

    void serve(const cell& what, const announce& ready) override {
        const bool tcp = what.transport == "tcp";
        const std::string port = tcp ? free_port() : "0";
        const std::string path = socket_path("redis");
        ready(tcp ? port : path);
        // The program of redis-server comes with redis-tools under the name of one of its modes;
        // the package redis-server would start a service as well.
        execl("/usr/bin/redis-check-rdb", "redis-server", "--save", "", "--appendonly", "no",
              "--bind", "127.0.0.1", "--port", port.c_str(), "--unixsocket", path.c_str(),
              "--logfile", "/dev/null", nullptr);
        fail("cannot start redis-server");
    }

    void drive(const cell& what, const std::string& endpoint, run& r) override {
        const int fd = connect_when_up(endpoint);
        if (what.outstanding > 1) {
            close(fd);
            const load_generator generator(what, endpoint);
            const std::uint64_t trial = what.size < 4096 ? 10'000 : 1'000;
            const double rate = generator.measure(trial, r).calls_per_s;
            const auto calls = static_cast<std::uint64_t>(rate * what.seconds);
            r.record(generator.measure(calls + what.outstanding, r));
            return;
        }
        redis_caller client(fd, what.size);
        const std::vector<std::byte> payload = make_payload(what.size);
        repeat(r.add_lane(), 1, [&] { check_reply(payload, client.call(payload)); });
    }
};

}  // namespace

std::unique_ptr<target> make_redis_peer() { return std::make_unique<redis_peer>(); }

}  // namespace bench
