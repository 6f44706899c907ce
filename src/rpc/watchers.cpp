#include "rpc/watchers.hpp"

#include <algorithm>

#include "base/wildcard.hpp"
#include "rpc/server_core.hpp"

namespace tenon::inline v0::rpc {

server_event watchers::make(std::string_view what, std::string_view note) const {
    server_event e;
    e.what = what;
    e.at = std::chrono::system_clock::now();
    e.instance = server_.instance();
    e.note = note;
    return e;
}

void watchers::add(writer<server_event> out, std::string pattern, observer who) {
    std::vector<watcher> gone;  // let go of without the mutex
    const std::lock_guard lock(mutex_);
    if (closed_) {
        (void)out.try_send(make("going_away", "the server is stopping"));
        return out.finish();
    }
    // Those that have gone are looked for now and then, so that their number is bounded even if
    // there is nothing to tell.
    if (all_.size() >= sweep_at_) {
        const auto open = [](const watcher& w) { return w.out.is_open(); };
        const auto first = std::stable_partition(all_.begin(), all_.end(), open);
        gone.assign(std::make_move_iterator(first), std::make_move_iterator(all_.end()));
        all_.erase(first, all_.end());
        sweep_at_ = std::max<std::size_t>(2 * all_.size(), 16);
    }
    (void)out.try_send(make("watching", "from here on"));
    all_.push_back({std::move(out), std::move(pattern), who});
    count_.store(all_.size(), std::memory_order_relaxed);
}

// Mutex held.
bool watchers::may_know(const watcher& w, const method_entry& m) const {
    const std::string_view service = service_of(m.route());
    return m.seen().contains(w.who.from) && base::matches(w.pattern, service) &&
           (w.who.is_owner || !is_hidden(server_, service));
}

// Mutex held.
template <class Concerned>
void watchers::tell(const server_event& e, Concerned concerned) {
    for (watcher& w : all_)
        if (concerned(w)) (void)w.out.try_send(e);
}

// Who has no memory to be told misses it.
void watchers::tell_slow(const method_entry& method, bool to_pool) noexcept try {
    if (!any()) return;
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    server_event e =
        make("slow", to_pool ? "holds its event loop again and again; runs on the pool "
                               "from now on"
                             : "has held its event loop for more than 1 ms");
    e.member = method.route();
    tell(e, [&](const watcher& w) { return may_know(w, method); });
} catch (...) {}

void watchers::tell_slow(std::uint64_t connection) noexcept try {
    if (!any()) return;
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    server_event e = make("slow", "the client does not take what is sent; nothing is read from it");
    e.connection = connection;
    tell(e, [](const watcher& w) { return w.who.is_owner; });
} catch (...) {}

void watchers::tell_slow(const method_entry& member, std::uint64_t connection,
                         std::uint32_t stream) noexcept try {
    if (!any()) return;
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    server_event e = make("slow", "the receiver does not keep up; values are dropped");
    e.member = member.route();
    e.connection = connection;
    e.stream = stream;
    tell(e, [&](const watcher& w) { return w.who.is_owner && may_know(w, member); });
} catch (...) {}

void watchers::close() noexcept {
    std::vector<watcher> all;
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(closed_, true)) return;
        all.swap(all_);
        count_.store(0, std::memory_order_relaxed);
    }
    try {
        const server_event e = make("going_away", "the server is stopping");
        for (watcher& w : all) (void)w.out.try_send(e);
    } catch (...) {  // they are told by the end
    }
    for (watcher& w : all) w.out.finish();
}

}  // namespace tenon::inline v0::rpc
