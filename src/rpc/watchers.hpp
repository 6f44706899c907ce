#pragma once
// watchers: who is told what a server notices of itself, by tenon/control.watch.
//
// Each has a stream whose policy is to drop the oldest, so telling never waits and takes no more
// than so many events each. Nothing is made while nobody watches. Thread-safe.
//
// Its mutex comes before those of the streams' ends, and after every other lock: who tells holds
// none but the loops' monitor's, which waits for nothing.

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.hpp"
#include "rpc/control.hpp"
#include "tenon/control.hpp"

namespace tenon::inline v0::rpc {

class watchers {
public:
    /// The server is there at least until close().
    explicit watchers(const server_core& server) noexcept : server_(server) {}

    /// Is told of what matches and of what such an observer may know.
    void add(writer<server_event> out, std::string pattern, observer who);
    bool any() const noexcept { return count_.load(std::memory_order_relaxed) != 0; }

    /// It has held its loop for too long.
    void tell_slow(const method_entry& method, bool to_pool) noexcept;
    /// Its peer does not take what is sent.
    void tell_slow(std::uint64_t connection) noexcept;
    /// Its receiver does not keep up, so that values are dropped.
    void tell_slow(const method_entry& member, std::uint64_t connection,
                   std::uint32_t stream) noexcept;
    /// Once: the server goes away, which is the end for all.
    void close() noexcept;

private:
    struct watcher {
        writer<server_event> out;
        std::string pattern;
        observer who;
    };
    server_event make(std::string_view what, std::string_view note) const;
    bool may_know(const watcher& w, const method_entry& m) const;
    template <class Concerned>
    void tell(const server_event& e, Concerned concerned);

    const server_core& server_;
    std::atomic<std::size_t> count_{0};

    base::mutex mutex_;  // guards all below
    std::vector<watcher> all_;
    std::size_t sweep_at_ = 16;
    bool closed_ = false;
};

}  // namespace tenon::inline v0::rpc
