#pragma once
// How a function or coroutine becomes the implementation of a source, sink or channel. Users need
// not read this; tenon/stream_members.hpp lists what fits.

#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/callable.hpp"
#include "tenon/generator.hpp"
#include "tenon/handler.hpp"
#include "tenon/stream.hpp"

namespace tenon::inline v0::detail {

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

/// Whether F serves a stream whose ends are among these, and gives nothing.
template <class F, class... A>
consteval bool serves() {
    return stream_call<F, A...>::fits && returns<typename stream_call<F, A...>::returned, void>();
}

/// Whether F gives a T, or nothing, for every value; as a task if it has to wait.
template <class F, class T, class V>
consteval bool is_called_for_values() {
    using returned = std::remove_cvref_t<typename stream_call<F, V>::returned>;
    return stream_call<F, V>::fits && returns<returned, T>() && !unwrap<returned>::is_result;
}

/// What an F is called with.
enum class stream_style : std::uint8_t { none, generated, ends, halves, value };

template <member_kind Kind, class F, class Up, class Down, class... Args>
consteval stream_style style_of() {
    if constexpr (Kind == member_kind::source) {
        if constexpr (stream_call<F, writer<Down>, Args...>::fits)
            return serves<F, writer<Down>, Args...>() ? stream_style::ends : stream_style::none;
        else if constexpr (is_generator<typename stream_call<F, Args...>::returned>)
            return stream_style::generated;
        else return stream_style::none;
    } else if constexpr (Kind == member_kind::sink) {
        if constexpr (stream_call<F, reader<Up>, Args...>::fits)
            return returns<typename stream_call<F, reader<Up>, Args...>::returned, Down>()
                       ? stream_style::ends
                       : stream_style::none;
        else if constexpr (sizeof...(Args) == 0 && std::is_void_v<Down>)
            return is_called_for_values<F, void, Up>() ? stream_style::value : stream_style::none;
        else return stream_style::none;
    } else {
        if constexpr (stream_call<F, reader<Up>, writer<Down>, Args...>::fits)
            return serves<F, reader<Up>, writer<Down>, Args...>() ? stream_style::halves
                                                                  : stream_style::none;
        else if constexpr (stream_call<F, duplex<Up, Down>, Args...>::fits)
            return serves<F, duplex<Up, Down>, Args...>() ? stream_style::ends : stream_style::none;
        else if constexpr (sizeof...(Args) == 0)
            return is_called_for_values<F, Down, Up>() ? stream_style::value : stream_style::none;
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
    /// A coroutine may keep references to all of it.
    template <class... Ends>
    static auto call(F& f, context& ctx, std::tuple<Ends...>& front, arguments& args) {
        return std::apply(
            [&](Ends&... ends) {
                return std::apply(
                    [&](Args&... a) {
                        return invoke_handler(f, ctx, std::move(ends)..., std::move(a)...);
                    },
                    args);
            },
            front);
    }
    template <class... A>
    using returned_for = unwrap<std::remove_cvref_t<typename stream_call<F, A...>::returned>>;
    static constexpr auto returned() {
        if constexpr (style == stream_style::generated || style == stream_style::value)
            return unwrap<task<void>>();
        else if constexpr (style == stream_style::halves)
            return returned_for<reader<Up>, writer<Down>, Args...>();
        else if constexpr (Kind == member_kind::source)
            return returned_for<writer<Down>, Args...>();
        else if constexpr (Kind == member_kind::sink) return returned_for<reader<Up>, Args...>();
        else return returned_for<duplex<Up, Down>, Args...>();
    }
    static constexpr bool is_coroutine() { return decltype(returned())::is_task; }
    /// Who can return an error lets go of its ends before that is known: they are kept so long.
    static auto held_for(const stream_ends& ends) {
        if constexpr (decltype(returned())::is_result) return ends;
        else return nullptr;
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
            stream_ends ends = accept_stream(ctx);
            [[maybe_unused]] const auto held = held_for(ends);
            try {
                auto front = front_of(std::move(ends));
                if constexpr (std::is_void_v<decltype(call(f_, ctx, front, args))>) {
                    call(f_, ctx, front, args);
                    reply(ctx, nullptr);
                } else {
                    answer(ctx, call(f_, ctx, front, args));
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

    static task<void> each_value(F& f, context& ctx, stream_ends ends) {
        using returned = std::remove_cvref_t<typename stream_call<F, Up>::returned>;
        constexpr bool waits = unwrap<returned>::is_task;
        reader<Up> in(std::move(ends.in));
        if constexpr (Kind == member_kind::sink) {
            while (auto v = co_await in.next()) {
                if constexpr (waits) co_await invoke_handler(f, ctx, *std::move(v));
                else invoke_handler(f, ctx, *std::move(v));
            }
        } else {
            writer<Down> out(std::move(ends.out));
            while (auto v = co_await in.next()) {
                if constexpr (waits) {
                    Down answer(co_await invoke_handler(f, ctx, *std::move(v)));
                    (void)co_await out.send_async(std::move(answer));
                } else {
                    (void)co_await out.send_async(invoke_handler(f, ctx, *std::move(v)));
                }
            }
        }
    }

    static task<void> run(F& f, context& ctx, stream_ends ends, arguments args) {
        [[maybe_unused]] const auto held = held_for(ends);
        std::optional<error> failed;
        try {
            if constexpr (style == stream_style::generated) {
                auto values = std::apply(
                    [&](Args&... a) { return invoke_handler(f, ctx, std::move(a)...); }, args);
                co_await values.run(*ends.out);
                reply(ctx, nullptr);
            } else if constexpr (style == stream_style::value) {
                co_await each_value(f, ctx, std::move(ends));
                reply(ctx, nullptr);
            } else {
                auto front = front_of(std::move(ends));
                auto work = call(f, ctx, front, args);
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

}  // namespace tenon::inline v0::detail
