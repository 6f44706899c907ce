#include "process.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace bench {
namespace {

double read_clock(clockid_t clock) {
    timespec t{};
    if (clock_gettime(clock, &t) != 0) return 0;
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

double machine_busy() {
    std::ifstream stat("/proc/stat");
    std::string label;
    double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
    stat >> label >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
    return (user + nice + system + irq + softirq + steal) * 1e6 /
           static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::vector<int> allowed_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) fail("sched_getaffinity");
    std::vector<int> out;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &set)) out.push_back(cpu);
    return out;
}

}  // namespace

void fail(std::string_view what) {
    const int e = errno;
    std::fprintf(stderr, "tenon_bench: %.*s", static_cast<int>(what.size()), what.data());
    if (e != 0) std::fprintf(stderr, " (%s)", strerrordesc_np(e));
    std::fputc('\n', stderr);
    std::_Exit(1);
}

std::string_view to_string(placement p) {
    switch (p) {
        case placement::same: return "same";
        case placement::free: return "free";
        case placement::split: return "split";
    }
    return "";
}

int cpu_count() { return static_cast<int>(allowed_cpus().size()); }

void take_place(placement where, bool is_server) {
    if (where == placement::free) return;
    const std::vector<int> cpus = allowed_cpus();
    const std::size_t index = where == placement::split && is_server ? 1 : 0;
    if (index >= cpus.size()) fail("placement split needs two CPUs");
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpus[index], &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) fail("sched_setaffinity");
}

pid_t start_self(const std::vector<std::string>& arguments, int output, int as) {
    std::vector<char*> raw{const_cast<char*>("tenon_bench")};
    for (const std::string& a : arguments) raw.push_back(const_cast<char*>(a.c_str()));
    raw.push_back(nullptr);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid > 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) std::_Exit(1);
    if (output >= 0 && (output == as ? fcntl(as, F_SETFD, 0) : dup2(output, as)) < 0) fail("dup2");
    execv("/proc/self/exe", raw.data());
    fail("cannot start /proc/self/exe");
}

cpu_clocks::cpu_clocks(pid_t server) : has_server_(server > 0) {
    if (has_server_ && clock_getcpuclockid(server, &server_) != 0) fail("clock_getcpuclockid");
}

cpu_times cpu_clocks::read() const {
    return {read_clock(CLOCK_PROCESS_CPUTIME_ID), has_server_ ? read_clock(server_) : 0,
            machine_busy()};
}

std::string machine_text() {
    utsname name{};
    uname(&name);
    std::string model = "CPU";
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        if (!line.starts_with("model name")) continue;
        model = line.substr(std::min(line.size(), line.find(':') + 2));
        break;
    }
    return std::string(name.sysname) + " " + name.release + ", " + std::to_string(cpu_count()) +
           " x " + model;
}

}  // namespace bench
