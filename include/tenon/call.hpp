#pragma once
// The four ways to call a method (blocking, co_await, callback, future) over one core. The
// templates here only gather arguments; the work is done behind `target`.

#include <future>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/call_core.hpp"

namespace tenon::inline v0 {

namespace detail {

/// One argument: refers to the caller's object if it has the parameter's type, else converts.
template <class Param, class Arg>
class packed_argument {
    static constexpr bool same = std::is_same_v<std::remove_cvref_t<Arg>, Param>;
    using held = std::conditional_t<same, Arg&&, Param>;

public:
    static constexpr bool movable = !same || (!std::is_lvalue_reference_v<Arg> &&
                                              !std::is_const_v<std::remove_reference_t<Arg>>);

    explicit packed_argument(Arg&& a) : held_(std::forward<Arg>(a)) {}
    void* pointer() noexcept {
        return const_cast<void*>(static_cast<const void*>(std::addressof(held_)));
    }

private:
    held held_;
};

template <class Params, class Args>
class packed_arguments;
template <class... Params, class... Args>
class packed_arguments<std::tuple<Params...>, std::tuple<Args...>> {
public:
    packed_arguments(const signature& s, Args&&... a) : held_(std::forward<Args>(a)...), types_(s) {
        std::apply([&](auto&... p) { fill(p.pointer()...); }, held_);
    }
    call_arguments get() const noexcept { return {items_, sizeof...(Args), movable, &types_}; }

private:
    template <class... P>
    void fill(P... p) noexcept {
        std::size_t i = 0;
        ((items_[i++] = p), ...);
    }
    static constexpr std::uint32_t movable_bits() {
        std::uint32_t bits = 0, i = 0;
        ((bits |= packed_argument<Params, Args>::movable && i < 32 ? 1U << i : 0U, ++i), ...);
        return bits;
    }
    static constexpr std::uint32_t movable = movable_bits();

    std::tuple<packed_argument<Params, Args>...> held_;
    void* items_[sizeof...(Args) + 1] = {};
    const signature& types_;
};

/// Room for a result; void has none.
template <class R>
struct result_slot {
    R value{};
    void* pointer() noexcept { return std::addressof(value); }
    R take() { return std::move(value); }
    result<R> take_result() { return std::move(value); }
};
template <>
struct result_slot<void> {
    void* pointer() noexcept { return nullptr; }
    void take() noexcept {}
    result<void> take_result() noexcept { return {}; }
};

/// A call that has been sent and can be awaited once, by one coroutine. Destroying it gives the
/// call up. Throwing decides between R and result<R>.
template <class R, bool Throwing, class... Errors>
class [[nodiscard]] pending_reply final : private call_state {
public:
    pending_reply(const binding& to, const call_arguments& args, const call_options* options)
        : call_state(slot_.pointer(), use::coroutine) {
        to.get().start(args, *this, options);
    }
    ~pending_reply() { abandon(); }

    bool await_ready() const noexcept { return is_finished(); }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
        return suspend(h, scope_of(h));
    }
    auto await_resume() {
        if constexpr (Throwing) {
            if (failed) throw_failure<Errors...>(*std::move(failed));
            return slot_.take();
        } else {
            if (failed) return result<R>(*std::move(failed));
            return slot_.take_result();
        }
    }

private:
    result_slot<R> slot_;
};

/// A call whose outcome goes to a function; owns itself.
template <class R, class F>
class callback_call final : private call_state {
public:
    static void* operator new(std::size_t size) { return frame_allocate(size); }
    static void operator delete(void* p, std::size_t size) noexcept { frame_free(p, size); }

    static void start(const binding& to, const call_arguments& args, const call_options* options,
                      F f) {
        target& t = to.get();
        auto* self = new callback_call(std::move(f));
        t.start(args, *self, options);
    }

private:
    explicit callback_call(F f) : call_state(slot_.pointer(), use::callback), f_(std::move(f)) {}

    void finished() noexcept override {
        const std::unique_ptr<callback_call> self(this);
        if (failed) f_(result<R>(*std::move(failed)));
        else f_(slot_.take_result());
    }

    friend std::default_delete<callback_call>;
    result_slot<R> slot_;
    F f_;
};

template <class R>
struct fulfil {
    std::promise<result<R>> promise;
    void operator()(result<R> r) { promise.set_value(std::move(r)); }
};

/// The ways to call. Arguments are given one by one and are read before the call returns; a
/// temporary or moved object is moved to an in-process service, others are copied.
template <class Derived, class R, class Params, class Errors>
class call_faces;
template <class Derived, class R, class... Params, class... Errors>
class call_faces<Derived, R, std::tuple<Params...>, std::tuple<Errors...>> {
public:
    /// Blocks until the answer is there; throws failure (or failure_of a declared error).
    template <class... A>
    R operator()(A&&... a) const {
        result_slot<R> slot;
        if (auto outcome = run(slot, std::forward<A>(a)...); !outcome)
            throw_failure<Errors...>(std::move(outcome).error());
        return slot.take();
    }

    /// Blocks; the error comes as a value.
    template <class... A>
    result<R> try_call(A&&... a) const {
        result_slot<R> slot;
        if (auto outcome = run(slot, std::forward<A>(a)...); !outcome)
            return std::move(outcome).error();
        return slot.take_result();
    }

    /// Sends the call now; `co_await` gives R or throws. The coroutine goes on where it was.
    template <class... A>
    auto async(A&&... a) const {
        return pending_reply<R, true, Errors...>(self().target(), pack(std::forward<A>(a)...).get(),
                                                 self().options());
    }

    /// The same, giving result<R>.
    template <class... A>
    auto try_async(A&&... a) const {
        return pending_reply<R, false, Errors...>(
            self().target(), pack(std::forward<A>(a)...).get(), self().options());
    }

    /// The outcome as a std::future. Waiting on it from a loop thread blocks that loop's handler.
    template <class... A>
    std::future<result<R>> future(A&&... a) const {
        fulfil<R> done;
        std::future<result<R>> f = done.promise.get_future();
        then(std::move(done), std::forward<A>(a)...);
        return f;
    }

    /// Calls `f(result<R>)` once the outcome is known: on the client's loop, or before then()
    /// returns. `f` must not throw.
    template <class F, class... A>
    void then(F f, A&&... a) const {
        callback_call<R, F>::start(self().target(), pack(std::forward<A>(a)...).get(),
                                   self().options(), std::move(f));
    }

    /// Room for an argument of this size: in memory that the server sees, if it is connected over
    /// shared memory and there is some left, so that the argument need not be copied; else in memory
    /// of its own. See tenon/blob.hpp.
    blob loan(std::size_t size) const { return self().target().get().loan(size); }

private:
    const Derived& self() const noexcept { return static_cast<const Derived&>(*this); }

    template <class... A>
    static auto pack(A&&... a) {
        static_assert(sizeof...(A) == sizeof...(Params), "wrong number of arguments");
        static_assert((std::is_constructible_v<Params, A&&> && ...),
                      "an argument does not convert to the method's parameter");
        return packed_arguments<std::tuple<Params...>, std::tuple<A...>>(
            signature_holder<R, std::tuple<Params...>, std::tuple<Errors...>>::value,
            std::forward<A>(a)...);
    }

    template <class... A>
    result<void> run(result_slot<R>& slot, A&&... a) const {
        return self().target().get().call(pack(std::forward<A>(a)...).get(), slot.pointer(),
                                          self().options());
    }
};

/// A method together with options for its calls.
template <class R, class Params, class Errors>
class bound_method : public call_faces<bound_method<R, Params, Errors>, R, Params, Errors> {
public:
    bound_method(binding b, const call_options& o) : binding_(std::move(b)), options_(o) {}
    const binding& target() const noexcept { return binding_; }
    const call_options* options() const noexcept { return &options_; }

private:
    binding binding_;
    call_options options_;
};

}  // namespace detail
}  // namespace tenon::inline v0
