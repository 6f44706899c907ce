#pragma once
// process_table: which servers of this process offer which services, for those who look by name.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/intrusive.hpp"
#include "base/mutex.hpp"

namespace tenon::inline v0::rpc {

class process_table;
class server_core;

/// Told of every change of the table.
class table_observer : public base::list_hook<process_table> {
public:
    /// With the table locked: may do no more than wake somebody up.
    virtual void on_table_change() noexcept = 0;

protected:
    ~table_observer() = default;
};

/// Thread-safe.
class process_table {
public:
    using servers = std::vector<std::shared_ptr<server_core>>;

    /// `name` is "publisher/service".
    void offer(const std::string& name, const std::shared_ptr<server_core>& server);
    void withdraw(const std::string& name, const server_core* server) noexcept;

    servers find(std::string_view name) const;
    std::vector<std::pair<std::string, std::shared_ptr<server_core>>> all() const;

    void add(table_observer& o);
    void remove(table_observer& o) noexcept;

private:
    mutable base::mutex mutex_;  // guards all below
    std::multimap<std::string, std::weak_ptr<server_core>, std::less<>> offers_;
    base::list<table_observer, process_table> observers_;
};

}  // namespace tenon::inline v0::rpc
