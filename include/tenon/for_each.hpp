#pragma once
// Preprocessor loop over a macro's arguments, up to 256 of them. An argument may be a bare name or
// a parenthesised list; TENON_HEAD and TENON_TAIL take such an argument apart.

// clang-format off
#define TENON_PARENS ()
#define TENON_EXPAND(...)  TENON_EXPAND3(TENON_EXPAND3(TENON_EXPAND3(TENON_EXPAND3(__VA_ARGS__))))
#define TENON_EXPAND3(...) TENON_EXPAND2(TENON_EXPAND2(TENON_EXPAND2(TENON_EXPAND2(__VA_ARGS__))))
#define TENON_EXPAND2(...) TENON_EXPAND1(TENON_EXPAND1(TENON_EXPAND1(TENON_EXPAND1(__VA_ARGS__))))
#define TENON_EXPAND1(...) TENON_EXPAND0(TENON_EXPAND0(TENON_EXPAND0(TENON_EXPAND0(__VA_ARGS__))))
#define TENON_EXPAND0(...) __VA_ARGS__

/// macro(context, x) for every argument x, separated by commas.
#define TENON_FOR_EACH(macro, context, ...) \
    __VA_OPT__(TENON_EXPAND(TENON_FOR_EACH_STEP(macro, context, __VA_ARGS__)))
#define TENON_FOR_EACH_STEP(macro, context, x, ...) \
    macro(context, x) __VA_OPT__(, TENON_FOR_EACH_AGAIN TENON_PARENS (macro, context, __VA_ARGS__))
#define TENON_FOR_EACH_AGAIN() TENON_FOR_EACH_STEP

/// (a, b, c) or a  →  a
#define TENON_HEAD(x)        TENON_HEAD_OF(TENON_UNWRAP(x))
#define TENON_HEAD_OF(...)   TENON_HEAD_FIRST(__VA_ARGS__)
#define TENON_HEAD_FIRST(a, ...) a
/// (a, b, c)  →  b, c;  a  →  nothing
#define TENON_TAIL(x)        TENON_TAIL_OF(TENON_UNWRAP(x))
#define TENON_TAIL_OF(...)   TENON_TAIL_REST(__VA_ARGS__)
#define TENON_TAIL_REST(a, ...) __VA_ARGS__

// (a, b) → a, b and a → a: UNWRAP_IF eats the parentheses if there are any.
#define TENON_UNWRAP(x)      TENON_UNWRAP_JOIN(TENON_UNWRAP_IF x)
#define TENON_UNWRAP_IF(...) TENON_UNWRAP_IF __VA_ARGS__
#define TENON_UNWRAP_JOIN(...)  TENON_UNWRAP_JOIN2(__VA_ARGS__)
#define TENON_UNWRAP_JOIN2(...) TENON_UNWRAP_ ## __VA_ARGS__
#define TENON_UNWRAP_TENON_UNWRAP_IF
// clang-format on
