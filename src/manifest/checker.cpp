#include "manifest/checker.hpp"

#include <cstddef>

#include "codec/trouble.hpp"
#include "manifest/notation.hpp"
#include "tenon/shape.hpp"

namespace tenon::inline v0::manifests {
namespace {

// Where everything is read to, on the stack of the thread that checks. Nothing is ever read back
// but the number of an enumerator right after it was stored.
struct scratch {
    alignas(std::max_align_t) std::byte plain[64];  // numbers and views
    value any;
    bytes content;
};
thread_local scratch* current = nullptr;

constexpr std::size_t any_offset = offsetof(scratch, any);

// A value has a constructor, the rest does not: so it has a place of its own.
bool is_any(const type* t) {
    // Arrays stand where their element does. No value is nested deeper than this.
    for (int levels = 0; levels < 64; ++levels) {
        t = &t->real();
        if (t->kind != kind::array) break;
        t = t->element;
    }
    return t->kind == kind::dynamic;
}

template <bool Any>
void* place() {
    if constexpr (Any) return &current->any;
    else return current->plain;
}
const time_ops any_time{
    .get = [](const void*, std::int64_t&, std::uint32_t&) { return true; },
    .set = [](void*, std::int64_t, std::uint32_t) { return true; },
};

template <bool Any>
sequence_ops vector_of(const shape* element) {
    sequence_ops ops{};
    ops.element = element;
    ops.clear = [](void*) {};
    ops.reserve = [](void*, std::size_t) {};
    ops.append = [](void*) { return place<Any>(); };
    return ops;
}

template <bool Any>
optional_ops optional_of(const shape* element) {
    return {.element = element,
            .get = [](const void*) -> const void* { return nullptr; },
            .emplace = [](void*) { return place<Any>(); },
            .reset = [](void*) {}};
}

template <bool Any>
map_ops map_of(const shape* key, const shape* mapped) {
    return {.key = key,
            .mapped = mapped,
            .entry_size = 1,
            .size = [](const void*) { return std::size_t{0}; },
            .clear = [](void*) {},
            .for_each = [](const void*, void*,
                           bool (*)(void*, const void*, const void*)) { return true; },
            .insert =
                [](void*, const map_key&, bool& fresh) {
                    fresh = true;
                    return place<Any>();
                }};
}

template <bool Any>
alternative alternative_of(const shape* s) {
    return {.type = s,
            .emplace = [](void*) { return place<Any>(); },
            .get = [](const void*) -> const void* { return nullptr; }};
}

template <bool Any>
tuple_element element_of(const shape* s) {
    return {.type = s, .get = [](void*) { return place<Any>(); }};
}

}  // namespace

checker::checker(const model& m) : model_(m) {
    for (const std::vector<member>* all : {&m.members, &m.operations}) {
        for (const member& one : *all) {
            if (!one.is_known()) continue;
            method& known = methods_[one.name];
            known.kind = one.kind;
            for (const param& p : one.params) {
                known.parameters.push_back({p.name.data(),
                                            shape_for(*p.type, nullptr, false, !p.optional),
                                            p.optional, p.default_value});
                known.places.push_back(is_any(p.type) ? &place<true> : &place<false>);
            }
        }
    }
    fill_all();
}

const shape* checker::shape_for(const type& named, const char* name, bool in_array,
                                bool not_missing) {
    const type& t = named.real();
    const variety v{&t, name, in_array, not_missing && t.kind == kind::optional};
    const auto [known, fresh] = known_.try_emplace(v, nullptr);
    if (fresh) {
        known->second = &shapes_.emplace_back();
        to_fill_.emplace_back(known->second, v);
    }
    return known->second;
}

// One after another rather than one within another: a manifest may nest them deeply.
void checker::fill_all() {
    while (!to_fill_.empty()) {
        const auto [s, v] = to_fill_.back();
        to_fill_.pop_back();
        fill(*s, v);
    }
}

void checker::fill(shape& s, const variety& v) {
    const type& t = *v.is;
    s.kind = t.kind;
    s.size = v.in_array ? 0 : 1;
    s.align = 1;
    s.name = v.name != nullptr ? v.name : !t.name.empty() ? t.name.data() : name_of_kind(t.kind);
    switch (t.kind) {
        case kind::string: s.kind = kind::string_view; break;
        case kind::bytes:
            s.bytes = &bytes_.emplace_back(
                bytes_ops{.count = t.count,
                          .view = [](const void*) { return bytes_view(current->content); },
                          .resize =
                              [](void*, std::size_t n) {
                                  current->content.resize(n);
                                  return current->content.data();
                              },
                          .is_blob = false});
            break;
        case kind::optional:
            if (v.not_missing) return fill_nil_or(s, *t.element);
            s.optional = &optionals_.emplace_back((
                is_any(t.element) ? optional_of<true> : optional_of<false>)(shape_for(*t.element)));
            break;
        case kind::array: {
            sequence_ops& ops = sequences_.emplace_back();
            ops.element = shape_for(*t.element, nullptr, true);
            ops.count = t.count;
            s.sequence = &ops;
            break;
        }
        case kind::vector:
            s.sequence = &sequences_.emplace_back(
                (is_any(t.element) ? vector_of<true> : vector_of<false>)(shape_for(*t.element)));
            break;
        case kind::time_point:
        case kind::duration: s.time = &any_time; break;
        case kind::enumeration: return fill_enum(s, t);
        case kind::structure: return fill_structure(s, t);
        case kind::tuple: return fill_tuple(s, t);
        case kind::variant: return fill_variant(s, t);
        case kind::map: return fill_map(s, t);
        default: break;
    }
}

// Where the manifest does not give the numbers, only names are taken.
void checker::fill_enum(shape& s, const type& t) {
    auto& all = enumerators_.emplace_back();
    kind underlying = kind::int64;
    for (std::size_t i = 0; i < t.names.size(); ++i) {
        std::int64_t number = INT64_MIN + static_cast<std::int64_t>(i);
        if (!t.numbers.empty()) {
            const value& n = *t.numbers[i];
            if (n.type() == value::type::uint64) underlying = kind::uint64;
            number = n.type() == value::type::uint64 ? static_cast<std::int64_t>(n.as_uint64())
                                                     : n.as_int64();
        }
        all.push_back({t.names[i].data(), static_cast<std::uint32_t>(t.names[i].size()), number});
    }
    s.enumeration = &enums_.emplace_back(enum_ops{all.data(), all.size(), underlying});
}

void checker::fill_structure(shape& s, const type& t) {
    auto& all = members_.emplace_back();
    for (const field& f : t.fields) {
        tenon::member m{};
        m.name = f.name.data();
        m.name_size = static_cast<std::uint32_t>(f.name.size());
        m.offset = is_any(f.type) ? any_offset : 0;
        m.type = shape_for(*f.type, nullptr, false, !f.may_be_missing);
        m.may_be_missing = f.may_be_missing;
        all.push_back(m);
    }
    s.structure = &structs_.emplace_back(struct_ops{all.data(), all.size()});
}

void checker::fill_tuple(shape& s, const type& t) {
    auto& all = elements_.emplace_back();
    for (const type* item : t.items)
        all.push_back((is_any(item) ? element_of<true> : element_of<false>)(shape_for(*item)));
    s.tuple = &tuples_.emplace_back(tuple_ops{all.data(), all.size()});
}

void checker::fill_variant(shape& s, const type& t) {
    auto& all = alternatives_.emplace_back();
    for (std::size_t i = 0; i < t.items.size(); ++i) {
        const type& item = *t.items[i];
        const char* tag = t.tagged && !t.tags[i].empty() ? t.tags[i].data() : nullptr;
        all.push_back(
            (is_any(&item) ? alternative_of<true> : alternative_of<false>)(shape_for(item, tag)));
    }
    s.variant = &variants_.emplace_back(
        variant_ops{all.data(), all.size(), t.tagged, [](const void*) { return std::size_t{0}; }});
}

void checker::fill_nil_or(shape& s, const type& element) {
    auto& all = alternatives_.emplace_back();
    all.push_back(alternative_of<false>(&shape_of<void>()));
    all.push_back(
        (is_any(&element) ? alternative_of<true> : alternative_of<false>)(shape_for(element)));
    s.kind = kind::variant;
    s.variant = &variants_.emplace_back(
        variant_ops{all.data(), all.size(), false, [](const void*) { return std::size_t{0}; }});
}

void checker::fill_map(shape& s, const type& t) {
    static constexpr const shape& text = shape_of<std::string>();
    const kind k = t.key == nullptr ? kind::string : t.key->real().kind;
    const shape* key = k == kind::string ? &text : shape_for(*t.key);
    s.map = &maps_.emplace_back(
        (is_any(t.element) ? map_of<true> : map_of<false>)(key, shape_for(*t.element)));
}

std::string checker::unknown(std::string_view member, use how) const {
    std::string known;
    for (const manifests::member& m : model_.members)
        if (how == use::call ? m.is_method() : m.is_stream())
            known.append(known.empty() ? "" : ", ").append(m.name);
    return std::string(how == use::call ? "no method " : "no stream ") + coding::quoted(member) +
           "; the service has " + (known.empty() ? "none" : known);
}

result<void> checker::check(std::string_view member, const value& arguments, codec c,
                            use how) const {
    const auto found = methods_.find(member);
    if (found == methods_.end()) return error(errc::unsupported, unknown(member, how));
    if (const std::string_view kind = found->second.kind; (kind == "method") != (how == use::call))
        return error(errc::unsupported,
                     coding::quoted(member) + " is a " +
                         (kind == "method"   ? "method, which is called"
                          : kind == "source" ? "source, which is subscribed to, not called"
                          : kind == "sink"   ? "sink, to which values are sent; it is not called"
                                             : "channel, which is opened, not called"));
    base::byte_buffer encoded;
    TENON_TRY(coding::encode_value(c, arguments, encoded));

    scratch room;
    struct in_use {
        explicit in_use(scratch& s) { current = &s; }
        ~in_use() { current = nullptr; }
    } const until_the_end(room);
    std::vector<void*> objects;
    for (const auto get_place : found->second.places) objects.push_back(get_place());
    base::byte_buffer arena;
    return coding::decode_arguments(c, found->second.parameters, objects, encoded.view(), {},
                                    &arena);
}

}  // namespace tenon::inline v0::manifests
