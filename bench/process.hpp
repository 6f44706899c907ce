#pragma once
// Processes of a bench run: starting them, placing them on CPUs, and what CPU time they and
// everybody else use.

#include <sys/types.h>

#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// Prints the message (with errno, if set) and ends the process.
[[noreturn]] void fail(std::string_view what);

/// Where client and server may run: both on the first CPU, anywhere, or on one CPU each.
enum class placement { same, free, split };

std::string_view to_string(placement p);

/// Of this process's allowed CPUs, which `split` needs two of.
int cpu_count();

/// Restricts the calling process, which has no second thread yet.
void take_place(placement where, bool is_server);

/// Starts this program once more with other arguments; it dies with the caller. `output`, if not
/// -1, becomes its descriptor `as`.
pid_t start_self(const std::vector<std::string>& arguments, int output, int as);

/// As many open files as this process may have.
void raise_descriptor_limit();

/// What a process has in memory, shared pages in proportion: Pss.
double resident_bytes(pid_t process);

/// A directory of this run, for sockets.
std::string own_directory();

/// In microseconds since some fixed time.
struct cpu_times {
    double client = 0;
    double server = 0;
    double machine = 0;  ///< of all processes, with what the hypervisor took; in steps of a tick
};

/// Reads the CPU clocks of this process and its servers.
class cpu_clocks {
public:
    void add_server(pid_t pid);
    cpu_times read() const;
    /// The first one; 0 if there is none.
    pid_t server() const { return server_; }

private:
    pid_t server_ = 0;
    std::vector<clockid_t> servers_;
};

/// Something to know about a figure, such as {"kernel", "Linux 6.1.0"}.
struct fact {
    std::string name;
    std::string value;
};

/// About this machine, this build and how both sides wait.
std::vector<fact> machine_facts();

}  // namespace bench
