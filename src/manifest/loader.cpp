#include "manifest/loader.hpp"

#include <algorithm>
#include <cmath>

#include "codec/text.hpp"
#include "manifest/limits.hpp"

namespace tenon::inline v0::manifests {
namespace {

bool is_name(std::string_view s, std::size_t most) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    };
    return !s.empty() && s.size() <= most && std::all_of(s.begin(), s.end(), allowed);
}

constexpr std::size_t longest_name = 256;

}  // namespace

bool loader::load() {
    return check_json(model_.content, most_levels) && load_top() && load_shapes() &&
           load_interfaces() && load_members("members", model_.members) &&
           load_members("operations", model_.operations) && check_nesting();
}

bool loader::expected(std::string_view what, const value& got) {
    return trouble_.expected(what, got.is_string() ? coding::quoted(got.as_string())
                                                   : std::string(to_string(got.type())));
}
bool loader::missing(std::string_view name) {
    return trouble_.invalid("missing member " + coding::quoted(name));
}

bool loader::check_json(const value& v, unsigned levels_left) {
    if (++values_ > most_values) return trouble_.invalid("too many values for a manifest");
    switch (v.type()) {
        case value::type::bytes:
        case value::type::tagged: return expected("what JSON can say", v);
        case value::type::float64:
            return std::isfinite(v.as_double()) || trouble_.expected("a finite number", "another");
        case value::type::string:
            return coding::is_utf8(v.as_string()) || trouble_.invalid("text is not UTF-8");
        case value::type::array: {
            if (levels_left == 0) return trouble_.too_deep();
            const value::array& elements = v.as_array();
            for (std::size_t i = 0; i < elements.size(); ++i)
                if (!check_json(elements[i], levels_left - 1)) return trouble_.in_element(i);
            return true;
        }
        case value::type::map: {
            if (levels_left == 0) return trouble_.too_deep();
            if (!check_keys(v.as_map())) return false;
            for (const auto& [key, content] : v.as_map())
                if (!check_json(content, levels_left - 1))
                    return trouble_.in_member(key.as_string());
            return true;
        }
        default: return true;
    }
}

bool loader::check_keys(const value::map& m) {
    std::vector<std::string_view> keys;
    keys.reserve(m.size());
    for (const auto& [key, content] : m) {
        if (!key.is_string() || !coding::is_utf8(key.as_string()))
            return trouble_.invalid("a key is no text");
        keys.emplace_back(key.as_string());
    }
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    return twice == keys.end() ||
           trouble_.invalid("key " + coding::quoted(*twice) + " given twice");
}

bool loader::get(const value& from, std::string_view name, std::string_view& text, bool required) {
    const value* v = from.find(name);
    if (v == nullptr) return !required || missing(name);
    if (!v->is_string()) return expected("string", *v) || trouble_.in_member(name);
    text = v->as_string();
    return true;
}

bool loader::get(const value& from, std::string_view name, bool& flag) {
    const value* v = from.find(name);
    if (v == nullptr) return true;
    if (!v->is_bool()) return expected("boolean", *v) || trouble_.in_member(name);
    flag = v->as_bool();
    return true;
}

bool loader::get(const value& from, std::string_view name, std::uint32_t& count) {
    const value* v = from.find(name);
    if (v == nullptr) return true;
    const auto* n = v->get_if<std::int64_t>();
    if (n == nullptr || *n < 0 || *n > INT32_MAX)
        return expected("a number of values", *v) || trouble_.in_member(name);
    count = static_cast<std::uint32_t>(*n);
    return true;
}

bool loader::load_top() {
    const value& all = model_.content;
    if (!all.is_map()) return expected("a map", all);
    const value* schema = all.find("manifest");
    if (schema == nullptr) return missing("manifest");
    if (*schema != value(1)) return expected("1", *schema) || trouble_.in_member("manifest");
    if (!get(all, "publisher", model_.publisher, false) ||
        !get(all, "name", model_.service, true) || !get(all, "version", model_.version, true) ||
        !get(all, "purpose", model_.purpose, true))
        return false;
    if (!model_.publisher.empty() && !is_name(model_.publisher, longest_name))
        return trouble_.expected("a name", coding::quoted(model_.publisher)) ||
               trouble_.in_member("publisher");
    if (!is_name(model_.service, longest_name))
        return trouble_.expected("a name", coding::quoted(model_.service)) ||
               trouble_.in_member("name");
    return true;
}

bool loader::load_shapes() {
    const value* shapes = model_.content.find("shapes");
    if (shapes == nullptr) return true;
    if (!shapes->is_map()) return expected("a map", *shapes) || trouble_.in_member("shapes");
    if (shapes->size() > most_shapes) return trouble_.invalid("too many shapes");
    std::vector<type*> all;
    for (const auto& [key, shape] : shapes->as_map()) {
        const std::string_view name = key.as_string();
        if (!is_name(name, longest_name))
            return trouble_.expected("a name", coding::quoted(name)) ||
                   trouble_.in_member("shapes");
        type* t = new_type(shape);
        t->name = name;
        named_.emplace(name, t);
        all.push_back(t);
    }
    for (type* t : all)
        if (!fill(*t)) return trouble_.in_member(t->name) || trouble_.in_member("shapes");
    model_.shapes.assign(all.begin(), all.end());
    return true;
}

bool loader::load_interfaces() {
    const value* interfaces = model_.content.find("interfaces");
    if (interfaces == nullptr) return missing("interfaces");
    if (!interfaces->is_map() || interfaces->size() == 0)
        return expected("a map of interfaces", *interfaces) || trouble_.in_member("interfaces");
    for (const auto& [name, content] : interfaces->as_map())
        if (!load_interface(content))
            return trouble_.in_member(name.as_string()) || trouble_.in_member("interfaces");
    // Without methods there are only those of streams.
    const value* own = interfaces->find(model_.service);
    if (own == nullptr) own = &interfaces->as_map().front().second;
    const value* control = own == nullptr ? nullptr : own->find("control");
    model_.control = control == nullptr || *control != value(false);
    return true;
}

bool loader::load_interface(const value& v) {
    if (!v.is_map()) return expected("a map", v);
    std::string_view purpose;
    std::string_view type;
    if (!get(v, "purpose", purpose, true) || !get(v, "type", type, true)) return false;
    const bool both = type == "send+recv";
    if (!both && type != "send" && type != "recv")
        return trouble_.expected("send, recv or send+recv", coding::quoted(type)) ||
               trouble_.in_member("type");
    const value* control = v.find("control");
    if (control != nullptr && !control->is_bool() && !control->is_map())
        return expected("boolean or map", *control) || trouble_.in_member("control");
    return load_direction(v, "to_client", both || type == "send") &&
           load_direction(v, "to_server", both || type == "recv");
}

bool loader::load_direction(const value& v, std::string_view name, bool wanted) {
    const value* direction = v.find(name);
    if ((direction != nullptr) != wanted)
        return wanted ? missing(name)
                      : trouble_.invalid("the type of the interface has no " + std::string(name));
    if (direction == nullptr) return true;
    if (!direction->is_map()) return expected("a map", *direction) || trouble_.in_member(name);
    if (direction->find("value") == nullptr) return missing("value") || trouble_.in_member(name);
    return load_shape_of(*direction, "value") != nullptr || trouble_.in_member(name);
}

bool loader::load_members(std::string_view where, std::vector<member>& into) {
    const value* members = model_.content.find(where);
    if (members == nullptr) return true;
    if (!members->is_map()) return expected("a map", *members) || trouble_.in_member(where);
    if (members->size() > most_members)
        return trouble_.invalid("too many members") || trouble_.in_member(where);
    into.reserve(members->size());
    for (const auto& [key, content] : members->as_map()) {
        member& m = into.emplace_back();
        m.name = key.as_string();
        if (!is_name(m.name, longest_name))
            return trouble_.expected("a name", coding::quoted(m.name)) || trouble_.in_member(where);
        if (!load_member(content, m))
            return trouble_.in_member(m.name) || trouble_.in_member(where);
    }
    return true;
}

bool loader::load_member(const value& v, member& m) {
    if (!v.is_map()) return expected("a map", v);
    if (!get(v, "kind", m.kind, true) || !get(v, "doc", m.doc, false)) return false;
    if (!m.is_known()) return true;
    if (!get(v, "idempotent", m.idempotent) || !get(v, "blocking", m.blocking) ||
        !get(v, "serial", m.serial) || !get(v, "codec", m.codec, false) ||
        !get(v, "priority", m.priority, false))
        return false;
    if (m.priority == "normal") m.priority = {};
    if (!load_params(v, m)) return trouble_.in_member("params");
    if (!load_values(v, m)) return false;
    return load_errors(v, m) || trouble_.in_member("errors");
}

// What a method or sink answers, and what passes on a stream.
bool loader::load_values(const value& v, member& m) {
    static const value nothing("nil");
    if (m.is_method() || m.is_sink()) {
        m.result = v.find("result") != nullptr ? load_shape_of(v, "result") : load_shape(nothing);
        if (m.result == nullptr) return false;
    }
    const auto load = [&](direction& d, const char* name) {
        if (v.find(name) == nullptr) return missing(name);
        d.value = load_shape_of(v, name);
        return d.value != nullptr;
    };
    if (m.is_source() && !load(m.down, "value")) return false;
    if (m.is_sink() && !load(m.up, "value")) return false;
    if (m.is_channel() && (!load(m.up, "up") || !load(m.down, "down"))) return false;
    return load_flow(v, m) || trouble_.in_member("flow");
}

bool loader::load_flow(const value& v, member& m) {
    const value* flow = m.is_stream() ? v.find("flow") : nullptr;
    if (flow == nullptr) return true;
    if (!flow->is_map()) return expected("a map", *flow);
    return load_flow(*flow, "up", m.up) && load_flow(*flow, "down", m.down);
}

// Of a direction that there is not, it says nothing.
bool loader::load_flow(const value& flow, std::string_view name, direction& d) {
    const value* v = d.value == nullptr ? nullptr : flow.find(name);
    if (v == nullptr) return true;
    if (!v->is_map()) return expected("a map", *v) || trouble_.in_member(name);
    if (!get(*v, "overflow", d.overflow, false) || !get(*v, "key", d.key, false) ||
        !get(*v, "queue", d.queue) || !get(*v, "window", d.window))
        return trouble_.in_member(name);
    if (d.overflow == "block") d.overflow = {};
    return true;
}

bool loader::load_params(const value& v, member& m) {
    const value* params = v.find("params");
    if (params == nullptr) return true;
    if (!params->is_array()) return expected("an array", *params);
    if (params->size() > most_params) return trouble_.invalid("too many parameters");
    const value::array& all = params->as_array();
    for (std::size_t i = 0; i < all.size(); ++i)
        if (!load_param(all[i], m)) return trouble_.in_element(i);
    return true;
}

bool loader::load_param(const value& v, member& m) {
    if (!v.is_map()) return expected("a map", v);
    param p{};
    if (!get(v, "name", p.name, true) || !get(v, "doc", p.doc, false) ||
        !get(v, "optional", p.optional))
        return false;
    if (p.name.empty()) return trouble_.expected("a name", "nothing") || trouble_.in_member("name");
    if (v.find("shape") == nullptr) return missing("shape");
    p.type = load_shape_of(v, "shape");
    p.default_value = v.find("default");
    m.params.push_back(p);
    return p.type != nullptr;
}

bool loader::load_errors(const value& v, member& m) {
    const value* errors = v.find("errors");
    if (errors == nullptr) return true;
    if (!errors->is_array()) return expected("an array", *errors);
    const value::array& all = errors->as_array();
    for (std::size_t i = 0; i < all.size(); ++i) {
        declared_error e{};
        if (!all[i].is_map()) return expected("a map", all[i]) || trouble_.in_element(i);
        if (!get(all[i], "name", e.name, true)) return trouble_.in_element(i);
        if (all[i].find("data") != nullptr) {
            e.data = load_shape_of(all[i], "data");
            if (e.data == nullptr) return trouble_.in_element(i);
        }
        m.errors.push_back(e);
    }
    return true;
}

}  // namespace tenon::inline v0::manifests
