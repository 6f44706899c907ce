#include "rpc/stream/waiter.hpp"

#include <mutex>

namespace tenon::inline v0::rpc {

bool stream_waiter::hook_in(const call_scope* scope) noexcept {
    cancellation_ = scope ? scope->cancel : nullptr;
    return !cancellation_ || cancellation_->add(*this);
}

bool stream_waiter::as_thread() noexcept {
    is_thread_ = true;
    return hook_in(loop::thread_scope());
}

bool stream_waiter::as_coroutine(std::coroutine_handle<> h, const call_scope* scope,
                                 loop::event_loop* fallback) noexcept {
    resumer_.arm(h, scope, fallback);
    return hook_in(scope);
}

void stream_waiter::hop(std::coroutine_handle<> h, const call_scope* scope,
                        loop::event_loop& to) noexcept {
    resumer_.arm(h, scope, &to);
    to.post(resumer_);
}

void stream_waiter::dismiss() noexcept {
    if (cancellation_) cancellation_->remove(*this);
}

bool stream_waiter::leave() noexcept {
    if (!waits_) return false;
    waits_ = false;
    unlink();
    return true;
}

loop::turn stream_waiter::finish() noexcept {
    dismiss();
    if (!is_thread_) return resumer_.fire();
    // Release: the thread sees the outcome. Afterwards it may be gone; see base::futex_wake().
    finished_.store(1, std::memory_order_release);
    base::futex_wake(finished_);
    return loop::turn::done;
}

void stream_waiter::sleep(base::time_point until, base::mutex& m) noexcept {
    const auto& time = base::time_source::steady();
    while (finished_.load(std::memory_order_acquire) == 0) {
        if (until == base::never) {
            base::futex_wait(finished_, 0);
            continue;
        }
        const auto now = time.now();
        if (now < until) {
            base::futex_wait_for(finished_, 0, until - now);
            continue;
        }
        const std::lock_guard lock(m);
        if (leave()) break;
        until = base::never;  // it is finished just now
    }
    dismiss();
}

}  // namespace tenon::inline v0::rpc
