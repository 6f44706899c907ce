#pragma once
// The data model of shapes: what tables and thunks a codec finds behind a shape. See
// tenon/shape.hpp for how to get one.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "tenon/blob.hpp"
#include "tenon/bytes.hpp"
#include "tenon/export.hpp"

namespace tenon::inline v0 {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"  // GCC takes scoped enumerators for declarations
enum class kind : std::uint8_t {
    nothing,  ///< void, std::monostate
    boolean,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
    float32,
    float64,
    string,
    string_view,
    bytes,  ///< owned bytes of any or of fixed length
    bytes_view,
    optional,
    array,  ///< fixed length, elements side by side
    vector,
    map,
    variant,
    tuple,
    enumeration,
    time_point,  ///< system_clock, any unit
    duration,
    structure,
    dynamic,   ///< tenon::value
    indirect,  ///< tenon::loaned: an object that lies elsewhere
};
#pragma GCC diagnostic pop

struct shape;
class value;

/// Kind array and vector. `count` is the fixed length of an array, 0 for a vector.
/// A vector has either `data` and `append` or, if it is a vector<bool>, `get_bool` and `append_bool`.
struct sequence_ops {
    const shape* element;
    std::size_t count;
    std::size_t (*size)(const void* sequence);
    const void* (*data)(const void* sequence);
    void (*clear)(void* sequence);
    void (*reserve)(void* sequence, std::size_t n);
    void* (*append)(void* sequence);  ///< a new, default element at the end
    bool (*get_bool)(const void* sequence, std::size_t i);
    void (*append_bool)(void* sequence, bool b);
    /// Becomes `n` elements, new ones default; gives the first one's place. Null if they
    /// do not lie side by side.
    void* (*resize)(void* sequence, std::size_t n);
    /// Becomes a copy of `n` elements; null unless they are trivially copyable.
    void (*assign)(void* sequence, const void* first, std::size_t n);
};

struct bytes_ops {
    std::size_t count;  ///< the fixed length; 0 for any
    bytes_view (*view)(const void* object);
    /// Where to write `n` bytes; null if the length is fixed and another.
    std::byte* (*resize)(void* object, std::size_t n);
    bool is_blob = false;  ///< a tenon::blob, which can take over the memory that bytes lie in
};

struct optional_ops {
    const shape* element;
    const void* (*get)(const void* object);  ///< null if empty
    void* (*emplace)(void* object);
    void (*reset)(void* object);
};

/// A map key on its way in: `text` for string keys, `number` (two's complement) otherwise.
struct map_key {
    std::string_view text;
    std::uint64_t number;
};

struct map_ops {
    const shape* key;
    const shape* mapped;
    std::size_t entry_size;
    std::size_t (*size)(const void* map);
    void (*clear)(void* map);
    /// Calls `visit` for each entry until it returns false; returns what it returned last.
    bool (*for_each)(const void* map, void* context,
                     bool (*visit)(void* context, const void* key, const void* mapped));
    /// The mapped object of the key; `fresh` tells whether it was not there before.
    void* (*insert)(void* map, const map_key& key, bool& fresh);
};

struct alternative {
    const shape* type;
    void* (*emplace)(void* variant);
    const void* (*get)(const void* variant);
};

/// `tagged`: two alternatives may look alike on the wire, so each travels as {name: value};
/// otherwise as it is.
struct variant_ops {
    const alternative* alternatives;
    std::size_t count;
    bool tagged;
    std::size_t (*index)(const void* variant);  ///< >= count if valueless
};

struct tuple_element {
    const shape* type;
    void* (*get)(void* tuple);
};

struct tuple_ops {
    const tuple_element* elements;
    std::size_t count;
};

struct enumerator {
    const char* name;
    std::uint32_t name_size;
    std::int64_t number;
};

struct enum_ops {
    const enumerator* enumerators;
    std::size_t count;
    kind underlying;
};

struct time_ops {
    /// Whole seconds (since 1970 for a time point) rounded down, and nanoseconds 0 … 999999999.
    /// False if not representable.
    bool (*get)(const void* object, std::int64_t& seconds, std::uint32_t& nanoseconds);
    /// Rounds down to the type's unit. False if out of its range.
    bool (*set)(void* object, std::int64_t seconds, std::uint32_t nanoseconds);
};

struct indirect_ops {
    const shape* element;
    const void* (*get)(const void* holder);
    void* (*edit)(void* holder);
    blob& (*message)(void* holder);  ///< what the object lies in, behind a header; may be empty
};

struct member {
    const char* name;
    std::uint32_t name_size;
    std::uint32_t offset;
    const shape* type;
    bool may_be_missing;  ///< on decoding; the object then keeps what it has
};

struct struct_ops {
    const member* members;
    std::size_t count;
};

struct shape {
    tenon::kind kind;
    std::uint32_t size;  ///< sizeof; 0 for void
    std::uint32_t align;
    const char* name;  ///< as described, without namespace; "int32", "string", … otherwise
    union {
        const void* none;
        const sequence_ops* sequence;  // array, vector
        const bytes_ops* bytes;        // bytes
        const optional_ops* optional;
        const map_ops* map;
        const variant_ops* variant;
        const tuple_ops* tuple;
        const enum_ops* enumeration;
        const time_ops* time;  // time_point, duration
        const struct_ops* structure;
        const indirect_ops* indirect;
    };
    void (*construct)(void* at);  ///< value-initialises; null if T has no default
    void (*destroy)(void* object);
    void (*move)(void* at, void* from);  ///< constructs at `at`; `from` stays to be destroyed
    /// Where a codec may keep what it has found out about the type; null if the kind says all.
    const void** notes;
};

namespace detail {
template <class T>
T& as(void* p) {
    return *static_cast<T*>(p);
}
template <class T>
const T& as(const void* p) {
    return *static_cast<const T*>(p);
}

template <class T>
consteval shape make_shape();

template <class T>
inline constexpr shape shape_v = make_shape<T>();

/// Types of kind indirect, and their operations.
template <class T>
inline constexpr bool is_indirect = false;
template <class T>
inline constexpr const indirect_ops* indirect_v = nullptr;
}  // namespace detail

}  // namespace tenon::inline v0
