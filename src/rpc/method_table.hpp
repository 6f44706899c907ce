#pragma once
// The methods a server offers: what the wire and the pool need to know of each, and its counters.

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/intrusive.hpp"
#include "base/log.hpp"
#include "base/mutex.hpp"
#include "base/priority_lines.hpp"
#include "codec/codec.hpp"
#include "rpc/statistics.hpp"
#include "tenon/contract.hpp"

namespace tenon::inline v0::rpc {

class service_call;
class watchers;

/// Lets one call through at a time; the others wait without a thread, the more urgent first.
class serial_gate {
public:
    /// True: the call may run now. False: it was queued and next() will give it out; only kept
    /// calls can be queued.
    bool enter(service_call& kept);
    /// The running call has ended: the next one, which may run now; null: none waits.
    service_call* next() noexcept;

private:
    base::mutex mutex_;
    bool busy_ = false;
    base::priority_lines<service_call, serial_gate> waiting_;
};

/// One method. Thread-safe once the server has started; lives as long as the runtime.
class method_entry {
public:
    method_entry(const detail::contract_info& contract, const detail::method_info& info,
                 scopes seen, base::logger& log);

    const std::string& route() const noexcept { return route_; }
    /// From where it may be called.
    scopes seen() const noexcept { return seen_; }
    const detail::signature& signature() const noexcept { return *info_.signature; }
    const detail::method_info& info() const noexcept { return info_; }
    detail::member_kind kind() const noexcept {
        return signature().stream ? signature().stream->kind : detail::member_kind::method;
    }
    /// For who takes it for a member of another kind.
    error misused() const;
    std::span<const coding::parameter> parameters() const noexcept { return parameters_; }
    /// Of calls that do not say otherwise.
    tenon::priority urgency() const noexcept { return urgency_; }
    /// Some parameter is a view and so needs the bytes it was decoded from.
    bool has_views() const noexcept { return has_views_; }

    detail::handler* handler() const noexcept { return handler_.get(); }
    void set_handler(std::unique_ptr<detail::handler> h) noexcept {
        handler_ = std::move(h);
        if (handler_ && handler_->may_block()) on_pool_ = true;
    }

    /// Declared `blocking`, or found to be slow.
    bool on_pool() const noexcept { return on_pool_.load(std::memory_order_relaxed); }
    serial_gate* gate() const noexcept { return gate_.get(); }

    /// Before the server starts: is told when the method is slow.
    void set_watchers(std::shared_ptr<watchers> w) noexcept { watchers_ = std::move(w); }
    /// The monitor saw a run that held its loop for too long.
    void note_slow() noexcept;

    counter_parts counters;
    std::atomic<std::uint64_t> open_streams{0};
    method_stats stats() const;

private:
    const detail::method_info info_;
    const std::string route_;
    const scopes seen_;
    std::vector<coding::parameter> parameters_;
    std::unique_ptr<detail::handler> handler_;
    std::unique_ptr<serial_gate> gate_;
    base::logger& log_;
    std::shared_ptr<watchers> watchers_;
    bool has_views_ = false;
    const tenon::priority urgency_;
    std::atomic<bool> on_pool_;

    base::mutex slow_mutex_;  // guards all below
    std::int64_t window_began_ns_ = 0;
    std::uint64_t slow_in_window_ = 0;
    std::uint64_t calls_before_window_ = 0;
};

/// For the monitor: `what` is the method_entry given to event_loop::enter(), or null.
void note_slow_run(const void* what);

/// "publisher/service" of a route: names of services have no dot, those of publishers and of control
/// operations may.
std::string_view service_of(std::string_view route) noexcept;

/// Routes to methods. Filled before the server starts, read-only afterwards.
class method_table {
public:
    /// Errors: `conflict` if a route is taken.
    result<method_entry*> add(const detail::contract_info& contract,
                              const detail::method_info& info, scopes seen, base::logger& log);
    /// For a caller in scope `from`; null if there is none for it.
    method_entry* find(std::string_view route, scopes from) const noexcept;
    /// Why find() found nothing, with what there is instead: `not_found` without such a service,
    /// `unsupported` if the service has no such member.
    error missing(std::string_view route, scopes from) const;
    const std::vector<std::unique_ptr<method_entry>>& all() const noexcept { return entries_; }

private:
    std::vector<std::unique_ptr<method_entry>> entries_;
    std::unordered_map<std::string_view, method_entry*> by_route_;  // keys lie in the entries
};

}  // namespace tenon::inline v0::rpc
