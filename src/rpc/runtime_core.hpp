#pragma once
// The private side of tenon::runtime: loops, their threads, the pool, the log, and the names of
// this process' in-process endpoints.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/intrusive.hpp"
#include "base/log.hpp"
#include "base/mutex.hpp"
#include "loop/crew.hpp"
#include "loop/loop.hpp"
#include "loop/monitor.hpp"
#include "loop/spin.hpp"
#include "loop/worker_pool.hpp"
#include "rpc/process_table.hpp"
#include "tenon/runtime.hpp"

namespace tenon::inline v0 {

namespace rpc {
class server_core;
}  // namespace rpc

namespace detail {

class runtime_core;

/// Something that has to know when its runtime stops.
class runtime_part : public base::list_hook<runtime_core> {
public:
    /// On the stopping thread, while the loops still run. Nothing may be called in here that calls
    /// the runtime, nor user code.
    virtual void on_runtime_stop() noexcept = 0;

protected:
    ~runtime_part() = default;
};

/// Something of a higher layer that lives as long as its runtime.
class companion {
public:
    virtual ~companion() = default;
};

class runtime_core {
public:
    enum class threads : bool { none, own };

    /// Tests bring their own time; it governs loops, deadlines and sessions. Blocking callers sleep
    /// by the machine's, so with another one only asynchronous calls make sense.
    static std::shared_ptr<runtime_core> make(
        const runtime_options& options, threads kind,
        const base::time_source& time = base::time_source::steady());
    ~runtime_core();

    const runtime_options& options() const noexcept { return options_; }
    const base::time_source& time() const noexcept { return time_; }
    const loop::spin_policy& spin() const noexcept { return spin_; }
    base::logger& log() noexcept { return log_; }
    loop::worker_pool& pool() noexcept { return *pool_; }
    bool is_external() const noexcept { return kind_ == threads::none; }

    /// The one with the least to do, by its connections and by how busy it was of late; those that
    /// are equal take turns.
    loop::event_loop& next_loop() noexcept;
    loop::event_loop& loop(std::size_t i) noexcept { return *loops_[i]; }
    std::size_t loop_count() const noexcept { return loops_.size(); }

    /// Posts to a loop of this runtime. After stop() the work runs before this returns.
    void post(loop::event_loop& to, loop::work& w) noexcept;

    /// Nothing if usable; otherwise why not (stopped, or used in a forked child).
    std::optional<error> unusable() const;
    bool usable() const noexcept;
    /// This process is a fork() of the one that made the runtime: what the two share (the sockets,
    /// the epoll instances) belongs to the other, and locks may be held for ever.
    bool is_forked() const noexcept;

    /// Ends the calls in flight, joins all threads and runs what was posted before. Throws
    /// failure(conflict) on one of them.
    void stop();

    /// After stop(): does what is left to do on the loops, on this thread.
    void run_leftovers();

    void join(runtime_part& part);
    void leave(runtime_part& part) noexcept;
    void join(const std::shared_ptr<rpc::server_core>& server);

    /// Keeps alive what the monitor may still look at for a moment after its owner has gone.
    void keep(std::shared_ptr<const void> thing);

    /// So many bytes went back to the allocator, for good as far as one can tell. When they are many
    /// it is made to pass on to the system what it holds. Thread-safe.
    void gave_back(std::size_t bytes) noexcept;

    /// The companion of one kind, made at its first use; destroyed when no loop runs any more.
    /// Thread-safe.
    companion& companion_of(std::unique_ptr<companion> (*make)(runtime_core&));

    /// In-process endpoints.
    result<void> announce(const std::string& name, const std::shared_ptr<rpc::server_core>& server);
    void withdraw(const std::string& name, const rpc::server_core* server) noexcept;
    std::shared_ptr<rpc::server_core> find(const std::string& name) const;

    /// The services that this process offers, by name.
    rpc::process_table& services() noexcept { return services_; }

private:
    runtime_core(const runtime_options& options, threads kind, const base::time_source& time);
    void start();
    bool in_own_thread() const noexcept;
    static void on_slow(const void* what) noexcept;

    class trim_job final : public loop::job {
    public:
        explicit trim_job(runtime_core& core) noexcept : core_(core) {}
        void run() noexcept override;
        void drop() noexcept override {}

    private:
        runtime_core& core_;
    };

    const runtime_options options_;
    const threads kind_;
    const base::time_source& time_;
    const unsigned fork_generation_;
    base::logger log_;
    loop::spin_policy spin_;
    std::unique_ptr<loop::worker_pool> pool_;
    std::vector<std::unique_ptr<loop::event_loop>> loops_;
    std::unique_ptr<loop::monitor> monitor_;
    std::unique_ptr<loop::crew> crew_;
    std::atomic<std::size_t> next_{0};
    std::atomic<bool> running_{true};
    trim_job trim_{*this};
    std::atomic<std::size_t> given_back_{0};  // since it was last passed on
    std::atomic<bool> trimming_{false};
    rpc::process_table services_;

    base::mutex leftovers_;      // held by who runs the loops after stop()
    mutable base::mutex mutex_;  // guards all below, and posting against the end of stop()
    bool over_ = false;          // nothing runs what is posted
    base::list<runtime_part, runtime_core> parts_;
    std::vector<std::weak_ptr<rpc::server_core>> servers_;
    std::map<std::string, std::weak_ptr<rpc::server_core>> names_;
    struct kept_thing {
        std::shared_ptr<const void> thing;
        base::time_point alone_since = base::never;  // nobody else has it
    };
    std::vector<kept_thing> kept_;

    base::mutex making_;  // guards companions_; no other lock is taken before it
    std::map<std::unique_ptr<companion> (*)(runtime_core&), std::unique_ptr<companion>> companions_;
};

}  // namespace detail
}  // namespace tenon::inline v0
