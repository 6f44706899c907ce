#include "naming/change_watch.hpp"

#include <mutex>

namespace tenon::inline v0::naming {

change_watch& change_watch::of(detail::runtime_core& runtime) {
    return static_cast<change_watch&>(runtime.companion_of(&change_watch::make));
}

std::unique_ptr<detail::companion> change_watch::make(detail::runtime_core& runtime) {
    return std::unique_ptr<detail::companion>(new change_watch(runtime));
}

change_watch::change_watch(detail::runtime_core& runtime)
    : runtime_(runtime), loop_(runtime.next_loop()) {
    auto opened = directory_changes::open(runtime.options().directory);
    if (!opened) return;
    changes_ = *std::move(opened);
    runtime.services().add(*this);
    runtime.post(loop_, open_);
}

change_watch::~change_watch() {
    if (!changes_) return;
    runtime_.services().remove(*this);
    loop_.remove(*this);  // which does not run any more
}

std::optional<std::uint64_t> change_watch::count() const noexcept {
    if (!changes_) return std::nullopt;
    return count_.load(std::memory_order_relaxed);
}

void change_watch::cover(std::string_view name) {
    const std::lock_guard lock(covering_);
    if (changes_) changes_->cover(name);
}

loop::turn change_watch::on_ready(loop::event_loop&, loop::ready_flags) {
    if (!changes_->drain().anything) return loop::turn::nothing;
    on_table_change();
    return loop::turn::done;
}

loop::turn change_watch::open_on_loop(loop::event_loop& loop) {
    if (auto added = loop.watch(*this, changes_->fd()); !added)
        runtime_.log().warning("cannot watch the runtime directory: {}", added.error().message());
    return loop::turn::done;
}

}  // namespace tenon::inline v0::naming
