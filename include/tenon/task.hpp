#pragma once
// task<T>: a coroutine that starts when it is awaited, and gives a T or throws.
//
//     tenon::task<int> total(client c) {
//         int a = co_await c.plus.async(1, 2);
//         co_return a + 1;
//     }
//
// Every task of one call shares a call_scope (where to continue, deadline, cancellation), which it
// inherits from the task that awaits it. Frames are recycled per thread: steady use allocates
// nothing. A task is resumed by one thread at a time, not always the same one unless its scope
// names a loop.

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <type_traits>
#include <utility>

#include "tenon/cancellation.hpp"
#include "tenon/export.hpp"

namespace tenon::inline v0 {

namespace loop {
class event_loop;
}  // namespace loop

/// What a call and everything it awaits have in common. Must outlive the tasks that use it.
struct call_scope {
    loop::event_loop* loop = nullptr;  ///< continue here; null: where the awaited thing completes
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
    cancellation* cancel = nullptr;  ///< null: cannot be cancelled
    void* trace = nullptr;           ///< of the tracing layer
};

template <class T = void>
class task;

namespace detail {

/// Recycled storage for coroutine frames and call states. Freeing on another thread is fine.
TENON_API void* frame_allocate(std::size_t size);
TENON_API void frame_free(void* frame, std::size_t size) noexcept;

/// Blocks a thread until set() was called once. The setter must not touch it afterwards.
class TENON_API thread_gate {
public:
    void set() noexcept;
    void wait() noexcept;

private:
    std::atomic<std::uint32_t> set_{0};
};

/// The scope of the user code that runs on this thread, without its loop; empty outside.
TENON_API call_scope scope_for_blocking() noexcept;

class promise_base {
public:
    static void* operator new(std::size_t size) { return frame_allocate(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { frame_free(frame, size); }

    std::suspend_always initial_suspend() const noexcept { return {}; }

    class final_awaiter {
    public:
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) const noexcept {
            promise_base& p = h.promise();
            if (p.continuation) return p.continuation;
            p.on_done(p.context);  // may destroy the frame and this object with it
            return std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };
    final_awaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { exception = std::current_exception(); }

    const call_scope* scope = nullptr;
    std::coroutine_handle<> continuation;      // either this …
    void (*on_done)(void* context) = nullptr;  // … or this is set when it starts
    void* context = nullptr;
    std::exception_ptr exception;
};

template <class T>
class promise_value : public promise_base {
public:
    promise_value() noexcept {}
    ~promise_value() {
        if (has_value_) value_.~T();
    }
    template <class U = T>
        requires std::is_constructible_v<T, U&&>
    void return_value(U&& v) {
        ::new (&value_) T(std::forward<U>(v));
        has_value_ = true;
    }
    T take() {
        if (exception) std::rethrow_exception(exception);
        return std::move(value_);
    }

private:
    bool has_value_ = false;
    union {
        T value_;
    };
};

template <>
class promise_value<void> : public promise_base {
public:
    void return_void() const noexcept {}
    void take() const {
        if (exception) std::rethrow_exception(exception);
    }
};

/// The scope of an awaiting coroutine: to be used in await_suspend(). Null for foreign coroutines.
template <class Promise>
const call_scope* scope_of(std::coroutine_handle<Promise> h) noexcept {
    if constexpr (std::is_base_of_v<promise_base, Promise>) return h.promise().scope;
    else return nullptr;
}

}  // namespace detail

/// Movable, awaitable once (`co_await std::move(t)`). Destroying it destroys the coroutine, which
/// must not be running. An empty task (default-constructed or moved from) must not be awaited.
template <class T>
class [[nodiscard]] task {
    static_assert(!std::is_reference_v<T>, "a task gives a value; use a pointer for a reference");

public:
    using value_type = T;

    class promise_type : public detail::promise_value<T> {
    public:
        task get_return_object() noexcept { return task(handle::from_promise(*this)); }
    };

    task() noexcept = default;
    task(task&& o) noexcept : h_(std::exchange(o.h_, nullptr)) {}
    task& operator=(task&& o) noexcept {
        if (this != &o) {
            reset();
            h_ = std::exchange(o.h_, nullptr);
        }
        return *this;
    }
    ~task() { reset(); }

    explicit operator bool() const noexcept { return h_ != nullptr; }
    void reset() noexcept {
        if (h_) std::exchange(h_, nullptr).destroy();
    }

    class awaiter {
    public:
        explicit awaiter(std::coroutine_handle<promise_type> h) noexcept : h_(h) {}
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
            h_.promise().scope = detail::scope_of(parent);
            h_.promise().continuation = parent;
            return h_;
        }
        T await_resume() { return h_.promise().take(); }

    private:
        std::coroutine_handle<promise_type> h_;
    };
    awaiter operator co_await() && noexcept { return awaiter(h_); }

    /// Starts it without a coroutine around it, on this thread, now. `on_done(context)` is called
    /// once, by the thread that finishes it, possibly before start() returns; it may take() and
    /// destroy the task. `scope` must live until then.
    void start(const call_scope& scope, void (*on_done)(void* context), void* context) {
        promise_type& p = h_.promise();
        p.scope = &scope;
        p.on_done = on_done;
        p.context = context;
        h_.resume();
    }

    /// After on_done: whether it ended by an exception, and its value (throws that exception).
    std::exception_ptr exception() const noexcept { return h_.promise().exception; }
    T take() { return h_.promise().take(); }

private:
    using handle = std::coroutine_handle<promise_type>;
    explicit task(handle h) noexcept : h_(h) {}

    handle h_;
};

/// Starts `t` at once and calls `on_done(task<T>&)`, which must not throw, when it has finished:
/// `t.exception()` and `t.take()` tell how. What must outlive the call (the scope) can be kept in
/// on_done itself.
template <class T, class F>
void spawn(task<T> t, const call_scope& scope, F on_done) {
    class node {
    public:
        node(task<T>&& t, F&& f) : task_(std::move(t)), on_done_(std::move(f)) {}
        static void* operator new(std::size_t size) { return detail::frame_allocate(size); }
        static void operator delete(void* p, std::size_t size) noexcept {
            detail::frame_free(p, size);
        }
        void start(const call_scope& scope) {
            task_.start(
                scope, [](void* self) { static_cast<node*>(self)->finish(); }, this);
        }

    private:
        void finish() noexcept {
            on_done_(task_);
            delete this;
        }
        task<T> task_;
        F on_done_;
    };
    (new node(std::move(t), std::move(on_done)))->start(scope);
}

/// Runs `t` on this thread and, where it has to wait, on the threads that complete what it waits
/// for; blocks until it has finished. Throws what it throws. Inside a handler it inherits the
/// handler's deadline and cancellation.
template <class T>
T sync_wait(task<T> t) {
    const call_scope scope = detail::scope_for_blocking();
    detail::thread_gate gate;
    t.start(
        scope, [](void* g) { static_cast<detail::thread_gate*>(g)->set(); }, &gate);
    gate.wait();
    return t.take();
}

/// `const call_scope& s = co_await this_scope();` An empty scope if the coroutine has none.
class this_scope {
public:
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
        if (const call_scope* s = detail::scope_of(h)) scope_ = s;
        return false;
    }
    const call_scope& await_resume() const noexcept { return *scope_; }

private:
    static constexpr call_scope none{};
    const call_scope* scope_ = &none;
};

/// Waits on the loop of the scope, else on the loop of this thread; on a thread without a loop it
/// blocks. False if it was cut short by the scope's cancellation.
TENON_API task<bool> sleep_for(std::chrono::nanoseconds duration);

}  // namespace tenon::inline v0
