#pragma once
// How a suspended coroutine is continued on its loop, whatever thread its operation completes on.
//
// An awaitable holds a `resumer`; await_suspend() calls arm() and then starts the operation; the
// operation's completion stores its result and calls fire(), once. Between starting the operation
// and returning, await_suspend() must not touch the awaitable: the coroutine may already run on.

#include <coroutine>

#include "loop/loop.hpp"
#include "tenon/task.hpp"

namespace tenon::inline v0::loop {

class resumer final : public work {
public:
    /// Where to continue: the scope's loop, else `fallback` (a client's loop), else in fire().
    void arm(std::coroutine_handle<> h, const call_scope* scope,
             event_loop* fallback = nullptr) noexcept {
        coroutine_ = h;
        scope_ = scope;
        loop_ = scope && scope->loop ? scope->loop : fallback;
    }

    /// Any thread. Continues at once, inside a bracket, if this is the owner of that loop and not
    /// in user code; otherwise posts. The object may be gone afterwards. Returns turn::lost if the
    /// bracket lost the loop, else done.
    turn fire() noexcept;

    turn run(event_loop& loop) override;

private:
    std::coroutine_handle<> coroutine_;
    const call_scope* scope_ = nullptr;
    event_loop* loop_ = nullptr;
};

/// The scope of the user code that runs on this thread; null outside. What a handler calls inherits
/// deadline, cancellation and trace from it.
const call_scope* thread_scope() noexcept;

/// Sets it for a block: around a handler. Resumed coroutines have theirs set already.
class scope_guard {
public:
    explicit scope_guard(const call_scope* scope) noexcept;
    scope_guard(const scope_guard&) = delete;
    scope_guard& operator=(const scope_guard&) = delete;
    ~scope_guard();

private:
    const call_scope* const outer_;
};

}  // namespace tenon::inline v0::loop
