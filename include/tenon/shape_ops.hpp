#pragma once
// The operations of the standard library's types, as thin thunks behind the tables of a shape.
// Included by tenon/shape.hpp; not for direct use.

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "tenon/shape_table.hpp"

namespace tenon::inline v0::detail {

template <class T>
inline constexpr bool is_vector = false;
template <class T, class A>
inline constexpr bool is_vector<std::vector<T, A>> = true;
template <class T>
inline constexpr bool is_std_array = false;
template <class T, std::size_t N>
inline constexpr bool is_std_array<std::array<T, N>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_variant = false;
template <class... T>
inline constexpr bool is_variant<std::variant<T...>> = true;
template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;
template <class T>
inline constexpr bool is_duration = false;
template <class R, class P>
inline constexpr bool is_duration<std::chrono::duration<R, P>> = true;
template <class T>
inline constexpr bool is_time_point = false;
template <class D>
inline constexpr bool is_time_point<std::chrono::time_point<std::chrono::system_clock, D>> = true;

template <class T>
inline constexpr bool is_byte = std::is_same_v<T, std::byte> || std::is_same_v<T, unsigned char>;
template <class T>
inline constexpr bool is_character =
    std::is_same_v<T, char> || std::is_same_v<T, wchar_t> || std::is_same_v<T, char8_t> ||
    std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t>;

template <class T>
concept map_like = requires(T& m) {
    typename T::key_type;
    typename T::mapped_type;
    m.try_emplace(std::declval<typename T::key_type>());
};

// Found by argument-dependent lookup; see tenon/struct.hpp.
template <class T>
concept described = requires {
    tenon_describe(static_cast<T*>(nullptr));
};

template <class T>
consteval kind number_kind() {
    if constexpr (std::is_same_v<T, bool>) return kind::boolean;
    else if constexpr (std::is_same_v<T, float>) return kind::float32;
    else if constexpr (std::is_same_v<T, double>) return kind::float64;
    else {
        constexpr int log2 = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
        constexpr kind first = std::is_signed_v<T> ? kind::int8 : kind::uint8;
        return static_cast<kind>(static_cast<int>(first) + log2);
    }
}

template <class T>
consteval sequence_ops make_array_ops() {  // std::array<E, N> and E[N]
    using element = std::remove_cvref_t<decltype(std::declval<T&>()[0])>;
    sequence_ops ops{};
    ops.element = &shape_v<element>;
    ops.count = sizeof(T) / sizeof(element);
    ops.size = [](const void*) { return sizeof(T) / sizeof(element); };
    ops.data = [](const void* s) -> const void* { return s; };
    return ops;
}

template <class T>
consteval sequence_ops make_vector_ops() {
    sequence_ops ops{};
    ops.element = &shape_v<typename T::value_type>;
    ops.size = [](const void* s) { return as<T>(s).size(); };
    ops.clear = [](void* s) { as<T>(s).clear(); };
    ops.reserve = [](void* s, std::size_t n) { as<T>(s).reserve(n); };
    if constexpr (std::is_same_v<typename T::value_type, bool>) {
        ops.get_bool = [](const void* s, std::size_t i) -> bool { return as<T>(s)[i]; };
        ops.append_bool = [](void* s, bool b) { as<T>(s).push_back(b); };
    } else {
        ops.data = [](const void* s) -> const void* { return as<T>(s).data(); };
        ops.append = [](void* s) -> void* { return std::addressof(as<T>(s).emplace_back()); };
        ops.resize = [](void* s, std::size_t n) -> void* {
            as<T>(s).resize(n);
            return as<T>(s).data();
        };
        if constexpr (std::is_trivially_copyable_v<typename T::value_type>)
            ops.assign = [](void* s, const void* first, std::size_t n) {
                const auto* const from = static_cast<const typename T::value_type*>(first);
                as<T>(s).assign(from, from + n);
            };
    }
    return ops;
}

template <class T>
consteval bytes_ops make_bytes_ops() {
    std::size_t count = 0;
    if constexpr (!is_vector<T>) count = std::tuple_size_v<T>;
    return {.count = count,
            .view = [](const void* o) -> bytes_view {
                return {reinterpret_cast<const std::byte*>(as<T>(o).data()), as<T>(o).size()};
            },
            .resize = [](void* o, std::size_t n) -> std::byte* {
                if constexpr (is_vector<T>) as<T>(o).resize(n);
                else if (n != as<T>(o).size()) return nullptr;
                return reinterpret_cast<std::byte*>(as<T>(o).data());
            },
            .is_blob = false};
}

template <class T>
consteval optional_ops make_optional_ops() {
    return {.element = &shape_v<typename T::value_type>,
            .get = [](const void* o) -> const void* {
                return as<T>(o) ? std::addressof(*as<T>(o)) : nullptr;
            },
            .emplace = [](void* o) -> void* { return std::addressof(as<T>(o).emplace()); },
            .reset = [](void* o) { as<T>(o).reset(); }};
}

template <class T>
consteval map_ops make_map_ops() {
    using key = typename T::key_type;
    return {.key = &shape_v<key>,
            .mapped = &shape_v<typename T::mapped_type>,
            .entry_size = sizeof(typename T::value_type),
            .size = [](const void* m) { return static_cast<std::size_t>(as<T>(m).size()); },
            .clear = [](void* m) { as<T>(m).clear(); },
            .for_each =
                [](const void* m, void* context, bool (*visit)(void*, const void*, const void*)) {
                    for (const auto& [k, v] : as<T>(m))
                        if (!visit(context, std::addressof(k), std::addressof(v))) return false;
                    return true;
                },
            .insert = [](void* m, const map_key& k, bool& fresh) -> void* {
                auto to_key = [&] {
                    if constexpr (std::is_constructible_v<key, std::string_view>)
                        return key(k.text);
                    else return static_cast<key>(k.number);
                };
                auto [it, is_new] = as<T>(m).try_emplace(to_key());
                fresh = is_new;
                return std::addressof(it->second);
            }};
}

// What a value looks like from outside; alternatives of one look cannot be told apart.
enum class look { nothing, boolean, number, text, array, map, any };

template <class T>
consteval look look_of() {
    if constexpr (std::is_void_v<T> || std::is_same_v<T, std::monostate>) return look::nothing;
    else if constexpr (std::is_same_v<T, bool>) return look::boolean;
    else if constexpr (std::is_arithmetic_v<T> || is_duration<T>) return look::number;
    else if constexpr (is_time_point<T> || std::is_enum_v<T>) return look::text;
    else if constexpr (std::is_constructible_v<std::string_view, const T&> ||
                       std::is_same_v<T, tenon::bytes_view> || std::is_same_v<T, blob>)
        return look::text;
    else if constexpr (is_vector<T> || is_std_array<T>)
        return is_byte<typename T::value_type> ? look::text : look::array;
    else if constexpr (std::is_array_v<T> || is_tuple<T>) return look::array;
    else if constexpr (map_like<T> || described<T>) return look::map;
    else return look::any;
}

template <class... A>
consteval bool look_alike() {
    constexpr look looks[] = {look_of<A>()...};
    for (std::size_t i = 0; i < sizeof...(A); ++i) {
        if (looks[i] == look::any) return true;
        for (std::size_t j = 0; j < i; ++j)
            if (looks[i] == looks[j]) return true;
    }
    return false;
}

template <class T>
struct variant_table;
template <class... A>
struct variant_table<std::variant<A...>> {
    using V = std::variant<A...>;
    template <std::size_t I>
    static consteval alternative make() {
        return {.type = &shape_v<std::variant_alternative_t<I, V>>,
                .emplace = [](void* v) -> void* {
                    return std::addressof(as<V>(v).template emplace<I>());
                },
                .get = [](const void* v) -> const void* { return std::get_if<I>(&as<V>(v)); }};
    }
    template <std::size_t... I>
    static consteval auto list(std::index_sequence<I...>) {
        return std::array<alternative, sizeof...(A)>{make<I>()...};
    }
    static constexpr auto alternatives = list(std::index_sequence_for<A...>());
    static constexpr variant_ops ops{alternatives.data(), sizeof...(A), look_alike<A...>(),
                                     [](const void* v) { return as<V>(v).index(); }};
};

template <class T>
struct tuple_table {
    template <std::size_t... I>
    static consteval auto list(std::index_sequence<I...>) {
        return std::array<tuple_element, sizeof...(I)>{tuple_element{
            &shape_v<std::tuple_element_t<I, T>>,
            [](void* t) -> void* { return std::addressof(std::get<I>(as<T>(t))); }}...};
    }
    static constexpr auto elements = list(std::make_index_sequence<std::tuple_size_v<T>>());
    static constexpr tuple_ops ops{elements.data(), elements.size()};
};

template <class D>
bool get_time(D d, std::int64_t& seconds, std::uint32_t& nanoseconds) {
    using std::chrono::duration;
    if constexpr (std::is_floating_point_v<typename D::rep>) {
        const double exact = std::chrono::duration_cast<duration<double>>(d).count();
        if (!(exact > -9.2e18 && exact < 9.2e18)) return false;
        seconds = static_cast<std::int64_t>(exact);
        if (static_cast<double>(seconds) > exact) --seconds;
        const double fraction = (exact - static_cast<double>(seconds)) * 1e9 + 0.5;
        nanoseconds = fraction < 1e9 ? static_cast<std::uint32_t>(fraction) : 999'999'999;
    } else {
        constexpr auto most = INT64_MAX / D::period::num;  // of whole units, against overflow
        if (d.count() > most || d.count() < -most) return false;
        const auto whole = std::chrono::floor<duration<std::int64_t>>(d);
        seconds = whole.count();
        nanoseconds = static_cast<std::uint32_t>(
            std::chrono::duration_cast<duration<std::int64_t, std::nano>>(d - whole).count());
    }
    return true;
}

template <class D>
bool set_time(D& d, std::int64_t seconds, std::uint32_t nanoseconds) {
    using std::chrono::duration;
    // Whole units fit if the seconds do, with one second of margin for the fraction.
    const long double units = static_cast<long double>(seconds) * D::period::den / D::period::num;
    constexpr long double margin = 1.0L * D::period::den / D::period::num + 1;
    if (units + margin >= static_cast<long double>(D::max().count()) ||
        units - margin <= static_cast<long double>(D::min().count()))
        return false;
    if constexpr (std::is_floating_point_v<typename D::rep>)
        d = std::chrono::duration_cast<D>(duration<double>(
            static_cast<double>(seconds) + static_cast<double>(nanoseconds) * 1e-9));
    else
        d = std::chrono::floor<D>(duration<std::int64_t>(seconds)) +
            std::chrono::floor<D>(duration<std::int64_t, std::nano>(nanoseconds));
    return true;
}

template <class T>
consteval time_ops make_time_ops() {
    if constexpr (is_duration<T>)
        return {.get = [](const void* o, std::int64_t& s,
                          std::uint32_t& ns) { return get_time(as<T>(o), s, ns); },
                .set = [](void* o, std::int64_t s,
                          std::uint32_t ns) { return set_time(as<T>(o), s, ns); }};
    else
        return {
            .get = [](const void* o, std::int64_t& s,
                      std::uint32_t& ns) { return get_time(as<T>(o).time_since_epoch(), s, ns); },
            .set =
                [](void* o, std::int64_t s, std::uint32_t ns) {
                    typename T::duration d{};
                    if (!set_time(d, s, ns)) return false;
                    as<T>(o) = T(d);
                    return true;
                }};
}

}  // namespace tenon::inline v0::detail
