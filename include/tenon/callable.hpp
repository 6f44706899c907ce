#pragma once
// What can be read off the type of a function, member function or functor: its parameters and what
// it returns. For exposed classes and tables of functions; users need not read this.
//
// A function is a method, unless it returns generator<T> or takes a writer<T> first: then it is a
// source; with a reader<T> it is a sink, whose reply is what it returns; with a duplex<Up, Down>, or
// a reader<Up> and a writer<Down>, a channel. What they need is in tenon/stream_members.hpp.

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/description.hpp"
#include "tenon/handler.hpp"

namespace tenon::inline v0 {

template <class T>
class generator;
template <class T>
class reader;
template <class T>
class writer;
template <class In, class Out>
class duplex;
template <class Up, class Down>
class stream_description;

}  // namespace tenon::inline v0

namespace tenon::inline v0::detail {

template <member_kind Kind, class Up, class Down, class Args>
struct stream_signature;
template <member_kind Kind, class F, class Up, class Down, class Args>
class stream_handler;

template <class T>
inline constexpr bool is_generator = false;
template <class T>
inline constexpr bool is_generator<generator<T>> = true;
template <class T>
inline constexpr bool is_stream_end = is_generator<T>;
template <class T>
inline constexpr bool is_stream_end<reader<T>> = true;
template <class T>
inline constexpr bool is_stream_end<writer<T>> = true;
template <class In, class Out>
inline constexpr bool is_stream_end<duplex<In, Out>> = true;

/// What a function is. Ends are those of the stream that it is given, Params what callers send.
template <member_kind Kind, class Up, class Down, class Ends, class... Params>
struct member_types {
    static constexpr member_kind kind = Kind;
    using up = Up;
    using down = Down;  // of a sink: its reply
    using ends = Ends;
    using args = std::tuple<Params...>;
    static constexpr std::size_t arg_count = sizeof...(Params);
    static constexpr bool ends_lead = !(is_stream_end<Params> || ...);
    static constexpr bool makes_values = (std::is_default_constructible_v<Params> && ...);
};
/// By the decayed types of what it returns and of its parameters.
template <class Returned, class... P>
struct member_of : member_types<member_kind::method, void, void, std::tuple<>, P...> {};
template <class R, class T, class... P>
struct member_of<R, writer<T>, P...>
    : member_types<member_kind::source, void, T, std::tuple<writer<T>>, P...> {};
template <class R, class T, class... P>
struct member_of<R, reader<T>, P...>
    : member_types<member_kind::sink, T, typename unwrap<R>::type, std::tuple<reader<T>>, P...> {};
template <class R, class U, class D, class... P>
struct member_of<R, reader<U>, writer<D>, P...>
    : member_types<member_kind::channel, U, D, std::tuple<reader<U>, writer<D>>, P...> {};
template <class R, class U, class D, class... P>
struct member_of<R, duplex<U, D>, P...>
    : member_types<member_kind::channel, U, D, std::tuple<duplex<U, D>>, P...> {};

template <class Returned>
struct generated {
    template <class... P>
    using member = member_of<Returned, P...>;
};
template <class T>
struct generated<generator<T>> {
    template <class... P>
    using member = member_types<member_kind::source, void, T, std::tuple<writer<T>>, P...>;
};

/// The number of names in "a, b".
consteval std::size_t count_names(const char* list) {
    std::size_t n = *list == 0 ? 0 : 1;
    for (; *list != 0; ++list)
        if (*list == ',') ++n;
    return n;
}

/// A callable's type taken apart. Args are what callers send: values, without a leading context&
/// and the ends of a stream.
template <class Returned, bool TakesContext, class... Params>
struct call_shape {
    /// By value, because what it refers to may go with the object.
    using returned = std::decay_t<Returned>;
    using member = typename generated<returned>::template member<std::decay_t<Params>...>;
    using result = typename unwrap<returned>::type;
    using args = typename member::args;
    /// What the callable itself takes.
    using passed = decltype(std::tuple_cat(std::declval<typename member::ends>(),
                                           std::declval<typename member::args>()));
    using no_errors = std::tuple<>;

    static constexpr bool is_known = true;
    static constexpr bool is_stream = member::kind != member_kind::method;
    static constexpr bool knows_streams = !is_stream || requires {
        sizeof(stream_signature<member::kind, typename member::up, typename member::down, args>);
    };
    static constexpr bool takes_context = TakesContext;
    static constexpr bool is_task = unwrap<returned>::is_task;
    /// What others may change cannot be had over a wire.
    static constexpr bool takes_values = ((!std::is_lvalue_reference_v<Params> ||
                                           std::is_const_v<std::remove_reference_t<Params>>)&&...);
    /// They are made first, and then filled.
    static constexpr bool makes_values = member::makes_values;
    static constexpr bool ends_lead = member::ends_lead;
    static constexpr bool gives_fit = member::kind == member_kind::method ||
                                      member::kind == member_kind::sink || is_generator<returned> ||
                                      std::is_void_v<result>;
    static constexpr bool is_fit =
        knows_streams && takes_values && makes_values && ends_lead && gives_fit;

    static consteval bool is_named_by(const char* list) {
        const std::size_t n = count_names(list);
        return n == 0 || n == member::arg_count;
    }
    static constexpr const detail::signature& signature() {
        if constexpr (is_stream)
            return stream_signature<member::kind, typename member::up, typename member::down,
                                    args>::value;
        else return signature_holder<result, args, no_errors>::value;
    }
    template <class F>
    using handler = std::conditional_t<
        is_stream,
        stream_handler<member::kind, F, typename member::up, typename member::down, args>,
        handler_of<F, result, args, no_errors>>;
};

template <class R, class... P>
struct shape_without_context : call_shape<R, false, P...> {};
template <class R, class... P>
struct shape_without_context<R, context&, P...> : call_shape<R, true, P...> {};

struct unknown_callable {
    static constexpr bool is_known = false;
    static constexpr bool is_stream = false;
    static constexpr bool knows_streams = true;
    static constexpr bool takes_values = true;
    static constexpr bool makes_values = true;
    static constexpr bool ends_lead = true;
    static constexpr bool gives_fit = true;
    static constexpr bool is_fit = false;
};
template <class F>
struct shape_of_call : unknown_callable {};
template <class R, class... P>
struct shape_of_call<R (*)(P...)> : shape_without_context<R, P...> {};
template <class R, class... P>
struct shape_of_call<R (*)(P...) noexcept> : shape_without_context<R, P...> {};

#define TENON_MEMBER_FUNCTION(qualifiers)   \
    template <class C, class R, class... P> \
    struct shape_of_call<R (C::*)(P...) qualifiers> : shape_without_context<R, P...> {};
TENON_MEMBER_FUNCTION()
TENON_MEMBER_FUNCTION(const)
TENON_MEMBER_FUNCTION(&)
TENON_MEMBER_FUNCTION(const&)
TENON_MEMBER_FUNCTION(noexcept)
TENON_MEMBER_FUNCTION(const noexcept)
TENON_MEMBER_FUNCTION(&noexcept)
TENON_MEMBER_FUNCTION(const& noexcept)
#undef TENON_MEMBER_FUNCTION

// Functors by their one operator().
template <class F>
    requires requires { &F::operator(); }
struct shape_of_call<F> : shape_of_call<decltype(&F::operator())> {};

// Says what is wrong with a callable. `what` names it, as a literal.
#define TENON_CHECK_CALLABLE(types, what)                                                          \
    static_assert(types::is_known, what " cannot be called remotely: its parameters are unknown"); \
    static_assert(types::knows_streams, what " is a stream: include tenon/stream_members.hpp");    \
    static_assert(types::takes_values,                                                             \
                  what " cannot be called remotely: it takes a reference that is not const");      \
    static_assert(types::makes_values,                                                             \
                  what " cannot be called remotely: a parameter has no default constructor");      \
    static_assert(types::ends_lead, what                                                           \
                  " cannot be called remotely: a stream's reader, writer or duplex stands "        \
                  "first, and only one stream's, and none where a generator is returned");         \
    static_assert(types::gives_fit, what                                                           \
                  " cannot be called remotely: with a writer or duplex it returns nothing, "       \
                  "or task<void>");

/// The shape of a callable that must have one.
template <class F>
struct checked_callable : shape_of_call<F> {
    TENON_CHECK_CALLABLE(shape_of_call<F>,
                         "this function, or object with one operator() that is no template,")
};

/// How `describe` speaks of a member function that is a stream.
template <class Pointer>
    requires(std::is_member_function_pointer_v<Pointer>&& shape_of_call<Pointer>::is_stream)
struct description_of<Pointer> {
    using member = typename shape_of_call<Pointer>::member;
    using type = stream_description<
        typename member::up,
        std::conditional_t<member::kind == member_kind::sink, void, typename member::down>>;
};

/// Nothing but pointers to one member function; not found for overloads, data and static members.
template <class F, class C>
    requires std::is_function_v<F>
constexpr F C::*member_function(F C::*which) { return which; }

}  // namespace tenon::inline v0::detail
