#pragma once
// message_handlers<In, Out>: the server's side of a channel with several types of message, chosen
// by type:
//
//     tenon::message_handlers<std::variant<hello, bye>, std::variant<welcome, refusal>> h;
//     h.on<hello>([](const hello& m) { return welcome{m.name}; });       // what is returned is sent
//     h.on<bye>([](auto& stream, const bye&) { stream.finish(); });      // or it has the stream
//     c.talk = h;
//
// A handler takes an optional tenon::context&, then optionally the duplex<In, Out>&, then the
// message. It may go on with send and recv, and returns nothing, a message that is sent, or a task
// of either. Messages of one stream are handled one after the other, in order. Functions run on the
// pool and may block, coroutines on the loop; a stream that waits for a message holds no thread.
// What a handler throws ends the stream with that error.

#include <array>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "tenon/context.hpp"
#include "tenon/duplex.hpp"
#include "tenon/handler.hpp"

namespace tenon::inline v0 {

namespace detail {

/// Takes a coroutine to a thread of the pool. Throws failure: `overloaded` if the pool is.
class TENON_API pool_entry {
public:
    explicit pool_entry(context& of) noexcept : of_(of) {}
    pool_entry(const pool_entry&) = delete;
    pool_entry& operator=(const pool_entry&) = delete;

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> h) noexcept;
    void await_resume();

private:
    context& of_;
    stream_wait wait_;
};

TENON_API error unhandled_message(const char* name);

}  // namespace detail

template <class In, class Out>
class message_handlers {
public:
    using stream = duplex<In, Out>;

    /// One for each type; a second one takes the place of the first. To be called before this is
    /// assigned to a member: copies share what is registered.
    template <class M, class F>
    message_handlers& on(F f) {
        static_assert(detail::is_message_of<M, In> && !std::is_same_v<M, In>,
                      "this is no message of the channel");
        constexpr bool fits = requires(F & g, context & c, stream & s, M m) {
            call(g, c, s, std::move(m));
        };
        static_assert(fits, "a handler takes (context&)? (duplex<In, Out>&)? message");
        if constexpr (fits) (*all_)[index_of<M>()] = make_entry<M>(std::move(f));
        return *this;
    }

    /// For channels: serves one stream.
    task<void> operator()(context& ctx, stream s) const { return serve(all_, ctx, std::move(s)); }

private:
    struct entry {
        std::function<void(context&, stream&, In&)> plain;        // either …
        std::function<task<void>(context&, stream&, In&)> async;  // … or, or neither
    };
    using entries = std::array<entry, std::variant_size_v<In>>;

    template <class M>
    static consteval std::size_t index_of() {
        return []<class... All>(std::type_identity<std::variant<All...>>) {
            std::size_t i = 0;
            (void)((std::is_same_v<M, All> || (++i, false)) || ...);
            return i;
        }(std::type_identity<In>{});
    }

    template <class F, class M>
        requires std::is_invocable_v<F&, context&, stream&, M>
    static decltype(auto) call(F& f, context& c, stream& s, M&& m) {
        return std::invoke(f, c, s, std::move(m));
    }
    template <class F, class M>
        requires std::is_invocable_v<F&, stream&, M>
    static decltype(auto) call(F& f, context&, stream& s, M&& m) {
        return std::invoke(f, s, std::move(m));
    }
    template <class F, class M>
        requires(std::is_invocable_v<F&, context&, M> && !std::is_invocable_v<F&, stream&, M>)
    static decltype(auto) call(F& f, context& c, stream&, M&& m) {
        return std::invoke(f, c, std::move(m));
    }
    template <class F, class M>
        requires std::is_invocable_v<F&, M>
    static decltype(auto) call(F& f, context&, stream&, M&& m) {
        return std::invoke(f, std::move(m));
    }

    template <class M, class F>
    static entry make_entry(F f) {
        using returned =
            decltype(call(f, std::declval<context&>(), std::declval<stream&>(), std::declval<M>()));
        entry e;
        if constexpr (detail::unwrap<std::remove_cvref_t<returned>>::is_task) {
            const auto kept = std::make_shared<F>(std::move(f));
            e.async = [kept](context& c, stream& s, In& m) { return run<M>(*kept, c, s, m); };
        } else {
            e.plain = [f = std::move(f)](context& c, stream& s, In& m) mutable {
                if constexpr (std::is_void_v<returned>) call(f, c, s, std::get<M>(std::move(m)));
                else s.send(Out(call(f, c, s, std::get<M>(std::move(m)))));
            };
        }
        return e;
    }
    template <class M, class F>
    static task<void> run(F& f, context& c, stream& s, In& m) {
        auto work = call(f, c, s, std::get<M>(std::move(m)));
        if constexpr (std::is_void_v<typename decltype(work)::value_type>) {
            co_await std::move(work);
        } else {
            auto answer = co_await std::move(work);
            (void)co_await s.send_async(Out(std::move(answer)));
        }
    }

    static task<void> serve(std::shared_ptr<const entries> all, context& ctx, stream s) {
        bool on_pool = false;
        for (;;) {
            std::optional<In> m;
            if (on_pool) m = s.poll();
            if (!m) {
                m = co_await s.next();
                on_pool = false;  // or it is, which does no harm
            }
            if (!m) co_return;
            const entry& e = (*all)[m->index()];
            if (e.async) {
                if (std::exchange(on_pool, false)) co_await detail::loop_entry(*s.in_side().core());
                task<void> work = e.async(ctx, s, *m);
                co_await std::move(work);
            } else if (e.plain) {
                if (!std::exchange(on_pool, true)) co_await detail::pool_entry(ctx);
                e.plain(ctx, s, *m);
            } else {
                throw failure(detail::unhandled_message(detail::name_of_message(*m)));
            }
        }
    }

    std::shared_ptr<entries> all_ = std::make_shared<entries>();
};

}  // namespace tenon::inline v0
