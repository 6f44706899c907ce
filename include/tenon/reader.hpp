#pragma once
// reader<T>: the receiving end of a stream; see tenon/stream.hpp.

#include <chrono>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "tenon/result.hpp"
#include "tenon/stream_core.hpp"

namespace tenon::inline v0 {

namespace detail {

/// What co_await reader::next() waits for.
template <class T>
class [[nodiscard]] next_value {
public:
    explicit next_value(inlet& in) : in_(in) {}
    bool await_ready() { return (outcome_ = in_.poll(std::addressof(value_))) != arrival::none; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        return in_.suspend(wait_, std::addressof(value_), h, scope_of(h));
    }
    std::optional<T> await_resume() {
        if (outcome_ == arrival::none) outcome_ = inlet::outcome_of(wait_);
        if (outcome_ == arrival::value) return std::move(value_);
        if (outcome_ == arrival::given_up) throw_stream_failure(given_up());
        if (auto e = in_.failure()) throw_stream_failure(*std::move(e));
        return std::nullopt;
    }

private:
    inlet& in_;
    T value_{};
    arrival outcome_ = arrival::none;
    stream_wait wait_;
};

/// Takes a coroutine to the stream's loop.
class [[nodiscard]] loop_entry {
public:
    explicit loop_entry(inlet& in) noexcept : in_(in) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h) {
        in_.hop(wait_, h, scope_of(h));
    }
    void await_resume() const noexcept {}

private:
    inlet& in_;
    stream_wait wait_;
};

/// The handlers of one reader, called in the order of their registration until one returns true.
/// Thread-safe.
class TENON_API value_handlers {
public:
    using handler = std::function<bool(void* value)>;
    using end_handler = std::function<void(std::optional<error>)>;

    static std::shared_ptr<value_handlers> make();
    value_handlers() noexcept = default;
    value_handlers(const value_handlers&) = delete;
    value_handlers& operator=(const value_handlers&) = delete;
    virtual ~value_handlers() = default;

    virtual std::uint64_t add(handler f) = 0;
    virtual void remove(std::uint64_t id) = 0;
    virtual void on_end(end_handler f) = 0;
    virtual bool any() = 0;
    /// True once: for the one that is to begin.
    virtual bool begin() noexcept = 0;
    virtual void handle(void* value) = 0;
    virtual void ended(std::optional<error> why) = 0;
};

}  // namespace detail

/// The receiving end of a stream.
template <class T>
class reader {
public:
    using value_type = T;

    reader() noexcept = default;
    explicit reader(std::shared_ptr<detail::inlet> in) noexcept : in_(std::move(in)) {}
    explicit operator bool() const noexcept { return in_ != nullptr; }

    /// `co_await r.next()`: the next value; nothing once the sender has ended; throws failure if it
    /// failed.
    detail::next_value<T> next() { return detail::next_value<T>(in()); }

    /// The same, blocking.
    std::optional<T> get() { return std::move(get_until(detail::time_point::max())).value(); }
    /// The same with a limit: `deadline` once it is over. A value that comes later waits for the
    /// next call.
    result<std::optional<T>> get_for(std::chrono::nanoseconds limit) {
        return get_until(std::chrono::steady_clock::now() + limit);
    }
    result<std::optional<T>> get_until(detail::time_point until) {
        T value{};
        switch (in().wait(std::addressof(value), until)) {
            case detail::arrival::value: return std::optional<T>(std::move(value));
            case detail::arrival::none: return error(errc::deadline, "no value in time");
            case detail::arrival::given_up: return detail::given_up();
            case detail::arrival::ended: break;
        }
        if (auto e = in().failure()) return *std::move(e);
        return std::optional<T>();
    }

    /// Never waits: nothing if there is no value now. Throws failure(conflict) while handlers are
    /// registered, and what the sender failed with once the values before that are taken.
    std::optional<T> poll() {
        if (handlers_ && handlers_->any())
            detail::throw_stream_failure(error(errc::conflict, "this stream has handlers"));
        T value{};
        switch (in().poll(std::addressof(value))) {
            case detail::arrival::value: return value;
            case detail::arrival::none:
            case detail::arrival::given_up: return std::nullopt;
            case detail::arrival::ended: ended_ = true; break;
        }
        if (auto e = in().failure()) detail::throw_stream_failure(*std::move(e));
        return std::nullopt;
    }
    /// After poll(): the sender has ended, and all its values are taken.
    bool ended() const noexcept { return ended_; }

    /// Calls `f(T&)`, which must not throw, for every value, on the client's loop. Handlers run in
    /// the order of their registration; one that returns true ends the chain for that value, one
    /// that returns nothing does not. Gives a number for remove().
    template <class F>
    std::uint64_t on_value(F f);
    /// Once the stream has ended, with why, if it failed. Needs a handler of values.
    void on_end(std::function<void(std::optional<error>)> f) { handlers().on_end(std::move(f)); }
    /// The handler will not be called again, and does not run any more: waits for it, unless called
    /// by a handler of this stream. on_end(nullptr) does the same to that one.
    void remove(std::uint64_t handler) {
        if (handlers_) handlers_->remove(handler);
    }

    /// Whose values come: set by senders that number them, such as tenon::delivery.
    stream_origin origin() const { return in().origin(); }
    /// Tells the sender that all values up to that number (of the origin's numbering; without one
    /// values count from 1) have been dealt with.
    void acknowledge(std::uint64_t number) { in().acknowledge(number); }

    /// Goes on elsewhere in a source with positions, such as a tenon::log, without opening it again:
    /// values taken from now on are from there, and stats() tells the position of the first. Does
    /// not wait. `unsupported`, and nothing has changed, if that cannot be told the sender; a source
    /// that cannot go on elsewhere ends with that code.
    result<void> seek(const stream_start& to) { return in().seek(to); }

    /// No more values are wanted: the sender is told, those that wait are dropped.
    void stop() noexcept {
        if (in_) in_->stop();
    }

    stream_stats stats() const { return in_ ? in_->stats() : stream_stats(); }

    /// Blocking: `for (T& v : reader)`. Throws what the sender failed with.
    class iterator {
    public:
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using reference = T&;
        using pointer = T*;
        using iterator_category = std::input_iterator_tag;

        iterator() noexcept = default;
        explicit iterator(reader* r) : reader_(r) { ++*this; }
        T& operator*() const noexcept { return *value_; }
        T* operator->() const noexcept { return std::addressof(*value_); }
        iterator& operator++() {
            if (!(value_ = reader_->get())) reader_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(const iterator& o) const noexcept { return reader_ == o.reader_; }

    private:
        reader* reader_ = nullptr;
        mutable std::optional<T> value_;
    };
    iterator begin() { return iterator(this); }
    iterator end() noexcept { return {}; }

    const std::shared_ptr<detail::inlet>& core() const noexcept { return in_; }

private:
    detail::inlet& in() const {
        if (!in_) detail::throw_stream_failure(detail::no_stream());
        return *in_;
    }

    detail::value_handlers& handlers() {
        if (!handlers_) handlers_ = detail::value_handlers::make();
        return *handlers_;
    }

    std::shared_ptr<detail::inlet> in_;
    std::shared_ptr<detail::value_handlers> handlers_;
    bool ended_ = false;
};

namespace detail {

template <class T, class F>
value_handlers::handler value_handler(F f) {
    return [f = std::move(f)](void* value) mutable {
        T& v = *static_cast<T*>(value);
        if constexpr (std::is_convertible_v<std::invoke_result_t<F&, T&>, bool>) return f(v);
        else return f(v), false;
    };
}

/// Calls them, until the stream ends.
template <class T>
task<void> run_handlers(std::shared_ptr<value_handlers> all, reader<T> from) {
    std::optional<error> why;
    co_await loop_entry(*from.core());
    try {
        while (auto v = co_await from.next()) all->handle(std::addressof(*v));
    } catch (const failure& f) {
        why = f.error();
    }
    all->ended(std::move(why));
}

/// The scope in which a reader's handlers run.
TENON_API const call_scope& handler_scope() noexcept;

}  // namespace detail

template <class T>
template <class F>
std::uint64_t reader<T>::on_value(F f) {
    const std::uint64_t id = handlers().add(detail::value_handler<T>(std::move(f)));
    if (handlers_->begin()) {
        reader plain(in_);
        spawn(detail::run_handlers<T>(handlers_, plain), detail::handler_scope(),
              [](task<void>&) {});
    }
    return id;
}

}  // namespace tenon::inline v0
