#pragma once
// The harness: what is measured (cell), by what (target), and how calls are counted (run, lane).
//
// Each measurement runs in two fresh processes, this program started again as client and as
// server, so that nothing carries over and the placement holds for every thread. The client warms
// up, measures for a fixed time, and reports one line.

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "process.hpp"

namespace bench {

using clock = std::chrono::steady_clock;

/// Instead of a number of calls in flight: as many as arrive.
inline constexpr unsigned open_loop = 0;

/// One combination to measure.
struct cell {
    std::string suite;      ///< "floor", "rpc", "mixed"
    std::string target;     ///< name of one of the suite's targets
    std::string transport;  ///< "inproc" (no server process), "unix", "tcp", "shm"
    placement where = placement::same;
    std::size_t size = 16;     ///< payload bytes, each way
    unsigned outstanding = 1;  ///< calls in flight per connection, or open_loop
    unsigned connections = 1;
    unsigned threads = 1;  ///< loops of the server
    double seconds = 0.5;  ///< how long to measure
    double warm_up = 0.1;

    std::string text() const;  ///< "free unix spinning 16 B, 1 outstanding, 1 connection"
    friend bool operator==(const cell&, const cell&) = default;
};

struct measurement {
    double p50_us = 0;
    double p99_us = 0;
    double calls_per_s = 0;
    double cpu_us_per_call = 0;  ///< user and system time of both processes
    double other_cpu = 0;        ///< what the rest of the machine used meanwhile; 1 is one CPU
    double idle_bytes = 0;  ///< resident in the server for a connection at rest; 0: not measured
};

/// Nanoseconds in buckets of 1/64 relative width.
class histogram {
public:
    void add(std::uint64_t ns) {
        const int shift = std::max(0, static_cast<int>(std::bit_width(ns)) - 7);
        const std::size_t bucket = static_cast<std::size_t>(shift) * 64 + (ns >> shift);
        ++counts_[std::min(bucket, counts_.size() - 1)];
    }
    void add(const histogram& other);
    double percentile_us(double p) const;

private:
    std::array<std::uint64_t, 64 * 64> counts_{};
};

class run;

/// Counts the calls of one client thread.
class lane {
public:
    explicit lane(run& r) : run_(r) {}

    /// A call begun at `begun` has ended at `now`; many calls may share a reading of the clock.
    /// False once the measurement is over: issue nothing more, wait for nothing.
    bool completed(clock::time_point begun, clock::time_point now);

private:
    friend class run;
    run& run_;
    histogram latencies_;
    std::uint64_t measured_ = 0;
    std::atomic<std::uint64_t> completed_{0};
};

/// The course of one measurement: warm-up, then `seconds` of counting, then over. The boundaries
/// are noticed by the lanes, whichever comes first.
class run {
public:
    run(const cell& what, cpu_clocks& cpu);

    /// One per client thread; call before any of them starts. Lives as long as the run.
    lane& add_lane() { return lanes_.emplace_back(*this); }
    bool is_over() const { return phase_.load(std::memory_order_relaxed) == over; }

    /// The warm-up begins anew; before the first call has ended.
    void restart();

    /// The CPU time of this process counts as the server's; before the first call has ended.
    void add_server(pid_t pid) { cpu_.add_server(pid); }

    /// Instead of counting: what a load generator of its own has found.
    void record(const measurement& found) { recorded_ = found; }
    cpu_times cpu_now() const { return cpu_.read(); }

    /// Once it is over and no lane is in use.
    measurement result() const;

    /// The server process; 0 if there is none.
    pid_t server() const { return cpu_.server(); }
    /// What result() is to tell of memory.
    void note_idle_bytes(double per_connection) { idle_bytes_ = per_connection; }

private:
    friend class lane;
    enum phase : int { warm_up, measuring, over };

    void pass_boundary(clock::time_point now);

    const cell& cell_;
    cpu_clocks& cpu_;
    std::optional<measurement> recorded_;
    std::atomic<phase> phase_{warm_up};
    std::atomic<clock::rep> boundary_;
    std::mutex mutex_;  // guards the change of phase
    std::deque<lane> lanes_;
    clock::time_point created_;
    clock::time_point begin_;
    clock::time_point end_;
    cpu_times cpu_begin_;
    cpu_times cpu_end_;
    double idle_bytes_ = 0;
};

inline bool lane::completed(clock::time_point begun, clock::time_point now) {
    completed_.store(completed_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (now.time_since_epoch().count() >= run_.boundary_.load(std::memory_order_relaxed))
        run_.pass_boundary(now);
    const run::phase p = run_.phase_.load(std::memory_order_relaxed);
    if (p == run::measuring) {
        ++measured_;
        latencies_.add(static_cast<std::uint64_t>((now - begun).count()));
    }
    return p != run::over;
}

/// Calls back to back. Calls that are short beside a reading of the clock can share one.
template <class Call>
void repeat(lane& calls, unsigned per_reading, Call call) {
    clock::time_point begun = clock::now();
    for (bool go_on = true; go_on;) {
        for (unsigned i = 0; i < per_reading; ++i) call();
        const auto now = clock::now();
        const auto each = (now - begun) / per_reading;
        for (unsigned i = 0; i < per_reading; ++i) go_on = calls.completed(now - each, now);
        begun = now;
    }
}

/// Something that echoes: a raw mechanism, Tenon, or another system.
class target {
public:
    /// Tells the client the endpoint, as text that its drive() understands.
    using announce = std::function<void(const std::string& endpoint)>;

    virtual ~target() = default;
    virtual std::string_view name() const = 0;
    /// Runs in the server process until that is killed; announces once clients may connect.
    virtual void serve(const cell& what, const announce& ready) = 0;
    /// Runs in the client process: opens the connections and keeps what.outstanding calls in
    /// flight on each until the run is over. The process ends right afterwards, so nothing needs
    /// to be drained.
    virtual void drive(const cell& what, const std::string& endpoint, run& r) = 0;
};

/// A word of the command line: some targets, and the cells to measure in a placement.
struct suite {
    std::string name;
    std::vector<std::unique_ptr<target>> targets;
    std::vector<cell> cells;  ///< placement and times are filled in by the caller
    double longer = 1;        ///< its cells take that many times as long as others
};

/// Measures `what` in a process of its own; nothing if that failed, which has been said on stderr.
std::optional<measurement> measure(const cell& what);

/// The entry of such a process and of its server; true if the arguments ask for one, and then
/// the process does not come back from a client or server that failed.
bool run_as_part(const std::vector<std::string>& arguments, const std::vector<suite>& suites);

/// Bytes to send, the same in every process.
std::vector<std::byte> make_payload(std::size_t size);

}  // namespace bench
