// What tenon/session.hpp stands on.

#include "tenon/session.hpp"

#include <vector>

#include "base/mutex.hpp"
#include "rpc/service_call.hpp"

namespace tenon::inline v0 {

struct user_objects::table {
    struct entry {
        const void* key;
        std::shared_ptr<void> object;
    };
    base::mutex mutex;  // guards all
    std::vector<entry> all;
};

user_objects::~user_objects() { delete table_.load(std::memory_order_acquire); }

user_objects::table& user_objects::made_table() {
    if (table* const there = table_.load(std::memory_order_acquire)) return *there;
    auto made = std::make_unique<table>();
    table* expected = nullptr;
    if (table_.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel))
        return *made.release();
    return *expected;
}

std::shared_ptr<void> user_objects::find(const void* key) const {
    table* const t = table_.load(std::memory_order_acquire);
    if (!t) return nullptr;
    const std::lock_guard lock(t->mutex);
    for (const table::entry& e : t->all)
        if (e.key == key) return e.object;
    return nullptr;
}

void user_objects::set(const void* key, std::shared_ptr<void> object) {
    std::shared_ptr<void> before;  // ends without the mutex
    table& t = made_table();
    const std::lock_guard lock(t.mutex);
    for (auto e = t.all.begin(); e != t.all.end(); ++e) {
        if (e->key != key) continue;
        before = std::move(e->object);
        if (object) e->object = std::move(object);
        else t.all.erase(e);
        return;
    }
    if (object) t.all.push_back({key, std::move(object)});
}

session::~session() = default;
served_stream::~served_stream() = default;

tenon::session& context::session() noexcept {
    return rpc::service_call::of(*this).path().session_of();
}

served_stream& context::stream() {
    served_stream* const s = rpc::service_call::of(*this).path().stream_of();
    if (!s) throw failure(error(errc::conflict, std::string(route()) + " is no stream"));
    return *s;
}

}  // namespace tenon::inline v0
