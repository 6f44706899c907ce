#pragma once
// change_watch: counts what may have changed among the names that a runtime's clients look for.
//
// One for each runtime, because a system allows a user few inotify instances, and because closing
// one waits in the kernel for all of the system's readers, which may take a second.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/mutex.hpp"
#include "naming/changes.hpp"
#include "rpc/process_table.hpp"
#include "rpc/runtime_core.hpp"

namespace tenon::inline v0::naming {

class change_watch final : public detail::companion,
                           public loop::pollable,
                           public rpc::table_observer {
public:
    /// The runtime's, made at its first use.
    static change_watch& of(detail::runtime_core& runtime);
    ~change_watch() override;

    /// Changes so far, beginning with 1. Relaxed: who misses one for a moment finds out by a call
    /// that fails. Nothing: the system has no watch to give, so that anything may have changed.
    std::optional<std::uint64_t> count() const noexcept;

    /// From now on changes of this name count. To be called again after a change, before looking.
    /// Thread-safe.
    void cover(std::string_view name);

    void on_table_change() noexcept override { count_.fetch_add(1, std::memory_order_relaxed); }

private:
    explicit change_watch(detail::runtime_core& runtime);
    static std::unique_ptr<detail::companion> make(detail::runtime_core& runtime);
    loop::turn on_ready(loop::event_loop& loop, loop::ready_flags flags) override;
    loop::turn open_on_loop(loop::event_loop& loop);

    detail::runtime_core& runtime_;
    loop::event_loop& loop_;
    std::optional<directory_changes> changes_;
    std::atomic<std::uint64_t> count_{1};
    base::mutex covering_;
    loop::member_work<&change_watch::open_on_loop> open_{*this};
};

}  // namespace tenon::inline v0::naming
