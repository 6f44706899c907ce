#pragma once
// Streams: reader<T> takes values, writer<T> sends them, duplex<In, Out> does both. A server's
// handlers get them as arguments, its clients by calling a source, sink or channel; see
// tenon/stream_members.hpp for those.
//
//     for (const tick& t : m.ticks(5)) …                      // blocking
//     auto ticks = m.ticks(5);
//     while (auto t = co_await ticks.next()) …                // coroutine
//     ticks.on_value([](const tick& t) { return false; });    // handlers, on the client's loop
//     if (auto t = ticks.poll()) …                            // never waits
//
// All are handles: copies share the stream; thread-safe. A value is taken by one of those who ask.
// Credit goes back to the sender as values are taken, so what waits here never exceeds the window.

#include <chrono>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "tenon/result.hpp"
#include "tenon/stream_core.hpp"

namespace tenon::inline v0 {

namespace detail {

[[noreturn]] TENON_API void throw_stream_failure(error e);
TENON_API error no_stream();
TENON_API error given_up();

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

/// The handlers of one reader, called in the order of their registration until one returns true.
template <class T>
class value_handlers;

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
    void on_end(std::function<void(std::optional<error>)> f);
    /// The handler will not be called again; it may be running on another thread.
    void remove(std::uint64_t handler);

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

    std::shared_ptr<detail::inlet> in_;
    std::shared_ptr<detail::value_handlers<T>> handlers_;
    bool ended_ = false;
};

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
        return send_until(const_cast<T*>(&v), false, std::chrono::steady_clock::now() + limit);
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

/// The sending end of a sink, whose receiver replies once at the end: with a Reply, or void.
template <class T, class Reply = void>
class reply_writer : public writer<T> {
public:
    reply_writer() noexcept = default;
    explicit reply_writer(detail::stream_ends ends) noexcept
        : writer<T>(std::move(ends.out)), reply_(std::move(ends.in)) {}

    /// Ends, and waits until the receiver has dealt with all values: its reply. Throws failure.
    Reply get_reply() {
        this->finish();
        if constexpr (std::is_void_v<Reply>) {
            if (auto outcome = reply_.get_until(detail::time_point::max()); !outcome)
                detail::throw_stream_failure(std::move(outcome).error());
        } else {
            return checked(reply_.get());
        }
    }
    /// `co_await w.reply()`: the same.
    task<Reply> reply() {
        this->finish();
        if constexpr (std::is_void_v<Reply>) {
            (void)co_await reply_.next();
        } else {
            std::optional<Reply> got = co_await reply_.next();
            co_return checked(std::move(got));
        }
    }

private:
    struct nothing {};
    using answer = std::conditional_t<std::is_void_v<Reply>, bool, Reply>;

    static answer checked(std::optional<answer> got) {
        if (!got)
            detail::throw_stream_failure(error(errc::data_loss, "the stream ended without a reply"));
        return *std::move(got);
    }

    reader<answer> reply_;
};

/// Both ends of a channel, as one side sees it.
template <class In, class Out>
class duplex : public reader<In>, public writer<Out> {
public:
    duplex() noexcept = default;
    explicit duplex(detail::stream_ends ends) noexcept
        : reader<In>(std::move(ends.in)), writer<Out>(std::move(ends.out)) {}
    explicit operator bool() const noexcept { return this->in_side().core() != nullptr; }

    reader<In>& in_side() noexcept { return *this; }
    const reader<In>& in_side() const noexcept { return *this; }
    writer<Out>& out_side() noexcept { return *this; }

    /// Receives one value; false once the sender has ended.
    bool recv(In& v) {
        auto got = this->get();
        if (got) v = *std::move(got);
        return got.has_value();
    }
    /// Sends one value and receives the next. Throws failure(data_loss) if the peer ends instead.
    In send_recv(const Out& v) {
        this->send(v);
        return send_recv_result(this->get_until(detail::time_point::max())).value();
    }
    /// The same with a limit, `deadline` if it is over: then the stream is stopped, because the late
    /// answer would be taken for that of the next question.
    result<In> send_recv_for(const Out& v, std::chrono::nanoseconds limit) {
        const auto until = std::chrono::steady_clock::now() + limit;
        auto sent = this->send_for(v, limit);
        if (!sent) return std::move(sent).error();
        auto got = send_recv_result(this->get_until(until));
        if (!got) this->stop();
        return got;
    }

private:
    static result<In> send_recv_result(result<std::optional<In>> got) {
        if (!got) return std::move(got).error();
        if (!*got) return error(errc::data_loss, "the stream ended without an answer");
        return **std::move(got);
    }
};

namespace detail {

template <class T>
class value_handlers : public std::enable_shared_from_this<value_handlers<T>> {
public:
    template <class F>
    std::uint64_t add(F f) {
        const std::lock_guard lock(mutex_);
        all_.push_back({++last_, std::make_shared<std::function<bool(T&)>>(wrap(std::move(f)))});
        return last_;
    }
    void remove(std::uint64_t id) {
        const std::lock_guard lock(mutex_);
        std::erase_if(all_, [&](const entry& e) { return e.id == id; });
    }
    bool any() {
        const std::lock_guard lock(mutex_);
        return !all_.empty();
    }
    void on_end(std::function<void(std::optional<error>)> f) {
        const std::lock_guard lock(mutex_);
        on_end_ = std::move(f);
    }
    /// True for the one that is to begin.
    bool begin() noexcept { return !std::exchange(begun_, true); }

    static task<void> run(std::shared_ptr<value_handlers> self, reader<T> from) {
        std::optional<error> why;
        co_await loop_entry(*from.core());
        try {
            while (auto v = co_await from.next()) self->handle(*v);
        } catch (const failure& f) {
            why = f.error();
        }
        self->ended(std::move(why));
    }

private:
    using function = std::function<bool(T&)>;
    struct entry {
        std::uint64_t id;
        std::shared_ptr<function> f;
    };

    template <class F>
    static function wrap(F f) {
        return [f = std::move(f)](T& v) mutable {
            if constexpr (std::is_convertible_v<std::invoke_result_t<F&, T&>, bool>) return f(v);
            else return f(v), false;
        };
    }
    void handle(T& v) {
        std::vector<entry> now;
        {
            const std::lock_guard lock(mutex_);
            now = all_;
        }
        for (const entry& e : now)
            if ((*e.f)(v)) return;
    }
    void ended(std::optional<error> why) {
        std::function<void(std::optional<error>)> f;
        {
            const std::lock_guard lock(mutex_);
            f = std::move(on_end_);
        }
        if (f) f(std::move(why));
    }

    std::mutex mutex_;  // guards all below but begun_
    std::vector<entry> all_;
    std::function<void(std::optional<error>)> on_end_;
    std::uint64_t last_ = 0;
    bool begun_ = false;
};

/// The scope in which a reader's handlers run.
TENON_API const call_scope& handler_scope() noexcept;

}  // namespace detail

template <class T>
template <class F>
std::uint64_t reader<T>::on_value(F f) {
    if (!handlers_) handlers_ = std::make_shared<detail::value_handlers<T>>();
    const std::uint64_t id = handlers_->add(std::move(f));
    if (handlers_->begin()) {
        reader plain(in_);
        spawn(detail::value_handlers<T>::run(handlers_, plain), detail::handler_scope(),
              [](task<void>&) {});
    }
    return id;
}

template <class T>
void reader<T>::on_end(std::function<void(std::optional<error>)> f) {
    if (!handlers_) handlers_ = std::make_shared<detail::value_handlers<T>>();
    handlers_->on_end(std::move(f));
}

template <class T>
void reader<T>::remove(std::uint64_t handler) {
    if (handlers_) handlers_->remove(handler);
}

}  // namespace tenon::inline v0
