#include "codec/decoding.hpp"

#include <charconv>
#include <cmath>
#include <memory>
#include <new>
#include <string>

namespace tenon::inline v0::coding {

bool fit_integer(kind k, const number& n, std::int64_t& fitted) noexcept {
    number whole = n;
    if (n.is == number::form::real) {
        // Both bounds are exact doubles.
        if (!(n.d >= -0x1p63 && n.d < 0x1p64) || std::trunc(n.d) != n.d) return false;
        if (n.d < 0x1p63) whole.set(static_cast<std::int64_t>(n.d));
        else whole.set(static_cast<std::uint64_t>(n.d));
    }
    fitted = whole.i;
    if (whole.is == number::form::uint64) {
        fitted = static_cast<std::int64_t>(whole.u);
        return k == kind::uint64;
    }
    const bool with_sign = is_signed(k);
    if (k == kind::boolean) return fitted == 0 || fitted == 1;
    const int bits =
        8 << (static_cast<int>(k) - static_cast<int>(with_sign ? kind::int8 : kind::uint8));
    if (bits == 64) return with_sign || fitted >= 0;
    const std::int64_t most = (std::int64_t{1} << (with_sign ? bits - 1 : bits)) - 1;
    return fitted <= most && fitted >= (with_sign ? -most - 1 : 0);
}

bool read_integer_text(std::string_view text, number& n) noexcept {
    const char* const end = text.data() + text.size();
    std::int64_t i = 0;
    std::uint64_t u = 0;
    if (const auto r = std::from_chars(text.data(), end, i); r.ec == std::errc() && r.ptr == end)
        return n.set(i), true;
    if (const auto r = std::from_chars(text.data(), end, u); r.ec == std::errc() && r.ptr == end)
        return n.set(u), true;
    return false;
}

namespace {

token token_of(kind k) noexcept {
    switch (k) {
        case kind::nothing: return token::nil;
        case kind::boolean: return token::boolean;
        case kind::array:
        case kind::vector:
        case kind::tuple: return token::array;
        case kind::map:
        case kind::structure: return token::map;
        case kind::string:
        case kind::string_view:
        case kind::bytes:
        case kind::bytes_view:
        case kind::enumeration:
        case kind::time_point: return token::string;
        default: return token::number;
    }
}

// The first few, separated by commas.
template <class NameOf>
std::string join(std::size_t count, NameOf name_of) {
    constexpr std::size_t most = 12;
    std::string s;
    for (std::size_t i = 0; i < count && i < most; ++i)
        s.append(i == 0 ? "" : ", ").append(name_of(i));
    return count > most ? s.append(", …") : s;
}

}  // namespace

const alternative* alternative_for(const variant_ops& ops, token t) noexcept {
    if (t == token::bytes || t == token::time) t = token::string;
    for (std::size_t i = 0; i < ops.count; ++i)
        if (token_of(ops.alternatives[i].type->kind) == t) return &ops.alternatives[i];
    return nullptr;
}

const alternative* alternative_named(const variant_ops& ops, std::string_view name) noexcept {
    for (std::size_t i = 0; i < ops.count; ++i)
        if (name == ops.alternatives[i].type->name) return &ops.alternatives[i];
    return nullptr;
}

std::string names_of(const variant_ops& ops) {
    return join(ops.count, [&](std::size_t i) { return ops.alternatives[i].type->name; });
}
std::string names_of(const enum_ops& ops) {
    return join(ops.count, [&](std::size_t i) { return ops.enumerators[i].name; });
}

void reset_object(const shape& s, void* o) {
    if (s.construct == nullptr || s.move == nullptr) return;
    const auto free = [&](void* p) { ::operator delete (p, std::align_val_t{s.align}); };
    const std::unique_ptr<void, decltype(free)> memory(
        ::operator new (s.size, std::align_val_t{s.align}), free);
    s.construct(memory.get());
    s.destroy(o);
    s.move(o, memory.get());
    s.destroy(memory.get());
}

}  // namespace tenon::inline v0::coding
