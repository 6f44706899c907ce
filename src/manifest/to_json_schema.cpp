// A manifest as JSON Schema: how arguments, results and types look in JSON.

#include <cfloat>

#include "manifest/model.hpp"
#include "tenon/manifest.hpp"

namespace tenon::inline v0 {
namespace manifests {
namespace {

value object_of(std::string_view key, value v) { return value::object({{key, std::move(v)}}); }
value of_type(std::string_view type) { return object_of("type", type); }

class schema {
public:
    explicit schema(const model& m) : model_(m) {}

    value write() {
        std::string title(model_.publisher);
        title.append(title.empty() ? "" : "/").append(model_.service).append(" ");
        value all = value::object({{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                                   {"title", title.append(model_.version)}});
        if (!model_.purpose.empty()) all["description"] = model_.purpose;
        value defs = value::map();
        for (const std::vector<member>* members : {&model_.members, &model_.operations})
            for (const member& m : *members)
                if (m.is_known()) write(m, defs);
        for (const type* t : model_.shapes) defs[t->name] = write(*t->shape);
        all["$defs"] = std::move(defs);
        return all;
    }

private:
    void write(const member& m, value& defs) {
        const std::string name(m.name);
        value params = arguments(m);
        if (!m.doc.empty()) params["description"] = m.doc;
        defs[name + ".params"] = std::move(params);
        if (m.is_source()) defs[name + ".value"] = write(*m.down.value->shape);
        if (m.is_sink()) defs[name + ".value"] = write(*m.up.value->shape);
        if (m.is_channel()) {
            defs[name + ".up"] = write(*m.up.value->shape);
            defs[name + ".down"] = write(*m.down.value->shape);
        }
        if (m.result != nullptr) defs[name + ".result"] = write(*m.result->shape);
        for (const declared_error& e : m.errors)
            defs[name + ".error." + std::string(e.name)] =
                e.data == nullptr ? value(true) : write(*e.data->shape);
    }

    // By position, by name, or, of one parameter, its value as it is.
    value arguments(const member& m) {
        value::array positions;
        value::array required;
        value properties = value::map();
        std::size_t least = 0;
        for (const param& p : m.params) {
            value s = write(*p.type->shape);
            if (s.is_map() && !p.doc.empty()) s["description"] = p.doc;
            if (s.is_map() && p.default_value != nullptr) s["default"] = *p.default_value;
            positions.push_back(s);
            properties[p.name] = std::move(s);
            if (p.optional || p.default_value != nullptr) continue;
            required.emplace_back(p.name);
            least = positions.size();
        }
        value array = of_type("array");
        if (!positions.empty()) array["prefixItems"] = std::move(positions);
        array["items"] = false;
        if (least != 0) array["minItems"] = least;
        value map = value::object({{"type", "object"},
                                   {"properties", std::move(properties)},
                                   {"additionalProperties", false}});
        if (!required.empty()) map["required"] = std::move(required);
        value::array ways{std::move(array), std::move(map)};
        if (m.params.empty()) ways.push_back(of_type("null"));
        if (m.params.size() == 1)
            ways.push_back(object_of("allOf", value::list({write(*m.params[0].type->shape),
                                                           object_of("not", of_type("array"))})));
        return object_of("anyOf", std::move(ways));
    }

    value write(const value& shape) {
        if (shape.is_string()) return write_word(shape.as_string());
        value s = write_map(shape);
        const value* doc = shape.find("doc");
        if (doc != nullptr && doc->is_string() && s.is_map()) s["description"] = *doc;
        return s;
    }

    value write_word(std::string_view word) {
        if (word.starts_with('#') && model_.content["shapes"].find(word.substr(1)) != nullptr)
            return object_of("$ref", "#/$defs/" + std::string(word.substr(1)));
        if (word.ends_with('?'))
            return object_of("anyOf", value::list({of_type("null"),
                                                   write_word(word.substr(0, word.size() - 1))}));
        if (word == "nil") return of_type("null");
        if (word == "bool") return of_type("boolean");
        if (word == "int")
            return value::object(
                {{"type", "integer"}, {"minimum", INT64_MIN}, {"maximum", INT64_MAX}});
        if (word == "float" || word == "number") return of_type("number");
        if (word == "string" || word == "array") return of_type(word);
        if (word == "map") return of_type("object");
        if (word == "bytes")
            return value::object({{"type", "string"}, {"contentEncoding", "base64"}});
        if (word == "time") return value::object({{"type", "string"}, {"format", "date-time"}});
        return true;  // any, and what has no form of its own in JSON
    }

    value write_map(const value& shape) {
        const std::string& is = shape["is"].as_string();
        if (is == "enum") return object_of("enum", shape["of"]);
        if (is == "const") return object_of("const", shape["value"]);
        if (is == "union") return object_of("anyOf", write_all(shape["of"]));
        if (is == "array") return write_array(shape);
        if (is == "map") return write_object(shape);
        if (is == "string") return write_string(shape);
        if (is == "bytes") return write_bytes(shape);
        if (is == "gene") return true;
        value s = of_type(is == "int" ? "integer" : "number");
        if (const value* least = shape.find("min")) s["minimum"] = *least;
        if (const value* most = shape.find("max")) s["maximum"] = *most;
        if (shape.find("bits") != nullptr && shape["bits"] == value(32))
            s["minimum"] = -double{FLT_MAX}, s["maximum"] = double{FLT_MAX};
        if (shape.find("unit") != nullptr && shape["unit"] == value("s"))
            s["description"] = "seconds";
        return s;
    }

    value write_all(const value& shapes) {
        value::array all;
        for (const value& s : shapes.as_array()) all.push_back(write(s));
        return all;
    }

    value write_array(const value& shape) {
        value s = of_type("array");
        if (const value* items = shape.find("items"); items != nullptr && items->size() != 0) {
            s["prefixItems"] = write_all(*items);
            s["items"] = false;
        } else if (const value* of = shape.find("of")) {
            s["items"] = write(*of);
        }
        if (const value* least = shape.find("min")) s["minItems"] = *least;
        if (const value* most = shape.find("max")) s["maxItems"] = *most;
        return s;
    }

    value write_object(const value& shape) {
        value s = of_type("object");
        value::array required;
        const value* fields = shape.find("fields");
        const value* optional = shape.find("optional");
        const auto may_be_missing = [&](const value& name) {
            if (optional == nullptr) return false;
            for (const value& o : optional->as_array())
                if (o == name) return true;
            return false;
        };
        if (fields != nullptr && fields->size() != 0) {
            value properties = value::map();
            for (const auto& [name, of] : fields->as_map()) {
                properties[name.as_string()] = write(of);
                if (!may_be_missing(name)) required.push_back(name);
            }
            s["properties"] = std::move(properties);
        }
        if (!required.empty()) s["required"] = std::move(required);
        if (const value* keys = shape.find("keys")) s["propertyNames"] = key(*keys);
        if (const value* extra = shape.find("extra"))
            s["additionalProperties"] = extra->is_bool() ? *extra : write(*extra);
        return s;
    }

    // Keys are text in JSON.
    value key(const value& shape) {
        value s = write(shape);
        const value* type = s.is_map() ? s.find("type") : nullptr;
        const bool number =
            type != nullptr && (*type == value("integer") || *type == value("number"));
        if (number || (type != nullptr && *type == value("boolean")))
            return object_of("pattern", "^-?[0-9]+$");
        return s;
    }

    // Lengths are in bytes there and in characters here, of which there are not more.
    value write_string(const value& shape) {
        value s = of_type("string");
        if (const value* most = shape.find("max")) s["maxLength"] = *most;
        if (const value* match = shape.find("match"))
            s["pattern"] = "^(?:" + match->as_string() + ")$";
        return s;
    }

    // With or without padding.
    value write_bytes(const value& shape) {
        value s = write_word("bytes");
        const value* least = shape.find("min");
        const value* most = shape.find("max");
        constexpr std::int64_t large = std::int64_t{1} << 40;
        const auto size = [](const value* v) {
            const auto* n = v == nullptr ? nullptr : v->get_if<std::int64_t>();
            return n != nullptr && *n >= 0 && *n < large ? n : nullptr;
        };
        if (const auto* n = size(least)) s["minLength"] = (*n * 4 + 2) / 3;
        if (const auto* n = size(most)) s["maxLength"] = (*n + 2) / 3 * 4;
        return s;
    }

    const model& model_;
};

}  // namespace
}  // namespace manifests

value to_json_schema(const manifest& m) { return manifests::schema(m.model()).write(); }

}  // namespace tenon::inline v0
