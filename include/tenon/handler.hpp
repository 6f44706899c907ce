#pragma once
// How a function, member function or coroutine becomes the implementation of a method: thin
// templates that decode arguments, run the user's code and reply. Users need not read this.

#include <cstdint>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/codec.hpp"
#include "tenon/context.hpp"
#include "tenon/flow.hpp"
#include "tenon/result.hpp"
#include "tenon/shape.hpp"
#include "tenon/task.hpp"

namespace tenon::inline v0 {

/// The error a handler returns or throws for a declared error type: code `failed`, named after the
/// type, carrying its data.
template <class E>
error make_error(const E& data, std::string message = {}) {
    error e(errc::failed, std::move(message));
    e.set_name(std::string(shape_of<E>().name));
    if (auto encoded = encode(codec::msgpack, data)) e.set_details(*std::move(encoded));
    return e;
}

namespace detail {

/// How objects of one type pass from an in-process caller to a handler and back. Null where the
/// type cannot be copied (or moved).
struct transfer {
    void (*copy)(void* to, const void* from);
    void (*move)(void* to, void* from);
};

template <class T>
constexpr transfer make_transfer() {
    transfer t{nullptr, nullptr};
    if constexpr (std::is_copy_assignable_v<T>)
        t.copy = [](void* to, const void* from) {
            *static_cast<T*>(to) = *static_cast<const T*>(from);
        };
    if constexpr (std::is_move_assignable_v<T>)
        t.move = [](void* to, void* from) {
            *static_cast<T*>(to) = std::move(*static_cast<T*>(from));
        };
    return t;
}
template <>
constexpr transfer make_transfer<void>() {
    return {nullptr, nullptr};
}
template <class T>
inline constexpr transfer transfer_of = make_transfer<T>();

enum class member_kind : std::uint8_t { method, source, sink, channel };
TENON_API const char* name_of(member_kind k) noexcept;

struct value_ops;  // tenon/stream_core.hpp

/// What passes on the stream of a source, sink or channel: from the client, and from the server,
/// which for a sink is its reply.
struct stream_types {
    member_kind kind;
    const value_ops* up;
    const value_ops* down;
};

/// What a method takes and gives. One object per C++ type; where two differ in address they are
/// compared by content.
struct signature {
    const shape* const* params;
    const transfer* const* transfers;  // of the parameters
    std::uint32_t param_count;
    const shape* result;
    transfer result_transfer;
    const shape* const* errors;
    std::uint32_t error_count;
    const stream_types* stream = nullptr;  // of a source, sink or channel
};

template <class... T>
struct type_list {
    static constexpr const shape* shapes[sizeof...(T) + 1] = {&shape_of<T>()..., nullptr};
    static constexpr const transfer* transfers[sizeof...(T) + 1] = {&transfer_of<T>..., nullptr};
};

template <class R, class Args, class Errors>
struct signature_holder;
template <class R, class... Args, class... Errors>
struct signature_holder<R, std::tuple<Args...>, std::tuple<Errors...>> {
    static constexpr signature value{
        type_list<Args...>::shapes, type_list<Args...>::transfers, sizeof...(Args),  &shape_of<R>(),
        make_transfer<R>(),         type_list<Errors...>::shapes,  sizeof...(Errors)};
};

// The library's side of a call being served, remote or in process. A call is answered once;
// later answers are dropped.

/// Fills the parameter objects: decoded from the wire, or copied or moved from an in-process
/// caller's. False: could not, and the caller has been told.
TENON_API bool decode_arguments(context&, void* const* objects) noexcept;
/// Answers with an object of the result type (void: null), which may be moved from.
TENON_API void reply(context&, void* result) noexcept;
TENON_API void reply_error(context&, error) noexcept;
/// The exception being handled, as an error: failure keeps its error, std::exception becomes
/// `internal` with its text, anything else `internal`.
TENON_API error current_error() noexcept;
/// The same; errors that the description of the call's method declares keep name and data.
TENON_API error current_error(const context&) noexcept;
/// The same call as an object that lives until release(); for coroutines.
TENON_API context& keep(context&);
TENON_API void release(context& kept) noexcept;
TENON_API const call_scope& scope_of(context&) noexcept;

/// The type-erased implementation of one method.
class TENON_API handler {
public:
    virtual ~handler();
    /// Takes the arguments, runs the user's code, answers. A coroutine may answer after the return.
    virtual void serve(context&) = 0;
    /// The user's code is known to wait, and so belongs on the pool.
    virtual bool may_block() const noexcept { return false; }
};

template <class T>
struct unwrap {
    using type = T;
    static constexpr bool is_task = false;
    static constexpr bool is_result = false;
};
template <class T>
struct unwrap<result<T>> {
    using type = T;
    static constexpr bool is_task = false;
    static constexpr bool is_result = true;
};
template <class T>
struct unwrap<task<T>> {
    using type = typename unwrap<T>::type;
    static constexpr bool is_task = true;
    static constexpr bool is_result = unwrap<T>::is_result;
};

template <class F, class... Args>
inline constexpr bool takes_context = std::is_invocable_v<F&, context&, Args...>;

template <class F, class... Args>
decltype(auto) invoke_handler(F& f, context& ctx, Args&&... args) {
    if constexpr (takes_context<F, Args...>)
        return std::invoke(f, ctx, std::forward<Args>(args)...);
    else return std::invoke(f, std::forward<Args>(args)...);
}

template <class Returned, class R>
consteval bool returns() {
    using type = typename unwrap<Returned>::type;
    if constexpr (std::is_void_v<R> || std::is_void_v<type>)
        return std::is_void_v<R> && std::is_void_v<type>;
    else return std::is_constructible_v<R, type>;
}

/// Whether F can implement a method R(Args...).
template <class F, class R, class... Args>
consteval bool can_implement() {
    if constexpr (takes_context<F, Args...>)
        return returns<std::invoke_result_t<F&, context&, Args...>, R>();
    else if constexpr (std::is_invocable_v<F&, Args...>)
        return returns<std::invoke_result_t<F&, Args...>, R>();
    else return false;
}
template <class F, class R, class... Args>
inline constexpr bool fits = can_implement<F, R, Args...>();

/// Whether the exception being handled is an E, as an error with name and data.
template <class E>
bool caught_as(error& found) {
    try {
        throw;
    } catch (const E& e) {
        found = make_error(e);
        return true;
    } catch (...) {
        return false;
    }
}

/// Turns the exception being handled into an error; declared error types keep name and data.
template <class... Errors>
error caught(const context& ctx) {
    if constexpr (sizeof...(Errors) > 0) {
        error found(errc::internal);
        if ((caught_as<Errors>(found) || ...)) return found;
    }
    return current_error(ctx);
}

template <class F, class R, class ArgsTuple, class ErrorsTuple>
class handler_of;

template <class F, class R, class... Args, class... Errors>
class handler_of<F, R, std::tuple<Args...>, std::tuple<Errors...>> final : public handler {
    using returned = decltype(invoke_handler(std::declval<F&>(), std::declval<context&>(),
                                             std::declval<Args>()...));

public:
    explicit handler_of(F f) : f_(std::move(f)) {}

    void serve(context& ctx) override { serve(ctx, std::index_sequence_for<Args...>{}); }

private:
    template <std::size_t... I>
    void serve(context& ctx, std::index_sequence<I...>) {
        if constexpr (unwrap<returned>::is_task) {
            context& kept = keep(ctx);
            std::tuple<Args...> args;
            void* objects[sizeof...(Args) + 1] = {&std::get<I>(args)...};
            if (decode_arguments(kept, objects)) drive(f_, kept, std::move(args));
            else release(kept);
        } else {
            std::tuple<Args...> args;
            void* objects[sizeof...(Args) + 1] = {&std::get<I>(args)...};
            if (!decode_arguments(ctx, objects)) return;
            try {
                if constexpr (std::is_void_v<returned>) {
                    invoke_handler(f_, ctx, std::move(std::get<I>(args))...);
                    reply(ctx, nullptr);
                } else {
                    answer(ctx, invoke_handler(f_, ctx, std::move(std::get<I>(args))...));
                }
            } catch (...) {
                reply_error(ctx, caught<Errors...>(ctx));
            }
        }
    }

    template <class Got>
    static void answer(context& ctx, Got&& got) {
        if constexpr (unwrap<std::remove_cvref_t<Got>>::is_result) {
            if (!got) return reply_error(ctx, std::forward<Got>(got).error());
            if constexpr (std::is_void_v<R>) reply(ctx, nullptr);
            else answer(ctx, *std::forward<Got>(got));
        } else if constexpr (std::is_same_v<Got, R>) {  // an rvalue of the very type
            reply(ctx, &got);
        } else {
            R converted(std::forward<Got>(got));
            reply(ctx, &converted);
        }
    }

    /// The handler's coroutine with the call's scope.
    static task<void> run(F& f, context& ctx, std::tuple<Args...> args) {
        std::optional<error> failed;
        try {
            returned work = std::apply(
                [&](Args&... a) { return invoke_handler(f, ctx, std::move(a)...); }, args);
            if constexpr (std::is_void_v<typename returned::value_type>) {
                co_await std::move(work);
                reply(ctx, nullptr);
            } else {
                answer(ctx, co_await std::move(work));
            }
        } catch (...) {
            failed = caught<Errors...>(ctx);
        }
        if (failed) reply_error(ctx, *std::move(failed));
    }
    static void drive(F& f, context& kept, std::tuple<Args...> args) {
        spawn(run(f, kept, std::move(args)), scope_of(kept), [&kept](task<void>& t) {
            t.reset();  // its arguments end before the call does
            release(kept);
        });
    }

    F f_;
};

}  // namespace detail
}  // namespace tenon::inline v0
