#pragma once
// The streaming members of a contract: source (server to client), sink (client to server, with a
// reply at the end if one is declared) and channel (both ways).
//
//     struct feed {
//         tenon::source<tick(int)>      ticks;
//         tenon::sink<sample, double>   mean;
//         tenon::channel<said, heard>   chat;
//     };
//     TENON_INTERFACE(feed, "demo", "feed", "1.0.0", (ticks, from), mean, chat)
//
// On the server, assign what serves one stream. It may take a tenon::context& first, then the ends
// of the stream, then the arguments:
//     source    generator<T>(args…), or void or task<void>(writer<T>, args…)
//     sink      Reply or task<Reply>(reader<T>, args…), or void or task<void>(T) for every value
//     channel   void or task<void>(duplex<Up, Down>, args…), the same with (reader<Up>,
//               writer<Down>, args…), or Down or task<Down>(Up) for every value
// Coroutines and functions called for every value run on a loop, the other functions, which may
// block, on the pool. A writer may be kept beyond the end of the function: the stream goes on until
// the last copy has gone. What is thrown ends the stream with that error.
//
// On the client, call the member: it gives a reader<T>, reply_writer<T, Reply> or duplex<Down, Up>.
// The call does not wait; that the server is absent, or refuses, is what the stream ends with.

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/contract.hpp"
#include "tenon/stream_description.hpp"
#include "tenon/stream_handler.hpp"

namespace tenon::inline v0 {

namespace detail {

/// What all kinds of streaming members have in common. Opened is what a client gets.
template <member_kind Kind, class Up, class Down, class Opened, class Args>
class stream_member;
template <member_kind Kind, class Up, class Down, class Opened, class... Args>
class stream_member<Kind, Up, Down, Opened, std::tuple<Args...>> {
    using args = std::tuple<std::decay_t<Args>...>;
    using types = stream_signature<Kind, Up, Down, args>;

public:
    using described_by =
        stream_description<Up, std::conditional_t<Kind == member_kind::sink, void, Down>>;

    static constexpr const detail::signature& signature() { return types::value; }

    /// Whether an F can implement this member.
    template <class F>
    static constexpr bool accepts =
        style_of<Kind, F, Up, Down, std::decay_t<Args>...>() != stream_style::none;

    /// Client: opens the stream.
    template <class... A>
    Opened operator()(A&&... a) const {
        return open(nullptr, std::forward<A>(a)...);
    }
    /// The same with options, such as where to begin. A timeout is for the whole stream, whose ends
    /// here then fail with `deadline`, and whose handler is cancelled.
    template <class... A>
    Opened open_with(const open_options& options, A&&... a) const {
        return open(&options, std::forward<A>(a)...);
    }

    // For the library.
    detail::binding& binding() noexcept { return binding_; }
    void* tag() const noexcept { return binding_.tag(); }

protected:
    template <class F>
    void implement(F&& f) {
        using function = std::decay_t<F>;
        static_assert(accepts<function>,
                      "the handler does not take this member's values and arguments, or does not "
                      "return what it should; see tenon/stream_members.hpp");
        if constexpr (accepts<function>)
            binding_.implement(std::make_unique<stream_handler<Kind, function, Up, Down, args>>(
                std::forward<F>(f)));
    }

private:
    template <class... A>
    Opened open(const open_options* options, A&&... a) const {
        static_assert(sizeof...(A) == sizeof...(Args), "wrong number of arguments");
        static_assert((std::is_constructible_v<std::decay_t<Args>, A&&> && ...),
                      "an argument does not convert to the member's parameter");
        const packed_arguments<args, std::tuple<A...>> packed(types::value, std::forward<A>(a)...);
        auto opened = binding_.get().open(packed.get(), options);
        stream_ends ends =
            opened ? *std::move(opened) : failed_stream(types::types, std::move(opened).error());
        if constexpr (Kind == member_kind::source) return Opened(std::move(ends.in));
        else return Opened(std::move(ends));
    }

    detail::binding binding_;
};

}  // namespace detail

/// Server to client. See the top of this file.
template <class Signature>
class source;
template <class T, class... Args>
class source<T(Args...)> : public detail::stream_member<detail::member_kind::source, void, T,
                                                        reader<T>, std::tuple<Args...>> {
public:
    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, source>)
    void operator=(F&& f) { this->implement(std::forward<F>(f)); }
};

/// Client to server.
template <class T, class Reply = void, class... Args>
class sink : public detail::stream_member<detail::member_kind::sink, T, Reply,
                                          reply_writer<T, Reply>, std::tuple<Args...>> {
public:
    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, sink>)
    void operator=(F&& f) { this->implement(std::forward<F>(f)); }
};

/// Both ways: Up is what the client sends.
template <class Up, class Down, class... Args>
class channel : public detail::stream_member<detail::member_kind::channel, Up, Down,
                                             duplex<Down, Up>, std::tuple<Args...>> {
public:
    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, channel>)
    void operator=(F&& f) { this->implement(std::forward<F>(f)); }
};

}  // namespace tenon::inline v0
