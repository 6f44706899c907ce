#include "codec/objects.hpp"

namespace tenon::inline v0::coding {

std::int64_t load_integer(kind k, const void* o) noexcept {
    switch (k) {
        case kind::int8: return load<std::int8_t>(o);
        case kind::int16: return load<std::int16_t>(o);
        case kind::int32: return load<std::int32_t>(o);
        case kind::boolean:
        case kind::uint8: return load<std::uint8_t>(o);
        case kind::uint16: return load<std::uint16_t>(o);
        case kind::uint32: return load<std::uint32_t>(o);
        default: return load<std::int64_t>(o);
    }
}

void store_integer(kind k, void* o, std::int64_t n) noexcept {
    switch (k) {
        case kind::boolean:
        case kind::int8:
        case kind::uint8: return store(o, static_cast<std::uint8_t>(n));
        case kind::int16:
        case kind::uint16: return store(o, static_cast<std::uint16_t>(n));
        case kind::int32:
        case kind::uint32: return store(o, static_cast<std::uint32_t>(n));
        default: return store(o, n);
    }
}

const enumerator* find_enumerator(const enum_ops& ops, const void* o) noexcept {
    const std::int64_t number = load_integer(ops.underlying, o);
    for (std::size_t i = 0; i < ops.count; ++i)
        if (ops.enumerators[i].number == number) return &ops.enumerators[i];
    return nullptr;
}

const enumerator* find_enumerator(const enum_ops& ops, std::string_view name) noexcept {
    for (std::size_t i = 0; i < ops.count; ++i)
        if (name == std::string_view(ops.enumerators[i].name, ops.enumerators[i].name_size))
            return &ops.enumerators[i];
    return nullptr;
}

std::string key_text(const shape& type, const void* key) {
    if (type.kind == kind::string) return *static_cast<const std::string*>(key);
    if (type.kind == kind::enumeration) {
        const enumerator* e = find_enumerator(*type.enumeration, key);
        return e == nullptr ? std::string() : std::string(e->name, e->name_size);
    }
    const std::int64_t n = load_integer(type.kind, key);
    return is_signed(type.kind) ? number_text(n) : number_text(static_cast<std::uint64_t>(n));
}

double to_double(timestamp t) noexcept {
    // Towards zero first: for small negative numbers the whole seconds would eat the precision.
    if (t.seconds < 0 && t.nanoseconds != 0)
        return static_cast<double>(t.seconds + 1) -
               static_cast<double>(1'000'000'000 - t.nanoseconds) / 1e9;
    return static_cast<double>(t.seconds) + static_cast<double>(t.nanoseconds) / 1e9;
}

}  // namespace tenon::inline v0::coding
