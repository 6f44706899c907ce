#pragma once
// The interpreter that writes an object by its shape. One instance of the template per writer.

#include <limits>
#include <type_traits>

#include "codec/objects.hpp"
#include "codec/token.hpp"

namespace tenon::inline v0::coding {

template <class Writer>
class encoder {
public:
    encoder(Writer& w, coding::trouble& trouble) : w_(w), trouble_(trouble) {}

    bool write(const shape& s, const void* o) {
        switch (s.kind) {
            case kind::nothing: return w_.nil();
            case kind::boolean: return w_.boolean(load<bool>(o));
            case kind::int8: return w_.int64(load<std::int8_t>(o));
            case kind::int16: return w_.int64(load<std::int16_t>(o));
            case kind::int32: return w_.int64(load<std::int32_t>(o));
            case kind::int64: return w_.int64(load<std::int64_t>(o));
            case kind::uint8: return w_.uint64(load<std::uint8_t>(o));
            case kind::uint16: return w_.uint64(load<std::uint16_t>(o));
            case kind::uint32: return w_.uint64(load<std::uint32_t>(o));
            case kind::uint64: return w_.uint64(load<std::uint64_t>(o));
            case kind::float32: return w_.float32(load<float>(o));
            case kind::float64: return w_.float64(load<double>(o));
            case kind::string: return w_.string(*static_cast<const std::string*>(o));
            case kind::string_view: return w_.string(*static_cast<const std::string_view*>(o));
            case kind::bytes: return w_.bytes(s.bytes->view(o));
            case kind::bytes_view: return w_.bytes(*static_cast<const bytes_view*>(o));
            case kind::enumeration: return write_enum(*s.enumeration, o);
            case kind::time_point: return write_time(*s.time, o);
            case kind::duration: return write_duration(*s.time, o);
            case kind::indirect: return write(*s.indirect->element, s.indirect->get(o));
            case kind::optional: {
                const void* element = s.optional->get(o);
                return element == nullptr ? w_.nil() : write(*s.optional->element, element);
            }
            default: break;
        }
        if (depth_left_ == 0) return trouble_.too_deep();
        --depth_left_;
        const bool done = write_nested(s, o);
        ++depth_left_;
        return done;
    }

    bool write(const value& v) {
        switch (v.type()) {
            case value::type::nil: return w_.nil();
            case value::type::boolean: return w_.boolean(v.as_bool());
            case value::type::int64: return w_.int64(v.as_int64());
            case value::type::uint64: return w_.uint64(v.as_uint64());
            case value::type::float64: return w_.float64(v.as_double());
            case value::type::string: return w_.string(v.as_string());
            case value::type::bytes: return w_.bytes(v.as_bytes());
            case value::type::tagged: return w_.tagged(v.as_tagged());
            default: break;
        }
        if (depth_left_ == 0) return trouble_.too_deep();
        --depth_left_;
        const bool done = v.is_array() ? write_array(v.as_array()) : write_map(v.as_map());
        ++depth_left_;
        return done;
    }

private:
    using scope = typename Writer::scope;

    bool write_nested(const shape& s, const void* o) {
        switch (s.kind) {
            case kind::array:
            case kind::vector: return write_sequence(*s.sequence, o);
            case kind::map: return write_map(*s.map, o);
            case kind::variant: return write_variant(*s.variant, o);
            case kind::tuple: return write_tuple(*s.tuple, o);
            case kind::structure: return write_struct(*s.structure, o);
            default: return write(*static_cast<const value*>(o));
        }
    }

    bool write_struct(const struct_ops& ops, const void* o) {
        std::size_t count = 0;
        for (std::size_t i = 0; i < ops.count; ++i) count += !is_left_out(ops.members[i], o);
        scope s;
        if (!w_.begin_map(s, count)) return false;
        for (std::size_t i = 0; i < ops.count; ++i) {
            const member& m = ops.members[i];
            if (is_left_out(m, o)) continue;
            w_.name(s, m.name, m.name_size);
            if (!write(*m.type, at_offset(o, m.offset)))
                return trouble_.in_member({m.name, m.name_size});
        }
        return w_.end_map(s);
    }

    // Empty optional members are not written.
    static bool is_left_out(const member& m, const void* o) {
        return m.type->kind == kind::optional &&
               m.type->optional->get(at_offset(o, m.offset)) == nullptr;
    }

    bool write_sequence(const sequence_ops& ops, const void* o) {
        const std::size_t n = ops.size(o);
        scope s;
        if (!w_.begin_array(s, n)) return false;
        if (ops.get_bool != nullptr) {
            for (std::size_t i = 0; i < n; ++i) w_.element(s), w_.boolean(ops.get_bool(o, i));
            return w_.end_array(s);
        }
        const void* element = ops.data(o);
        switch (ops.element->kind) {
            case kind::float64: return write_run<double>(s, element, n) && w_.end_array(s);
            case kind::float32: return write_run<float>(s, element, n) && w_.end_array(s);
            case kind::int32: return write_run<std::int32_t>(s, element, n) && w_.end_array(s);
            case kind::int64: return write_run<std::int64_t>(s, element, n) && w_.end_array(s);
            default: break;
        }
        for (std::size_t i = 0; i < n; ++i, element = at_offset(element, ops.element->size)) {
            w_.element(s);
            if (!write(*ops.element, element)) return trouble_.in_element(i);
        }
        return w_.end_array(s);
    }

    template <class T>
    bool write_run(scope& s, const void* elements, std::size_t n) {
        if constexpr (requires { w_.template run<T>(s, elements, n); }) {
            w_.template run<T>(s, elements, n);
            return true;
        } else {
            return write_one_by_one<T>(s, elements, n);
        }
    }
    template <class T>
    bool write_one_by_one(scope& s, const void* elements, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) {
            const T element = load<T>(at_offset(elements, i * sizeof(T)));
            w_.element(s);
            bool done = true;
            if constexpr (std::is_same_v<T, double>) done = w_.float64(element);
            else if constexpr (std::is_same_v<T, float>) done = w_.float32(element);
            else done = w_.int64(element);
            if (!done) return trouble_.in_element(i);
        }
        return true;
    }

    bool write_map(const map_ops& ops, const void* o) {
        struct context {
            encoder& self;
            const map_ops& ops;
            scope map_scope;
        } all{*this, ops, {}};
        if (!w_.begin_map(all.map_scope, ops.size(o))) return false;
        const auto visit = [](void* p, const void* k, const void* mapped) {
            auto& c = *static_cast<context*>(p);
            if (!c.self.write_key(c.map_scope, *c.ops.key, k)) return false;
            if (c.self.write(*c.ops.mapped, mapped)) return true;
            return c.self.trouble_.in_entry(key_text(*c.ops.key, k));
        };
        return ops.for_each(o, &all, visit) && w_.end_map(all.map_scope);
    }

    bool write_key(scope& s, const shape& type, const void* k) {
        switch (type.kind) {
            case kind::string:
                return w_.key(s, std::string_view(*static_cast<const std::string*>(k)));
            case kind::enumeration: {
                const enumerator* e = find_enumerator(*type.enumeration, k);
                if (e == nullptr) return trouble_.invalid("a key is no listed enumerator");
                return w_.key(s, std::string_view(e->name, e->name_size));
            }
            default: break;
        }
        if (is_signed(type.kind)) return w_.key(s, load_integer(type.kind, k));
        return w_.key(s, static_cast<std::uint64_t>(load_integer(type.kind, k)));
    }

    bool write_tuple(const tuple_ops& ops, const void* o) {
        scope s;
        if (!w_.begin_array(s, ops.count)) return false;
        for (std::size_t i = 0; i < ops.count; ++i) {
            w_.element(s);
            if (!write(*ops.elements[i].type, ops.elements[i].get(const_cast<void*>(o))))
                return trouble_.in_element(i);
        }
        return w_.end_array(s);
    }

    bool write_variant(const variant_ops& ops, const void* o) {
        const std::size_t index = ops.index(o);
        if (index >= ops.count) return trouble_.invalid("the variant is valueless");
        const alternative& a = ops.alternatives[index];
        if (!ops.tagged || a.type->kind == kind::nothing) return write(*a.type, a.get(o));
        const std::string_view name = a.type->name;
        for (std::size_t i = 0; i < index; ++i)
            if (name == ops.alternatives[i].type->name)
                return trouble_.unsupported("two alternatives of a variant are named " +
                                            quoted(name));
        scope s;
        if (!w_.begin_map(s, 1) || !w_.name(s, name.data(), name.size())) return false;
        if (!write(*a.type, a.get(o))) return trouble_.in_member(name);
        return w_.end_map(s);
    }

    bool write_enum(const enum_ops& ops, const void* o) {
        if (const enumerator* e = find_enumerator(ops, o))
            return w_.string({e->name, e->name_size});
        return trouble_.invalid("no listed enumerator: " +
                                number_text(load_integer(ops.underlying, o)));
    }

    bool write_time(const time_ops& ops, const void* o) {
        timestamp t;
        if (!ops.get(o, t.seconds, t.nanoseconds)) return trouble_.invalid("time out of range");
        return w_.time(t);
    }

    bool write_duration(const time_ops& ops, const void* o) {
        timestamp t;
        if (!ops.get(o, t.seconds, t.nanoseconds)) return trouble_.invalid("duration out of range");
        if (t.nanoseconds == 0) return w_.int64(t.seconds);
        return w_.float64(to_double(t));
    }

    bool write_array(const value::array& elements) {
        scope s;
        if (!w_.begin_array(s, elements.size())) return false;
        for (std::size_t i = 0; i < elements.size(); ++i) {
            w_.element(s);
            if (!write(elements[i])) return trouble_.in_element(i);
        }
        return w_.end_array(s);
    }

    bool write_map(const value::map& entries) {
        scope s;
        if (!w_.begin_map(s, entries.size())) return false;
        for (const auto& [k, v] : entries) {
            if (!w_.value_key(s, k)) return false;
            if (!write(v)) return k.is_string() ? trouble_.in_entry(k.as_string()) : false;
        }
        return w_.end_map(s);
    }

    Writer& w_;
    coding::trouble& trouble_;
    unsigned depth_left_ = deepest;
};

}  // namespace tenon::inline v0::coding
