#include "loop/resume.hpp"

#include <utility>

#include "loop/thread.hpp"

namespace tenon::inline v0::loop {
namespace {

void resume(std::coroutine_handle<> h, const call_scope* scope) {
    const scope_guard guard(scope);
    h.resume();
}

/// The owner, outside user code.
turn resume_on(event_loop& loop, std::coroutine_handle<> h, const call_scope* scope) {
    const ticket t = loop.enter();
    resume(h, scope);
    return loop.leave(t) ? turn::done : turn::lost;
}

}  // namespace

turn resumer::fire() noexcept {
    if (!loop_) return resume(coroutine_, scope_), turn::done;
    if (loop_->in_loop_thread() && !event_loop::in_user_code())
        return resume_on(*loop_, coroutine_, scope_);
    loop_->post(*this);
    return turn::done;
}

turn resumer::run(event_loop& loop) { return resume_on(loop, coroutine_, scope_); }

const call_scope* thread_scope() noexcept { return this_thread().scope; }

scope_guard::scope_guard(const call_scope* scope) noexcept
    : outer_(std::exchange(this_thread().scope, scope)) {}

scope_guard::~scope_guard() { this_thread().scope = outer_; }

}  // namespace tenon::inline v0::loop
