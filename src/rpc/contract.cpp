#include "tenon/contract.hpp"

#include <algorithm>
#include <cctype>

#include "codec/codec.hpp"
#include "tenon/stream_core.hpp"

namespace tenon::inline v0 {

namespace {

[[noreturn]] void bad(const std::string& what) { throw failure(error(errc::invalid, what)); }

bool is_name(std::string_view s, bool dots) {
    const auto allowed = [dots](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' ||
               (dots && c == '.');
    };
    return !s.empty() && s.size() <= 64 && std::all_of(s.begin(), s.end(), allowed);
}

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> names;
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        std::string_view one = list.substr(0, comma);
        while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
        while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
        names.emplace_back(one);
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return names;
}

// The declared codec must be able to carry what the method takes and gives.
void check_types(const std::string& where, const detail::method_info& m) {
    std::vector<coding::parameter> types;
    for (std::uint32_t i = 0; i < m.signature->param_count; ++i)
        types.push_back({m.param_names[i].c_str(), m.signature->params[i]});
    types.push_back({"result", m.signature->result});
    if (const detail::stream_types* stream = m.signature->stream)
        for (const detail::value_ops* values : {stream->up, stream->down})
            types.push_back({"value", values->type});
    auto fit = coding::check_types(*m.wire_codec, types);
    if (!fit)
        throw failure(error(fit.error().code(), where + ": " + std::string(fit.error().message())));
}

void check_params(const std::string& where, const detail::method_info& m) {
    if (m.param_names.size() != m.signature->param_count)
        bad(where + " names " + std::to_string(m.param_names.size()) + " parameters but takes " +
            std::to_string(m.signature->param_count));
    const bool raw = m.wire_codec == codec::raw;
    if (raw && m.signature->param_count > 1) bad(where + " is raw and so takes one parameter");
    if (m.wire_codec) check_types(where, m);
}

// Whether objects of the type hold what only points to their text or bytes.
bool has_views(const shape& s, std::vector<const shape*>& seen) {
    if (std::find(seen.begin(), seen.end(), &s) != seen.end()) return false;
    seen.push_back(&s);
    const auto within = [&](const shape* inner) { return has_views(*inner, seen); };
    switch (s.kind) {
        case kind::string_view:
        case kind::bytes_view: return true;
        case kind::optional: return within(s.optional->element);
        case kind::array:
        case kind::vector: return within(s.sequence->element);
        case kind::map: return within(s.map->key) || within(s.map->mapped);
        case kind::indirect: return within(s.indirect->element);
        case kind::variant:
            return std::any_of(s.variant->alternatives, s.variant->alternatives + s.variant->count,
                               [&](const alternative& a) { return within(a.type); });
        case kind::tuple:
            return std::any_of(s.tuple->elements, s.tuple->elements + s.tuple->count,
                               [&](const tuple_element& e) { return within(e.type); });
        case kind::structure:
            return std::any_of(s.structure->members, s.structure->members + s.structure->count,
                               [&](const member& m) { return within(m.type); });
        default: return false;
    }
}

// Flags, flow and values of a stream; a method has no flow.
void check_stream(const std::string& where, const detail::method_info& m) {
    if (!m.signature->stream) {
        if (m.up.is_declared() || m.down.is_declared())
            bad(where + " is a method, and only streams have an overflow policy or a window");
        return;
    }
    const detail::stream_types& stream = *m.signature->stream;
    const std::string what = where + " is a " + detail::name_of(stream.kind);
    if (m.flags.idempotent)
        bad(what + " and cannot be idempotent: streams are not opened again by themselves");
    if (m.flags.serial) bad(what + " and cannot be serial: the next one would wait until it ends");
    std::vector<const shape*> seen;
    for (const detail::value_ops* values : {stream.up, stream.down})
        if (has_views(*values->type, seen))
            bad(what +
                " whose values hold views, which they would outlive: use std::string or "
                "tenon::bytes");
    constexpr std::uint32_t most = 0x7FFF'FFFF;  // of a REQUEST_N
    if (m.up.window > most || m.down.window > most) bad(what + " with too large a window");
}

}  // namespace

namespace detail {

method_info& contract_info::add(std::string_view name, std::string_view params,
                                const signature& types) {
    method_info& m = methods.emplace_back();
    m.name = name;
    m.param_names = split(params);
    m.signature = &types;
    // Without names the parameters can only be given by position.
    for (std::size_t i = m.param_names.size(); i < types.param_count && params.empty(); ++i)
        m.param_names.push_back("arg" + std::to_string(i));
    return m;
}

void contract_info::set_priority(priority p) {
    for (method_info& m : methods)
        if (!m.flags.priority) m.flags.priority = p;
}

void contract_info::check() const {
    if (!is_name(publisher, true)) bad("publisher \"" + publisher + "\" is not a name");
    if (!is_name(service, false)) bad("service \"" + service + "\" is not a name");
    for (const method_info& m : methods) {
        const std::string where = service + "." + m.name;
        if (!is_name(m.name, false)) bad(where + " is not a name");
        if (std::any_of(methods.data(), &m, [&](const auto& o) { return o.name == m.name; }))
            throw failure(error(errc::conflict, where + " is there twice"));
        check_params(where, m);
        check_stream(where, m);
    }
}

void contract_info::check_operation(const method_info& m) const {
    const std::string where = service + "." + m.name;
    const bool dotted = is_name(m.name, true) && m.name.find('.') != std::string::npos &&
                        m.name.find("..") == std::string::npos && m.name.front() != '.' &&
                        m.name.back() != '.';
    if (!dotted) bad(where + ": a control operation has a name with a dot, like \"cache.clear\"");
    if (m.signature->stream) bad(where + ": a control operation is a method, not a stream");
    check_params(where, m);
}

void method_info::declare(const declared_error& e) {
    errors.push_back(e);
    if (!signature) return;
    struct owning : detail::signature {
        std::vector<const shape*> all;
    };
    auto own = std::make_shared<owning>();
    static_cast<detail::signature&>(*own) = *signature;
    own->all.assign(signature->errors, signature->errors + signature->error_count);
    own->all.push_back(e.type);
    own->errors = own->all.data();
    ++own->error_count;
    own_signature_ = std::move(own);
    signature = own_signature_.get();
}

flow_settings method_info::flow_of(bool server) const {
    flow_settings flow = server ? down : up;
    flow.window = server ? up.window : down.window;
    return flow;
}

void method_info::set_default(std::string_view param, value v) {
    if (std::find(param_names.begin(), param_names.end(), param) == param_names.end())
        bad(name + " has no parameter \"" + std::string(param) + "\"");
    defaults.emplace_back(param, std::move(v));
}

target::~target() = default;

result<void> target::call(const call_arguments&, void*, const call_options*) {
    return error(errc::conflict, "this contract object belongs to a server; connect to call it")
        .set_may_have_run(false);
}

void target::start(const call_arguments& args, call_state& state, const call_options* options) {
    if (auto outcome = call(args, nullptr, options); !outcome)
        state.failed = std::move(outcome).error();
    state.finish();
}

result<stream_ends> target::open(const call_arguments&, const open_options*) {
    return error(errc::conflict, "this contract object belongs to a server; connect to call it")
        .set_may_have_run(false);
}

blob target::loan(std::size_t size) { return blob(size); }

void target::implement(std::unique_ptr<handler>) {
    throw failure(error(errc::conflict,
                        "members of a client cannot be implemented; assign to what "
                        "server.publish() returned"));
}

void* target::tag() const noexcept { return nullptr; }

void binding::unbound() {
    throw failure(error(errc::conflict,
                        "this contract object is not bound; use tenon::connect<…>() or "
                        "server.publish<…>()")
                      .set_may_have_run(false));
}

namespace {

class tag_target final : public target {
public:
    explicit tag_target(void* tag) : tag_(tag) {}
    void* tag() const noexcept override { return tag_; }

private:
    void* tag_;
};

}  // namespace

binding binding::tagged(void* tag) { return binding(std::make_shared<tag_target>(tag)); }

}  // namespace detail

}  // namespace tenon::inline v0
