// What changed between two versions of a service, told from the side of programs made for the
// older: their arguments must be accepted by the newer, its results by them.

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <tuple>

#include "manifest/model.hpp"
#include "manifest/notation.hpp"
#include "tenon/manifest.hpp"

namespace tenon::inline v0 {
namespace manifests {
namespace {

/// Who reads values of a type: the newer server its arguments, the older client what it gets.
enum class reader : bool { server, client };

// Two hostile manifests could make more pairs of types than there is time for.
constexpr std::size_t most_pairs = 20'000;

bool is_integer(kind k) { return k >= kind::int8 && k <= kind::uint64; }

// Whole numbers in a double: the bounds of 64-bit types are powers of two or next to one, and two
// types that differ, differ by more than a double's precision.
struct range {
    double least;
    double most;
};
range range_of(const type& t) {
    const auto bound = [&](const char* name, double otherwise) {
        const value* v = t.shape->is_map() ? t.shape->find(name) : nullptr;
        if (v == nullptr) return otherwise;
        if (const auto* i = v->get_if<std::int64_t>()) return static_cast<double>(*i);
        if (const auto* u = v->get_if<std::uint64_t>()) return static_cast<double>(*u);
        return v->as_double();
    };
    return {bound("min", -0x1p63), bound("max", 0x1p63 - 1)};
}

class comparison {
public:
    comparison(const model& older, const model& newer) : older_(older), newer_(newer) {}

    std::vector<change> run() {
        compare_text(true, "publisher", older_.publisher, newer_.publisher);
        compare_text(true, "service", older_.service, newer_.service);
        compare_text(false, "version", older_.version, newer_.version);
        if (older_.purpose != newer_.purpose) add(false, "purpose", "documentation changed");
        if (older_.control != newer_.control)
            add(older_.control, "control", newer_.control ? "added" : "removed");
        compare(older_.members, newer_.members);
        compare(older_.operations, newer_.operations);
        while (!named_.empty()) {
            const auto [a, b, who] = named_.front();
            named_.pop_front();
            compare_content(*a, *b, who, std::string(a->name));
        }
        std::stable_partition(changes_.begin(), changes_.end(),
                              [](const change& c) { return c.breaking; });
        return std::move(changes_);
    }

private:
    void add(bool breaking, std::string where, std::string what) {
        // A type that is used in both directions is compared for each.
        const auto [known, fresh] = places_.try_emplace({where, what}, changes_.size());
        if (fresh) changes_.push_back({breaking, std::move(where), std::move(what)});
        else changes_[known->second].breaking |= breaking;
    }

    void was(bool breaking, const std::string& where, std::string_view a, std::string_view b) {
        add(breaking, where, "was " + std::string(a) + ", is " + std::string(b));
    }
    void compare_text(bool breaking, const std::string& where, std::string_view a,
                      std::string_view b, std::string_view none = "nothing") {
        if (a != b)
            was(breaking, where, printable(a.empty() ? none : a), printable(b.empty() ? none : b));
    }

    void compare(const std::vector<member>& older, const std::vector<member>& newer) {
        for (const member& a : older) {
            const member* b = find(newer, a.name);
            if (b == nullptr) add(true, std::string(a.name), "removed");
            else compare(a, *b);
        }
        for (const member& b : newer)
            if (find(older, b.name) == nullptr) add(false, std::string(b.name), "added");
    }

    static const member* find(const std::vector<member>& all, std::string_view name) {
        const auto at =
            std::find_if(all.begin(), all.end(), [&](const member& m) { return m.name == name; });
        return at == all.end() ? nullptr : &*at;
    }

    void compare(const member& a, const member& b) {
        const std::string where(a.name);
        if (a.kind != b.kind) return was(true, where, a.kind, b.kind);
        if (a.doc != b.doc) add(false, where, "documentation changed");
        if (!a.is_known()) return;
        const auto flag = [&](bool breaking, bool before, bool after, const char* name) {
            if (before != after)
                add(breaking, where, (after ? "is now " : "is no longer ") + std::string(name));
        };
        // Callers may repeat what is idempotent; how it runs is the server's own business.
        flag(a.idempotent, a.idempotent, b.idempotent, "idempotent");
        flag(false, a.blocking, b.blocking, "blocking");
        flag(false, a.serial, b.serial, "serial");
        compare_text(true, where + " codec", a.codec, b.codec, "any");
        compare_text(false, where + " priority", a.priority, b.priority, "normal");
        compare_params(a, b);
        if (a.result != nullptr) compare(*a.result, *b.result, reader::client, where + " result");
        compare(a.up, b.up, reader::server, where + (a.is_channel() ? " up" : " value"));
        compare(a.down, b.down, reader::client, where + (a.is_channel() ? " down" : " value"));
        compare_errors(a, b);
    }

    // A client may count on every value, or on the end of the stream, unless it has been told
    // otherwise; what it sends itself goes by its own policy.
    void compare(const direction& a, const direction& b, reader who, const std::string& where) {
        if (a.value == nullptr) return;
        compare(*a.value, *b.value, who, where);
        const bool breaks = who == reader::client && a.overflow.empty();
        compare_text(breaks, where + " overflow", a.overflow, b.overflow, "block");
        compare_text(false, where + " key", a.key, b.key);
        const auto number = [](std::uint32_t n) {
            return n == 0 ? std::string() : std::to_string(n);
        };
        compare_text(false, where + " queue", number(a.queue), number(b.queue), "the default");
        compare_text(false, where + " window", number(a.window), number(b.window), "the default");
    }

    static const param* find(const member& m, std::string_view name) {
        const auto at = std::find_if(m.params.begin(), m.params.end(),
                                     [&](const param& p) { return p.name == name; });
        return at == m.params.end() ? nullptr : &*at;
    }
    static bool may_be_missing(const param& p) { return p.optional || p.default_value != nullptr; }

    // Arguments go by position or by name: both must find the same parameter.
    void compare_params(const member& a, const member& b) {
        const auto where = [&](const param& p) {
            return std::string(a.name) + "(" + std::string(p.name) + ")";
        };
        for (std::size_t i = 0; i < a.params.size(); ++i) {
            const param& p = a.params[i];
            const param* same = find(b, p.name);
            const bool in_place = i < b.params.size() && &b.params[i] == same;
            const bool renamed =
                same == nullptr && i < b.params.size() && find(a, b.params[i].name) == nullptr;
            if (renamed) {
                add(true, where(p), "renamed to " + std::string(b.params[i].name));
                same = &b.params[i];
            } else if (same == nullptr) {
                add(true, where(p), "parameter removed");
                continue;
            } else if (!in_place) {
                add(true, where(p), "parameter moved");
            }
            compare(p, *same, where(p));
        }
        for (std::size_t i = 0; i < b.params.size(); ++i) {
            const param& p = b.params[i];
            const bool renamed = i < a.params.size() && find(b, a.params[i].name) == nullptr;
            if (find(a, p.name) != nullptr || renamed) continue;
            if (may_be_missing(p)) add(false, where(p), "parameter added that may be left out");
            else add(true, where(p), "parameter added without a default");
        }
    }

    void compare(const param& a, const param& b, const std::string& where) {
        if (a.doc != b.doc) add(false, where, "documentation changed");
        if (may_be_missing(a) != may_be_missing(b))
            add(may_be_missing(a), where,
                may_be_missing(b) ? "may be left out now" : "must be given now");
        const bool both = a.default_value != nullptr && b.default_value != nullptr;
        if (both && *a.default_value != *b.default_value)
            add(false, where,
                "default was " + printable(tenon::to_json(*a.default_value)) + ", is " +
                    printable(tenon::to_json(*b.default_value)));
        compare(*a.type, *b.type, reader::server, where);
    }

    // An error that is not declared is an error all the same.
    void compare_errors(const member& a, const member& b) {
        const auto find = [](const member& m, std::string_view name) {
            const auto at = std::find_if(m.errors.begin(), m.errors.end(),
                                         [&](const declared_error& e) { return e.name == name; });
            return at == m.errors.end() ? nullptr : &*at;
        };
        const auto where = [&](const declared_error& e) {
            return std::string(a.name) + " error " + std::string(e.name);
        };
        for (const declared_error& e : a.errors) {
            const declared_error* same = find(b, e.name);
            if (same == nullptr) add(false, where(e), "removed");
            else if (e.data != nullptr && same->data != nullptr)
                compare(*e.data, *same->data, reader::client, where(e));
            else if (e.data != same->data)
                add(e.data != nullptr, where(e), same->data ? "has data now" : "has no data now");
        }
        for (const declared_error& e : b.errors)
            if (find(a, e.name) == nullptr) add(false, where(e), "added");
    }

    // Types. Named ones are compared once for each reader, and told of by their name.

    void compare(const type& old_name, const type& new_name, reader who, const std::string& where) {
        const type& a = old_name.real();
        const type& b = new_name.real();
        if (a.name.empty() || a.kind == kind::enumeration || a.kind != b.kind)
            return compare_content(
                a, b, who, a.kind != b.kind || a.name.empty() ? where : std::string(a.name));
        if (seen_.size() == most_pairs) return add(true, where, "too much is different to be told");
        if (seen_.emplace(&a, &b, who).second) named_.emplace_back(&a, &b, who);
    }

    void compare_content(const type& a, const type& b, reader who, const std::string& where) {
        const bool to_server = who == reader::server;
        const type& sent = to_server ? a : b;
        const type& read = to_server ? b : a;
        if (a.kind != b.kind) return compare_kinds(a, b, who, where);
        switch (a.kind) {
            case kind::structure: return compare_fields(a, b, who, where);
            case kind::enumeration: return compare_enums(a, b, who, where);
            case kind::optional:
            case kind::vector: return compare(*a.element, *b.element, who, where);
            case kind::array:
                if (a.count != b.count) return was(true, where, notation(a), notation(b));
                return compare(*a.element, *b.element, who, where);
            case kind::bytes:
                if (a.count != b.count) was(read.count != 0, where, notation(a), notation(b));
                else compare_shapes(a, b, where);
                return;
            case kind::map:
                compare_keys(a, b, who, where);
                return compare(*a.element, *b.element, who, where);
            case kind::tuple: return compare_items(a, b, who, where);
            case kind::variant: return compare_variants(a, b, who, where);
            default: break;
        }
        if (!is_integer(a.kind)) return compare_shapes(a, b, where);
        const range from = range_of(sent);
        const range into = range_of(read);
        if (from.least != into.least || from.most != into.most)
            was(from.least < into.least || from.most > into.most, where, range_text(a),
                range_text(b));
    }

    static std::string range_text(const type& t) {
        const value* shape = t.shape;
        return shape->is_map() ? notation(t) + " of " + tenon::to_json(*shape) : notation(t);
    }

    // What no type of ours says (bounds, patterns): either it is the same or anything may be.
    void compare_shapes(const type& a, const type& b, const std::string& where) {
        const bool words = !a.word.empty() && !b.word.empty();
        const bool same =
            words ? a.kind != kind::dynamic || a.word == b.word : *a.shape == *b.shape;
        if (!same) was(true, where, tenon::to_json(*a.shape), tenon::to_json(*b.shape));
    }

    void compare_kinds(const type& a, const type& b, reader who, const std::string& where) {
        const bool to_server = who == reader::server;
        const type& sent = to_server ? a : b;
        const type& read = to_server ? b : a;
        if (b.kind == kind::optional && a.kind != kind::nothing) {
            add(!to_server, where, "may be nil now");
            return compare(a, *b.element, who, where);
        }
        if (a.kind == kind::optional && b.kind != kind::nothing) {
            add(to_server, where, "must not be nil now");
            return compare(*a.element, b, who, where);
        }
        const type* in_a = a.kind == kind::variant ? alternative_like(a, b) : &a;
        const type* in_b = b.kind == kind::variant ? alternative_like(b, a) : &b;
        const bool understood =
            &read == (to_server ? in_b : in_a)
                ? takes(read, sent)
                : read.kind == kind::variant && in_a != nullptr && in_b != nullptr;
        was(!understood, where, notation(a), notation(b));
        if (in_a == nullptr || in_b == nullptr || !understood) return;
        if (in_a != &a || in_b != &b) return compare(*in_a, *in_b, who, where);
        if (read.kind == kind::vector) compare(*a.element, *b.element, who, where);
    }

    // The alternative of a plain variant that a value of this type is read as.
    static const type* alternative_like(const type& variant, const type& t) {
        if (variant.tagged || look_of(t) == look::any) return nullptr;
        for (const type* item : variant.items)
            if (look_of(*item) == look_of(t)) return item;
        return nullptr;
    }

    // Whether a reader of one kind understands all that is sent as another.
    static bool takes(const type& read, const type& sent) {
        if (read.kind == kind::dynamic) return read.word == "any";
        if (is_integer(read.kind) && is_integer(sent.kind)) {
            const range from = range_of(sent);
            const range into = range_of(read);
            return from.least >= into.least && from.most <= into.most;
        }
        if (read.kind == kind::float64) return is_integer(sent.kind) || sent.kind == kind::float32;
        if (read.kind == kind::string) return sent.kind == kind::enumeration;
        return (read.kind == kind::vector && sent.kind == kind::array) ||
               (read.kind == kind::optional && sent.kind == kind::nothing);
    }

    void compare_fields(const type& a, const type& b, reader who, const std::string& where) {
        const auto find = [](const type& t, std::string_view name) {
            const auto at = std::find_if(t.fields.begin(), t.fields.end(),
                                         [&](const field& f) { return f.name == name; });
            return at == t.fields.end() ? nullptr : &*at;
        };
        const bool to_server = who == reader::server;
        for (const field& f : a.fields) {
            const std::string place = where + "." + std::string(f.name);
            const field* same = find(b, f.name);
            // Who does not know a member ignores it; who needs it must get it.
            if (same == nullptr) add(!to_server && !f.may_be_missing, place, "field removed");
            else compare(f, *same, who, place);
        }
        for (const field& f : b.fields) {
            if (find(a, f.name) != nullptr) continue;
            const bool needed = !f.may_be_missing;
            add(to_server && needed, where + "." + std::string(f.name),
                needed ? "field added that must be there" : "field added that may be missing");
        }
    }

    void compare(const field& a, const field& b, reader who, const std::string& where) {
        if (a.may_be_missing == b.may_be_missing) return compare(*a.type, *b.type, who, where);
        add(who == reader::server ? a.may_be_missing : b.may_be_missing, where,
            b.may_be_missing ? "may be missing now" : "must be there now");
        const auto content = [](const field& f) -> const type& {
            const type& t = f.type->real();
            return f.may_be_missing && t.kind == kind::optional ? *t.element : t;
        };
        compare(content(a), content(b), who, where);
    }

    void compare_enums(const type& a, const type& b, reader who, const std::string& where) {
        const bool to_server = who == reader::server;
        const auto place_in = [](const type& t, std::string_view name) {
            return static_cast<std::size_t>(std::find(t.names.begin(), t.names.end(), name) -
                                            t.names.begin());
        };
        for (std::size_t i = 0; i < a.names.size(); ++i) {
            const std::string name = printable(a.names[i]);
            const std::size_t same = place_in(b, a.names[i]);
            if (same == b.names.size()) {
                add(to_server, where, "value " + name + " removed");
            } else if (!a.numbers.empty() && !b.numbers.empty() &&
                       *a.numbers[i] != *b.numbers[same]) {
                // Names travel; a client that sends numbers says something else now.
                add(true, where, "value " + name + " has another number");
            }
        }
        for (const std::string_view name : b.names)
            if (place_in(a, name) == a.names.size())
                add(!to_server, where, "value " + printable(name) + " added");
    }

    void compare_keys(const type& a, const type& b, reader who, const std::string& where) {
        static const value text("string");
        type string_key;
        string_key.kind = kind::string;
        string_key.shape = &text;
        compare(a.key ? *a.key : string_key, b.key ? *b.key : string_key, who, where + " key");
    }

    void compare_items(const type& a, const type& b, reader who, const std::string& where) {
        if (a.items.size() != b.items.size()) return was(true, where, notation(a), notation(b));
        for (std::size_t i = 0; i < a.items.size(); ++i)
            compare(*a.items[i], *b.items[i], who, where + "[" + std::to_string(i) + "]");
    }

    void compare_variants(const type& a, const type& b, reader who, const std::string& where) {
        if (a.tagged != b.tagged) return was(true, where, notation(a), notation(b));
        const bool to_server = who == reader::server;
        const auto same = [&](const type& s, std::size_t i, const type& t, std::size_t j) {
            if (s.tagged) return s.tags[i] == t.tags[j];
            return look_of(*s.items[i]) == look_of(*t.items[j]);
        };
        const auto find = [&](const type& s, std::size_t i, const type& t) -> const type* {
            for (std::size_t j = 0; j < t.items.size(); ++j)
                if (same(s, i, t, j)) return t.items[j];
            return nullptr;
        };
        const auto name = [](const type& t, std::size_t i) {
            return t.tagged && !t.tags[i].empty() ? printable(t.tags[i]) : notation(*t.items[i]);
        };
        for (std::size_t i = 0; i < a.items.size(); ++i) {
            const type* other = find(a, i, b);
            if (other == nullptr) add(to_server, where, "alternative " + name(a, i) + " removed");
            else compare(*a.items[i], *other, who, where + "." + name(a, i));
        }
        for (std::size_t i = 0; i < b.items.size(); ++i)
            if (find(b, i, a) == nullptr)
                add(!to_server, where, "alternative " + name(b, i) + " added");
    }

    const model& older_;
    const model& newer_;
    std::vector<change> changes_;
    std::map<std::pair<std::string, std::string>, std::size_t> places_;
    using pair_of_types = std::tuple<const type*, const type*, reader>;
    std::set<pair_of_types> seen_;
    std::deque<pair_of_types> named_;
};

}  // namespace
}  // namespace manifests

std::vector<change> compare(const manifest& older, const manifest& newer) {
    if (older.hash() == newer.hash()) return {};
    return manifests::comparison(older.model(), newer.model()).run();
}

}  // namespace tenon::inline v0
