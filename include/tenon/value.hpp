#pragma once
// value: one piece of data whose type is known only at run time: what JSON and MessagePack can
// say, and `tagged` for what they cannot (a symbol, a time, a class).
//
// Copies are deep. Moves never throw and leave nil behind. Not thread-safe while changing.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/bytes.hpp"
#include "tenon/export.hpp"
#include "tenon/result.hpp"
#include "tenon/shape.hpp"

namespace tenon::inline v0 {

class value;

namespace detail {
TENON_API result<void> value_to_object(const value& from, const shape& s, void* object);
TENON_API result<value> object_to_value(const shape& s, const void* object);
}  // namespace detail

class TENON_API value {
public:
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"  // GCC takes scoped enumerators for declarations
    enum class type : std::uint8_t {
        nil,
        boolean,
        int64,
        uint64,
        float64,
        string,
        bytes,
        array,
        map,
        tagged
    };
#pragma GCC diagnostic pop
    using array = std::vector<value>;
    /// In order of insertion. Keys are mostly strings but may be any value.
    using map = std::vector<std::pair<value, value>>;
    struct tagged;

    value() noexcept : number_(0), type_(type::nil) {}
    value(std::nullptr_t) noexcept : value() {}
    template <std::same_as<bool> T>  // no pointers
    value(T b) noexcept : number_(0), type_(type::boolean) {
        boolean_ = b;
    }
    /// Type uint64 only beyond the range of int64, so that equal numbers are equal values.
    template <std::integral T>
        requires(!std::same_as<T, bool> && !std::same_as<T, char>)
    value(T n)
    noexcept
        : number_(static_cast<std::uint64_t>(n)),
          type_(n > 0 && number_ > INT64_MAX ? type::uint64 : type::int64) {}
    template <std::floating_point T>
    value(T d) noexcept : double_(static_cast<double>(d)), type_(type::float64) {}
    value(std::string s);
    value(std::string_view s);
    value(const char* s);
    value(tenon::bytes b);
    value(array a);
    value(map m);
    value(tagged t);

    /// value::list({1, "two", 3.0})
    static value list(std::initializer_list<value> elements);
    /// value::object({{"name", "x"}, {"size", 3}}); later doubles of a key win.
    static value object(std::initializer_list<std::pair<std::string_view, value>> members);
    /// What a described object says; throws failure(invalid) if it cannot be said (see codec.hpp).
    template <class T>
    static value from(const T& object) {
        return detail::object_to_value(shape_of<T>(), &object).value();
    }

    value(const value& o);
    value(value&& o) noexcept : value() { swap(o); }
    value& operator=(value o) noexcept { return swap(o), *this; }
    ~value() {
        if (type_ >= type::string) release();
    }

    value::type type() const noexcept { return type_; }
    bool is_nil() const noexcept { return type_ == type::nil; }
    bool is_bool() const noexcept { return type_ == type::boolean; }
    /// int64 or uint64
    bool is_integer() const noexcept { return type_ == type::int64 || type_ == type::uint64; }
    bool is_double() const noexcept { return type_ == type::float64; }
    bool is_number() const noexcept { return is_integer() || is_double(); }
    bool is_string() const noexcept { return type_ == type::string; }
    bool is_bytes() const noexcept { return type_ == type::bytes; }
    bool is_array() const noexcept { return type_ == type::array; }
    bool is_map() const noexcept { return type_ == type::map; }
    bool is_tagged() const noexcept { return type_ == type::tagged; }

    // Each throws failure(invalid) if the value is of another type; numbers convert into one
    // another where nothing is lost.
    bool as_bool() const;
    std::int64_t as_int64() const;
    std::uint64_t as_uint64() const;
    double as_double() const;
    const std::string& as_string() const;
    const tenon::bytes& as_bytes() const;
    const array& as_array() const;
    array& as_array();
    const map& as_map() const;
    map& as_map();
    const tagged& as_tagged() const;

    /// The content if the value has exactly this type: bool, std::int64_t, std::uint64_t, double,
    /// std::string, bytes, array, map, tagged; null otherwise.
    template <class T>
    const T* get_if() const noexcept;

    /// The member of a map, or null: no map, or no such key.
    const value* find(std::string_view key) const noexcept;
    value* find(std::string_view key) noexcept;

    /// The member; throws failure(invalid) if there is none.
    const value& operator[](std::string_view key) const;
    const value& operator[](const char* key) const { return (*this)[std::string_view(key)]; }
    /// The member, added as nil if missing; nil turns into a map. Throws if it is something else.
    value& operator[](std::string_view key);
    value& operator[](const char* key) { return (*this)[std::string_view(key)]; }
    /// The element; throws failure(invalid) if there is none.
    template <std::integral T>
    const value& operator[](T i) const {
        return element(static_cast<std::size_t>(i));
    }
    template <std::integral T>
    value& operator[](T i) {
        return const_cast<value&>(element(static_cast<std::size_t>(i)));
    }

    /// Elements of an array, members of a map, characters of a string, bytes; 0 otherwise.
    std::size_t size() const noexcept;

    /// The value as a described type; throws failure(invalid), with the path, if it does not fit.
    template <class T>
    T as() const {
        return try_as<T>().value();
    }
    template <class T>
    result<T> try_as() const {
        T object{};
        TENON_TRY(detail::value_to_object(*this, shape_of<T>(), &object));
        return object;
    }

    /// Deep; maps are equal if they have the same entries in the same order; NaN equals nothing.
    friend TENON_API bool operator==(const value& a, const value& b) noexcept;

private:
    const value& element(std::size_t i) const;
    void release() noexcept;
    void swap(value& o) noexcept {
        std::swap(number_, o.number_);  // all eight bytes, whatever they hold
        std::swap(type_, o.type_);
    }
    [[noreturn]] void mismatch(const char* expected) const;

    union {
        std::uint64_t number_;  // uint64, and 0 for nil
        std::int64_t signed_;
        bool boolean_;
        double double_;
        std::string* string_;
        tenon::bytes* bytes_;
        array* array_;
        map* map_;
        tagged* tagged_;
    };
    enum type type_;
};

/// A value with the name of what it stands for. Codecs map the names they know ("time", and "ext:N"
/// in MessagePack; docs/guide/types.md) and refuse the others by name.
struct value::tagged {
    std::string name;
    value content;

    friend bool operator==(const tagged&, const tagged&) = default;
};

template <class T>
const T* value::get_if() const noexcept {
    const void* content = nullptr;
    if constexpr (std::is_same_v<T, std::string>) content = is_string() ? string_ : nullptr;
    else if constexpr (std::is_same_v<T, tenon::bytes>) content = is_bytes() ? bytes_ : nullptr;
    else if constexpr (std::is_same_v<T, array>) content = is_array() ? array_ : nullptr;
    else if constexpr (std::is_same_v<T, map>) content = is_map() ? map_ : nullptr;
    else if constexpr (std::is_same_v<T, tagged>) content = is_tagged() ? tagged_ : nullptr;
    else if constexpr (std::is_same_v<T, double>) content = is_double() ? &double_ : nullptr;
    else if constexpr (std::is_same_v<T, bool>) content = is_bool() ? &boolean_ : nullptr;
    else if constexpr (std::is_same_v<T, std::int64_t>)
        content = type_ == type::int64 ? &signed_ : nullptr;
    else if constexpr (std::is_same_v<T, std::uint64_t>)
        content = type_ == type::uint64 ? &number_ : nullptr;
    else static_assert(sizeof(T) == 0, "a value never has exactly this type");
    return static_cast<const T*>(content);
}

/// The type's name as listed: "nil", "boolean", …
TENON_API std::string_view to_string(enum value::type t) noexcept;

}  // namespace tenon::inline v0
