#pragma once
// How what users assign to a streaming member serves its streams; users need not read this. The
// shapes it may have are listed in tenon/stream_members.hpp.

#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/generator.hpp"
#include "tenon/handler.hpp"
#include "tenon/stream.hpp"

namespace tenon::inline v0 {

namespace detail {

template <member_kind Kind, class Up, class Down, class Args>
struct stream_signature;
template <member_kind Kind, class Up, class Down, class... Args>
struct stream_signature<Kind, Up, Down, std::tuple<Args...>> {
    static constexpr stream_types types{Kind, &value_ops_of<Up>, &value_ops_of<Down>};
    using reply = std::conditional_t<Kind == member_kind::sink, Down, void>;
    static constexpr signature value = [] {
        signature s = signature_holder<reply, std::tuple<Args...>, std::tuple<>>::value;
        s.stream = &types;
        return s;
    }();
};

/// Of what F gives when it is called with these, after a context& if it takes one.
template <class F, class... A>
struct stream_call {
    static constexpr bool fits = std::is_invocable_v<F&, A...> || takes_context<F, A...>;
    using returned = typename decltype([] {
        if constexpr (takes_context<F, A...>)
            return std::type_identity<std::invoke_result_t<F&, context&, A...>>();
        else if constexpr (std::is_invocable_v<F&, A...>)
            return std::type_identity<std::invoke_result_t<F&, A...>>();
        else return std::type_identity<void>();
    }())::type;
};

template <class T>
inline constexpr bool is_generator = false;
template <class T>
inline constexpr bool is_generator<generator<T>> = true;

/// What an F is called with.
enum class stream_style : std::uint8_t { none, generated, ends, halves, value };

template <member_kind Kind, class F, class Up, class Down, class... Args>
consteval stream_style style_of() {
    if constexpr (Kind == member_kind::source) {
        if constexpr (stream_call<F, writer<Down>, Args...>::fits) return stream_style::ends;
        else if constexpr (is_generator<typename stream_call<F, Args...>::returned>)
            return stream_style::generated;
        else return stream_style::none;
    } else if constexpr (Kind == member_kind::sink) {
        if constexpr (stream_call<F, reader<Up>, Args...>::fits)
            return returns<typename stream_call<F, reader<Up>, Args...>::returned, Down>()
                       ? stream_style::ends
                       : stream_style::none;
        else if constexpr (sizeof...(Args) == 0 && std::is_void_v<Down> && stream_call<F, Up>::fits)
            return stream_style::value;
        else return stream_style::none;
    } else {
        if constexpr (stream_call<F, reader<Up>, writer<Down>, Args...>::fits)
            return stream_style::halves;
        else if constexpr (stream_call<F, duplex<Up, Down>, Args...>::fits)
            return stream_style::ends;
        else if constexpr (sizeof...(Args) == 0 && stream_call<F, Up>::fits)
            return stream_style::value;
        else return stream_style::none;
    }
}

/// The implementation of one streaming member.
template <member_kind Kind, class F, class Up, class Down, class ArgsTuple>
class stream_handler;
template <member_kind Kind, class F, class Up, class Down, class... Args>
class stream_handler<Kind, F, Up, Down, std::tuple<Args...>> final : public handler {
    static constexpr stream_style style = style_of<Kind, F, Up, Down, Args...>();
    using arguments = std::tuple<Args...>;

    /// The handles in front of the arguments.
    static auto front_of(stream_ends&& ends) {
        if constexpr (style == stream_style::halves)
            return std::tuple(reader<Up>(std::move(ends.in)), writer<Down>(std::move(ends.out)));
        else if constexpr (Kind == member_kind::source)
            return std::tuple(writer<Down>(std::move(ends.out)));
        else if constexpr (Kind == member_kind::sink)
            return std::tuple(reader<Up>(std::move(ends.in)));
        else return std::tuple(duplex<Up, Down>(std::move(ends)));
    }
    static auto call(F& f, context& ctx, stream_ends&& ends, arguments& args) {
        return std::apply(
            [&](auto&&... all) {
                return invoke_handler(f, ctx, std::forward<decltype(all)>(all)...);
            },
            std::tuple_cat(front_of(std::move(ends)), std::move(args)));
    }
    template <class... A>
    static consteval bool is_coroutine_for() {
        return unwrap<std::remove_cvref_t<typename stream_call<F, A...>::returned>>::is_task;
    }
    static consteval bool is_coroutine() {
        if constexpr (style == stream_style::generated || style == stream_style::value) return true;
        else if constexpr (style == stream_style::halves)
            return is_coroutine_for<reader<Up>, writer<Down>, Args...>();
        else if constexpr (Kind == member_kind::source)
            return is_coroutine_for<writer<Down>, Args...>();
        else if constexpr (Kind == member_kind::sink)
            return is_coroutine_for<reader<Up>, Args...>();
        else return is_coroutine_for<duplex<Up, Down>, Args...>();
    }

public:
    explicit stream_handler(F f) : f_(std::move(f)) {}

    bool may_block() const noexcept override { return !is_coroutine(); }

    void serve(context& ctx) override { serve(ctx, std::index_sequence_for<Args...>{}); }

private:
    template <std::size_t... I>
    void serve(context& ctx, std::index_sequence<I...>) {
        arguments args;
        void* objects[sizeof...(Args) + 1] = {&std::get<I>(args)...};
        if constexpr (is_coroutine()) {
            context& kept = keep(ctx);
            if (!decode_arguments(kept, objects)) return release(kept);
            spawn(run(f_, kept, accept_stream(kept), std::move(args)), scope_of(kept),
                  [&kept](task<void>& t) {
                      t.reset();  // its arguments end before the call does
                      release(kept);
                  });
        } else {
            if (!decode_arguments(ctx, objects)) return;
            try {
                using returned = decltype(call(f_, ctx, accept_stream(ctx), args));
                if constexpr (std::is_void_v<returned>) {
                    call(f_, ctx, accept_stream(ctx), args);
                    reply(ctx, nullptr);
                } else {
                    answer(ctx, call(f_, ctx, accept_stream(ctx), args));
                }
            } catch (...) {
                reply_error(ctx, current_error(ctx));
            }
        }
    }

    template <class Got>
    static void answer(context& ctx, Got&& got) {
        if constexpr (unwrap<std::remove_cvref_t<Got>>::is_result) {
            if (!got) return reply_error(ctx, std::forward<Got>(got).error());
            if constexpr (std::is_void_v<typename std::remove_cvref_t<Got>::value_type>)
                reply(ctx, nullptr);
            else answer(ctx, *std::forward<Got>(got));
        } else if constexpr (Kind != member_kind::sink || std::is_void_v<Down>) {
            reply(ctx, nullptr);
        } else {
            Down converted(std::forward<Got>(got));
            reply(ctx, &converted);
        }
    }

    static task<void> run(F& f, context& ctx, stream_ends ends, arguments args) {
        std::optional<error> failed;
        try {
            if constexpr (style == stream_style::generated) {
                auto values = std::apply(
                    [&](Args&... a) { return invoke_handler(f, ctx, std::move(a)...); }, args);
                co_await values.run(*ends.out);
                reply(ctx, nullptr);
            } else if constexpr (style == stream_style::value) {
                reader<Up> in(std::move(ends.in));
                if constexpr (Kind == member_kind::sink) {
                    while (auto v = co_await in.next()) invoke_handler(f, ctx, *std::move(v));
                } else {
                    writer<Down> out(std::move(ends.out));
                    while (auto v = co_await in.next())
                        (void)co_await out.send_async(invoke_handler(f, ctx, *std::move(v)));
                }
                reply(ctx, nullptr);
            } else {
                auto work = call(f, ctx, std::move(ends), args);
                using value = typename decltype(work)::value_type;
                if constexpr (std::is_void_v<value>) {
                    co_await std::move(work);
                    reply(ctx, nullptr);
                } else {
                    answer(ctx, co_await std::move(work));
                }
            }
        } catch (...) {
            failed = current_error(ctx);
        }
        if (failed) reply_error(ctx, *std::move(failed));
    }

    F f_;
};

}  // namespace detail
}  // namespace tenon::inline v0
