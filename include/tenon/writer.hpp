#pragma once
// writer<T>: the sending end of a stream; see tenon/stream.hpp.

#include <chrono>
#include <memory>
#include <utility>

#include "tenon/result.hpp"
#include "tenon/stream_core.hpp"

namespace tenon::inline v0 {

namespace detail {

/// What co_await writer::send_async() waits for.
template <class T>
class [[nodiscard]] sent_value {
public:
    template <class U>
    sent_value(outlet& out, U&& v) : out_(out), value_(std::forward<U>(v)) {}
    bool await_ready() {
        return (outcome_ = out_.try_send(std::addressof(value_), true)) != departure::full;
    }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        return out_.suspend(wait_, std::addressof(value_), true, h, scope_of(h));
    }
    bool await_resume() {
        if (outcome_ == departure::full) outcome_ = outlet::outcome_of(wait_);
        if (outcome_ == departure::closed) throw_stream_failure(out_.failure());
        if (outcome_ == departure::given_up) throw_stream_failure(given_up());
        return outcome_ == departure::sent;
    }

private:
    outlet& out_;
    T value_;
    departure outcome_ = departure::full;
    stream_wait wait_;
};

}  // namespace detail

/// The sending end of a stream.
template <class T>
class writer {
public:
    using value_type = T;

    writer() noexcept = default;
    explicit writer(std::shared_ptr<detail::outlet> out) noexcept : out_(std::move(out)) {}
    explicit operator bool() const noexcept { return out_ != nullptr; }

    /// Sends, and waits for room if the stream's policy is to block. False: the policy dropped a
    /// value, this one or an older one. Throws failure once the receiver takes no more.
    bool send(const T& v) { return send_until(const_cast<T*>(&v), false, never).value(); }
    bool send(T&& v) { return send_until(&v, true, never).value(); }
    /// The same with a limit; `deadline` if there was no room in time.
    result<bool> send_for(const T& v, std::chrono::nanoseconds limit) {
        return send_before(v, std::chrono::steady_clock::now() + limit);
    }
    result<bool> send_before(const T& v, std::chrono::steady_clock::time_point until) {
        return send_until(const_cast<T*>(&v), false, until);
    }

    /// `co_await w.send_async(v)`: as send(), suspending the coroutine.
    template <class U = T>
    detail::sent_value<T> send_async(U&& v) {
        return detail::sent_value<T>(out(), std::forward<U>(v));
    }

    /// Never waits: `overloaded` if there is no room and the policy is to block.
    result<bool> try_send(const T& v) {
        return outcome(out().try_send(const_cast<T*>(std::addressof(v)), false), errc::overloaded);
    }

    /// For sources with positions: the next value is at `position` (1 or more) of a log with this
    /// epoch, and those behind it follow one by one until it is said again. What is passed over then
    /// is a gap.
    void place_next(std::uint64_t position, std::uint64_t epoch) {
        out().place_next(position, epoch);
    }
    /// Where the receiver asked to begin.
    stream_start start() const { return out().start(); }
    /// Before the first value: the receiver may go on elsewhere later, with reader::seek(). Once it
    /// has, values are dropped until sought() has told where to; look there before each.
    void allow_seeking() { out().allow_seeking({}); }
    std::optional<stream_start> sought() { return out().sought(); }

    /// The number up to which the receiver has acknowledged; see reader::acknowledge().
    std::uint64_t acknowledged() const { return out().acknowledged(); }
    /// Blocks until it has acknowledged up to `number`. False after the time, or if it never will.
    bool wait_acknowledged(std::uint64_t number, std::chrono::nanoseconds limit) {
        return out().wait_acknowledged(number, std::chrono::steady_clock::now() + limit);
    }

    /// No more values follow. Those that wait are still sent.
    void finish() noexcept {
        if (out_) out_->finish();
    }
    /// Ends this direction with an error; the other goes on.
    void fail(error e) noexcept {
        if (out_) out_->fail(std::move(e));
    }
    /// Not finished, and the receiver has not said that it takes no more.
    bool is_open() const noexcept { return out_ && out_->is_open(); }

    stream_stats stats() const { return out_ ? out_->stats() : stream_stats(); }

    const std::shared_ptr<detail::outlet>& core() const noexcept { return out_; }

private:
    static constexpr detail::time_point never = detail::time_point::max();

    detail::outlet& out() const {
        if (!out_) detail::throw_stream_failure(detail::no_stream());
        return *out_;
    }
    result<bool> send_until(T* v, bool movable, detail::time_point until) {
        return outcome(out().send(v, movable, until), errc::deadline);
    }
    result<bool> outcome(detail::departure d, errc if_full) {
        switch (d) {
            case detail::departure::sent: return true;
            case detail::departure::dropped: return false;
            case detail::departure::full: return error(if_full, "the receiver has no room");
            case detail::departure::given_up: return detail::given_up();
            case detail::departure::closed: break;
        }
        return out().failure();
    }

    std::shared_ptr<detail::outlet> out_;
};

}  // namespace tenon::inline v0
