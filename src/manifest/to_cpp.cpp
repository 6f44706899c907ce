// A manifest as a C++ header that defines the same contract.

#include <algorithm>

#include "codec/trouble.hpp"
#include "manifest/cpp_names.hpp"
#include "manifest/cpp_types.hpp"
#include "manifest/model.hpp"
#include "manifest/notation.hpp"
#include "tenon/manifest.hpp"

namespace tenon::inline v0 {
namespace manifests {
namespace {

// "demo.app" is the namespace demo::app.
std::string namespace_of(std::string_view publisher) {
    std::string space;
    while (!publisher.empty()) {
        const std::size_t end = std::min(publisher.find('.'), publisher.size());
        if (end != 0)
            space.append(space.empty() ? "" : "::").append(to_cpp_name(publisher.substr(0, end)));
        publisher.remove_prefix(std::min(end + 1, publisher.size()));
    }
    return space.empty() ? "contract" : space;
}

class header {
public:
    explicit header(const model& m)
        : model_(m), space_(namespace_of(m.publisher)), types_(m, space_), name_(contract_name()) {}

    std::string write() {
        check_members();
        std::string definitions;
        for (const type* t : types_.ahead()) definitions += declare(*t);
        if (!definitions.empty()) definitions += "\n";
        for (const type* t : types_.order()) definitions += define(*t);
        definitions += contract();

        std::string all = "#pragma once\n" + comment();
        all += "\n";
        for (const std::string_view h : types_.headers())
            all.append("#include <").append(h).append(">\n");
        if (!types_.headers().empty()) all += "\n";
        all += "#include \"tenon/contract.hpp\"\n";
        if (std::any_of(model_.members.begin(), model_.members.end(),
                        [](const member& m) { return m.is_stream(); }))
            all += "#include \"tenon/stream_members.hpp\"\n";
        if (!types_.order().empty()) all += "#include \"tenon/struct.hpp\"\n";
        all.append("\nnamespace ").append(space_).append(" {\n\n").append(definitions);
        return all + "\n}  // namespace " + space_ + "\n";
    }

private:
    // Another name than those of its types and methods.
    std::string contract_name() const {
        std::string name = to_cpp_name(model_.service);
        const auto is_taken = [&] {
            for (const type* t : types_.order())
                if (t->name == name || types_.name(*t) == name) return true;
            return model_.find(name) != nullptr;
        };
        if (is_taken()) name += "_contract";
        while (is_taken()) name += "_";
        return name;
    }

    void check_members() const {
        if (model_.publisher.empty()) refuse_cpp("it names no publisher");
        if (model_.service.find('.') != model_.service.npos)
            refuse_cpp("the service's name has a dot");
        if (model_.members.size() > 256) refuse_cpp("it has more than 256 methods");
        for (const member& m : model_.members) {
            const std::string method = coding::quoted(m.name);
            if (!m.is_known()) refuse_cpp(method + " is a " + printable(m.kind));
            if (!is_cpp_name(m.name))
                refuse_cpp("the method " + method + " cannot be a name in C++");
            if (!m.codec.empty() && !codec_from_string(m.codec))
                refuse_cpp("the codec of " + method + " is unknown");
            if (!m.priority.empty() && m.priority != "low" && m.priority != "high")
                refuse_cpp("the priority of " + method + " is unknown");
            check_flow(m.up, method);
            check_flow(m.down, method);
            if (m.is_stream() && (m.idempotent || m.serial))
                refuse_cpp("the stream " + method + " is idempotent or serial");
            if (m.name == "describe" && needs_description())
                refuse_cpp("a method is called \"describe\"");
            for (const param& p : m.params)
                if (!is_cpp_word(p.name))
                    refuse_cpp("the parameter " + coding::quoted(p.name) + " of " + method +
                               " cannot be written in C++");
        }
    }

    static void check_flow(const direction& d, const std::string& member) {
        constexpr std::string_view policies[] = {"", "drop_new", "drop_old", "latest", "fail"};
        if (std::find(std::begin(policies), std::end(policies), d.overflow) == std::end(policies))
            refuse_cpp("the overflow policy of " + member + " is unknown");
        if (d.key.empty()) return;
        const type& t = d.value->real();
        const bool is_field = t.kind == kind::structure && !t.name.empty() &&
                              std::any_of(t.fields.begin(), t.fields.end(),
                                          [&](const field& f) { return f.name == d.key; });
        if (!is_field || d.overflow != "latest")
            refuse_cpp("the key of " + member + " is no field of its values");
    }

    std::string comment() const {
        std::string text = "// " + std::string(model_.publisher.empty() ? "" : model_.publisher) +
                           (model_.publisher.empty() ? "" : "/") + std::string(model_.service) +
                           " " + printable(model_.version) + ", made from the manifest with\n// " +
                           model_.hash + "\n";
        if (!model_.operations.empty()) {
            text += "// The service has control operations besides, to be called by name:";
            for (const member& m : model_.operations) text.append(" ").append(m.name);
            text += "\n";
        }
        return text;
    }

    // Within another namespace, if its name is taken in this one.
    std::string within(const type& t, std::string text) const {
        const std::string inner = types_.space(t);
        if (inner.empty()) return text;
        return "namespace " + inner + " {\n" + text + "}  // namespace " + inner + "\n";
    }

    std::string declare(const type& t) const {
        return within(t, "struct " + types_.name(t) + ";\n");
    }

    std::string define(const type& t) {
        return within(t, t.kind == kind::enumeration ? define_enum(t) : define_struct(t)) + "\n";
    }

    std::string define_enum(const type& t) {
        bool in_order = true;
        std::string underlying;
        for (std::size_t i = 0; i < t.numbers.size(); ++i) {
            const value& n = *t.numbers[i];
            in_order = in_order && n == value(static_cast<std::int64_t>(i));
            if (n.type() == value::type::uint64) underlying = "std::uint64_t";
            else if (underlying.empty() && (n.as_int64() > INT32_MAX || n.as_int64() < INT32_MIN))
                underlying = "std::int64_t";
        }
        if (!underlying.empty()) types_.need("cstdint");
        std::vector<std::string> entries;
        std::vector<std::string> names{types_.name(t)};
        for (std::size_t i = 0; i < t.names.size(); ++i) {
            const std::string name(t.names[i]);
            entries.push_back(in_order ? name : name + " = " + cpp_value(*t.numbers[i]));
            names.push_back(name);
        }
        const std::string head =
            "enum class " + types_.name(t) + (underlying.empty() ? "" : " : " + underlying);
        std::string text = cpp_list(head + " { ", entries, " };\n");
        if (text.find('\n') != text.size() - 1) text = head + " {\n" + lines(entries) + "};\n";
        return text + cpp_list("TENON_ENUM(", names, ")\n");
    }

    static std::string lines(const std::vector<std::string>& entries) {
        std::string text;
        for (const std::string& e : entries) text.append("    ").append(e).append(",\n");
        return text;
    }

    std::string define_struct(const type& t) {
        std::set<std::string_view> beside;
        for (const field& f : t.fields) beside.insert(f.name);
        // In a namespace of its own it hides the type whose name it has.
        const std::string name = types_.name(t);
        if (!types_.space(t).empty()) beside.insert(name);
        std::string text = "struct " + name + " {\n";
        std::vector<std::string> names{name};
        for (const field& f : t.fields) {
            text += "    " + types_.write_field(*f.type, f.may_be_missing, f.name, beside) + ";\n";
            // An empty std::optional may be missing in any case.
            const bool marked = f.may_be_missing && f.type->real().kind != kind::optional;
            names.push_back(marked ? "(" + std::string(f.name) + ", defaulted)"
                                   : std::string(f.name));
        }
        return text + "};\n" + cpp_list("TENON_STRUCT(", names, ")\n");
    }

    std::string contract() {
        std::set<std::string_view> beside;
        for (const member& m : model_.members) beside.insert(m.name);
        std::string text = "struct " + name_ + " {\n";
        for (const member& m : model_.members) {
            std::vector<std::string> params;
            for (const param& p : m.params)
                params.push_back(types_.write(*p.type, p.optional, beside));
            const std::string end = "> " + std::string(m.name) + ";\n";
            if (m.is_method()) {
                std::string errors;
                for (const std::string& e : errors_of(m, beside)) errors.append(", ").append(e);
                text +=
                    cpp_list("    tenon::method<" + types_.write_result(*m.result, beside) + "(",
                             params, ")" + errors + end);
            } else if (m.is_source()) {
                text += cpp_list("    tenon::source<" + values_of(m.down, beside) + "(", params,
                                 ")" + end);
            } else {
                std::vector<std::string> types{values_of(m.up, beside)};
                if (m.is_channel()) types.push_back(values_of(m.down, beside));
                else if (m.result->real().kind != kind::nothing || !params.empty())
                    types.push_back(types_.write_result(*m.result, beside));
                types.insert(types.end(), params.begin(), params.end());
                text += cpp_list("    tenon::" + std::string(m.kind) + "<", types, end);
            }
        }
        if (needs_description()) text += describe(beside);
        return text + "};\n" + interface();
    }

    std::string values_of(const direction& d, const std::set<std::string_view>& beside) {
        return types_.write(*d.value, true_if_optional(*d.value), beside);
    }
    std::vector<std::string> errors_of(const member& m, const std::set<std::string_view>& beside) {
        std::vector<std::string> all;
        for (const declared_error& e : m.errors)
            all.push_back(types_.write(*e.data, true_if_optional(*e.data), beside));
        return all;
    }

    static bool true_if_optional(const type& t) { return t.real().kind == kind::optional; }

    std::string interface() const {
        std::vector<std::string> entries{name_, literal(model_.publisher), literal(model_.service),
                                         literal(model_.version)};
        for (const member& m : model_.members) {
            std::string entry(m.name);
            for (const param& p : m.params) entry.append(", ").append(p.name);
            entries.push_back(m.params.empty() ? entry : "(" + entry + ")");
        }
        return cpp_list("TENON_INTERFACE(", entries, ")\n");
    }

    static std::string literal(std::string_view text) {
        return cpp_literals(text, std::string::npos).front();
    }

    static bool is_described(const member& m) {
        if (!m.doc.empty() || m.idempotent || m.blocking || m.serial || !m.codec.empty() ||
            !m.priority.empty() || m.up.is_declared() || m.down.is_declared() ||
            (m.is_stream() && !m.errors.empty()))
            return true;
        for (const param& p : m.params)
            if (p.default_value != nullptr) return true;
        return false;
    }
    bool needs_description() const {
        if (!model_.purpose.empty()) return true;
        for (const member& m : model_.members)
            if (is_described(m)) return true;
        return false;
    }

    std::string describe(const std::set<std::string_view>& beside) {
        std::string text = "\n    static void describe(tenon::description<" + name_ + ">& d) {\n";
        if (!model_.purpose.empty()) text += chain("d", {call("doc", model_.purpose)});
        for (const member& m : model_.members)
            if (is_described(m))
                text +=
                    chain("d[&" + name_ + "::" + std::string(m.name) + "]", calls_of(m, beside));
        return text + "    }\n";
    }

    // A call with a text, on several lines if that is long.
    static std::string call(const std::string& function, std::string_view text) {
        const std::string start = "." + function + "(";
        std::string all = start;
        const std::size_t indent = 12 + start.size();
        for (const std::string& part : cpp_literals(text, cpp_columns - indent - 2)) {
            if (all.size() != start.size()) all.append(1, '\n').append(indent, ' ');
            all += part;
        }
        return all + ")";
    }

    std::vector<std::string> calls_of(const member& m, const std::set<std::string_view>& beside) {
        std::vector<std::string> calls;
        if (!m.doc.empty()) calls.push_back(call("doc", m.doc));
        if (m.idempotent) calls.emplace_back(".idempotent()");
        if (m.blocking) calls.emplace_back(".blocking()");
        if (m.serial) calls.emplace_back(".serial()");
        if (!m.codec.empty()) calls.push_back(".codec(tenon::codec::" + std::string(m.codec) + ")");
        if (!m.priority.empty())
            calls.push_back(".priority(tenon::priority::" + std::string(m.priority) + ")");
        for (const param& p : m.params)
            if (p.default_value != nullptr)
                calls.push_back(".default_value(" + literal(p.name) + ", " +
                                cpp_value(*p.default_value) + ")");
        if (m.is_stream() && !m.errors.empty()) {
            std::string errors;
            for (const std::string& e : errors_of(m, beside))
                errors.append(errors.empty() ? "" : ", ").append(e);
            calls.push_back(".errors<" + errors + ">()");
        }
        add_flow(m, m.up, ".up()", beside, calls);
        add_flow(m, m.down, ".down()", beside, calls);
        return calls;
    }

    void add_flow(const member& m, const direction& d, const char* which,
                  const std::set<std::string_view>& beside, std::vector<std::string>& calls) {
        if (!d.is_declared()) return;
        if (m.is_channel()) calls.emplace_back(which);
        const std::string queue = d.queue == 0 ? "" : ", " + std::to_string(d.queue);
        if (!d.key.empty())
            calls.push_back(".latest(&" + values_of(d, beside) + "::" + std::string(d.key) + queue +
                            ")");
        else if (!d.overflow.empty() || d.queue != 0)
            calls.push_back(".overflow(tenon::overflow::" +
                            std::string(d.overflow.empty() ? "block" : d.overflow) + queue + ")");
        if (d.window != 0) calls.push_back(".window(" + std::to_string(d.window) + ")");
    }

    static std::string chain(const std::string& object, const std::vector<std::string>& calls) {
        std::string line = "        " + object;
        std::string column = line;
        for (const std::string& c : calls) {
            line += c;
            column.append("\n            ").append(c);
        }
        const bool fits = line.size() < cpp_columns && line.find('\n') == line.npos;
        return (fits ? line : column) + ";\n";
    }

    const model& model_;
    const std::string space_;
    cpp_types types_;
    const std::string name_;
};

}  // namespace
}  // namespace manifests

std::string to_cpp(const manifest& m) { return manifests::header(m.model()).write(); }

}  // namespace tenon::inline v0
