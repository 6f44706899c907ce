#include "tenon/value.hpp"

#include <cmath>

namespace tenon::inline v0 {

static_assert(sizeof(value) == 16);

value::value(std::string s) : type_(type::string) { string_ = new std::string(std::move(s)); }
value::value(std::string_view s) : value(std::string(s)) {}
value::value(const char* s) : value(std::string(s)) {}
value::value(tenon::bytes b) : type_(type::bytes) { bytes_ = new tenon::bytes(std::move(b)); }
value::value(array a) : type_(type::array) { array_ = new array(std::move(a)); }
value::value(map m) : type_(type::map) { map_ = new map(std::move(m)); }
value::value(tagged t) : type_(type::tagged) { tagged_ = new tagged(std::move(t)); }

value value::list(std::initializer_list<value> elements) { return array(elements); }

value value::object(std::initializer_list<std::pair<std::string_view, value>> members) {
    value v = map();
    for (const auto& [name, content] : members) v[name] = content;
    return v;
}

value::value(const value& o) : type_(o.type_) {
    switch (type_) {
        case type::string: string_ = new std::string(*o.string_); break;
        case type::bytes: bytes_ = new tenon::bytes(*o.bytes_); break;
        case type::array: array_ = new array(*o.array_); break;
        case type::map: map_ = new map(*o.map_); break;
        case type::tagged: tagged_ = new tagged(*o.tagged_); break;
        default: number_ = o.number_; break;
    }
}

void value::release() noexcept {
    switch (type_) {
        case type::string: delete string_; break;
        case type::bytes: delete bytes_; break;
        case type::array: delete array_; break;
        case type::map: delete map_; break;
        case type::tagged: delete tagged_; break;
        default: break;
    }
}

void value::mismatch(const char* expected) const {
    std::string message = "expected ";
    message.append(expected).append(", got ").append(to_string(type_));
    throw failure(error(errc::invalid, std::move(message)));
}

bool value::as_bool() const {
    if (!is_bool()) mismatch("boolean");
    return boolean_;
}

std::int64_t value::as_int64() const {
    if (type_ == type::int64) return signed_;
    if (is_double() && double_ >= -0x1p63 && double_ < 0x1p63 && std::trunc(double_) == double_)
        return static_cast<std::int64_t>(double_);
    mismatch("int64");
}

std::uint64_t value::as_uint64() const {
    if (type_ == type::uint64) return number_;
    if (type_ == type::int64 && signed_ >= 0) return number_;
    if (is_double() && double_ >= 0 && double_ < 0x1p64 && std::trunc(double_) == double_)
        return static_cast<std::uint64_t>(double_);
    mismatch("uint64");
}

double value::as_double() const {
    if (is_double()) return double_;
    // Only what double holds exactly; a double of 2^63 or 2^64 fits the integer no more.
    if (type_ == type::int64) {
        const auto d = static_cast<double>(signed_);
        if (d < 0x1p63 && static_cast<std::int64_t>(d) == signed_) return d;
    } else if (type_ == type::uint64) {
        const auto d = static_cast<double>(number_);
        if (d < 0x1p64 && static_cast<std::uint64_t>(d) == number_) return d;
    }
    mismatch("float64");
}

const std::string& value::as_string() const {
    if (!is_string()) mismatch("string");
    return *string_;
}
const tenon::bytes& value::as_bytes() const {
    if (!is_bytes()) mismatch("bytes");
    return *bytes_;
}
const value::array& value::as_array() const {
    if (!is_array()) mismatch("array");
    return *array_;
}
value::array& value::as_array() {
    if (!is_array()) mismatch("array");
    return *array_;
}
const value::map& value::as_map() const {
    if (!is_map()) mismatch("map");
    return *map_;
}
value::map& value::as_map() {
    if (!is_map()) mismatch("map");
    return *map_;
}
const value::tagged& value::as_tagged() const {
    if (!is_tagged()) mismatch("tagged");
    return *tagged_;
}

const value* value::find(std::string_view key) const noexcept {
    if (!is_map()) return nullptr;
    for (const auto& [name, content] : *map_)
        if (name.is_string() && *name.string_ == key) return &content;
    return nullptr;
}
value* value::find(std::string_view key) noexcept {
    return const_cast<value*>(std::as_const(*this).find(key));
}

const value& value::operator[](std::string_view key) const {
    if (!is_map()) mismatch("map");
    if (const value* found = find(key)) return *found;
    throw failure(error(errc::invalid, "no member \"" + std::string(key) + '"'));
}

value& value::operator[](std::string_view key) {
    if (is_nil()) *this = map();
    if (!is_map()) mismatch("map");
    if (value* found = find(key)) return *found;
    return map_->emplace_back(key, nullptr).second;
}

const value& value::element(std::size_t i) const {
    if (!is_array()) mismatch("array");
    if (i < array_->size()) return (*array_)[i];
    throw failure(error(errc::invalid, "no element " + std::to_string(i)));
}

std::size_t value::size() const noexcept {
    switch (type_) {
        case type::string: return string_->size();
        case type::bytes: return bytes_->size();
        case type::array: return array_->size();
        case type::map: return map_->size();
        default: return 0;
    }
}

bool operator==(const value& a, const value& b) noexcept {
    if (a.type_ != b.type_) return false;
    switch (a.type_) {
        case value::type::boolean: return a.boolean_ == b.boolean_;
        case value::type::float64: return a.double_ == b.double_;
        case value::type::string: return *a.string_ == *b.string_;
        case value::type::bytes: return *a.bytes_ == *b.bytes_;
        case value::type::array: return *a.array_ == *b.array_;
        case value::type::map: return *a.map_ == *b.map_;
        case value::type::tagged: return *a.tagged_ == *b.tagged_;
        default: return a.number_ == b.number_;
    }
}

std::string_view to_string(enum value::type t) noexcept {
    constexpr std::string_view names[] = {"nil",    "boolean", "int64", "uint64", "float64",
                                          "string", "bytes",   "array", "map",    "tagged"};
    return names[static_cast<std::size_t>(t)];
}

}  // namespace tenon::inline v0
