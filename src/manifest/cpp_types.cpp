#include "manifest/cpp_types.hpp"

#include <algorithm>

#include "codec/trouble.hpp"
#include "manifest/cpp_names.hpp"
#include "manifest/notation.hpp"

namespace tenon::inline v0::manifests {
namespace {

// Of a type as it is written out.
constexpr int deepest = 100;
constexpr std::size_t largest = 1'000;
constexpr std::size_t most_written = 100'000;

bool is_defined(const type& t) {
    return !t.name.empty() && (t.kind == kind::structure || t.kind == kind::enumeration);
}

// Alternatives that C++'s std::variant would be tagged for.
bool look_alike(const std::vector<const type*>& items) {
    std::vector<look> looks;
    for (const type* item : items) {
        const look l = look_of(*item);
        if (l == look::any || std::find(looks.begin(), looks.end(), l) != looks.end()) return true;
        looks.push_back(l);
    }
    return false;
}

}  // namespace

void refuse_cpp(const std::string& why) {
    throw failure(error(errc::unsupported, "this manifest has no C++ header: " + why));
}

cpp_types::cpp_types(const model& m, std::string space) : model_(m), space_(std::move(space)) {
    for (const type* t : model_.shapes) {
        measure(*t, deepest);
        for (const field& f : t->fields) measure(*f.type, deepest);
    }
    name_all();
    for (const type* t : model_.shapes) {
        if (!is_defined(*t)) continue;
        check_names(*t);
        std::vector<edge>& edges = edges_[t];
        for (const field& f : t->fields) collect_edges(*f.type, true, edges);
    }
    number_components();
    for (const type* t : model_.shapes)
        if (is_defined(*t)) visit(t);
}

// Names

// A type whose name travels, as an error's or with an alternative, must have just that name.
void cpp_types::name_all() {
    for (const std::vector<member>* all : {&model_.members, &model_.operations}) {
        for (const member& m : *all) {
            for (const declared_error& e : m.errors) {
                if (e.data == nullptr)
                    refuse_cpp("the error " + coding::quoted(e.name) + " has no type");
                const type& data = e.data->real();
                if (is_defined(data)) claim(data, e.name);
                else if (e.name != name_of_kind(data.kind))
                    refuse_cpp("no type is called like the error " + coding::quoted(e.name));
                collect_tags(data);
            }
            for (const param& p : m.params) collect_tags(*p.type);
            for (const type* t : {m.result, m.up.value, m.down.value})
                if (t != nullptr) collect_tags(*t);
        }
    }
    for (const type* t : model_.shapes) collect_tags_within(*t);
}

void cpp_types::claim(const type& t, std::string_view wire_name) {
    const auto [known, fresh] = wire_names_.try_emplace(&t, wire_name);
    if (!fresh && known->second != wire_name)
        refuse_cpp("the type " + std::string(t.name) + " is also called " +
                   coding::quoted(known->second) + " and " + coding::quoted(wire_name));
}

void cpp_types::collect_tags(const type& t) {
    if (!t.name.empty()) return;
    if (t.same_as == nullptr) collect_tags_within(t);
}

void cpp_types::collect_tags_within(const type& t) {
    for (const field& f : t.fields) collect_tags(*f.type);
    if (t.element != nullptr) collect_tags(*t.element);
    for (std::size_t i = 0; i < t.items.size(); ++i) {
        const type& item = t.items[i]->real();
        if (t.tagged && is_defined(item) && !t.tags[i].empty()) claim(item, t.tags[i]);
        collect_tags(item);
    }
}

// A name for something else, such as for an array, is written out wherever it stands.
std::size_t cpp_types::measure(const type& named, int levels_left) {
    const type& t = named.real();
    if (is_defined(t) || (t.element == nullptr && t.items.empty())) return 1;
    if (levels_left == 0) refuse_cpp("its types are nested too deep");
    const auto [known, fresh] = sizes_.try_emplace(&t, 0);
    if (!fresh && known->second == 0) refuse_cpp("the type " + notation(t) + " contains itself");
    if (!fresh) return known->second;
    std::size_t size = 1;
    if (t.key != nullptr) size += measure(*t.key, levels_left - 1);
    if (t.element != nullptr) size += measure(*t.element, levels_left - 1);
    for (const type* item : t.items) size += measure(*item, levels_left - 1);
    if (size > largest) refuse_cpp("the type " + notation(t) + " is too large");
    return sizes_[&t] = size;
}

std::string cpp_types::name(const type& named) const {
    const auto claimed = wire_names_.find(&named);
    return std::string(claimed == wire_names_.end() ? named.name : claimed->second);
}
std::string cpp_types::space(const type& named) const {
    return name(named) == named.name ? std::string() : std::string(named.name);
}

void cpp_types::check_names(const type& t) const {
    const auto check = [&](std::string_view what, std::string_view name) {
        if (!is_cpp_name(name))
            refuse_cpp(std::string(what) + coding::quoted(name) + " of " + std::string(t.name) +
                       " cannot be a name in C++");
    };
    check("the type name ", name(t));
    check("the name ", t.name);
    for (const field& f : t.fields) check("the field ", f.name);
    for (const std::string_view n : t.names) check("the value ", n);
    if (t.fields.size() > 256 || t.names.size() > 256)
        refuse_cpp(std::string(t.name) + " has more than 256 members");
}

// Order

// A vector and a map may be declared of what is only declared.
void cpp_types::collect_edges(const type& named, bool complete, std::vector<edge>& edges) const {
    const type& t = named.real();
    if (is_defined(t)) return edges.push_back({&t, complete || t.kind == kind::enumeration});
    const bool weak = t.kind == kind::vector || t.kind == kind::map;
    if (t.kind == kind::map && t.key != nullptr) collect_edges(*t.key, true, edges);
    if (t.element != nullptr) collect_edges(*t.element, complete && !weak, edges);
    for (const type* item : t.items) collect_edges(*item, complete, edges);
}

// Tarjan's strongly connected components: types that reach one another.
void cpp_types::number_components() {
    std::unordered_map<const type*, std::size_t> low;
    std::unordered_map<const type*, std::size_t> index;
    std::vector<const type*> stack;
    const auto connect = [&](const auto& self, const type* t) -> void {
        const std::size_t own = index.size() + 1;
        index[t] = low[t] = own;
        stack.push_back(t);
        for (const edge& e : edges_[t]) {
            if (!index.contains(e.to)) {
                self(self, e.to);
                low[t] = std::min(low[t], low[e.to]);
            } else if (!component_.contains(e.to)) {
                low[t] = std::min(low[t], index[e.to]);
            }
        }
        if (low[t] != own) return;
        for (const type* member = nullptr; member != t;) {
            member = stack.back();
            stack.pop_back();
            component_[member] = own;
        }
    };
    for (const type* t : model_.shapes)
        if (is_defined(*t) && !index.contains(t)) connect(connect, t);
}

void cpp_types::visit(const type* t) {
    int& state = visited_[t];
    if (state == 2) return;
    if (state == 1) refuse_cpp("the type " + std::string(t->name) + " contains itself");
    state = 1;
    for (const edge& e : edges_[t]) {
        const bool around = component_[e.to] == component_[t];
        if (e.complete || !around) visit(e.to);
        else if (visited_[e.to] == 0 &&
                 std::find(ahead_.begin(), ahead_.end(), e.to) == ahead_.end())
            ahead_.push_back(e.to);
    }
    visited_[t] = 2;
    order_.push_back(t);
}

// Writing

std::string cpp_types::write(const type& t, bool optional,
                             const std::set<std::string_view>& beside) {
    beside_ = &beside;
    const type& real = t.real();
    if (optional && real.kind != kind::optional) {
        headers_.insert("optional");
        return "std::optional<" + write(real) + ">";
    }
    const bool variant = !optional && real.kind == kind::optional &&
                         look_of(*real.element) != look::any &&
                         look_of(*real.element) != look::nothing;
    if (!variant) return write(real);
    headers_.insert("variant");
    return "std::variant<std::monostate, " + write(*real.element) + ">";
}

std::string cpp_types::write_result(const type& t, const std::set<std::string_view>& beside) {
    beside_ = &beside;
    return t.real().kind == kind::nothing ? "void" : write(t);
}

std::string cpp_types::write_field(const type& t, bool optional, std::string_view name,
                                   const std::set<std::string_view>& beside) {
    beside_ = &beside;
    // std::array of octets is bytes: an array of numbers is spelled another way.
    std::string brackets;
    const type* element = &t.real();
    for (; element->kind == kind::array; element = &element->element->real())
        brackets += "[" + std::to_string(element->count) + "]";
    if (!brackets.empty() && element->kind == kind::uint8)
        return write(*element) + " " + std::string(name) + brackets + "{}";

    const type& real = t.real();
    // What may be missing and is not std::optional keeps its default.
    std::string text = real.kind == kind::optional ? write(t, optional, beside) : write(real);
    text.append(1, ' ').append(name);
    if (real.kind == kind::enumeration && !real.names.empty())
        return text + " = " + reference(real) + "::" + std::string(real.names.front());
    const bool plain = real.kind == kind::boolean || look_of(real) == look::number ||
                       real.kind == kind::time_point || real.kind == kind::array ||
                       (real.kind == kind::bytes && real.count != 0);
    return plain ? text + "{}" : text;
}

std::string cpp_types::write(const type& named) {
    if (++written_ > most_written) refuse_cpp("it is too large");
    const type& t = named.real();
    const auto with = [&](std::string_view header, std::string text) {
        headers_.insert(header);
        return text;
    };
    switch (t.kind) {
        case kind::nothing: return with("variant", "std::monostate");
        case kind::boolean: return "bool";
        case kind::float32: return "float";
        case kind::float64: return "double";
        case kind::string:
        case kind::string_view: return with("string", "std::string");
        case kind::bytes_view: return "tenon::bytes";
        case kind::bytes:
            if (t.count == 0) return "tenon::bytes";
            headers_.insert("cstddef");
            return with("array", "std::array<std::byte, " + std::to_string(t.count) + ">");
        case kind::time_point: return with("chrono", "std::chrono::system_clock::time_point");
        case kind::duration: return with("chrono", "std::chrono::nanoseconds");
        case kind::dynamic: return "tenon::value";
        case kind::optional: return with("optional", "std::optional<" + write(*t.element) + ">");
        case kind::array:
        case kind::vector: {
            // Octets in a row would be bytes.
            const bool octets = t.element->real().kind == kind::uint8;
            const std::string element =
                octets ? with("cstdint", "std::uint16_t") : write(*t.element);
            if (t.kind == kind::vector) return with("vector", "std::vector<" + element + ">");
            return with("array", "std::array<" + element + ", " + std::to_string(t.count) + ">");
        }
        case kind::map: {
            const std::string key =
                t.key == nullptr ? with("string", "std::string") : write(*t.key);
            return with("map", "std::map<" + key + ", " + write(*t.element) + ">");
        }
        case kind::tuple: {
            std::string text;
            for (const type* item : t.items)
                text.append(text.empty() ? "" : ", ").append(write(*item));
            return with("tuple", "std::tuple<" + text + ">");
        }
        case kind::variant: return write_variant(t);
        case kind::enumeration:
        case kind::structure: return is_defined(t) ? reference(t) : "tenon::value";
        default: return with("cstdint", "std::" + std::string(name_of_kind(t.kind)) + "_t");
    }
}

// Whether the alternatives would travel in C++ as they do here.
bool cpp_types::is_writable(const type& variant) const {
    if (variant.items.empty() || look_alike(variant.items) != variant.tagged) return false;
    if (!variant.tagged) return true;
    for (std::size_t i = 0; i < variant.items.size(); ++i) {
        const type& item = variant.items[i]->real();
        const bool nil = item.kind == kind::nothing;
        const bool either = item.kind == kind::optional && variant.tags[i] == "variant";
        if (!nil && !either && variant.tags[i] != wire_name(item)) return false;
    }
    return true;
}

std::string cpp_types::wire_name(const type& t) const {
    return is_defined(t) ? name(t) : name_of_kind(t.kind);
}

std::string cpp_types::write_variant(const type& t) {
    if (!is_writable(t)) return "tenon::value";
    std::string text;
    for (std::size_t i = 0; i < t.items.size(); ++i) {
        const type& item = t.items[i]->real();
        const bool either = t.tagged && item.kind == kind::optional && t.tags[i] == "variant";
        text.append(text.empty() ? "" : ", ");
        text += either ? "std::variant<std::monostate, " + write(*item.element) + ">" : write(item);
    }
    headers_.insert("variant");
    return "std::variant<" + text + ">";
}

std::string cpp_types::reference(const type& named) {
    const std::string inner =
        space(named).empty() ? name(named) : space(named) + "::" + name(named);
    const std::string_view first =
        space(named).empty() ? std::string_view(inner) : std::string_view(named.name);
    return beside_->contains(first) ? "::" + space_ + "::" + inner : inner;
}

}  // namespace tenon::inline v0::manifests
