#include "tenon/task.hpp"

#include "base/futex.hpp"
#include "loop/loop.hpp"
#include "loop/resume.hpp"

namespace tenon::inline v0 {

namespace detail {

void thread_gate::set() noexcept {
    // Release: the waiter sees the result. Once it is set the gate may be gone; waking an address
    // that is no longer in use wakes nobody, or somebody who looks again.
    set_.store(1, std::memory_order_release);
    base::futex_wake(set_);
}

void thread_gate::wait() noexcept {
    if (set_.load(std::memory_order_acquire) != 0) return;
    loop::event_loop::before_blocking();
    while (set_.load(std::memory_order_acquire) == 0) base::futex_wait(set_, 0);
}

call_scope scope_for_blocking() noexcept {
    call_scope scope;
    if (const call_scope* const outer = loop::thread_scope()) scope = *outer;
    scope.loop = nullptr;
    return scope;
}

}  // namespace detail

namespace {

using loop::event_loop;
using loop::turn;

/// Suspends a coroutine until a time on a loop, or until its scope is cancelled. Everything but
/// on_cancel() happens on the loop's owner.
class sleeper final : public loop::timer, public cancel_hook {
public:
    sleeper(event_loop& loop, base::time_point until, const call_scope& scope) noexcept
        : loop_(loop), until_(until), scope_(scope) {}

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> h) noexcept {
        resumer_.arm(h, &scope_, &loop_);
        event_loop& loop = loop_;  // this object may be gone after begin() or post()
        if (const loop::claim own(loop); own) return begin();
        loop.post(start_);
        return true;
    }
    bool await_resume() const noexcept { return slept_; }

    turn on_timer(event_loop&) override {
        slept_ = true;
        return finish();
    }
    void on_cancel() noexcept override {
        cancelled_ = true;
        loop_.post(cut_short_);
    }

private:
    /// False if it is cancelled already.
    bool begin() noexcept {
        if (scope_.cancel && !scope_.cancel->add(*this)) return false;
        loop_.arm(*this, until_);
        return true;
    }
    turn start(event_loop&) { return begin() ? turn::done : resumer_.fire(); }
    turn cut_short(event_loop& loop) {
        loop.disarm(*this);
        scope_.cancel->remove(*this);  // waits until on_cancel() has returned
        return resumer_.fire();
    }
    turn finish() {
        if (scope_.cancel) scope_.cancel->remove(*this);
        // Cancelled at the same moment: then cut_short() is posted and resumes.
        return cancelled_ ? turn::done : resumer_.fire();
    }

    event_loop& loop_;
    const base::time_point until_;
    const call_scope& scope_;
    loop::resumer resumer_;
    loop::member_work<&sleeper::start> start_{*this};
    loop::member_work<&sleeper::cut_short> cut_short_{*this};
    bool slept_ = false;
    bool cancelled_ = false;
};

/// The same for a thread that has no loop.
class blocking_sleep final : public cancel_hook {
public:
    bool run(std::chrono::nanoseconds duration, cancellation* cancel) noexcept {
        if (cancel && !cancel->add(*this)) return false;
        const base::time_source& time = base::time_source::steady();
        const base::time_point until = base::add_time(time.now(), duration);
        event_loop::before_blocking();
        while (woken_.load(std::memory_order_relaxed) == 0 && time.now() < until)
            base::futex_wait_for(woken_, 0, until - time.now());
        if (cancel) cancel->remove(*this);
        return woken_.load(std::memory_order_relaxed) == 0;
    }
    void on_cancel() noexcept override {
        woken_.store(1, std::memory_order_relaxed);
        base::futex_wake(woken_);
    }

private:
    base::futex_word woken_{0};
};

}  // namespace

task<bool> sleep_for(std::chrono::nanoseconds duration) {
    const call_scope& scope = co_await this_scope();
    event_loop* const loop = scope.loop ? scope.loop : event_loop::current();
    if (!loop) {
        blocking_sleep sleep;
        co_return sleep.run(duration, scope.cancel);
    }
    sleeper sleep(*loop, base::add_time(loop->time().now(), duration), scope);
    co_return co_await sleep;
}

}  // namespace tenon::inline v0
