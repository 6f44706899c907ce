#pragma once
// The members of decoder for containers, variants and structs; see decoder.hpp.

#include <algorithm>
#include <type_traits>
#include <utility>

#include "codec/decoder.hpp"

namespace tenon::inline v0::coding {

template <class R>
bool decoder<R>::wrong_count(std::size_t expected, std::size_t got) {
    return trouble_.expected(number_text(std::uint64_t{expected}) + " elements",
                             got > expected ? "more" : number_text(std::uint64_t{got}));
}

template <class R>
bool decoder<R>::read_array(const sequence_ops& ops, void* o) {
    scope s;
    if (!expect(token::array) || !r_.begin_array(s)) return false;
    std::size_t i = 0;
    for (; r_.next(s); ++i, o = at_offset(o, ops.element->size)) {
        if (i == ops.count) return wrong_count(ops.count, i + 1);
        if (!read(*ops.element, o)) return trouble_.in_element(i);
    }
    if (trouble_.happened()) return false;
    return i == ops.count || wrong_count(ops.count, i);
}

/// Of a vector: how many bytes are made room for before its elements are there.
constexpr std::size_t first_room = 65536;

// Like read() for one number, with what is usual at hand.
template <class R>
template <class T>
bool decoder<R>::read_number(const shape& type, void* o) {
    number n;
    if (!expect(token::number) || !r_.number(n)) return false;
    if constexpr (std::is_same_v<T, double>) return store(o, n.as_double()), true;
    else if constexpr (std::is_same_v<T, float>) return store_float(o, n);
    else {
        if (n.is == number::form::int64 && std::in_range<T>(n.i))
            return store(o, static_cast<T>(n.i)), true;
        return store_checked(type, o, n);
    }
}

// Of vectors of numbers, which are made room for in steps. The vector's size is the room until the
// end is known.
template <class R>
template <class T>
bool decoder<R>::read_numbers(const sequence_ops& ops, void* o, scope& s) {
    std::size_t room = std::min(r_.count_hint(s), first_room / sizeof(T));
    auto* at = static_cast<std::byte*>(ops.resize(o, room));
    std::size_t n = 0;
    while (r_.next(s)) {
        if (n == room) {
            room = std::max<std::size_t>(2 * room, 16);
            at = static_cast<std::byte*>(ops.resize(o, room));
        }
        if (!charge(sizeof(T))) return false;
        if (!read_number<T>(*ops.element, at + n * sizeof(T))) return trouble_.in_element(n);
        ++n;
        if constexpr (requires { r_.template run<T>(s, at, n); }) {
            const std::size_t more = r_.template run<T>(s, at + n * sizeof(T), room - n);
            if (!charge(more * sizeof(T))) return false;
            n += more;
        }
    }
    if (trouble_.happened()) return false;
    ops.resize(o, n);
    return true;
}

template <class R>
bool decoder<R>::read_vector(const sequence_ops& ops, void* o) {
    scope s;
    if (!expect(token::array) || !r_.begin_array(s)) return false;
    switch (ops.resize != nullptr ? ops.element->kind : kind::nothing) {
        case kind::int8: return read_numbers<std::int8_t>(ops, o, s);
        case kind::int16: return read_numbers<std::int16_t>(ops, o, s);
        case kind::int32: return read_numbers<std::int32_t>(ops, o, s);
        case kind::int64: return read_numbers<std::int64_t>(ops, o, s);
        case kind::uint16: return read_numbers<std::uint16_t>(ops, o, s);
        case kind::uint32: return read_numbers<std::uint32_t>(ops, o, s);
        case kind::uint64: return read_numbers<std::uint64_t>(ops, o, s);
        case kind::float32: return read_numbers<float>(ops, o, s);
        case kind::float64: return read_numbers<double>(ops, o, s);
        default: break;
    }
    ops.clear(o);
    const std::size_t element_size = ops.element->size;
    const std::size_t hint = r_.count_hint(s);
    if (hint != 0) ops.reserve(o, std::min(hint, first_room / element_size + 1));
    for (std::size_t i = 0; r_.next(s); ++i) {
        if (!charge(element_size)) return false;
        bool b = false;
        if (ops.append_bool == nullptr) {
            if (!read(*ops.element, ops.append(o))) return trouble_.in_element(i);
        } else if (read_boolean(&b)) {
            ops.append_bool(o, b);
        } else {
            return trouble_.in_element(i);
        }
    }
    return !trouble_.happened();
}

template <class R>
bool decoder<R>::read_tuple(const tuple_ops& ops, void* o) {
    scope s;
    if (!expect(token::array) || !r_.begin_array(s)) return false;
    std::size_t i = 0;
    for (; r_.next(s); ++i) {
        if (i == ops.count) return wrong_count(ops.count, i + 1);
        if (!read(*ops.elements[i].type, ops.elements[i].get(o))) return trouble_.in_element(i);
    }
    if (trouble_.happened()) return false;
    return i == ops.count || wrong_count(ops.count, i);
}

template <class R>
bool decoder<R>::read_map(const map_ops& ops, void* o) {
    scope s;
    if (!expect(token::map) || !r_.begin_map(s)) return false;
    ops.clear(o);
    key k;
    while (r_.next_key(s, k)) {
        map_key mk{};
        if (!charge(ops.entry_size)) return false;
        if (!to_map_key(*ops.key, k, mk)) return false;
        const std::string readable = k.stable ? std::string() : k.readable();
        bool fresh = true;
        void* mapped = ops.insert(o, mk, fresh);
        if (!fresh) {
            if (options_.refuse_duplicate_keys)
                return trouble_.invalid("key " + quoted(k.readable()) + " given twice");
            reset_object(*ops.mapped, mapped);
        }
        if (!read(*ops.mapped, mapped))
            return trouble_.in_entry(k.stable ? k.readable() : readable);
    }
    return !trouble_.happened();
}

template <class R>
bool decoder<R>::to_map_key(const shape& type, const key& k, map_key& out) {
    if (type.kind == kind::string) {
        out.text = k.text;
        return k.is == token::string || wrong("string as key", k.is);
    }
    if (type.kind == kind::enumeration) {
        const enumerator* e =
            k.is == token::string ? find_enumerator(*type.enumeration, k.text) : nullptr;
        if (e == nullptr)
            return trouble_.expected("one of " + names_of(*type.enumeration) + " as key",
                                     quoted(k.readable()));
        out.number = static_cast<std::uint64_t>(e->number);
        return true;
    }
    number n = k.num;
    if (k.is == token::string && !read_integer_text(k.text, n))
        return trouble_.expected(std::string(type.name) + " as key", quoted(k.text));
    if (k.is != token::string && k.is != token::number) return wrong("number as key", k.is);
    std::int64_t fitted = 0;
    if (!fit_integer(type.kind, n, fitted))
        return trouble_.expected(std::string(type.name) + " as key", n.text());
    out.number = static_cast<std::uint64_t>(fitted);
    return true;
}

template <class R>
bool decoder<R>::read_variant(const variant_ops& ops, void* o) {
    const token t = r_.peek();
    if (t == token::bad) return false;
    if (ops.tagged && t != token::nil) return read_tagged(ops, o);
    const alternative* a = alternative_for(ops, t);
    if (a == nullptr) return wrong("one of " + names_of(ops), t);
    return read(*a->type, a->emplace(o));
}

template <class R>
bool decoder<R>::read_tagged(const variant_ops& ops, void* o) {
    scope s;
    key k;
    if (!expect(token::map) || !r_.begin_map(s)) return false;
    if (!r_.next_key(s, k))
        return !trouble_.happened() && trouble_.expected("one of " + names_of(ops), "nothing");
    const alternative* a = k.is == token::string ? alternative_named(ops, k.text) : nullptr;
    if (a == nullptr) return trouble_.expected("one of " + names_of(ops), quoted(k.readable()));
    if (!read(*a->type, a->emplace(o))) return trouble_.in_member(a->type->name);
    if (r_.next_key(s, k))
        return trouble_.expected("one member", "a second, " + quoted(k.readable()));
    return !trouble_.happened();
}

template <class R>
bool decoder<R>::check_missing(const struct_ops& ops, const std::uint64_t* seen) {
    for (std::size_t i = 0; i < ops.count; ++i) {
        const member& m = ops.members[i];
        if ((seen[i / 64] >> (i % 64) & 1) == 0 && !m.may_be_missing)
            return trouble_.invalid("missing member " + quoted({m.name, m.name_size}));
    }
    return true;
}

template <class R>
bool decoder<R>::read_struct(const struct_ops& ops, void* o) {
    const token t = r_.peek();
    if (t == token::map) return read_members(ops, o);
    if (t != token::array || !R::structs_as_arrays) return wrong("map", t);
    scope s;
    if (!r_.begin_array(s)) return false;
    std::array<std::uint64_t, 4> seen{};
    for (std::size_t i = 0; r_.next(s); ++i) {
        if (i >= ops.count) {
            if (options_.refuse_unknown_members) return wrong_count(ops.count, i + 1);
            if (!skip()) return trouble_.in_element(i);
            continue;
        }
        const member& m = ops.members[i];
        seen[i / 64] |= std::uint64_t{1} << (i % 64);
        if (!read(*m.type, at_offset(o, m.offset)))
            return trouble_.in_member({m.name, m.name_size});
    }
    return !trouble_.happened() && check_missing(ops, seen.data());
}

template <class R>
bool decoder<R>::read_members(const struct_ops& ops, void* o) {
    scope s;
    if (!r_.begin_map(s)) return false;
    std::array<std::uint64_t, 4> seen{};
    std::size_t count = 0;
    std::size_t cursor = 0;
    key k;
    while (r_.next_key(s, k)) {
        const member* m = k.is == token::string ? find_member(ops, k.text, cursor) : nullptr;
        if (m == nullptr) {
            if (options_.refuse_unknown_members)
                return trouble_.invalid("unknown member " + quoted(k.readable()));
            if (!skip()) return false;
            continue;
        }
        const auto i = static_cast<std::size_t>(m - ops.members);
        void* at = at_offset(o, m->offset);
        const std::uint64_t bit = std::uint64_t{1} << (i % 64);
        if ((seen[i / 64] & bit) != 0) {
            if (options_.refuse_duplicate_keys)
                return trouble_.invalid("member " + quoted(k.text) + " given twice");
            reset_object(*m->type, at);
        } else {
            seen[i / 64] |= bit;
            ++count;
        }
        if (!read(*m->type, at)) return trouble_.in_member({m->name, m->name_size});
    }
    if (trouble_.happened()) return false;
    return count == ops.count || check_missing(ops, seen.data());
}

}  // namespace tenon::inline v0::coding
