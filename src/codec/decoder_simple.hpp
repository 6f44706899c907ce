#pragma once
// The members of decoder for simple types and for values; see decoder.hpp.

#include <cmath>
#include <limits>

#include "base/copy.hpp"
#include "codec/decoder.hpp"

namespace tenon::inline v0::coding {

template <class R>
bool decoder<R>::store_checked(const shape& s, void* o, number n) {
    std::int64_t fitted = 0;
    if (!fit_integer(s.kind, n, fitted)) return trouble_.expected(s.name, n.text());
    store_integer(s.kind, o, fitted);
    return true;
}

template <class R>
bool decoder<R>::read_real(const shape& s, void* o) {
    number n;
    if (!expect(token::number) || !r_.number(n)) return false;
    return s.kind == kind::float64 ? (store(o, n.as_double()), true) : store_float(o, n);
}

template <class R>
bool decoder<R>::store_float(void* o, const number& n) {
    const double d = n.as_double();
    if (std::isfinite(d) && std::abs(d) > double{std::numeric_limits<float>::max()})
        return trouble_.expected("float32", n.text());
    return store(o, static_cast<float>(d)), true;
}

// The arena never grows while in use: what it takes is never longer than the input it comes from.
template <class R>
std::byte* decoder<R>::arena_room(std::size_t n) {
    if (arena_ == nullptr) {
        trouble_.unsupported("a view cannot hold text with escapes, nor base64");
        return nullptr;
    }
    if (!arena_in_use_) {
        arena_->clear();
        arena_->reserve(r_.input_size());
        arena_in_use_ = true;
    }
    return arena_->extend(n);
}

// The view is set on success only: what the reader gives may be gone when it goes on.
template <class R>
bool decoder<R>::read_view(std::string_view& view) {
    bool stable = false;
    std::string_view text;
    if (!expect(token::string) || !r_.string(text, stable)) return false;
    if (!stable && !text.empty()) {
        std::byte* at = arena_room(text.size());
        if (at == nullptr) return false;
        std::memcpy(at, text.data(), text.size());
        text = {reinterpret_cast<const char*>(at), text.size()};
    }
    view = text;
    return true;
}

template <class R>
bool decoder<R>::read_bytes(const bytes_ops& ops, void* o) {
    const token t = r_.peek();
    bool stable = false;
    bytes_view content;
    std::string_view text;
    if (t == token::bytes) {
        if (!r_.bytes(content, stable)) return false;
    } else if (t != token::string) {
        return wrong("bytes", t);
    } else if (!r_.string(text, stable)) {
        return false;
    }
    const std::size_t size = t == token::bytes ? content.size() : base64_content_size(text);
    std::byte* at = nullptr;
    if (ops.count == 0 || size == ops.count) at = ops.resize(o, size);
    if (at == nullptr && (size != 0 || ops.count != 0))
        return trouble_.expected(number_text(std::uint64_t{ops.count}) + " bytes",
                                 number_text(std::uint64_t{size}));
    if (t == token::string) return read_base64(text, at) || trouble_.expected("base64", "text");
    base::copy(at, content.data(), size);
    return true;
}

template <class R>
bool decoder<R>::read_bytes_view(bytes_view& view) {
    const token t = r_.peek();
    bool stable = false;
    if (t == token::bytes) return r_.bytes(view, stable);
    if (t != token::string) return wrong("bytes", t);
    std::string_view text;
    if (!r_.string(text, stable)) return false;
    const std::size_t size = base64_content_size(text);
    if (size == 0) return view = {}, text.empty() || trouble_.expected("base64", "text");
    std::byte* at = arena_room(size);
    if (at == nullptr) return false;
    view = {at, size};
    return read_base64(text, at) || trouble_.expected("base64", "text");
}

template <class R>
bool decoder<R>::read_enum(const enum_ops& ops, void* o) {
    const token t = r_.peek();
    const enumerator* e = nullptr;
    std::string got;
    if (t == token::number) {
        number n;
        std::int64_t fitted = 0;
        if (!r_.number(n)) return false;
        if (fit_integer(ops.underlying, n, fitted)) {
            store_integer(ops.underlying, o, fitted);
            e = find_enumerator(ops, o);
        }
        if (e == nullptr) return trouble_.expected("one of " + names_of(ops), n.text());
        return true;
    }
    std::string_view text;
    if (!read_text(text)) return false;
    e = find_enumerator(ops, text);
    if (e == nullptr) return trouble_.expected("one of " + names_of(ops), quoted(text));
    store_integer(ops.underlying, o, e->number);
    return true;
}

template <class R>
bool decoder<R>::read_time(const time_ops& ops, void* o) {
    const token t = r_.peek();
    timestamp at;
    std::string_view text;
    bool stable = false;
    if (t == token::time) {
        if (!r_.time(at)) return false;
    } else if (t != token::string) {
        return wrong("time", t);
    } else {
        if (!r_.string(text, stable)) return false;
        if (!from_rfc3339(text, at)) return trouble_.expected("RFC 3339 time", quoted(text));
    }
    return ops.set(o, at.seconds, at.nanoseconds) || trouble_.invalid("time out of range");
}

template <class R>
bool decoder<R>::read_duration(const time_ops& ops, void* o) {
    number n;
    if (!expect(token::number) || !r_.number(n)) return false;
    timestamp t;
    if (n.is == number::form::int64) t.seconds = n.i;
    else if (!to_timestamp(n.as_double(), t))
        return trouble_.invalid("duration out of range: " + n.text());
    return ops.set(o, t.seconds, t.nanoseconds) ||
           trouble_.invalid("duration out of range: " + n.text());
}

template <class R>
bool decoder<R>::read(value& v) {
    number n;
    std::string_view text;
    bytes_view content;
    timestamp t;
    bool flag = false;
    switch (r_.peek()) {
        case token::bad: return false;
        case token::nil: return v = nullptr, r_.nil();
        case token::boolean: return r_.boolean(flag) && (v = flag, true);
        case token::number:
            if (!r_.number(n)) return false;
            if (n.is == number::form::real) v = n.d;
            else if (n.is == number::form::uint64) v = n.u;
            else v = n.i;
            return true;
        case token::string: return r_.string(text, flag) && (v = text, true);
        case token::bytes:
            return r_.bytes(content, flag) && (v = bytes(content.begin(), content.end()), true);
        case token::array: return read_value_array(v);
        case token::map: return read_value_map(v);
        case token::time: {
            if (!r_.time(t)) return false;
            std::string s = to_rfc3339(t);
            if (s.empty()) return trouble_.invalid("time is outside the years 0 to 9999");
            v = value::tagged{"time", std::move(s)};
            return true;
        }
        case token::extension: return r_.extension(v);
    }
    return false;
}

template <class R>
bool decoder<R>::read_value_array(value& v) {
    scope s;
    if (!r_.begin_array(s)) return false;
    v = value::array();
    value::array& elements = v.as_array();
    constexpr std::size_t reserved_at_once = 4096;
    elements.reserve(std::min(r_.count_hint(s), reserved_at_once));
    while (r_.next(s)) {
        if (!charge(sizeof(value))) return false;
        if (!read(elements.emplace_back())) return trouble_.in_element(elements.size() - 1);
    }
    return !trouble_.happened();
}

template <class R>
bool decoder<R>::read_value_map(value& v) {
    scope s;
    if (!r_.begin_map(s)) return false;
    v = value::map();
    value::map& entries = v.as_map();
    key k;
    while (r_.next_key(s, k)) {
        if (!charge(sizeof(value::map::value_type))) return false;
        entries.emplace_back(to_value(k), nullptr);
        if (!read(entries.back().second))
            return entries.back().first.is_string()
                       ? trouble_.in_entry(entries.back().first.as_string())
                       : false;
    }
    if (trouble_.happened()) return false;
    if (remove_doubles(entries) && options_.refuse_duplicate_keys)
        return trouble_.invalid("a key is given twice");
    return true;
}

template <class R>
bool decoder<R>::skip() {
    number n;
    std::string_view text;
    bytes_view content;
    timestamp t;
    value v;
    bool flag = false;
    scope s;
    key k;
    switch (r_.peek()) {
        case token::bad: return false;
        case token::nil: return r_.nil();
        case token::boolean: return r_.boolean(flag);
        case token::number: return r_.number(n);
        case token::string: return r_.string(text, flag);
        case token::bytes: return r_.bytes(content, flag);
        case token::time: return r_.time(t);
        case token::extension: return r_.extension(v);
        case token::array:
            if (!r_.begin_array(s)) return false;
            while (r_.next(s))
                if (!skip()) return false;
            return !trouble_.happened();
        case token::map:
            if (!r_.begin_map(s)) return false;
            while (r_.next_key(s, k))
                if (!skip()) return false;
            return !trouble_.happened();
    }
    return false;
}

}  // namespace tenon::inline v0::coding
