#include "process.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "floors.hpp"
#include "tenon/runtime.hpp"

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

/// The first CPU's.
std::string cpuinfo(std::string_view field) {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
        if (line.starts_with(field)) return line.substr(std::min(line.size(), line.find(':') + 2));
    return "unknown";
}

#if defined(__clang__)
constexpr const char* compiler = "clang " __clang_version__;
#else
constexpr const char* compiler = "g++ " __VERSION__;
#endif

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

std::string own_directory() {
    const char* directory = getenv("TENON_RUNTIME_DIR");
    return directory ? directory : "/tmp";
}

void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("setrlimit");
}

double resident_bytes(pid_t process) {
    std::ifstream rollup("/proc/" + std::to_string(process) + "/smaps_rollup");
    for (std::string line; std::getline(rollup, line);)
        if (line.starts_with("Pss:")) return std::stod(line.substr(4)) * 1024;
    fail("the memory of a process is not to be read");
}

void cpu_clocks::add_server(pid_t pid) {
    if (server_ == 0) server_ = pid;
    if (clock_getcpuclockid(pid, &servers_.emplace_back()) != 0) fail("clock_getcpuclockid");
}

cpu_times cpu_clocks::read() const {
    double servers = 0;
    for (const clockid_t clock : servers_) servers += read_clock(clock);
    return {read_clock(CLOCK_PROCESS_CPUTIME_ID), servers, machine_busy()};
}

std::vector<fact> machine_facts() {
    utsname name{};
    uname(&name);
    const std::string cpu = cpuinfo("model name");
    const bool is_virtual = cpuinfo("flags").find(" hypervisor") != std::string::npos;
    std::string governor;
    std::getline(std::ifstream("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"), governor);
    std::string load;
    std::getline(std::ifstream("/proc/loadavg"), load, ' ');
    char day[32] = "";
    const std::time_t now = std::time(nullptr);
    std::strftime(day, sizeof day, "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
    const tenon::runtime_options defaults;
    const auto us = [](auto time) { return std::to_string(time.count()) + " us"; };
    return {{"kernel", std::string(name.sysname) + " " + name.release},
            {"cpu", std::to_string(cpu_count()) + " x " + cpu},
            {"machine", is_virtual ? "virtual" : "bare"},
            {"governor", governor.empty() ? "none to choose" : governor},
            {"compiler", compiler},
            {"spin", defaults.spin ? "adaptive, at most " + us(defaults.spin_budget) : "off"},
            {"floor spin", us(floor_spin_time)},
            {"load before", load},
            {"begun", day}};
}

}  // namespace bench
