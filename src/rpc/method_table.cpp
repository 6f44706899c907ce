#include "rpc/method_table.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>

#include "rpc/service_call.hpp"
#include "rpc/watchers.hpp"

namespace tenon::inline v0::rpc {

namespace {

// A method that was slow twice within this time runs on the pool from then on, unless that was less
// than one call in so many: then it was rather the machine that was slow.
constexpr std::int64_t slow_window_ns = 60'000'000'000;
constexpr std::uint64_t rare_slow_calls = 2'000;

std::int64_t steady_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

bool is_view(const shape& s) { return s.kind == kind::bytes_view || s.kind == kind::string_view; }

const value* default_of(const detail::method_info& info, const std::string& name) {
    for (const auto& [param, v] : info.defaults)
        if (param == name) return &v;
    return nullptr;
}

}  // namespace

bool serial_gate::enter(service_call& kept) {
    const std::lock_guard lock(mutex_);
    if (!busy_) return busy_ = true;
    waiting_.push_back(kept, kept.urgency);
    return false;
}

service_call* serial_gate::next() noexcept {
    const std::lock_guard lock(mutex_);
    if (!waiting_.empty()) return &waiting_.pop_front();
    busy_ = false;
    return nullptr;
}

method_entry::method_entry(const detail::contract_info& contract, const detail::method_info& info,
                           scopes seen, base::logger& log)
    : info_(info),
      route_(contract.publisher + "/" + contract.service + "." + info.name),
      seen_(seen),
      log_(log),
      urgency_(info_.flags.priority.value_or(priority::normal)),
      on_pool_(info.flags.blocking) {
    const detail::signature& s = *info_.signature;
    for (std::uint32_t i = 0; i < s.param_count; ++i) {
        const std::string& name = info_.param_names[i];
        parameters_.push_back({name.c_str(), s.params[i], false, default_of(info_, name)});
        has_views_ |= is_view(*s.params[i]);
    }
    if (info_.flags.serial) gate_ = std::make_unique<serial_gate>();
}

void method_entry::note_slow() noexcept {
    counters.first().slow.fetch_add(1, std::memory_order_relaxed);
    const std::int64_t now = steady_ns();
    const std::uint64_t so_far = counters.calls();
    bool is_first, to_pool;
    {
        const std::lock_guard lock(slow_mutex_);
        if (slow_in_window_ == 0 || now - window_began_ns_ > slow_window_ns) {
            window_began_ns_ = now;
            calls_before_window_ = so_far - 1;
            slow_in_window_ = 0;
        }
        ++slow_in_window_;
        is_first = slow_in_window_ == 1;
        const bool often = slow_in_window_ * rare_slow_calls >= so_far - calls_before_window_;
        to_pool = slow_in_window_ >= 2 && often && !on_pool_.exchange(true);
    }
    if (watchers_ && (is_first || to_pool)) watchers_->tell_slow(*this, to_pool);
    if (!to_pool) return;
    log_.warning(
        "{} holds its event loop for more than 1 ms again and again and runs on the pool "
        "from now on; declare it blocking",
        route_);
}

error method_entry::misused() const {
    constexpr const char* uses[] = {
        "method: call it (request/response)", "source: subscribe to it (request/stream)",
        "sink: open a stream to it (request/channel)", "channel: open it (request/channel)"};
    return error(errc::unsupported, route_ + " is a " + uses[static_cast<std::size_t>(kind())])
        .set_may_have_run(false);
}

method_stats method_entry::stats() const {
    const counter_parts::totals t = counters.read();
    method_stats s;
    s.route = route_;
    s.calls = t.calls;
    s.slow = t.slow;
    s.on_pool = on_pool();
    s.in_flight = t.in_flight;
    s.kind = detail::name_of(kind());
    s.streams = open_streams.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < method_counters::codes; ++i) {
        const std::uint64_t n = t.errors[i];
        if (n == 0) continue;
        s.errors += n;
        s.errors_by_code[std::string(to_string(static_cast<errc>(i)))] = n;
    }
    s.latency = t.latency.summary();
    s.queue_wait = t.queue_wait.summary();
    return s;
}

void note_slow_run(const void* what) {
    // The entry is only read and changed through atomics.
    if (what) const_cast<method_entry*>(static_cast<const method_entry*>(what))->note_slow();
}

std::string_view service_of(std::string_view route) noexcept {
    const std::size_t slash = std::min(route.find('/'), route.size());
    return route.substr(0, route.find('.', slash));
}

result<method_entry*> method_table::add(const detail::contract_info& contract,
                                        const detail::method_info& info, scopes seen,
                                        base::logger& log) {
    auto entry = std::make_unique<method_entry>(contract, info, seen, log);
    if (by_route_.contains(entry->route()))
        return error(errc::conflict, entry->route() + " is published already");
    by_route_.emplace(entry->route(), entry.get());
    entries_.push_back(std::move(entry));
    return entries_.back().get();
}

method_entry* method_table::find(std::string_view route, scopes from) const noexcept {
    const auto at = by_route_.find(route);
    return at != by_route_.end() && at->second->seen().contains(from) ? at->second : nullptr;
}

error method_table::missing(std::string_view route, scopes from) const {
    const std::string_view service = service_of(route);
    std::string known;
    for (const auto& e : entries_) {
        const std::string_view r = e->route();
        if (!e->seen().contains(from) || !r.starts_with(service) || r[service.size()] != '.')
            continue;
        known += known.empty() ? "" : ", ";
        known += r.substr(service.size() + 1);
    }
    if (known.empty())
        return error(errc::not_found, "no service \"" + std::string(service) + "\" here");
    return error(errc::unsupported,
                 "no method \"" + std::string(route) + "\"; the service has " + known);
}

}  // namespace tenon::inline v0::rpc
