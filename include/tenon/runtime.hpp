#pragma once
// runtime: the threads, pool, clock, log and limits that clients and servers run on.
//
// Most programs never name it: everything defaults to runtime::process(). Programs with their own
// event loop use runtime::external(), which starts no thread.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tenon/export.hpp"
#include "tenon/log.hpp"

namespace tenon::inline v0 {

namespace detail {
class runtime_core;
}  // namespace detail

/// The pool of threads for handlers that block.
struct pool_options {
    unsigned resident = 4;  ///< threads kept when there is nothing to do, made when first needed
    /// Never more than this, besides those that wait in Tenon calls of their own (up to 1,024);
    /// equal to `resident`: a fixed pool.
    unsigned most = 64;
    /// A thread is added when work has waited longer than this.
    std::chrono::milliseconds target_wait{1};
    std::chrono::milliseconds idle_end{10'000};  ///< surplus threads end after this
    unsigned queue_limit = 4096;                 ///< beyond it calls are refused as `overloaded`
};

struct runtime_options {
    /// Event loops, each on a thread of its own. A connection lives on one of them, the one that has
    /// the least to do when it comes. More than one pays where handlers compute, or connections are
    /// many and busy.
    unsigned loops = 1;
    pool_options pool;
    /// A handler that holds its loop longer than this has the loop taken away from it.
    std::chrono::microseconds slow_handler{2000};
    /// Poll sockets for some microseconds before sleeping, where that pays. See docs/operate.md.
    bool spin = true;
    /// Longest time one wait may poll.
    std::chrono::microseconds spin_budget{50};
    /// Threads that take over loops from blocked handlers, at most.
    unsigned standby_most = 256;
    /// Where names are published and found, and nowhere else; empty: as docs/operate.md says.
    std::string directory{};
};

/// A handle; copies share the same runtime. Thread-safe. Clients and servers keep their runtime
/// alive, but not running: after stop() they answer `unavailable`.
class TENON_API runtime {
public:
    /// Starts the loops.
    explicit runtime(const runtime_options& options = {});

    /// The runtime of the process, started by its first use with default options, stopped at exit.
    static runtime& process();

    /// A runtime without threads of its own. The program watches fd() for reading and calls
    /// run_ready() when it is readable or next_deadline() has passed. Handlers run inside
    /// run_ready(). Blocking handlers still go to a pool, whose threads start when needed.
    static runtime external(const runtime_options& options = {});

    /// external() only: becomes readable when there is something to do. Owned by the runtime.
    int fd() const noexcept;
    /// external() only: does what is ready, without waiting. One thread at a time.
    void run_ready();
    /// external() only: when run_ready() is due even if fd() stays silent.
    std::optional<std::chrono::steady_clock::time_point> next_deadline() const;

    /// Replaces the sink of log lines. Default: warnings and errors to stderr. The sink may be
    /// called from any thread; it never gets payloads or secrets.
    void set_log_sink(log_level least, log_sink sink);

    /// Ends all threads. Calls in flight fail with `unavailable`. Must not be called from a handler.
    void stop();

    detail::runtime_core& core() const noexcept { return *core_; }
    const std::shared_ptr<detail::runtime_core>& shared_core() const noexcept { return core_; }
    /// For the library and its tests.
    explicit runtime(std::shared_ptr<detail::runtime_core> core) : core_(std::move(core)) {}

private:
    std::shared_ptr<detail::runtime_core> core_;
};

}  // namespace tenon::inline v0
