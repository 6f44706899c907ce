// What tenon/duplex.hpp and tenon/message_handlers.hpp stand on.

#include "loop/resume.hpp"
#include "rpc/runtime_core.hpp"
#include "rpc/service_call.hpp"
#include "tenon/message_handlers.hpp"

namespace tenon::inline v0::detail {

namespace {

/// A coroutine that goes on in the pool.
class pool_turn final : public loop::job {
public:
    void run() noexcept override {
        const loop::scope_guard scoped(scope);
        coroutine.resume();  // afterwards this object may be gone
    }
    void drop() noexcept override {
        failed.emplace(errc::unavailable, "the service is stopping");
        run();
    }

    std::coroutine_handle<> coroutine;
    const call_scope* scope = nullptr;
    std::optional<error> failed;
};

}  // namespace

bool pool_entry::await_suspend(std::coroutine_handle<> h) noexcept {
    auto& turn = wait_.make<pool_turn>();
    turn.coroutine = h;
    turn.scope = &scope_of(of_);
    if (rpc::service_call::of(of_).runtime().pool().submit(turn)) return true;
    turn.failed.emplace(errc::overloaded, "the pool's queue is full");
    return false;
}

void pool_entry::await_resume() {
    if (auto& failed = wait_.get<pool_turn>().failed) throw failure(*std::move(failed));
}

error unexpected_message(const char* wanted, const char* came) {
    return error(errc::invalid,
                 std::string("expected a message of type ") + wanted + ", got " + came);
}

error unhandled_message(const char* name) {
    return error(errc::unsupported, std::string("nobody handles messages of type ") + name);
}

}  // namespace tenon::inline v0::detail
