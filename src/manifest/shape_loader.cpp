// The part of loader that reads shapes.

#include <algorithm>

#include "manifest/limits.hpp"
#include "manifest/loader.hpp"

namespace tenon::inline v0::manifests {
namespace {

struct integer_range {
    kind is;
    std::int64_t least;
    std::uint64_t most;
};
constexpr integer_range integer_ranges[] = {
    {kind::int8, INT8_MIN, INT8_MAX},    {kind::int16, INT16_MIN, INT16_MAX},
    {kind::int32, INT32_MIN, INT32_MAX}, {kind::int64, INT64_MIN, INT64_MAX},
    {kind::uint8, 0, UINT8_MAX},         {kind::uint16, 0, UINT16_MAX},
    {kind::uint32, 0, UINT32_MAX},       {kind::uint64, 0, UINT64_MAX},
};

constexpr std::pair<std::string_view, kind> words[] = {
    {"any", kind::dynamic},    {"nil", kind::nothing},   {"bool", kind::boolean},
    {"int", kind::int64},      {"float", kind::float64}, {"number", kind::float64},
    {"string", kind::string},  {"bytes", kind::bytes},   {"time", kind::time_point},
    {"symbol", kind::dynamic}, {"gene", kind::dynamic},  {"date", kind::dynamic},
    {"array", kind::vector},   {"map", kind::map},
};

const value& any_shape() {
    static const value any("any");
    return any;
}

bool is_key(kind k) {
    return (k >= kind::boolean && k <= kind::uint64) || k == kind::string || k == kind::enumeration;
}

}  // namespace

look look_of(const type& t) noexcept {
    switch (t.real().kind) {
        case kind::nothing: return look::nothing;
        case kind::boolean: return look::boolean;
        case kind::string:
        case kind::string_view:
        case kind::bytes:
        case kind::bytes_view:
        case kind::enumeration:
        case kind::time_point: return look::text;
        case kind::array:
        case kind::vector:
        case kind::tuple: return look::array;
        case kind::map:
        case kind::structure: return look::map;
        case kind::optional:
        case kind::variant:
        case kind::dynamic: return look::any;
        default: return look::number;
    }
}

type* loader::new_type(const value& shape) {
    type& t = model_.types_.emplace_back();
    t.shape = &shape;
    return &t;
}

const type* loader::load_shape_of(const value& from, std::string_view name) {
    const type* t = load_shape(*from.find(name));
    if (t == nullptr) trouble_.in_member(name);
    return t;
}

const type* loader::load_shape(const value& v) {
    if (v.is_string() && v.as_string().starts_with('#')) {
        const auto found = named_.find(std::string_view(v.as_string()).substr(1));
        if (found != named_.end()) return found->second;
    }
    if (model_.types_.size() >= most_types) return trouble_.invalid("too many shapes"), nullptr;
    type* t = new_type(v);
    return fill(*t) ? t : nullptr;
}

bool loader::fill(type& t) {
    const value& v = *t.shape;
    if (v.is_string()) return fill_word(t, v.as_string());
    if (!v.is_map()) return expected("a shape", v);
    std::string_view is;
    if (!get(v, "is", is, true)) return false;
    if (is == "int") return fill_integer(t);
    if (is == "float" || is == "number") return fill_real(t);
    if (is == "string" || is == "bytes") return fill_text(t);
    if (is == "enum") return fill_enum(t);
    if (is == "array") return fill_array(t);
    if (is == "map") return fill_map(t);
    if (is == "gene") return fill_gene(t);
    if (is == "union") return fill_union(t);
    if (is == "const") return v.find("value") != nullptr || missing("value");
    return trouble_.invalid("unknown shape " + coding::quoted(is)) || trouble_.in_member("is");
}

bool loader::fill_word(type& t, std::string_view word) {
    if (word.starts_with('#')) {
        const auto found = named_.find(word.substr(1));
        if (found != named_.end()) return t.same_as = found->second, true;
    }
    if (word.ends_with('?') && !word.ends_with("??")) {
        type* element = new_type(*t.shape);
        t.kind = kind::optional;
        t.element = element;
        return fill_word(*element, word.substr(0, word.size() - 1));
    }
    const auto known = std::find_if(std::begin(words), std::end(words),
                                    [&](const auto& w) { return w.first == word; });
    if (known == std::end(words)) return trouble_.invalid("unknown shape " + coding::quoted(word));
    t.kind = known->second;
    t.word = known->first;
    if (t.kind == kind::vector || t.kind == kind::map) t.element = load_shape(any_shape());
    return true;
}

bool loader::get_bound(const value& from, std::string_view name, const value*& bound) {
    bound = from.find(name);
    if (bound == nullptr || bound->is_number()) return true;
    return expected("number", *bound) || trouble_.in_member(name);
}

bool loader::fill_integer(type& t) {
    const value* least = nullptr;
    const value* most = nullptr;
    if (!get_bound(*t.shape, "min", least) || !get_bound(*t.shape, "max", most)) return false;
    t.kind = kind::int64;
    if (most != nullptr && most->type() == value::type::uint64) t.kind = kind::uint64;
    if (least == nullptr || most == nullptr) return true;
    for (const integer_range& r : integer_ranges)
        if (*least == value(r.least) && *most == value(r.most)) t.kind = r.is;
    return true;
}

bool loader::fill_real(type& t) {
    const value* bound = nullptr;
    if (!get_bound(*t.shape, "min", bound) || !get_bound(*t.shape, "max", bound) ||
        !get_bound(*t.shape, "bits", bound))
        return false;
    t.kind = bound != nullptr && *bound == value(32) ? kind::float32 : kind::float64;
    const value* unit = t.shape->find("unit");
    if (unit != nullptr && *unit == value("s")) t.kind = kind::duration;
    return true;
}

bool loader::fill_text(type& t) {
    const value* least = nullptr;
    const value* most = nullptr;
    std::string_view match;
    if (!get_bound(*t.shape, "min", least) || !get_bound(*t.shape, "max", most) ||
        !get(*t.shape, "match", match, false))
        return false;
    t.kind = (*t.shape)["is"] == value("bytes") ? kind::bytes : kind::string;
    const auto* size = most == nullptr ? nullptr : most->get_if<std::int64_t>();
    if (t.kind == kind::bytes && size != nullptr && *size > 0 && least != nullptr &&
        *least == *most)
        t.count = static_cast<std::size_t>(*size);
    return true;
}

bool loader::fill_enum(type& t) {
    const value* of = t.shape->find("of");
    if (of == nullptr) return missing("of");
    if (!of->is_array()) return expected("an array", *of) || trouble_.in_member("of");
    const auto& all = of->as_array();
    if (all.size() > most_alternatives) return trouble_.invalid("too many values of an enum");
    for (const value& word : all)
        if (word.is_string()) t.names.emplace_back(word.as_string());
    if (t.names.size() == all.size() && !all.empty()) t.kind = kind::enumeration;
    const value* numbers = t.shape->find("numbers");
    if (numbers == nullptr) return true;
    if (!numbers->is_array() || numbers->size() != all.size())
        return expected("as many numbers as names", *numbers) || trouble_.in_member("numbers");
    for (const value& n : numbers->as_array()) {
        if (!n.is_integer()) return expected("number", n) || trouble_.in_member("numbers");
        t.numbers.push_back(&n);
    }
    return true;
}

bool loader::fill_array(type& t) {
    const value* least = nullptr;
    const value* most = nullptr;
    if (!get_bound(*t.shape, "min", least) || !get_bound(*t.shape, "max", most)) return false;
    const value* of = t.shape->find("of");
    t.kind = kind::vector;
    t.element = of == nullptr ? load_shape(any_shape()) : load_shape_of(*t.shape, "of");
    if (t.element == nullptr) return false;
    const auto* count = most == nullptr ? nullptr : most->get_if<std::int64_t>();
    if (count == nullptr || *count < 0 || least == nullptr || *least != *most) return true;
    t.count = static_cast<std::size_t>(*count);
    if (t.count != 0) t.kind = kind::array;
    const value* items = t.shape->find("items");
    if (items == nullptr) return true;
    if (!items->is_array() || items->size() != t.count)
        return expected("an array of that many shapes", *items) || trouble_.in_member("items");
    t.kind = kind::tuple;
    const auto& all = items->as_array();
    for (std::size_t i = 0; i < all.size(); ++i) {
        t.items.push_back(load_shape(all[i]));
        if (t.items.back() == nullptr) return trouble_.in_element(i) || trouble_.in_member("items");
    }
    return true;
}

bool loader::fill_fields(const value& from, std::string_view name, std::vector<field>& fields) {
    const value* all = from.find(name);
    if (all == nullptr) return true;
    if (!all->is_map()) return expected("a map", *all) || trouble_.in_member(name);
    if (all->size() > most_fields) return trouble_.invalid("too many fields");
    for (const auto& [key, shape] : all->as_map()) {
        const type* t = load_shape(shape);
        if (t == nullptr) return trouble_.in_member(key.as_string()) || trouble_.in_member(name);
        fields.push_back({key.as_string(), t, false});
    }
    const value* optional = from.find("optional");
    if (optional == nullptr) return true;
    if (!optional->is_array())
        return expected("an array", *optional) || trouble_.in_member("optional");
    for (const value& word : optional->as_array()) {
        const auto known = std::find_if(fields.begin(), fields.end(), [&](const field& f) {
            return word.is_string() && f.name == word.as_string();
        });
        if (known == fields.end())
            return expected("a field", word) || trouble_.in_member("optional");
        known->may_be_missing = true;
    }
    return true;
}

bool loader::fill_map(type& t) {
    if (!fill_fields(*t.shape, "fields", t.fields)) return false;
    const value* extra = t.shape->find("extra");
    const type* mapped = nullptr;
    if (extra != nullptr && !extra->is_bool()) {
        mapped = load_shape_of(*t.shape, "extra");
        if (mapped == nullptr) return false;
    }
    if (t.shape->find("keys") != nullptr) {
        t.key = load_shape_of(*t.shape, "keys");
        if (t.key == nullptr) return false;
    }
    const bool plain = mapped == nullptr && (!t.fields.empty() || !t.name.empty());
    t.kind = plain || !t.fields.empty() ? kind::structure : kind::map;
    t.element = mapped != nullptr || plain ? mapped : load_shape(any_shape());
    return true;
}

bool loader::fill_gene(type& t) {
    std::string_view name;
    std::vector<field> props;
    if (!get(*t.shape, "name", name, true) || !fill_fields(*t.shape, "props", props)) return false;
    if (t.shape->find("rest") != nullptr && load_shape_of(*t.shape, "rest") == nullptr)
        return false;
    const value* children = t.shape->find("children");
    if (children == nullptr) return true;
    if (!children->is_array())
        return expected("an array", *children) || trouble_.in_member("children");
    const auto& all = children->as_array();
    for (std::size_t i = 0; i < all.size(); ++i)
        if (load_shape(all[i]) == nullptr)
            return trouble_.in_element(i) || trouble_.in_member("children");
    return true;
}

bool loader::fill_union(type& t) {
    const value* of = t.shape->find("of");
    if (of == nullptr) return missing("of");
    if (!of->is_array()) return expected("an array", *of) || trouble_.in_member("of");
    const auto& all = of->as_array();
    if (all.size() > most_alternatives) return trouble_.invalid("too many alternatives of a union");
    t.kind = kind::variant;
    for (std::size_t i = 0; i < all.size(); ++i) {
        t.items.push_back(load_shape(all[i]));
        if (t.items.back() == nullptr) return trouble_.in_element(i) || trouble_.in_member("of");
    }
    t.tagged = as_tagged(t);
    // What a std::optional of a type without a word, or of another one, looks like.
    const auto has_word = [](const value& v) {
        return v.is_string() && !v.as_string().ends_with('?');
    };
    if (!t.tagged && all.size() == 2 && all[0] == value("nil") && !has_word(all[1])) {
        t.kind = kind::optional;
        t.element = t.items[1];
    }
    return true;
}

// Every alternative but nil is a map of one member and nothing else.
bool loader::as_tagged(type& t) {
    std::vector<const type*> items = t.items;
    std::vector<std::string_view> tags;
    bool any = false;
    for (const type*& item : items) {
        const value* extra = item->shape->is_map() ? item->shape->find("extra") : nullptr;
        const bool one = item->kind == kind::structure && item->fields.size() == 1 &&
                         !item->fields[0].may_be_missing && item->name.empty();
        if (one && extra != nullptr && *extra == value(false)) {
            tags.push_back(item->fields[0].name);
            item = item->fields[0].type;
            any = true;
        } else if (item->kind == kind::nothing && item->same_as == nullptr) {
            tags.emplace_back();
        } else {
            return false;
        }
    }
    if (any) t.items = std::move(items), t.tags = std::move(tags);
    return any;
}

// Alternatives that look alike cannot be told apart: anything goes.
void loader::settle_union(type& t) {
    std::vector<look> looks;
    for (const type* item : t.items) {
        const look l = look_of(*item);
        if (l == look::any || std::find(looks.begin(), looks.end(), l) != looks.end()) {
            t.kind = kind::dynamic;
            return;
        }
        looks.push_back(l);
    }
}

bool loader::check_nesting() {
    for (const type& t : model_.types_) {
        unsigned height = 0;
        if (!measure(t, most_nested_names, height)) return false;
    }
    // Unions of unions look like anything; so none has to be settled before another.
    for (type& t : model_.types_) {
        if (t.kind == kind::variant && !t.tagged) settle_union(t);
        if (t.kind == kind::map && t.key != nullptr && !is_key(t.key->real().kind))
            t.kind = kind::dynamic;
    }
    return true;
}

// Types that are one another, or may be, without anything around: their number is limited, so that
// reading by them ends.
bool loader::measure(const type& t, unsigned levels_left, unsigned& height) {
    if (levels_left == 0) return trouble_.invalid("shapes nested too deep");
    const auto [known, fresh] = heights_.try_emplace(&t, 0);
    if (!fresh) {
        if (known->second == 0)
            return trouble_.invalid("shape " + coding::quoted(t.name) + " is nothing but itself");
        return height = known->second, true;
    }
    unsigned most = 0;
    const auto look_into = [&](const type* inner) {
        unsigned h = 0;
        if (inner != nullptr && !measure(*inner, levels_left - 1, h)) return false;
        most = std::max(most, h);
        return true;
    };
    if (!look_into(t.same_as) || (t.kind == kind::optional && !look_into(t.element))) return false;
    if (t.kind == kind::variant && !t.tagged)
        for (const type* item : t.items)
            if (!look_into(item)) return false;
    if (most >= levels_left) return trouble_.invalid("shapes nested too deep");
    heights_[&t] = height = most + 1;
    return true;
}

}  // namespace tenon::inline v0::manifests
