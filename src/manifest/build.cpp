// Contract → manifest.

#include <algorithm>
#include <optional>

#include "manifest/canonical.hpp"
#include "manifest/model.hpp"
#include "manifest/shape_writer.hpp"
#include "tenon/manifest.hpp"
#include "tenon/stream_core.hpp"

namespace tenon::inline v0::manifests {
namespace {

using detail::member_kind;

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
        v["interfaces"] = interfaces_of(members);
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
        const detail::stream_types* stream = m.signature->stream;
        const member_kind kind = stream ? stream->kind : member_kind::method;
        value v = value::object({{"kind", detail::name_of(kind)}});
        if (!m.doc.empty()) v["doc"] = m.doc;
        value::array params;
        for (std::uint32_t i = 0; i < m.signature->param_count; ++i)
            params.push_back(describe_param(m, i));
        v["params"] = std::move(params);
        if (kind == member_kind::source) v["value"] = shapes_.write(*stream->down->type);
        if (kind == member_kind::sink) v["value"] = shapes_.write(*stream->up->type);
        if (kind == member_kind::channel) {
            v["up"] = shapes_.write(*stream->up->type);
            v["down"] = shapes_.write(*stream->down->type);
        }
        if (kind == member_kind::method || kind == member_kind::sink)
            v["result"] = shapes_.write(*m.signature->result);
        if (m.up.is_declared() || m.down.is_declared()) {
            v["flow"] = value::map();
            if (m.up.is_declared()) v["flow"]["up"] = flow_of(m.up);
            if (m.down.is_declared()) v["flow"]["down"] = flow_of(m.down);
        }
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

    static value flow_of(const detail::flow_settings& f) {
        constexpr const char* policies[] = {"block", "drop_new", "drop_old", "latest", "fail"};
        value v = value::map();
        if (f.overflow != overflow::block)
            v["overflow"] = policies[static_cast<std::size_t>(f.overflow)];
        if (f.key) v["key"] = f.key;
        if (f.buffer != 0) v["queue"] = f.buffer;
        if (f.window != 0) v["window"] = f.window;
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

    // All methods together, and each stream.
    value interfaces_of(const value& members) const {
        value all = value::map();
        bool has_streams = false;
        bool has_methods = false;
        for (const auto& [name, m] : members.as_map())
            (m["kind"] == value("method") ? has_methods : has_streams) = true;
        if (has_methods || !has_streams) all[contract_.service] = interface_of(members);
        for (const auto& [name, m] : members.as_map())
            if (m["kind"] != value("method"))
                all[contract_.service + "." + name.as_string()] = interface_of_stream(m);
        return all;
    }

    value interface_of_stream(const value& m) const {
        const std::string& kind = m["kind"].as_string();
        const value* doc = m.find("doc");
        value::array codecs{"msgpack", "json"};
        if (const value* own = m.find("codec"); own && *own != codecs[0] && *own != codecs[1])
            codecs.push_back(*own);
        value v = value::object({{"purpose", doc ? *doc : value("")},
                                 {"type", kind == "source" ? "send"
                                          : kind == "sink" ? "recv"
                                                           : "send+recv"},
                                 {"pattern", "stream"},
                                 {"codecs", std::move(codecs)},
                                 {"control", control()}});
        const auto direction = [&](const char* shape, const char* way) {
            value d = value::object({{"value", m[shape]}});
            const value* flow = m.find("flow");
            if (flow) flow = flow->find(way);
            if (flow)
                for (const auto& [key, setting] : flow->as_map()) d[key.as_string()] = setting;
            return d;
        };
        if (kind == "sink") v["to_server"] = direction("value", "up");
        if (kind == "channel") v["to_server"] = direction("up", "up");
        if (kind == "source") v["to_client"] = direction("value", "down");
        if (kind == "channel") v["to_client"] = direction("down", "down");
        return v;
    }

    // The methods together as one interface in the sense of the Gene schema: calls come in, results
    // and errors go out.
    value interface_of(const value& members) const {
        value::array calls;
        value::array results;
        value::array codecs{"msgpack", "json"};
        for (const auto& [name, m] : members.as_map()) {
            if (m["kind"] != value("method")) continue;
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

const char* name_of(member_kind k) noexcept {
    constexpr const char* names[] = {"method", "source", "sink", "channel"};
    return names[static_cast<std::size_t>(k)];
}

}  // namespace tenon::inline v0::detail
