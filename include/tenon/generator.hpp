#pragma once
// generator<T>: a coroutine that is the server side of a source. What it yields is sent; while the
// receiver has no room, it is suspended (policy `block`) or goes on.
//
//     m.ticks = [](int from) -> tenon::generator<tick> {
//         for (int i = from;; ++i) co_yield tick{i};
//     };
//
// It may co_await like a task. When the receiver takes no more, co_yield throws failure(cancelled),
// so that objects of the coroutine are destroyed in order.

#include <concepts>
#include <coroutine>
#include <utility>

#include "tenon/stream.hpp"

namespace tenon::inline v0 {

/// Movable. Started by the library.
template <class T>
class [[nodiscard]] generator {
public:
    using value_type = T;

    class promise_type : public detail::promise_base {
    public:
        generator get_return_object() noexcept {
            return generator(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        void return_void() const noexcept {}

        template <class U = T>
            requires std::constructible_from<T, U&&> detail::sent_value<T> yield_value(U&& v) {
                return detail::sent_value<T>(*out, std::forward<U>(v));
            }

        detail::outlet* out = nullptr;
    };

    generator(generator&& o) noexcept : h_(std::exchange(o.h_, nullptr)) {}
    generator& operator=(generator&&) = delete;
    ~generator() {
        if (h_) h_.destroy();
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
        void await_resume() {
            if (h_.promise().exception) std::rethrow_exception(h_.promise().exception);
        }

    private:
        std::coroutine_handle<promise_type> h_;
    };

    /// For the library: runs to the end, sending to `out`, which must live that long.
    awaiter run(detail::outlet& out) noexcept {
        h_.promise().out = &out;
        return awaiter(h_);
    }

private:
    explicit generator(std::coroutine_handle<promise_type> h) noexcept : h_(h) {}
    std::coroutine_handle<promise_type> h_;
};

}  // namespace tenon::inline v0
