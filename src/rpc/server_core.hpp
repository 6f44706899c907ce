#pragma once
// The private side of tenon::server: methods, listeners, connections, and how it stops.

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/intrusive.hpp"
#include "loop/thread.hpp"
#include "rpc/method_table.hpp"
#include "rpc/runtime_core.hpp"
#include "tenon/manifest.hpp"
#include "tenon/server.hpp"
#include "transport/access.hpp"
#include "transport/listener.hpp"
#include "wire/budget.hpp"

namespace tenon::inline v0::rpc {

enum class stream_action : std::uint8_t;

class acceptor;
class server_connection;
class watchers;

/// Something that starts and stops with a server, such as its entries in a directory of names.
class server_part {
public:
    virtual ~server_part() = default;
    /// Before the server accepts; may add listeners, and throw failure.
    virtual void on_start(server_core&) = 0;
    /// Once, when the server begins to stop; also if on_start() threw.
    virtual void on_stop() noexcept = 0;
};

/// What users want to be told of.
struct server_callbacks {
    std::vector<std::function<void(session&)>> connected;
    std::vector<std::function<void(session&)>> disconnected;
    std::vector<std::function<void(served_stream&)>> opened;
    std::vector<std::function<void(served_stream&)>> closed;
    std::vector<std::function<void(session&, const note&)>> noted;
};

/// A service the server offers.
struct published_service {
    detail::contract_info contract;
    publish_options options;
};

class server_core : public std::enable_shared_from_this<server_core> {
public:
    explicit server_core(server_options options);
    ~server_core();

    // Configuring.
    void listen(std::string_view endpoint);
    std::vector<detail::binding> add(const detail::contract_info& info,
                                     const publish_options& options);
    /// For tenon/control, which is not among services().
    std::vector<detail::binding> add_control(const detail::contract_info& info);
    /// May be described further until start().
    detail::method_info& add_operation(std::string_view service, std::string_view name,
                                       std::string_view params, const detail::signature& types,
                                       std::unique_ptr<detail::handler> handler);
    void add(std::unique_ptr<server_part> part) { parts_.push_back(std::move(part)); }
    void on_started(std::function<void(const std::vector<std::string>&)> f) {
        on_started_.push_back(std::move(f));
    }
    /// Throws failure(conflict) after start().
    server_callbacks& callbacks();

    /// For parts, in on_start(): not among endpoints().
    void add(std::unique_ptr<transport::listener> listener);

    void start();
    void stop(std::chrono::milliseconds drain);
    void run();
    std::vector<std::string> endpoints() const;
    std::chrono::system_clock::time_point started() const noexcept { return started_at_; }
    std::chrono::nanoseconds uptime() const noexcept;
    void count_connections(std::uint64_t& now, std::uint64_t& accepted) const;
    std::vector<connection_stats> connections();
    std::vector<stream_direction> streams();
    result<void> act_on(std::uint64_t connection, std::uint32_t stream, stream_action what);

    // For connections and in-process callers.
    const method_table& methods() const noexcept { return *methods_; }
    const server_options& options() const noexcept { return options_; }
    const decode_options& decoding() const noexcept { return decoding_; }
    const server_callbacks& to_be_told() const noexcept { return callbacks_; }
    /// Calls all of them; in user code.
    template <class T, class... More>
    void tell(const std::vector<std::function<void(T&, More...)>>& all, T& of,
              More... more) noexcept {
        for (const auto& f : all) {
            try {
                f(of, more...);
            } catch (...) {
                note_thrown(detail::current_error());
            }
        }
    }
    /// Who watches it.
    watchers& watching() const noexcept { return *watchers_; }
    detail::runtime_core& runtime() const noexcept { return *runtime_; }
    bool configuring() const noexcept { return state_.load() == state::configuring; }
    /// 12 hex digits; also where in-process clients find it: "inproc:INSTANCE".
    const std::string& instance() const noexcept { return instance_; }
    const std::vector<published_service>& services() const noexcept { return services_; }
    /// Made when first asked for. Thread-safe.
    manifest manifest_of(const published_service& service) const;
    /// What its listeners may use of it.
    transport::shared_memory_options shared_memory() const;
    /// Bytes of unfinished messages on all connections.
    wire::byte_budget& reassembly() noexcept { return reassembly_; }
    /// Bytes of values that wait, of all connections.
    const std::shared_ptr<wire::byte_budget>& stream_memory() const noexcept {
        return stream_memory_;
    }

    /// In-process calls come in between these; false: not running.
    bool begin_call() noexcept;
    void end_call() noexcept;
    /// Cancelled when stop() has waited long enough for them.
    cancellation& stopping() noexcept { return stopping_; }

    /// Calls in flight end.
    void on_runtime_stop() noexcept;

    /// Takes a new connection to a loop.
    void accept(std::unique_ptr<transport::link> link);
    /// The connection serves no more; the object, and calls in it, may go on for a while.
    void closed(server_connection& c) noexcept;
    /// Its session may be resumed from here on, until closed(). Not empty: why not.
    std::string enlist(server_connection& c);
    /// The one with this token, of this peer, which gets another share; null if there is none.
    server_connection* find_resumable(bytes_view token, const std::string& peer_key) noexcept;
    /// A connection object is gone.
    void gone(const std::string& peer_key) noexcept;
    void gone(acceptor& a) noexcept;

private:
    // draining: new connections are told; aborting: all of them end.
    enum class state { configuring, running, draining, aborting, stopped };

    struct operation {
        std::size_t service;  // among services_
        detail::method_info info;
        std::unique_ptr<detail::handler> handler;
    };

    std::vector<detail::binding> add_methods(const detail::contract_info& info, scopes seen);
    void publish_operations();
    void note_thrown(const error& e) noexcept;
    std::string refusal(const transport::link& link, const std::string& key);
    void stop_parts() noexcept;
    void wait_until(base::time_point limit, bool (server_core::*done)() const);
    bool is_idle() const {
        return connection_count_ == 0 && acceptors_.empty() && local_calls() == 0;
    }
    std::int64_t local_calls() const noexcept;

    const server_options options_;
    const std::shared_ptr<detail::runtime_core> runtime_;
    const std::shared_ptr<method_table> methods_;
    const std::shared_ptr<watchers> watchers_;
    const std::string instance_;
    wire::byte_budget reassembly_;
    const std::shared_ptr<wire::byte_budget> shared_memory_;
    const std::shared_ptr<wire::byte_budget> stream_memory_;
    decode_options decoding_;
    transport::access_rule access_;
    std::vector<std::function<void(const std::vector<std::string>&)>> on_started_;
    server_callbacks callbacks_;
    std::chrono::system_clock::time_point started_at_{};
    base::time_point running_since_{};
    std::vector<published_service> services_;
    std::deque<operation> operations_;     // not moved about: users describe them
    mutable base::mutex manifests_mutex_;  // guards manifests_
    mutable std::map<const published_service*, manifest> manifests_;
    std::vector<std::unique_ptr<server_part>> parts_;
    std::vector<std::string> names_;  // of inproc endpoints
    std::vector<std::unique_ptr<transport::listener>> pending_;
    std::vector<std::string> endpoints_;
    std::atomic<state> state_{state::configuring};
    // Calls may begin and end on different threads; only the sum means something.
    struct alignas(64) call_count {
        std::atomic<std::int64_t> n{0};
    };
    std::array<call_count, loop::thread_parts> local_calls_;
    cancellation stopping_;

    std::mutex stop_mutex_;

    mutable std::mutex mutex_;  // guards all below
    std::condition_variable changed_;
    base::list<server_connection, server_core> connections_;
    std::size_t connection_count_ = 0;  // objects, open or not
    std::uint64_t accepted_ = 0;        // and so ids of connections
    std::map<std::string, unsigned> per_peer_;
    std::vector<acceptor*> acceptors_;
    std::vector<server_connection*> resumable_;
    int run_fd_ = -1;  // ends run() when written
};

}  // namespace tenon::inline v0::rpc
