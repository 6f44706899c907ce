#pragma once
// Describes a type once, for every codec, for manifests and for error messages:
//
//     struct order { std::string id; std::vector<item> items; int priority = 3; };
//     TENON_STRUCT(order, id, items, (priority, defaulted))
//
//     enum class side { buy, sell };
//     TENON_ENUM(side, buy, sell)
//
// Both stand in the namespace of the type, after its definition. Members are public, at most 256,
// and may be inherited. A member must be present when an object is decoded, unless it is a
// std::optional or marked `defaulted`; the decoded object then keeps what its default construction
// gave that member. Enumerators travel by name; numbers of listed enumerators are accepted.

#include "tenon/for_each.hpp"
#include "tenon/shape.hpp"

namespace tenon::inline v0::detail {

// The words allowed after a member's name.
struct member_marks {
    static constexpr bool none = false;
    static constexpr bool defaulted = true;
};

template <class M>
struct described_member {
    field f;
};

template <class... M>
consteval struct_description<M...> describe_struct(const char* name, described_member<M>... m) {
    return {name, {m.f...}};
}

template <class... E>
consteval enum_description<sizeof...(E)> describe_enum(const char* name, E... e) {
    return {name, {e...}};
}

consteval enumerator describe_enumerator(const char* name, std::int64_t number) {
    return {name, length_of(name), number};
}

}  // namespace tenon::inline v0::detail

// clang-format off
#define TENON_STRUCT(type, ...)                                                                 \
    _Pragma("GCC diagnostic push")                                                              \
    _Pragma("GCC diagnostic ignored \"-Winvalid-offsetof\"")                                    \
    [[maybe_unused]] consteval auto tenon_describe(type*) {                                     \
        return ::tenon::detail::describe_struct(                                                \
            #type __VA_OPT__(,) TENON_FOR_EACH(TENON_MEMBER, type, __VA_ARGS__));               \
    }                                                                                           \
    _Pragma("GCC diagnostic pop")

#define TENON_MEMBER(type, x) TENON_MEMBER_OF(type, TENON_HEAD(x), TENON_TAIL(x))
#define TENON_MEMBER_OF(type, member, mark) TENON_MEMBER_MARKED(type, member, mark)
#define TENON_MEMBER_MARKED(type, member, ...)                                                  \
    ::tenon::detail::described_member<decltype(type::member)>{                                  \
        {#member, __builtin_offsetof(type, member),                                             \
         ::tenon::detail::member_marks::TENON_HEAD_FIRST(__VA_ARGS__ __VA_OPT__(,) none)}}

#define TENON_ENUM(type, ...)                                                                   \
    [[maybe_unused]] consteval auto tenon_describe(type*) {                                     \
        return ::tenon::detail::describe_enum(                                                  \
            #type __VA_OPT__(,) TENON_FOR_EACH(TENON_ENUMERATOR, type, __VA_ARGS__));           \
    }

#define TENON_ENUMERATOR(type, x) \
    ::tenon::detail::describe_enumerator(#x, static_cast<std::int64_t>(type::x))
// clang-format on
