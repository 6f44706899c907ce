#include "tenon/cancellation.hpp"

#include <sched.h>

#include "base/futex.hpp"

namespace tenon::inline v0 {
namespace {

/// Differs between threads that live at the same time.
const void* thread_mark() noexcept {
    constinit thread_local const char mark = 0;
    return &mark;
}

}  // namespace

// The sections under this lock are a few instructions long, so that spinning is enough.
void cancellation::lock() noexcept {
    constexpr int spins = 100;
    for (int i = 0;; ++i) {
        // Acquire pairs with unlock().
        if (!(state_.fetch_or(locked, std::memory_order_acquire) & locked)) return;
        if (i < spins) base::cpu_pause();
        else sched_yield();
    }
}

void cancellation::unlock() noexcept { state_.fetch_and(~locked, std::memory_order_release); }

void cancellation::cancel() noexcept {
    lock();
    // Release, by unlock(): is_cancelled() acquires.
    if (state_.fetch_or(cancelled, std::memory_order_acq_rel) & cancelled) return unlock();
    runner_ = thread_mark();
    while (first_) {
        cancel_hook& hook = *first_;
        first_ = hook.next_;
        if (first_) first_->previous_ = nullptr;
        hook.added_ = false;
        running_ = &hook;
        unlock();
        hook.on_cancel();  // may destroy it
        lock();
        running_ = nullptr;
        finished_.fetch_add(1, std::memory_order_relaxed);
        if (waiting_) base::futex_wake_all(finished_);
    }
    runner_ = nullptr;
    unlock();
}

bool cancellation::add(cancel_hook& hook) noexcept {
    lock();
    const bool open = !(state_.load(std::memory_order_relaxed) & cancelled);
    if (open) {
        hook.previous_ = nullptr;
        hook.next_ = first_;
        if (first_) first_->previous_ = &hook;
        first_ = &hook;
        hook.added_ = true;
    }
    unlock();
    return open;
}

void cancellation::remove(cancel_hook& hook) noexcept {
    lock();
    if (hook.added_) {
        (hook.previous_ ? hook.previous_->next_ : first_) = hook.next_;
        if (hook.next_) hook.next_->previous_ = hook.previous_;
        hook.added_ = false;
    }
    while (running_ == &hook && runner_ != thread_mark()) {
        waiting_ = true;
        const std::uint32_t seen = finished_.load(std::memory_order_relaxed);
        unlock();
        base::futex_wait(finished_, seen);
        lock();
    }
    unlock();
}

}  // namespace tenon::inline v0
