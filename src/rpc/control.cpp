#include "rpc/control.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/wildcard.hpp"
#include "rpc/hello.hpp"
#include "rpc/metrics.hpp"
#include "rpc/server_core.hpp"
#include "rpc/service_call.hpp"
#include "rpc/stream/wire_stream.hpp"
#include "rpc/watchers.hpp"
#include "tenon/control.hpp"

namespace tenon::inline v0 {

void control::describe(description<control>& d) {
    d.doc("What every server tells of itself.");
    d[&control::ping].doc("Gives its argument back.").idempotent().default_value("v", value());
    d[&control::info].doc("Who serves, since when, where, within which limits.").idempotent();
    d[&control::list]
        .doc("The services that the caller may see and whose \"publisher/service\" matches.")
        .idempotent()
        .default_value("pattern", "*");
    d[&control::manifest]
        .doc("What a service says of itself; nil if that has the hash `if_not`.")
        .idempotent()
        .default_value("if_not", "");
    d[&control::stats]
        .doc("What the server and the methods of matching services have counted.")
        .idempotent()
        .default_value("pattern", "*");
    d[&control::connections].doc("The connections there are now.").idempotent();
    d[&control::streams]
        .doc("The streams that are open now, of matching services, by direction.")
        .idempotent()
        .default_value("pattern", "*");
    d[&control::pause].doc("Stops the values of a stream, as if nobody took them.").idempotent();
    d[&control::resume].doc("Lets a stream go on that was paused.").idempotent();
    d[&control::close].doc("Ends a stream on both sides, as cancelled.").idempotent();
    d[&control::watch]
        .doc("What the server notices of itself: that it goes away, and what is slow.")
        .default_value("pattern", "*")
        .overflow(overflow::drop_old, 64)
        .window(64);
    d[&control::log_level]
        .doc("Sets the least level that is logged, if one is given; tells which one it is.")
        .idempotent();
    d[&control::metrics]
        .doc("What `stats` tells of all services, as text for Prometheus.")
        .idempotent();
}

namespace rpc {

namespace {

std::string name_of(const detail::contract_info& c) { return c.publisher + "/" + c.service; }

std::vector<std::string> names_of(scopes s) {
    std::vector<std::string> names;
    if (s.contains(scope::process)) names.emplace_back("process");
    if (s.contains(scope::os)) names.emplace_back("os");
    if (s.contains(scope::lan)) names.emplace_back("lan");
    if (s.contains(scope::wan)) names.emplace_back("wan");
    return names;
}

std::string host_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

server_info info_of(const server_core& server) {
    server_info i;
    i.instance = server.instance();
    i.pid = ::getpid();
    i.uid = ::geteuid();
    i.host = host_name();
    i.version = library_version();
    i.wire = wire_version;
    i.started = server.started();
    i.uptime = server.uptime();
    i.endpoints = server.endpoints();
    i.limits = server.options().limits;
    return i;
}

result<void> check_owner(const context& c, std::string_view what) {
    const peer_info& p = c.peer();
    if (p.transport == "inproc") return {};
    if (p.has_credentials && (p.uid == 0 || p.uid == ::geteuid())) return {};
    return error(errc::denied, std::string(what) +
                                   " is for callers in the server's process, and on Unix sockets "
                                   "for its user and root")
        .set_may_have_run(false);
}

result<tenon::log_level> level_of(std::string_view name) {
    for (const auto level :
         {log_level::debug, log_level::info, log_level::warning, log_level::error, log_level::off})
        if (to_string(level) == name) return level;
    return error(errc::invalid, "no log level \"" + std::string(name) +
                                    "\"; there are debug, info, warning, error and off");
}

result<std::string> change_log_level(context& c, base::logger& log,
                                     const std::optional<std::string>& wanted) {
    if (wanted) {
        TENON_TRY(check_owner(c, "changing the log level"));
        auto level = level_of(*wanted);
        if (!level) return std::move(level).error();
        log.set_level(*level);
    }
    return std::string(to_string(log.level()));
}

bool is_control(std::string_view service) { return service == "tenon/control"; }

/// Whether `pattern` means `service`, a "publisher/service".
bool is_meant(std::string_view pattern, std::string_view service) {
    return base::matches(pattern, service) &&
           (!is_control(service) || pattern.starts_with("tenon"));
}

service_summary summary_of(const detail::contract_info& c, scopes seen, std::string_view instance) {
    service_summary s;
    s.publisher = c.publisher;
    s.service = c.service;
    s.version = c.version;
    s.instance = instance;
    s.seen = names_of(seen);
    s.control = c.control;
    return s;
}

auto doing(server_core& server, stream_action what) {
    return [&server, what](context& c, std::uint64_t connection,
                           std::uint32_t stream) -> result<void> {
        TENON_TRY(check_owner(c, "what is done to streams"));
        return server.act_on(connection, stream, what);
    };
}

manifest manifest_of_control() {
    static const manifest made = detail::make_manifest(detail::contract_of<control>());
    return made;
}

std::vector<service_summary> list_of(const server_core& server, std::string_view pattern,
                                     scopes from) {
    std::vector<service_summary> all;
    const auto tell = [&](const detail::contract_info& c, const manifest& m) {
        all.back().doc = c.doc;
        all.back().hash = m.hash();
    };
    for (const published_service& s : server.services()) {
        if (!s.options.seen.contains(from) || !is_meant(pattern, name_of(s.contract))) continue;
        all.push_back(summary_of(s.contract, s.options.seen, server.instance()));
        if (s.contract.control) tell(s.contract, server.manifest_of(s));
    }
    const detail::contract_info& own = detail::contract_of<control>();
    if (is_meant(pattern, name_of(own))) {
        all.push_back(summary_of(own, scope::all, server.instance()));
        tell(own, manifest_of_control());
    }
    return all;
}

result<value> content_of(const manifest& m, std::string_view if_not) {
    if (m.hash() == if_not) return value();
    return m.content();
}

result<value> manifest_for(const server_core& server, const std::string& service,
                           std::string_view if_not, scopes from) {
    if (is_control(service)) return content_of(manifest_of_control(), if_not);
    for (const published_service& s : server.services()) {
        if (name_of(s.contract) != service || !s.options.seen.contains(from)) continue;
        if (s.contract.control) return content_of(server.manifest_of(s), if_not);
        return error(errc::unsupported, service + " is published without control");
    }
    return error(errc::not_found, "no service \"" + service + "\" here");
}

}  // namespace

std::string_view library_version() noexcept { return TENON_VERSION; }

bool is_hidden(const server_core& server, std::string_view service) {
    for (const published_service& s : server.services())
        if (!s.contract.control && name_of(s.contract) == service) return true;
    return false;
}

std::vector<const method_entry*> methods_for(const server_core& server, std::string_view pattern,
                                             observer who) {
    std::unordered_set<std::string> hidden;
    for (const published_service& s : server.services())
        if (!s.contract.control && !who.is_owner) hidden.insert(name_of(s.contract));
    std::vector<const method_entry*> methods;
    for (const auto& m : server.methods().all()) {
        const std::string_view service = service_of(m->route());
        if (m->seen().contains(who.from) && is_meant(pattern, service) &&
            !hidden.contains(std::string(service)))
            methods.push_back(m.get());
    }
    return methods;
}

server_stats status_of(const server_core& server, std::string_view pattern, observer who) {
    server_stats all;
    all.instance = server.instance();
    all.uptime = server.uptime();
    server.count_connections(all.connections, all.accepted);
    for (const method_entry* m : methods_for(server, pattern, who)) {
        all.methods.push_back(m->stats());
        all.calls += all.methods.back().calls;
        all.errors += all.methods.back().errors;
        all.in_flight += all.methods.back().in_flight;
    }
    return all;
}

void publish_control(server_core& server) {
    control c;
    const std::vector<detail::binding> slots = server.add_control(detail::contract_of<control>());
    detail::contract_visitor<control> v{c, nullptr, &slots};
    tenon_interface(v);

    // The server outlives its handlers.
    server_core* const s = &server;
    c.ping = [](value any) { return any; };
    c.info = [s] { return info_of(*s); };
    c.list = [s](context& ctx, const std::string& pattern) {
        return list_of(*s, pattern, service_call::of(ctx).from());
    };
    c.manifest = [s](context& ctx, const std::string& service, const std::string& if_not) {
        return manifest_for(*s, service, if_not, service_call::of(ctx).from());
    };
    c.stats = [s](context& ctx, const std::string& pattern) {
        return status_of(*s, pattern, {service_call::of(ctx).from()});
    };
    c.connections = [s](context& ctx) -> result<std::vector<connection_stats>> {
        TENON_TRY(check_owner(ctx, "the list of connections"));
        return s->connections();
    };
    c.streams = [s](context& ctx,
                    const std::string& pattern) -> result<std::vector<stream_direction>> {
        TENON_TRY(check_owner(ctx, "the list of streams"));
        std::vector<stream_direction> all = s->streams();
        std::erase_if(all, [&](const stream_direction& d) {
            return !is_meant(pattern, service_of(d.member));
        });
        return all;
    };
    c.pause = doing(server, stream_action::pause);
    c.resume = doing(server, stream_action::resume);
    c.close = doing(server, stream_action::close);
    c.watch = [s](context& ctx, writer<server_event> out, const std::string& pattern) {
        const bool is_owner = check_owner(ctx, "").has_value();
        s->watching().add(std::move(out), pattern, {service_call::of(ctx).from(), is_owner});
    };
    c.metrics = [s](context& ctx) { return metrics_of(*s, {service_call::of(ctx).from()}); };
    c.log_level = [s](context& ctx, const std::optional<std::string>& level) {
        return change_log_level(ctx, s->runtime().log(), level);
    };
}

}  // namespace rpc
}  // namespace tenon::inline v0
