#pragma once
// Asking work to stop. Cooperative: a cancellation says that nobody wants the result any more;
// whoever works on it looks, or hooks in to be told.

#include <atomic>
#include <cstdint>

#include "tenon/export.hpp"

namespace tenon::inline v0 {

/// Told once when a cancellation it is added to is cancelled. Not copyable; registering it
/// allocates nothing.
class TENON_API cancel_hook {
public:
    cancel_hook() noexcept = default;
    cancel_hook(const cancel_hook&) = delete;
    cancel_hook& operator=(const cancel_hook&) = delete;

    /// On the thread that calls cancel(). May remove or destroy any hook, itself included.
    virtual void on_cancel() noexcept = 0;

protected:
    ~cancel_hook() = default;

private:
    friend class cancellation;

    cancel_hook* previous_ = nullptr;
    cancel_hook* next_ = nullptr;
    bool added_ = false;
};

/// One request to stop. Thread-safe. Must outlive the hooks added to it.
class TENON_API cancellation {
public:
    cancellation() noexcept = default;
    cancellation(const cancellation&) = delete;
    cancellation& operator=(const cancellation&) = delete;

    /// Calls all hooks, one after the other; further calls do nothing. Must not be called while
    /// holding a lock that a hook takes.
    void cancel() noexcept;

    bool is_cancelled() const noexcept {
        // Acquire: what the canceller wrote before is visible to who sees the request.
        return (state_.load(std::memory_order_acquire) & cancelled) != 0;
    }

    /// False if it is cancelled already; then the hook is not added and will not be called.
    bool add(cancel_hook& hook) noexcept;

    /// Afterwards the hook will not be called, and does not run on any other thread (waits for
    /// that). Nothing if it is not added.
    void remove(cancel_hook& hook) noexcept;

private:
    static constexpr std::uint32_t locked = 1;
    static constexpr std::uint32_t cancelled = 2;

    void lock() noexcept;
    void unlock() noexcept;

    std::atomic<std::uint32_t> state_{0};     // guards all below
    std::atomic<std::uint32_t> finished_{0};  // hooks that have returned
    cancel_hook* first_ = nullptr;
    cancel_hook* running_ = nullptr;
    bool waiting_ = false;          // somebody waits for finished_ to change
    const void* runner_ = nullptr;  // identifies the thread in cancel()
};

}  // namespace tenon::inline v0
