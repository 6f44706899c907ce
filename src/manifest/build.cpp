// Contract → manifest.

#include <algorithm>
#include <optional>

#include "manifest/canonical.hpp"
#include "manifest/model.hpp"
#include "manifest/shape_writer.hpp"
#include "tenon/manifest.hpp"

namespace tenon::inline v0::manifests {
namespace {

class builder {
public:
    explicit builder(const detail::contract_info& contract) : contract_(contract) {}

    value build() {
        value members = describe(contract_.methods);
        value operations = describe(contract_.operations);
        value v = value::object({{"manifest", 1},
                                 {"publisher", contract_.publisher},
                                 {"name", contract_.service},
                                 {"version", contract_.version},
                                 {"purpose", contract_.doc}});
        v["interfaces"] = value::object({{contract_.service, interface_of(members)}});
        v["members"] = std::move(members);
        if (!contract_.operations.empty()) v["operations"] = std::move(operations);
        value shapes = shapes_.take_shapes();
        if (shapes.size() != 0) v["shapes"] = std::move(shapes);
        v["hash"] = content_hash(v);
        return v;
    }

private:
    value describe(const std::vector<detail::method_info>& methods) {
        value members = value::map();
        for (const detail::method_info& m : methods) members[m.name] = describe(m);
        return members;
    }

    value describe(const detail::method_info& m) {
        value v = value::object({{"kind", "method"}});
        if (!m.doc.empty()) v["doc"] = m.doc;
        value::array params;
        for (std::uint32_t i = 0; i < m.signature->param_count; ++i)
            params.push_back(describe_param(m, i));
        v["params"] = std::move(params);
        v["result"] = shapes_.write(*m.signature->result);
        value::array errors;
        for (std::uint32_t i = 0; i < m.signature->error_count; ++i) {
            const shape& s = *m.signature->errors[i];
            errors.push_back(value::object({{"name", s.name}, {"data", shapes_.write(s)}}));
        }
        if (!errors.empty()) v["errors"] = std::move(errors);
        if (m.flags.idempotent) v["idempotent"] = true;
        if (m.flags.blocking) v["blocking"] = true;
        if (m.flags.serial) v["serial"] = true;
        if (m.wire_codec) v["codec"] = to_string(*m.wire_codec);
        if (m.flags.priority == priority::low) v["priority"] = "low";
        if (m.flags.priority == priority::high) v["priority"] = "high";
        return v;
    }

    value describe_param(const detail::method_info& m, std::uint32_t i) {
        const shape& s = *m.signature->params[i];
        value v = value::object({{"name", m.param_names[i]}, {"shape", shapes_.write(s)}});
        if (s.kind == kind::optional) v["optional"] = true;
        // The first of several is the one that the server uses.
        const auto given =
            std::find_if(m.defaults.begin(), m.defaults.end(),
                         [&](const auto& named) { return named.first == m.param_names[i]; });
        if (given == m.defaults.end()) return v;
        if (auto text = as_json(given->second)) v["default"] = *std::move(text);
        else v["optional"] = true;
        return v;
    }

    // Bytes and times as JSON has them, which the decoders read as well. Nothing for what JSON does
    // not have, such as NaN.
    static std::optional<value> as_json(const value& v) {
        try {
            return parse_json(tenon::to_json(v)).value();
        } catch (const failure&) {
            return std::nullopt;
        }
    }

    // The methods together as one interface in the sense of the Gene schema: calls come in, results
    // and errors go out.
    value interface_of(const value& members) const {
        value::array calls;
        value::array results;
        value::array codecs{"msgpack", "json"};
        for (const auto& [name, m] : members.as_map()) {
            calls.push_back(call_of(name.as_string(), m));
            if (std::find(results.begin(), results.end(), m["result"]) == results.end())
                results.push_back(m["result"]);
            const value* own = m.find("codec");
            if (own != nullptr && std::find(codecs.begin(), codecs.end(), *own) == codecs.end())
                codecs.push_back(*own);
        }
        value result = results.size() == 1
                           ? std::move(results.front())
                           : value::object({{"is", "union"}, {"of", std::move(results)}});
        const value answered = value::object({{"is", "gene"},
                                              {"name", "result"},
                                              {"props", value::object({{"id", "int"}})},
                                              {"children", value::list({std::move(result)})}});
        const value failed = value::object(
            {{"is", "gene"},
             {"name", "error"},
             {"props", value::object({{"id", "int"}, {"code", "string"}, {"message", "string"}})},
             {"optional", value::list({"message"})}});
        return value::object(
            {{"purpose", contract_.doc},
             {"type", "send+recv"},
             {"pattern", "request-reply"},
             {"correlate", "id"},
             {"codecs", std::move(codecs)},
             {"control", control()},
             {"to_server", value::object({{"value", value::object({{"is", "union"},
                                                                   {"of", std::move(calls)}})}})},
             {"to_client",
              value::object(
                  {{"value",
                    value::object({{"is", "union"}, {"of", value::list({answered, failed})}})}})}});
    }

    // Parameters from the first one on that may be missing are the rest.
    static value call_of(const std::string& name, const value& m) {
        value::array children;
        bool all = true;
        for (const value& p : m["params"].as_array()) {
            all = all && p.find("optional") == nullptr && p.find("default") == nullptr;
            if (all) children.push_back(p["shape"]);
        }
        const value method = value::object({{"is", "const"}, {"value", name}});
        value call = value::object({{"is", "gene"},
                                    {"name", "call"},
                                    {"props", value::object({{"id", "int"}, {"method", method}})},
                                    {"children", std::move(children)}});
        if (!all) call["rest"] = "any";
        return call;
    }

    value control() const {
        if (!contract_.control) return false;
        value::array names;
        for (const detail::method_info& m : contract_.operations) names.emplace_back(m.name);
        return value::object({{"ops", std::move(names)}});
    }

    const detail::contract_info& contract_;
    shape_writer shapes_;
};

}  // namespace

std::string content_hash(const value& content) {
    value::map counted;
    for (const auto& [key, v] : content.as_map())
        if (key != value("hash") && key != value("endpoints") && key != value("instances"))
            counted.emplace_back(key, v);
    return sha256_of(canonical_text(std::move(counted)));
}

}  // namespace tenon::inline v0::manifests

namespace tenon::inline v0::detail {

manifest make_manifest(const contract_info& contract) {
    return manifest::from(manifests::builder(contract).build()).value();
}

}  // namespace tenon::inline v0::detail
