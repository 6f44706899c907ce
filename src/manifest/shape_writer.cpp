#include "manifest/shape_writer.hpp"

#include <limits>

namespace tenon::inline v0::manifests {
namespace {

template <class T>
value integer() {
    return value::object({{"is", "int"},
                          {"min", std::numeric_limits<T>::min()},
                          {"max", std::numeric_limits<T>::max()}});
}

value write_bytes(const bytes_ops& ops) {
    if (ops.count == 0) return "bytes";
    return value::object({{"is", "bytes"}, {"min", ops.count}, {"max", ops.count}});
}

value write_enum(const enum_ops& ops) {
    value::array names;
    value::array numbers;
    for (std::size_t i = 0; i < ops.count; ++i) {
        const enumerator& e = ops.enumerators[i];
        names.emplace_back(std::string_view(e.name, e.name_size));
        if (ops.underlying == kind::uint64)
            numbers.emplace_back(static_cast<std::uint64_t>(e.number));
        else numbers.emplace_back(e.number);
    }
    return value::object(
        {{"is", "enum"}, {"of", std::move(names)}, {"numbers", std::move(numbers)}});
}

value array_of(value element, std::size_t count) {
    value v = value::object({{"is", "array"}, {"of", std::move(element)}});
    if (count != 0) v["min"] = count, v["max"] = count;
    return v;
}

}  // namespace

value shape_writer::write(const shape& s) {
    switch (s.kind) {
        case kind::nothing: return "nil";
        case kind::boolean: return "bool";
        case kind::int8: return integer<std::int8_t>();
        case kind::int16: return integer<std::int16_t>();
        case kind::int32: return integer<std::int32_t>();
        case kind::int64: return "int";
        case kind::uint8: return integer<std::uint8_t>();
        case kind::uint16: return integer<std::uint16_t>();
        case kind::uint32: return integer<std::uint32_t>();
        case kind::uint64: return integer<std::uint64_t>();
        case kind::float32: return value::object({{"is", "number"}, {"bits", 32}});
        case kind::float64: return "number";
        case kind::string:
        case kind::string_view: return "string";
        case kind::bytes: return write_bytes(*s.bytes);
        case kind::bytes_view: return "bytes";
        case kind::array: return array_of(write(*s.sequence->element), s.sequence->count);
        case kind::vector: return array_of(write(*s.sequence->element), 0);
        case kind::variant: return write_variant(*s.variant);
        case kind::time_point: return "time";
        case kind::duration: return value::object({{"is", "number"}, {"unit", "s"}});
        case kind::dynamic: return "any";
        case kind::indirect: return write(*s.indirect->element);
        case kind::structure:
        case kind::enumeration: return write_named(s);
        case kind::optional: {
            value element = write(*s.optional->element);
            if (element.is_string() && !element.as_string().ends_with('?'))
                return element.as_string() + "?";
            return value::object(
                {{"is", "union"}, {"of", value::list({"nil", std::move(element)})}});
        }
        case kind::map: {
            value v = value::object({{"is", "map"}, {"fields", value::map()}});
            v["extra"] = write(*s.map->mapped);
            if (s.map->key->kind != kind::string) v["keys"] = write(*s.map->key);
            return v;
        }
        case kind::tuple: {
            value v = array_of("any", s.tuple->count);
            v["min"] = v["max"] = s.tuple->count;
            value& items = v["items"] = value::array();
            for (std::size_t i = 0; i < s.tuple->count; ++i)
                items.as_array().push_back(write(*s.tuple->elements[i].type));
            return v;
        }
    }
    return "any";
}

value shape_writer::write_named(const shape& s) {
    const auto known = names_.find(&s);
    if (known != names_.end()) return "#" + known->second;
    const std::string name = name_for(s);
    names_.emplace(&s, name);
    shapes_[name] = nullptr;  // its place in the order
    value content =
        s.kind == kind::enumeration ? write_enum(*s.enumeration) : write_structure(*s.structure);
    shapes_[name] = std::move(content);
    return "#" + name;
}

value shape_writer::write_structure(const struct_ops& ops) {
    value fields = value::map();
    value::array may_be_missing;
    for (std::size_t i = 0; i < ops.count; ++i) {
        const member& m = ops.members[i];
        const std::string_view name(m.name, m.name_size);
        fields[name] = write(*m.type);
        if (m.may_be_missing) may_be_missing.emplace_back(name);
    }
    value v = value::object({{"is", "map"}, {"fields", std::move(fields)}});
    if (!may_be_missing.empty()) v["optional"] = std::move(may_be_missing);
    return v;
}

value shape_writer::write_variant(const variant_ops& ops) {
    value::array alternatives;
    for (std::size_t i = 0; i < ops.count; ++i) {
        const shape& s = *ops.alternatives[i].type;
        value content = write(s);
        if (ops.tagged && s.kind != kind::nothing)
            content = value::object({{"is", "map"},
                                     {"fields", value::object({{s.name, std::move(content)}})},
                                     {"extra", false}});
        alternatives.push_back(std::move(content));
    }
    return value::object({{"is", "union"}, {"of", std::move(alternatives)}});
}

// "box<int>" is box_int; a second type of a name gets _2.
std::string shape_writer::name_for(const shape& s) const {
    std::string name;
    for (const char c : std::string_view(s.name)) {
        const bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (plain) name += c;
        else if (!name.ends_with('_')) name += '_';
    }
    while (name.size() > 1 && name.ends_with('_') && !std::string_view(s.name).ends_with('_'))
        name.pop_back();
    std::string unique = name;
    for (int i = 2; shapes_.find(unique) != nullptr; ++i) unique = name + "_" + std::to_string(i);
    return unique;
}

}  // namespace tenon::inline v0::manifests
