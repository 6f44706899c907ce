#pragma once
// The interpreter that reads an object by its shape. One instance of the template per reader.

#include <array>
#include <cmath>

#include "base/buffer.hpp"
#include "codec/decoding.hpp"
#include "codec/objects.hpp"
#include "codec/token.hpp"
#include "codec/value_map.hpp"

namespace tenon::inline v0::coding {

template <class Reader>
class decoder {
public:
    using scope = typename Reader::scope;

    decoder(Reader& r, coding::trouble& trouble, const decode_options& options,
            base::byte_buffer* arena)
        : r_(r),
          trouble_(trouble),
          options_(options),
          memory_left_(options.max_memory),
          arena_(arena) {}

    bool read(const shape& s, void* o) {
        switch (s.kind) {
            case kind::int8:
            case kind::int16:
            case kind::int32:
            case kind::int64:
            case kind::uint8:
            case kind::uint16:
            case kind::uint32:
            case kind::uint64: return read_integer(s, o);
            case kind::nothing: return expect(token::nil) && r_.nil();
            case kind::boolean: return read_boolean(o);
            case kind::float32:
            case kind::float64: return read_real(s, o);
            case kind::string: {
                std::string_view text;
                if (!read_text(text)) return false;
                static_cast<std::string*>(o)->assign(text);
                return true;
            }
            case kind::string_view: return read_view(*static_cast<std::string_view*>(o));
            case kind::bytes: return read_bytes(*s.bytes, o);
            case kind::bytes_view: return read_bytes_view(*static_cast<bytes_view*>(o));
            case kind::optional: return read_optional(*s.optional, o);
            case kind::array: return read_array(*s.sequence, o);
            case kind::vector: return read_vector(*s.sequence, o);
            case kind::map: return read_map(*s.map, o);
            case kind::variant: return read_variant(*s.variant, o);
            case kind::tuple: return read_tuple(*s.tuple, o);
            case kind::enumeration: return read_enum(*s.enumeration, o);
            case kind::time_point: return read_time(*s.time, o);
            case kind::duration: return read_duration(*s.time, o);
            case kind::structure: return read_struct(*s.structure, o);
            case kind::dynamic: return read(*static_cast<value*>(o));
            case kind::indirect: return read(*s.indirect->element, s.indirect->edit(o));
        }
        return false;
    }

    bool read(value& v);
    bool skip();

    bool wrong(std::string_view expected, token got) {
        return trouble_.expected(expected, coding::to_string(got));
    }

private:
    bool expect(token what) {
        const token got = r_.peek();
        return got == what || wrong(coding::to_string(what), got);
    }
    bool charge(std::size_t n) {
        if (n > memory_left_) return trouble_.invalid("too many elements for max_memory");
        memory_left_ -= n;
        return true;
    }

    bool read_boolean(void* o) {
        bool b = false;
        if (!expect(token::boolean) || !r_.boolean(b)) return false;
        return store(o, b), true;
    }
    bool read_integer(const shape& s, void* o) {
        number n;
        if (!expect(token::number) || !r_.number(n)) return false;
        if (s.kind == kind::int64 && n.is == number::form::int64) return store(o, n.i), true;
        return store_checked(s, o, n);
    }
    bool store_checked(const shape& s, void* o, number n);
    bool read_real(const shape& s, void* o);
    bool store_float(void* o, const number& n);
    bool read_text(std::string_view& s) {
        bool stable = false;
        return expect(token::string) && r_.string(s, stable);
    }
    std::byte* arena_room(std::size_t n);
    bool read_view(std::string_view& s);
    bool read_bytes(const bytes_ops& ops, void* o);
    bool read_bytes_view(bytes_view& b);
    bool read_optional(const optional_ops& ops, void* o) {
        if (r_.peek() != token::nil) return read(*ops.element, ops.emplace(o));
        ops.reset(o);
        return r_.nil();
    }
    bool read_array(const sequence_ops& ops, void* o);
    bool read_vector(const sequence_ops& ops, void* o);
    template <class T>
    bool read_numbers(const sequence_ops& ops, void* o, scope& s);
    template <class T>
    bool read_number(const shape& s, void* o);
    bool read_map(const map_ops& ops, void* o);
    bool to_map_key(const shape& type, const key& k, map_key& out);
    bool read_variant(const variant_ops& ops, void* o);
    bool read_tagged(const variant_ops& ops, void* o);
    bool read_tuple(const tuple_ops& ops, void* o);
    bool read_enum(const enum_ops& ops, void* o);
    bool read_time(const time_ops& ops, void* o);
    bool read_duration(const time_ops& ops, void* o);
    bool read_struct(const struct_ops& ops, void* o);
    bool read_members(const struct_ops& ops, void* o);
    bool check_missing(const struct_ops& ops, const std::uint64_t* seen);
    bool wrong_count(std::size_t expected, std::size_t got);
    bool read_value_array(value& v);
    bool read_value_map(value& v);

    Reader& r_;
    coding::trouble& trouble_;
    const decode_options& options_;
    std::size_t memory_left_;
    base::byte_buffer* arena_;
    bool arena_in_use_ = false;
};

}  // namespace tenon::inline v0::coding

#include "codec/decoder_nested.hpp"
#include "codec/decoder_simple.hpp"
