#pragma once
// server_process: a program under test in a process of its own, such as the echo server, and what
// the system knows of it.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace e2e {

/// Sanitized programs need other amounts of memory and time.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

/// A directory of its own under /tmp, removed with everything in it at the end.
class scratch {
public:
    scratch();
    ~scratch();
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    std::string path(std::string_view name) const { return dir_ + "/" + std::string(name); }

private:
    std::string dir_;
};

/// Killed at the end if it still runs.
class server_process {
public:
    server_process() = default;
    ~server_process();
    server_process(server_process&& other) noexcept;
    server_process& operator=(server_process&& other) noexcept;

    /// The echo server at these endpoints, once it says that it listens. `descriptors` is its
    /// limit of open files (0: as here). Throws std::runtime_error if it does not come up.
    static server_process echo(const std::vector<std::string>& listen, unsigned descriptors = 0);
    /// The same without waiting for it.
    static server_process start(const std::vector<std::string>& arguments,
                                unsigned descriptors = 0);
    /// Reads `n` lines of "listening on …"; false if its output ends before.
    bool wait_listening(std::size_t n);

    /// As it has printed them.
    const std::vector<std::string>& endpoints() const noexcept { return endpoints_; }
    pid_t pid() const noexcept { return pid_; }
    bool running() noexcept;
    void signal(int number) const;
    /// SIGSTOP, and waits until every thread stands still.
    void stop_threads() const;
    /// Waits for its end; the exit code, or minus the signal. -1000: it did not end in time, and
    /// was killed.
    int wait(std::chrono::milliseconds limit);
    void kill_now();
    /// Closes our end of its standard output.
    void close_output();

    std::size_t resident() const;            ///< bytes in memory now
    std::size_t descriptors() const;         ///< open files
    std::uint64_t context_switches() const;  ///< of all threads, since they started

private:
    pid_t pid_ = 0;
    int output_ = -1;
    int status_ = 0;
    std::string text_;
    std::vector<std::string> endpoints_;
};

std::size_t resident_of(pid_t pid);
std::size_t descriptors_of(pid_t pid);
/// Without those of thread `besides`.
std::uint64_t context_switches_of(pid_t pid, pid_t besides = 0);

void pause_for(std::chrono::milliseconds);

/// Polls until `done()` or the time is over; its last result.
template <class F>
bool eventually(F done, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        if (done()) return true;
        if (std::chrono::steady_clock::now() >= end) return false;
        pause_for(std::chrono::milliseconds(5));
    }
}

}  // namespace e2e
