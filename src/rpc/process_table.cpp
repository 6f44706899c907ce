#include "rpc/process_table.hpp"

#include <mutex>

namespace tenon::inline v0::rpc {

void process_table::offer(const std::string& name, const std::shared_ptr<server_core>& server) {
    const std::lock_guard lock(mutex_);
    offers_.emplace(name, server);
    for (table_observer& o : observers_) o.on_table_change();
}

void process_table::withdraw(const std::string& name, const server_core* server) noexcept {
    const std::lock_guard lock(mutex_);
    const auto [begin, end] = offers_.equal_range(name);
    for (auto at = begin; at != end;) {
        const auto held = at->second.lock();
        // Not `server` itself, which is the caller and so lives.
        at = !held || held.get() == server ? offers_.erase(at) : std::next(at);
    }
    for (table_observer& o : observers_) o.on_table_change();
}

process_table::servers process_table::find(std::string_view name) const {
    servers found;
    const std::lock_guard lock(mutex_);
    const auto [begin, end] = offers_.equal_range(name);
    for (auto at = begin; at != end; ++at)
        if (auto server = at->second.lock()) found.push_back(std::move(server));
    return found;
}

std::vector<std::pair<std::string, std::shared_ptr<server_core>>> process_table::all() const {
    std::vector<std::pair<std::string, std::shared_ptr<server_core>>> found;
    const std::lock_guard lock(mutex_);
    for (const auto& [name, held] : offers_)
        if (auto server = held.lock()) found.emplace_back(name, std::move(server));
    return found;
}

void process_table::add(table_observer& o) {
    const std::lock_guard lock(mutex_);
    observers_.push_back(o);
}

void process_table::remove(table_observer& o) noexcept {
    const std::lock_guard lock(mutex_);
    o.unlink();
}

}  // namespace tenon::inline v0::rpc
