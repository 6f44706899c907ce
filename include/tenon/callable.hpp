#pragma once
// What can be read off the type of a function, member function or functor: its parameters and what
// it returns. For exposed classes and tables of functions; users need not read this.

#include <cstddef>
#include <tuple>
#include <type_traits>

#include "tenon/handler.hpp"

namespace tenon::inline v0::detail {

/// The number of names in "a, b".
consteval std::size_t count_names(const char* list) {
    std::size_t n = *list == 0 ? 0 : 1;
    for (; *list != 0; ++list)
        if (*list == ',') ++n;
    return n;
}

/// A callable's type taken apart. Args are what callers send: values, without a leading context&.
template <class Returned, bool TakesContext, class... Params>
struct call_shape {
    /// By value, because what it refers to may go with the object.
    using returned = std::decay_t<Returned>;
    using result = typename unwrap<returned>::type;
    using args = std::tuple<std::decay_t<Params>...>;
    using no_errors = std::tuple<>;

    static constexpr bool is_known = true;
    static constexpr bool takes_context = TakesContext;
    static constexpr bool is_task = unwrap<returned>::is_task;
    /// What others may change cannot be had over a wire.
    static constexpr bool takes_values = ((!std::is_lvalue_reference_v<Params> ||
                                           std::is_const_v<std::remove_reference_t<Params>>)&&...);
    /// They are made first, and then filled.
    static constexpr bool makes_values =
        (std::is_default_constructible_v<std::decay_t<Params>> && ...);
    static constexpr bool is_fit = takes_values && makes_values;

    static consteval bool is_named_by(const char* list) {
        const std::size_t n = count_names(list);
        return n == 0 || n == sizeof...(Params);
    }
    static constexpr const detail::signature& signature() {
        return signature_holder<result, args, no_errors>::value;
    }
    template <class F>
    using handler = handler_of<F, result, args, no_errors>;
};

template <class R, class... P>
struct shape_without_context : call_shape<R, false, P...> {};
template <class R, class... P>
struct shape_without_context<R, context&, P...> : call_shape<R, true, P...> {};

struct unknown_callable {
    static constexpr bool is_known = false;
    static constexpr bool takes_values = true;
    static constexpr bool makes_values = true;
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
    static_assert(types::takes_values,                                                             \
                  what " cannot be called remotely: it takes a reference that is not const");      \
    static_assert(types::makes_values,                                                             \
                  what " cannot be called remotely: a parameter has no default constructor");

/// The shape of a callable that must have one.
template <class F>
struct checked_callable : shape_of_call<F> {
    TENON_CHECK_CALLABLE(shape_of_call<F>,
                         "this function, or object with one operator() that is no template,")
};

/// Nothing but pointers to one member function; not found for overloads, data and static members.
template <class F, class C>
    requires std::is_function_v<F>
constexpr F C::*member_function(F C::*which) { return which; }

}  // namespace tenon::inline v0::detail
