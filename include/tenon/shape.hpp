#pragma once
// shape: what a codec needs to know of a C++ type to read and write its objects: kind, size, and
// the few operations a container needs. One constant object per type; codecs interpret shapes and
// are not instantiated per type.
//
// Types with a shape: bool, integers, float, double, std::string, string_view, bytes (vectors and
// std::arrays of std::byte or unsigned char), bytes_view, tenon::blob, std::optional, std::array and T[N],
// std::vector, map-like containers (keys: string, integer, described enum), std::variant,
// std::tuple, std::pair, system_clock time points, durations, tenon::value, and structs and enums
// described with tenon/struct.hpp. Docs: docs/guide/types.md.

#include <array>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "tenon/export.hpp"
#include "tenon/shape_ops.hpp"
#include "tenon/shape_table.hpp"

namespace tenon::inline v0::detail {

// What TENON_STRUCT and TENON_ENUM leave behind; turned into tables below, once the type is used.
struct field {
    const char* name;
    std::size_t offset;
    bool may_be_missing;
};
template <class... M>
struct struct_description {
    const char* name;
    std::array<field, sizeof...(M)> fields;
};
template <std::size_t N>
struct enum_description {
    const char* name;
    std::array<enumerator, N> enumerators;
};

consteval std::uint32_t length_of(const char* s) {
    return static_cast<std::uint32_t>(std::char_traits<char>::length(s));
}
consteval const char* without_namespace(const char* name) {
    const char* start = name;
    for (const char* p = name; *p != 0; ++p)
        if (*p == ':') start = p + 1;
    return start;
}

template <class... M>
consteval std::array<member, sizeof...(M)> make_members(const struct_description<M...>& d) {
    std::array<member, sizeof...(M)> members{member{nullptr, 0, 0, &shape_v<M>, is_optional<M>}...};
    for (std::size_t i = 0; i < members.size(); ++i) {
        members[i].name = d.fields[i].name;
        members[i].name_size = length_of(d.fields[i].name);
        members[i].offset = static_cast<std::uint32_t>(d.fields[i].offset);
        members[i].may_be_missing |= d.fields[i].may_be_missing;
    }
    return members;
}

template <class T>
struct struct_table {
    static constexpr auto description = tenon_describe(static_cast<T*>(nullptr));
    static constexpr auto members = make_members(description);
    static constexpr struct_ops ops{members.data(), members.size()};
    static_assert(members.size() <= 256, "TENON_STRUCT takes at most 256 members");
};
template <class T>
struct enum_table {
    static constexpr auto description = tenon_describe(static_cast<T*>(nullptr));
    static constexpr enum_ops ops{description.enumerators.data(), description.enumerators.size(),
                                  number_kind<std::underlying_type_t<T>>()};
};

consteval const char* name_of(kind k) {
    constexpr const char* names[] = {
        "nothing", "boolean",     "int8",     "int16",    "int32",     "int64",  "uint8",
        "uint16",  "uint32",      "uint64",   "float32",  "float64",   "string", "string",
        "bytes",   "bytes",       "optional", "array",    "array",     "map",    "variant",
        "tuple",   "enumeration", "time",     "duration", "structure", "value",  "loaned"};
    return names[static_cast<std::size_t>(k)];
}

template <class T>
inline constexpr sequence_ops array_ops_v = make_array_ops<T>();
template <class T>
inline constexpr sequence_ops vector_ops_v = make_vector_ops<T>();
template <class T>
inline constexpr bytes_ops bytes_ops_v = make_bytes_ops<T>();
inline constexpr bytes_ops blob_ops_v{
    .count = 0,
    .view = [](const void* o) -> bytes_view { return as<blob>(o).view(); },
    .resize = [](void* o, std::size_t n) -> std::byte* {
        as<blob>(o).resize(n);
        return as<blob>(o).edit().data();
    },
    .is_blob = true};
template <class T>
inline constexpr optional_ops optional_ops_v = make_optional_ops<T>();
template <class T>
inline constexpr map_ops map_ops_v = make_map_ops<T>();
template <class T>
inline constexpr time_ops time_ops_v = make_time_ops<T>();

// What codecs keep about a type.
template <class T>
inline constinit const void* notes_v = nullptr;

template <class T>
consteval void set_container(shape& s) {
    if constexpr (is_vector<T> || is_std_array<T>) {
        if constexpr (is_byte<typename T::value_type>) {
            s.kind = kind::bytes;
            s.bytes = &bytes_ops_v<T>;
        } else if constexpr (is_vector<T>) {
            s.kind = kind::vector;
            s.sequence = &vector_ops_v<T>;
        } else {
            s.kind = kind::array;
            s.sequence = &array_ops_v<T>;
        }
    } else if constexpr (std::is_array_v<T>) {
        s.kind = kind::array;
        s.sequence = &array_ops_v<T>;
    } else if constexpr (map_like<T>) {
        s.kind = kind::map;
        s.map = &map_ops_v<T>;
    } else if constexpr (is_variant<T>) {
        s.kind = kind::variant;
        s.variant = &variant_table<T>::ops;
    } else if constexpr (is_tuple<T>) {
        s.kind = kind::tuple;
        s.tuple = &tuple_table<T>::ops;
    } else if constexpr (is_duration<T> || is_time_point<T>) {
        s.kind = is_duration<T> ? kind::duration : kind::time_point;
        s.time = &time_ops_v<T>;
    } else {
        static_assert(sizeof(T) == 0,
                      "tenon does not know this type: describe it with "
                      "TENON_STRUCT(type, members...) or TENON_ENUM(type, "
                      "enumerators...) in its own namespace, see docs/guide/types.md");
    }
}

template <class T>
consteval void set_lifetime(shape& s) {
    if constexpr (!std::is_void_v<T>) {
        s.size = sizeof(T);
        s.align = alignof(T);
        if constexpr (std::is_default_constructible_v<T>)
            s.construct = [](void* at) { ::new (at) T(); };
        s.destroy = [](void* o) { std::destroy_at(static_cast<T*>(o)); };
        if constexpr (std::is_move_constructible_v<T>)
            s.move = [](void* at, void* from) { ::new (at) T(std::move(as<T>(from))); };
    }
}

template <class T>
consteval shape make_shape() {
    shape s{};
    s.none = nullptr;
    set_lifetime<T>(s);
    s.align = s.align == 0 ? 1 : s.align;
    if constexpr (std::is_void_v<T> || std::is_same_v<T, std::monostate>) {
        s.kind = kind::nothing;
    } else if constexpr (described<T> && std::is_enum_v<T>) {
        s.kind = kind::enumeration;
        s.name = without_namespace(enum_table<T>::description.name);
        s.enumeration = &enum_table<T>::ops;
    } else if constexpr (described<T>) {
        s.kind = kind::structure;
        s.name = without_namespace(struct_table<T>::description.name);
        s.structure = &struct_table<T>::ops;
    } else if constexpr (std::is_same_v<T, std::byte>) {
        s.kind = kind::uint8;
    } else if constexpr ((std::is_integral_v<T> && !is_character<T>) || std::is_same_v<T, float> ||
                         std::is_same_v<T, double>) {
        s.kind = number_kind<T>();
    } else if constexpr (std::is_same_v<T, std::string>) {
        s.kind = kind::string;
    } else if constexpr (std::is_same_v<T, std::string_view>) {
        s.kind = kind::string_view;
    } else if constexpr (std::is_same_v<T, tenon::bytes_view>) {
        s.kind = kind::bytes_view;
    } else if constexpr (std::is_same_v<T, blob>) {
        s.kind = kind::bytes;
        s.bytes = &blob_ops_v;
    } else if constexpr (std::is_same_v<T, value>) {
        s.kind = kind::dynamic;
    } else if constexpr (is_indirect<T>) {
        s.kind = kind::indirect;
        s.indirect = indirect_v<T>;
        s.name = indirect_v<T>->element->name;
    } else if constexpr (is_optional<T>) {
        s.kind = kind::optional;
        s.optional = &optional_ops_v<T>;
    } else {
        set_container<T>(s);
    }
    if (s.name == nullptr) s.name = name_of(s.kind);
    if constexpr (described<T> || is_tuple<T> || is_std_array<T> || std::is_array_v<T> ||
                  is_duration<T> || is_time_point<T>)
        s.notes = &notes_v<T>;
    return s;
}

}  // namespace tenon::inline v0::detail

namespace tenon::inline v0 {

/// The shape of T; T may be void and cv-qualified.
template <class T>
constexpr const shape& shape_of() noexcept {
    return detail::shape_v<std::remove_cv_t<T>>;
}

/// A number that is equal for shapes with the same names, layout and member types, also across
/// shared objects built by the same ABI; it follows members and elements. Thread-safe.
TENON_API std::uint64_t layout_hash(const shape& s);

}  // namespace tenon::inline v0
