#include "harness.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace bench {
namespace {

constexpr double longest_warm_up = 8;  // times cell::warm_up
constexpr unsigned longest_life = 60;  // seconds of a client process, whatever happens
constexpr int server_pipe = 3;         // the descriptor a server announces itself on

double seconds_between(clock::time_point from, clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
}

clock::rep after(clock::time_point from, double seconds) {
    const auto delay =
        std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
    return (from + delay).time_since_epoch().count();
}

std::vector<std::string> to_arguments(const char* part, const cell& c) {
    return {part,
            c.suite,
            c.target,
            c.transport,
            std::string(to_string(c.where)),
            std::to_string(c.size),
            std::to_string(c.outstanding),
            std::to_string(c.connections),
            std::to_string(c.threads),
            std::to_string(c.seconds),
            std::to_string(c.warm_up)};
}

cell to_cell(const std::vector<std::string>& a) {
    cell c;
    c.suite = a.at(1);
    c.target = a.at(2);
    c.transport = a.at(3);
    for (const placement p : {placement::same, placement::free, placement::split})
        if (a.at(4) == to_string(p)) c.where = p;
    c.size = std::stoul(a.at(5));
    c.outstanding = static_cast<unsigned>(std::stoul(a.at(6)));
    c.connections = static_cast<unsigned>(std::stoul(a.at(7)));
    c.threads = static_cast<unsigned>(std::stoul(a.at(8)));
    c.seconds = std::stod(a.at(9));
    c.warm_up = std::stod(a.at(10));
    return c;
}

std::string read_all(int fd, bool one_line) {
    std::string text;
    char c;
    while (read(fd, &c, 1) == 1 && !(one_line && c == '\n')) text += c;
    return text;
}

void run_server(target& t, const cell& c) {
    fcntl(server_pipe, F_SETFD, FD_CLOEXEC);
    take_place(c.where, true);
    t.serve(c, [](const std::string& endpoint) {
        const std::string line = endpoint + "\n";
        if (write(server_pipe, line.data(), line.size()) < 0) fail("announce");
        close(server_pipe);
    });
}

void run_client(target& t, const cell& c) {
    alarm(longest_life);
    std::string endpoint;
    pid_t server = 0;
    if (c.transport != "inproc") {
        int announced[2];
        if (pipe2(announced, O_CLOEXEC) != 0) fail("pipe");
        server = start_self(to_arguments("--serve", c), announced[1], server_pipe);
        close(announced[1]);
        endpoint = read_all(announced[0], true);
        if (endpoint.empty()) fail("the server of " + c.text() + " did not start");
        close(announced[0]);
    }
    take_place(c.where, false);
    cpu_clocks cpu;
    if (server > 0) cpu.add_server(server);
    run r(c, cpu);
    t.drive(c, endpoint, r);
    const measurement m = r.result();
    std::printf("%.17g %.17g %.17g %.17g %.17g %.17g\n", m.p50_us, m.p99_us, m.calls_per_s,
                m.cpu_us_per_call, m.other_cpu, m.idle_bytes);
    std::fflush(stdout);
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, nullptr, 0);
    }
}

}  // namespace

std::string cell::text() const {
    std::string out(to_string(where));
    out.append(" ").append(transport).append(" ").append(target).append(", ");
    out.append(std::to_string(size)).append(" B, ");
    out.append(outstanding == open_loop ? "as many" : std::to_string(outstanding));
    out.append(" outstanding, ").append(std::to_string(connections)).append(" connections");
    if (threads != 1) out.append(", ").append(std::to_string(threads)).append(" server loops");
    return out;
}

void histogram::add(const histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

double histogram::percentile_us(double p) const {
    std::uint64_t total = 0;
    for (const std::uint64_t n : counts_) total += n;
    const auto wanted = static_cast<std::uint64_t>(p * static_cast<double>(total));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
        seen += counts_[bucket];
        if (seen <= wanted) continue;
        const std::size_t shift = bucket < 128 ? 0 : bucket / 64 - 1;
        const double low = static_cast<double>((bucket - shift * 64) << shift);
        return (low + static_cast<double>(1ull << shift) / 2) / 1e3;
    }
    return 0;
}

run::run(const cell& what, cpu_clocks& cpu)
    : cell_(what),
      cpu_(cpu),
      boundary_(after(clock::now(), what.warm_up)),
      created_(clock::now()) {}

void run::restart() {
    created_ = clock::now();
    boundary_.store(after(created_, cell_.warm_up), std::memory_order_relaxed);
}

void run::pass_boundary(clock::time_point now) {
    const std::lock_guard lock(mutex_);
    if (now.time_since_epoch().count() < boundary_.load(std::memory_order_relaxed)) return;
    if (phase_.load(std::memory_order_relaxed) == warm_up) {
        // Every call that was issued at the start should be back, unless that takes very long.
        std::uint64_t completed = 0;
        for (const lane& l : lanes_) completed += l.completed_.load(std::memory_order_relaxed);
        const std::uint64_t wanted = std::uint64_t{cell_.outstanding} * cell_.connections;
        if (completed < wanted &&
            seconds_between(created_, now) < longest_warm_up * cell_.warm_up) {
            boundary_.store(after(now, cell_.warm_up / 20), std::memory_order_relaxed);
            return;
        }
        cpu_begin_ = cpu_.read();
        begin_ = clock::now();
        boundary_.store(after(begin_, cell_.seconds), std::memory_order_relaxed);
        phase_.store(measuring, std::memory_order_relaxed);
    } else {
        end_ = now;
        cpu_end_ = cpu_.read();
        phase_.store(over, std::memory_order_relaxed);
        boundary_.store(std::numeric_limits<clock::rep>::max(), std::memory_order_relaxed);
    }
}

measurement run::result() const {
    if (recorded_) return *recorded_;
    histogram all;
    std::uint64_t calls = 0;
    for (const lane& l : lanes_) {
        all.add(l.latencies_);
        calls += l.measured_;
    }
    if (!is_over() || calls == 0) fail("nothing was measured: " + cell_.text());
    const double seconds = seconds_between(begin_, end_);
    const double own = cpu_end_.client - cpu_begin_.client + cpu_end_.server - cpu_begin_.server;
    const double machine = cpu_end_.machine - cpu_begin_.machine;
    const double n = static_cast<double>(calls);
    return {all.percentile_us(0.50),
            all.percentile_us(0.99),
            n / seconds,
            own / n,
            std::max(0.0, (machine - own) / (seconds * 1e6)),
            idle_bytes_};
}

std::optional<measurement> measure(const cell& what) {
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0) fail("pipe");
    const pid_t pid = start_self(to_arguments("--drive", what), out[1], STDOUT_FILENO);
    close(out[1]);
    const std::string line = read_all(out[0], false);
    close(out[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    measurement m;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 ||
        std::sscanf(line.c_str(), "%lf %lf %lf %lf %lf %lf", &m.p50_us, &m.p99_us, &m.calls_per_s,
                    &m.cpu_us_per_call, &m.other_cpu, &m.idle_bytes) != 6) {
        std::fprintf(stderr, "tenon_bench: measuring failed: %s\n", what.text().c_str());
        return std::nullopt;
    }
    return m;
}

bool run_as_part(const std::vector<std::string>& arguments, const std::vector<suite>& suites) {
    if (arguments.size() != 11) return false;
    const bool serve = arguments[0] == "--serve";
    if (!serve && arguments[0] != "--drive") return false;
    signal(SIGPIPE, SIG_IGN);
    const cell c = to_cell(arguments);
    for (const suite& s : suites) {
        for (const auto& t : s.targets) {
            if (s.name != c.suite || t->name() != c.target) continue;
            serve ? run_server(*t, c) : run_client(*t, c);
            return true;
        }
    }
    fail("there is no target " + c.suite + "/" + c.target);
}

std::vector<std::byte> make_payload(std::size_t size) {
    std::vector<std::byte> payload(size);
    std::uint32_t state = 12345;
    for (std::byte& b : payload) {
        state = state * 1664525u + 1013904223u;
        b = static_cast<std::byte>(state >> 24);
    }
    return payload;
}

}  // namespace bench
