#pragma once
// duplex<In, Out>: both ends of a channel, as one side sees it: a reader, a writer, and a
// conversation in messages. Several types of message on one channel are alternatives of a variant:
//
//     tenon::channel<std::variant<hello, bye>, std::variant<welcome, refusal>> talk;
//
//     auto s = c.talk();                      // client
//     welcome w;
//     s.send_recv(hello{"Ann"}, w);           // throws failure(invalid) if a refusal comes
//     s.send(bye{});
//
// The server's side may be chosen by type: tenon/message_handlers.hpp.

#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "tenon/reader.hpp"
#include "tenon/writer.hpp"

namespace tenon::inline v0 {

template <class In, class Out>
class byte_stream;  // tenon/byte_stream.hpp

namespace detail {

template <class M, class T>
inline constexpr bool is_message_of = std::is_same_v<M, T>;
template <class M, class... All>
inline constexpr bool is_message_of<M, std::variant<All...>> =
    std::is_same_v<M, std::variant<All...>> || (std::is_same_v<M, All> || ...);

TENON_API error unexpected_message(const char* wanted, const char* came);

template <class... All>
const char* name_of_message(const std::variant<All...>& m) {
    return std::visit([]<class A>(const A&) { return shape_of<A>().name; }, m);
}

/// A message as the type that is wanted.
template <class M, class In>
result<M> message_as(In&& m) {
    if constexpr (std::is_same_v<M, std::remove_cvref_t<In>>) {
        return std::forward<In>(m);
    } else {
        if (M* const found = std::get_if<M>(&m)) return std::move(*found);
        return unexpected_message(shape_of<M>().name, name_of_message(m));
    }
}

}  // namespace detail

/// M below is In, or one of its alternatives if In is a variant; another one that comes is taken,
/// and is `invalid`, which names it. Send and receive from one thread at a time where messages are
/// answers to others.
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

    /// Receives one message; false once the sender has ended. Throws failure.
    template <class M>
        requires detail::is_message_of<M, In>
    bool recv(M& m) { return recv_until(m, detail::time_point::max()).value(); }
    /// The same with a limit: `deadline` once it is over. A message that comes later waits for the
    /// next call.
    template <class M>
        requires detail::is_message_of<M, In> result<bool> recv_for(
            M& m, std::chrono::nanoseconds limit) {
            return recv_until(m, std::chrono::steady_clock::now() + limit);
        }
    /// `co_await s.template next_as<hello>()`: the same; nothing once the sender has ended.
    template <class M>
        requires detail::is_message_of<M, In> task<std::optional<M>> next_as() {
            std::optional<In> got = co_await this->next();
            if (!got) co_return std::nullopt;
            co_return std::move(detail::message_as<M>(*std::move(got))).value();
        }

    /// Sends a message and receives its answer, the next one that comes. Throws failure:
    /// `data_loss` if the peer ends instead.
    In send_recv(const Out& m) { return std::move(ask<In>(m, detail::time_point::max())).value(); }
    template <class M>
        requires detail::is_message_of<M, In>
    void send_recv(const Out& m, M& answer) {
        answer = std::move(ask<M>(m, detail::time_point::max())).value();
    }
    /// The same with a limit for both, `deadline` if it is over. An answer that comes later is
    /// dropped when it comes, and never taken for that of another question; for that, the peer must
    /// answer every message of send_recv with one of its own.
    result<In> send_recv_for(const Out& m, std::chrono::nanoseconds limit) {
        return ask<In>(m, std::chrono::steady_clock::now() + limit);
    }
    template <class M>
        requires detail::is_message_of<M, In> result<void> send_recv_for(
            const Out& m, M& answer, std::chrono::nanoseconds limit) {
            auto got = ask<M>(m, std::chrono::steady_clock::now() + limit);
            if (!got) return std::move(got).error();
            answer = *std::move(got);
            return {};
        }
    /// `co_await s.send_recv_async(m)`: as send_recv().
    task<In> send_recv_async(Out m) {
        (void)co_await this->send_async(std::move(m));
        std::optional<In> got;
        std::optional<error> why;
        try {
            got = co_await this->next();
        } catch (const failure& f) {
            why = f.error();
        }
        if (why) no_answer(*why);
        co_return std::move(answer_of<In>(std::move(got), std::move(why))).value();
    }

    /// This channel, of bytes or text, as a stream of bytes; see tenon/byte_stream.hpp.
    byte_stream<In, Out> bytes() { return byte_stream<In, Out>(*this); }

private:
    template <class M>
    result<bool> recv_until(M& m, detail::time_point until) {
        auto got = this->get_until(until);
        if (!got) return std::move(got).error();
        if (!*got) return false;
        auto message = detail::message_as<M>(*std::move(*got));
        if (!message) return std::move(message).error();
        m = *std::move(message);
        return true;
    }
    template <class M>
    result<M> ask(const Out& m, detail::time_point until) {
        auto sent = this->send_before(m, until);
        if (!sent) return std::move(sent).error();
        auto got = this->get_until(until);
        if (got) return answer_of<M>(*std::move(got), std::nullopt);
        no_answer(got.error());
        return std::move(got).error();
    }
    template <class M>
    static result<M> answer_of(std::optional<In> got, std::optional<error> why) {
        if (why) return *std::move(why);
        if (!got) return error(errc::data_loss, "the stream ended without an answer");
        return detail::message_as<M>(*std::move(got));
    }
    void no_answer(const error& why) {
        if (why.code() == errc::deadline || why.code() == errc::cancelled)
            this->in_side().core()->skip(1);
    }
};

}  // namespace tenon::inline v0
