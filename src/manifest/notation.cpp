#include "manifest/notation.hpp"

#include "tenon/codec.hpp"
#include "tenon/shape.hpp"

namespace tenon::inline v0::manifests {
namespace {

template <class Range, class Write>
std::string join(const Range& all, std::string_view between, Write write) {
    std::string s;
    for (const auto& one : all) s.append(s.empty() ? "" : between).append(write(one));
    return s;
}

std::string word_of(const type& t) {
    if (t.kind == kind::float64) return "number";
    return t.kind == kind::nothing   ? "nil"
           : t.kind == kind::boolean ? "bool"
                                     : name_of_kind(t.kind);
}

// What stands for something that only another product's manifest says.
std::string shape_text(const value& shape) {
    const std::string& is = shape["is"].as_string();
    if (is == "const") return printable(tenon::to_json(shape["value"]));
    if (is == "gene") return "(" + printable(shape["name"].as_string()) + " …)";
    if (is != "union") return is;
    return "any of " + std::to_string(shape["of"].size());
}

std::string alternatives(const type& t) {
    std::string s;
    for (std::size_t i = 0; i < t.items.size(); ++i) {
        s += i == 0 ? "" : " | ";
        const bool tagged = t.tagged && !t.tags[i].empty();
        if (tagged) s.append("{").append(printable(t.tags[i])).append(": ");
        s.append(notation(*t.items[i])).append(tagged ? "}" : "");
    }
    return s;
}

}  // namespace

const char* name_of_kind(kind k) noexcept {
    switch (k) {
        case kind::int8: return shape_of<std::int8_t>().name;
        case kind::int16: return shape_of<std::int16_t>().name;
        case kind::int32: return shape_of<std::int32_t>().name;
        case kind::int64: return shape_of<std::int64_t>().name;
        case kind::uint8: return shape_of<std::uint8_t>().name;
        case kind::uint16: return shape_of<std::uint16_t>().name;
        case kind::uint32: return shape_of<std::uint32_t>().name;
        case kind::uint64: return shape_of<std::uint64_t>().name;
        case kind::nothing: return shape_of<void>().name;
        case kind::boolean: return shape_of<bool>().name;
        case kind::float32: return shape_of<float>().name;
        case kind::float64: return shape_of<double>().name;
        case kind::string:
        case kind::string_view: return shape_of<std::string>().name;
        case kind::bytes:
        case kind::bytes_view: return shape_of<bytes>().name;
        case kind::optional: return shape_of<std::optional<bool>>().name;
        case kind::map: return "map";
        case kind::variant: return shape_of<std::variant<bool>>().name;
        case kind::tuple: return shape_of<std::tuple<>>().name;
        case kind::enumeration: return "enumeration";
        case kind::time_point: return shape_of<std::chrono::system_clock::time_point>().name;
        case kind::duration: return shape_of<std::chrono::seconds>().name;
        case kind::structure: return "structure";
        case kind::dynamic: return shape_of<value>().name;
        case kind::array:
        case kind::vector:
        case kind::indirect: break;
    }
    return shape_of<std::vector<int>>().name;
}

std::string printable(std::string_view text) {
    std::string s;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        // The second half of the control characters are two bytes in UTF-8.
        const bool late =
            c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
        if (late) ++i;
        s += late || c < 0x20 || c == 0x7F ? ' ' : text[i];
    }
    return s;
}

std::string notation(const type& t) {
    if (!t.name.empty()) return std::string(t.name);
    if (t.same_as != nullptr) return notation(*t.same_as);
    switch (t.kind) {
        case kind::dynamic: return t.word.empty() ? shape_text(*t.shape) : std::string(t.word);
        case kind::bytes: return t.count == 0 ? "bytes" : "bytes(" + std::to_string(t.count) + ")";
        case kind::array: return "[" + notation(*t.element) + "; " + std::to_string(t.count) + "]";
        case kind::vector: return "[" + notation(*t.element) + "]";
        case kind::map:
            return "{" + (t.key == nullptr ? "string" : notation(*t.key)) + ": " +
                   notation(*t.element) + "}";
        case kind::optional: {
            const type& element = *t.element;
            const bool many = element.name.empty() && element.kind == kind::variant;
            return (many ? "(" + notation(element) + ")" : notation(element)) + "?";
        }
        case kind::tuple:
            return "(" + join(t.items, ", ", [](const type* item) { return notation(*item); }) +
                   ")";
        case kind::variant: return alternatives(t);
        case kind::enumeration:
        case kind::structure: return definition(t);
        default: return word_of(t);
    }
}

std::string definition(const type& t) {
    if (t.kind == kind::enumeration)
        return join(t.names, " | ", [](std::string_view name) { return printable(name); });
    if (t.kind != kind::structure) {
        type plain = t;
        plain.name = {};
        return notation(plain);
    }
    if (t.fields.empty()) return "{}";
    return "{ " +
           join(t.fields, ", ",
                [](const field& f) {
                    // A type that may be nil is one that may be missing.
                    const bool marked = f.may_be_missing && f.type->real().kind != kind::optional;
                    return printable(f.name) + (marked ? "?: " : ": ") + notation(*f.type);
                }) +
           " }";
}

}  // namespace tenon::inline v0::manifests
