#pragma once
// queue<T>: a bounded channel between threads and coroutines of one process.
//
//     tenon::queue<job> jobs(100);
//     jobs.push(job{…});                          // blocks while it is full
//     while (auto j = jobs.pop()) …               // blocks while it is empty
//     while (auto j = co_await jobs.next()) …     // suspends
//
// Any number of producers and consumers; first in, first out; each value goes to one consumer. T
// need not be described: it is moved, never encoded.

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "tenon/reader.hpp"
#include "tenon/writer.hpp"

namespace tenon::inline v0 {

class runtime;

namespace detail {

/// Both ends of a direction of a stream that stays in the process.
class TENON_API pipe {
public:
    /// `of`: null: runtime::process(). With flow.window values in it there is no room.
    static std::shared_ptr<pipe> make(const value_ops& ops, const flow_settings& flow,
                                      tenon::runtime* of);
    /// The same as handles: the last writer gone finishes, the last reader gone stops.
    static stream_ends make_ends(const value_ops& ops, const flow_settings& flow,
                                 tenon::runtime* of);

    virtual inlet& in() noexcept = 0;
    virtual outlet& out() noexcept = 0;
    /// Senders fail with this from now on, those that wait included; what is there can be taken.
    virtual void close(error why) noexcept = 0;

protected:
    ~pipe();
};

}  // namespace detail

/// A handle: copies share the queue. Thread-safe. It must outlive those who wait in it.
template <class T>
class queue {
public:
    using value_type = T;

    /// Holds at most `capacity` values (at least 1). Coroutines without a loop of their own go on
    /// on a loop of `runtime`; null: runtime::process().
    explicit queue(std::uint32_t capacity, tenon::runtime* runtime = nullptr)
        : capacity_(capacity == 0 ? 1 : capacity),
          pipe_(detail::pipe::make(detail::object_ops_of<T>,
                                   {overflow::block, 0, capacity_, nullptr}, runtime)) {}

    /// Waits for room. Throws failure: `conflict` once the queue is closed, also while it waits;
    /// `cancelled` in a handler whose call is given up.
    void push(T v) { push_until(std::move(v), detail::time_point::max()).value(); }
    /// The same with a limit: `deadline` if there was no room in time.
    result<void> push_for(T v, std::chrono::nanoseconds limit) {
        return push_until(std::move(v), std::chrono::steady_clock::now() + limit);
    }
    result<void> push_until(T v, std::chrono::steady_clock::time_point until) {
        return outcome(pipe_->out().send(std::addressof(v), true, until), errc::deadline);
    }
    /// Never waits: `overloaded` if it is full; then v is untouched.
    result<void> try_push(T&& v) {
        return outcome(pipe_->out().try_send(std::addressof(v), true), errc::overloaded);
    }
    result<void> try_push(const T& v) requires std::is_copy_constructible_v<T> {
        return outcome(pipe_->out().try_send(const_cast<T*>(std::addressof(v)), false),
                       errc::overloaded);
    }
    /// `co_await q.push_async(v)`: as push(), suspending the coroutine.
    template <class U = T>
    detail::sent_value<T> push_async(U&& v) {
        return detail::sent_value<T>(pipe_->out(), std::forward<U>(v));
    }

    /// Waits for a value; nothing once the queue is closed and empty. Throws failure(cancelled) as
    /// push().
    std::optional<T> pop() { return std::move(pop_until(detail::time_point::max())).value(); }
    /// The same with a limit: `deadline` if there was none in time.
    result<std::optional<T>> pop_for(std::chrono::nanoseconds limit) {
        return pop_until(std::chrono::steady_clock::now() + limit);
    }
    result<std::optional<T>> pop_until(std::chrono::steady_clock::time_point until) {
        T v{};
        switch (pipe_->in().wait(std::addressof(v), until)) {
            case detail::arrival::value: return std::optional<T>(std::move(v));
            case detail::arrival::none: return error(errc::deadline, "no value in time");
            case detail::arrival::given_up: return detail::given_up();
            case detail::arrival::ended: break;
        }
        return std::optional<T>();
    }
    /// Never waits: nothing if there is no value now.
    std::optional<T> try_pop() {
        T v{};
        if (pipe_->in().poll(std::addressof(v)) != detail::arrival::value) return std::nullopt;
        return v;
    }
    /// `co_await q.next()`: as pop(), suspending the coroutine.
    detail::next_value<T> next() { return detail::next_value<T>(pipe_->in()); }

    /// Nothing can be pushed any more; what is in the queue can still be popped.
    void close() noexcept { pipe_->close(error(errc::conflict, "the queue is closed")); }
    bool is_closed() const noexcept { return !pipe_->out().is_open(); }

    std::size_t size() const { return pipe_->in().stats().waiting; }
    std::size_t capacity() const noexcept { return capacity_; }

private:
    result<void> outcome(detail::departure d, errc if_full) {
        switch (d) {
            case detail::departure::sent:
            case detail::departure::dropped: return {};
            case detail::departure::full: return error(if_full, "the queue is full");
            case detail::departure::given_up: return detail::given_up();
            case detail::departure::closed: break;
        }
        return pipe_->out().failure();
    }

    std::uint32_t capacity_;
    std::shared_ptr<detail::pipe> pipe_;
};

}  // namespace tenon::inline v0
