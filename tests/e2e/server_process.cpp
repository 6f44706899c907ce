#include "server_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace e2e {

using namespace std::chrono;

scratch::scratch() {
    char name[] = "/tmp/tenon-e2e-XXXXXX";
    if (!::mkdtemp(name)) throw std::runtime_error("cannot make a directory in /tmp");
    dir_ = name;
}

scratch::~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}

server_process::~server_process() {
    kill_now();
    close_output();
}

server_process::server_process(server_process&& other) noexcept { *this = std::move(other); }

server_process& server_process::operator=(server_process&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(output_, other.output_);
    std::swap(status_, other.status_);
    std::swap(text_, other.text_);
    std::swap(endpoints_, other.endpoints_);
    return *this;
}

server_process server_process::start(const std::vector<std::string>& arguments,
                                     unsigned descriptors) {
    std::vector<char*> argv;
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(126);
        ::dup2(ends[1], 1);
        if (descriptors != 0) {
            const rlimit r{descriptors, descriptors};
            ::setrlimit(RLIMIT_NOFILE, &r);
        }
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    if (pid < 0) throw std::runtime_error("cannot fork");
    server_process p;
    p.pid_ = pid;
    p.output_ = ends[0];
    return p;
}

server_process server_process::echo(const std::vector<std::string>& listen, unsigned descriptors) {
    std::vector<std::string> arguments{TENON_EXAMPLES_DIR "/echo_server"};
    for (const std::string& e : listen) {
        arguments.push_back("--listen");
        arguments.push_back(e);
    }
    server_process p = start(arguments, descriptors);
    if (!p.wait_listening(listen.size())) throw std::runtime_error("the echo server did not start");
    return p;
}

bool server_process::wait_listening(std::size_t n) {
    constexpr std::string_view said = "listening on ";
    while (endpoints_.size() < n) {
        if (const auto end = text_.find('\n'); end != std::string::npos) {
            if (text_.starts_with(said))
                endpoints_.push_back(text_.substr(said.size(), end - said.size()));
            text_.erase(0, end + 1);
            continue;
        }
        pollfd p{output_, POLLIN, 0};
        if (::poll(&p, 1, 20'000) <= 0) return false;
        char buffer[512];
        const ssize_t got = ::read(output_, buffer, sizeof buffer);
        if (got <= 0) return false;
        text_.append(buffer, static_cast<std::size_t>(got));
    }
    return true;
}

bool server_process::running() noexcept {
    if (pid_ == 0) return false;
    if (::waitpid(pid_, &status_, WNOHANG) != pid_) return true;
    pid_ = 0;
    return false;
}

void server_process::signal(int number) const {
    if (pid_ != 0) ::kill(pid_, number);
}

void server_process::stop_threads() const {
    signal(SIGSTOP);
    const std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
    eventually([&] {
        for (const auto& task : std::filesystem::directory_iterator(tasks)) {
            std::ifstream in(task.path() / "stat");
            std::string stat;
            std::getline(in, stat);
            if (stat.find(") T ") == std::string::npos) return false;
        }
        return true;
    });
}

int server_process::wait(milliseconds limit) {
    if (!eventually([this] { return !running(); }, limit)) {
        kill_now();
        return -1000;
    }
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
}

void server_process::kill_now() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
    pid_ = 0;
}

void server_process::close_output() {
    if (output_ >= 0) ::close(output_);
    output_ = -1;
}

std::size_t server_process::resident() const { return resident_of(pid_); }
std::size_t server_process::descriptors() const { return descriptors_of(pid_); }
std::uint64_t server_process::context_switches() const { return context_switches_of(pid_); }

std::size_t resident_of(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/statm");
    std::size_t size = 0, resident = 0;
    in >> size >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t descriptors_of(pid_t pid) {
    std::size_t n = 0;
    std::error_code ignored;
    for ([[maybe_unused]] const auto& e :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", ignored))
        ++n;
    return n;
}

std::uint64_t context_switches_of(pid_t pid, pid_t besides) {
    std::uint64_t sum = 0;
    std::error_code ignored;
    for (const auto& task :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", ignored)) {
        if (task.path().filename() == std::to_string(besides)) continue;
        std::ifstream in(task.path() / "status");
        for (std::string line; std::getline(in, line);)
            if (line.find("ctxt_switches:") != std::string::npos)
                sum += std::stoull(line.substr(line.find(':') + 1));
    }
    return sum;
}

void pause_for(milliseconds t) { std::this_thread::sleep_for(t); }

}  // namespace e2e
