#include "cli_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "tenon/codec.hpp"

namespace e2e {

using namespace std::chrono_literals;

pipe_ends::pipe_ends() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    read = fds[0], write = fds[1];
}

pipe_ends::~pipe_ends() { close_read(), close_write(); }

void pipe_ends::close_read() {
    if (read >= 0) ::close(std::exchange(read, -1));
}

void pipe_ends::close_write() {
    if (write >= 0) ::close(std::exchange(write, -1));
}

process::process(const std::string& program, const words& args, const settings& s) {
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& a : args) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    std::vector<char*> envp;
    for (const std::string& e : s.environment) envp.push_back(const_cast<char*>(e.c_str()));
    for (char** e = environ; *e; ++e) {
        const std::string name = std::string(*e).substr(0, std::string(*e).find('=') + 1);
        bool given = false;
        for (const std::string& g : s.environment) given = given || g.starts_with(name);
        if (!given) envp.push_back(*e);
    }
    envp.push_back(nullptr);
    pid = ::fork();
    if (pid == 0) {
        ::dup2(s.stdin_file.empty() ? in_.read : ::open(s.stdin_file.c_str(), O_RDONLY), 0);
        ::dup2(s.stdout_file.empty() ? out_.write : ::open(s.stdout_file.c_str(), O_WRONLY), 1);
        ::dup2(err_.write, 2);
        for (const int fd : s.closed) ::close(fd);
        ::execvpe(program.c_str(), argv.data(), envp.data());
        ::_exit(127);
    }
    in_.close_read(), out_.close_write(), err_.close_write();
    write(s.input);
    if (!s.keeps_stdin) in_.close_write();
}

void process::write(const std::string& text) {
    EXPECT_EQ(::write(in_.write, text.data(), text.size()), ssize_t(text.size()));
}

process::~process() {
    if (!ended_) {
        ::kill(pid, SIGKILL);
        wait();
    }
}

process& process::finish() {
    const auto limit = std::chrono::steady_clock::now() + 30s;
    pollfd fds[]{{out_.read, POLLIN, 0}, {err_.read, POLLIN, 0}};
    std::string* to[]{&out, &err};
    for (int open = out_.read < 0 ? 1 : 2; open > 0;) {
        if (std::chrono::steady_clock::now() > limit) {
            ::kill(pid, SIGKILL);
            ADD_FAILURE() << "killed after 30 s; it said: " << out << err;
            break;
        }
        ::poll(fds, 2, 1000);
        for (int i = 0; i < 2; ++i) {
            if (!fds[i].revents) continue;
            char buffer[65536];
            const ssize_t n = ::read(fds[i].fd, buffer, sizeof buffer);
            if (n > 0) to[i]->append(buffer, static_cast<std::size_t>(n));
            else fds[i].fd = -1, --open;
        }
    }
    wait();
    return *this;
}

std::string process::read_line() {
    std::string line;
    for (;;) {
        pollfd p{out_.read, POLLIN, 0};
        char c = 0;
        if (::poll(&p, 1, 30'000) != 1) {
            ADD_FAILURE() << "no line within 30 s, but: " << line;
            return line;
        }
        if (::read(out_.read, &c, 1) != 1 || c == '\n') return line;
        line += c;
    }
}

std::string process::read_some() {
    pollfd p{out_.read, POLLIN, 0};
    char buffer[4096];
    if (::poll(&p, 1, 1000) != 1) return {};
    const ssize_t n = ::read(out_.read, buffer, sizeof buffer);
    return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
}

void process::signal(int number) const { ::kill(pid, number); }

void process::wait() {
    int status = 0;
    ::waitpid(pid, &status, 0);
    ended_ = true;
    exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

outcome run_tenon(const words& args, const settings& s) {
    process p(TENON_BIN_DIR "/tenon", args, s);
    p.finish();
    return {p.exit, p.out, p.err};
}

names_test::names_test() : directory_(scratch_.path("run")) {
    std::filesystem::create_directory(directory_);
}

names_test::~names_test() = default;

outcome names_test::run(words args, settings s) const {
    for (std::string& e : environment()) s.environment.push_back(std::move(e));
    return run_tenon(args, s);
}

std::unique_ptr<process> names_test::serve(words args) const {
    auto server = std::make_unique<process>(TENON_EXAMPLES_DIR "/echo_server", args,
                                            settings{.environment = environment()});
    const std::string line = server->read_line();
    EXPECT_TRUE(line.starts_with("listening on")) << line;
    return server;
}

std::string names_test::instance_of(const std::string& service) const {
    const outcome o = run({"list", service, "--json"});
    EXPECT_EQ(o.exit, 0) << o.err;
    const auto all = tenon::parse_json(o.out);
    if (!all || all->size() != 1) return "";
    return (*all)[0]["instance"].as_string();
}

}  // namespace e2e
