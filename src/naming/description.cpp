#include "naming/description.hpp"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>

#include "tenon/manifest.hpp"
#include "transport/endpoint.hpp"

namespace tenon::inline v0::naming {
namespace {

constexpr std::size_t most_endpoints = 64;

std::string as_text(std::chrono::system_clock::time_point at) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(at);
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    std::array<char, sizeof "2000-01-01T00:00:00Z" + 16> text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

/// Whether others than this process could use the endpoint to call a service seen from `seen`.
bool reaches(const std::string& endpoint, scopes seen) {
    const auto parsed = transport::parse_endpoint(endpoint);
    if (!parsed || parsed->kind == transport::scheme::inproc) return false;
    const scopes needed = transport::is_loopback(*parsed) ? scope::os : scope::lan;
    return !(seen & (needed == scope::lan ? scope::lan | scope::wan : needed)).empty();
}

/// As others, in other directories, would spell it.
std::string absolute(const std::string& endpoint) {
    auto parsed = transport::parse_endpoint(endpoint);
    if (!parsed || !transport::is_path(*parsed) || parsed->name.starts_with('/')) return endpoint;
    const std::unique_ptr<char, decltype(&std::free)> here(get_current_dir_name(), &std::free);
    if (!here) return endpoint;
    parsed->name = std::string(here.get()) + "/" + parsed->name;
    return transport::to_string(*parsed);
}

std::vector<std::string> endpoints_of(const rpc::server_core& server,
                                      const rpc::published_service& service) {
    std::vector<std::string> all;
    for (const std::string& e : server.endpoints())
        if (reaches(e, service.options.seen)) all.push_back(absolute(e));
    return all;
}

/// Whole, unless the service is published without control or nobody could read it.
value manifest_of(const rpc::published_service& service) {
    const detail::contract_info& c = service.contract;
    try {
        if (service.options.control) return detail::make_manifest(c).content();
    } catch (const failure&) {
        // Beyond the limits of manifests; its name is still good.
    }
    return value::object({{"publisher", value(c.publisher)},
                          {"name", value(c.service)},
                          {"version", value(c.version)}});
}

std::string text_of(const value& in, std::string_view key) {
    const value* found = in.find(key);
    return found && found->is_string() ? found->as_string() : std::string();
}

std::int64_t number_of(const value& in, std::string_view key) {
    const value* found = in.find(key);
    const auto* n = found ? found->get_if<std::int64_t>() : nullptr;
    return n ? *n : 0;
}

}  // namespace

instance describe(const rpc::server_core& server, const rpc::published_service& service) {
    const value manifest = manifest_of(service);
    instance i;
    i.publisher = service.contract.publisher;
    i.service = service.contract.service;
    i.id = server.instance();
    i.seen = service.options.seen;
    i.endpoints = endpoints_of(server, service);
    i.endpoints.insert(i.endpoints.begin(), "inproc:" + server.instance());
    i.version = service.contract.version;
    i.hash = text_of(manifest, "hash");
    i.pid = getpid();
    i.uid = geteuid();
    i.started = as_text(server.started());
    return i;
}

value describe_for_others(const rpc::server_core& server, const rpc::published_service& service,
                          const std::string& own) {
    value::array endpoints{value(own)};
    for (std::string& e : endpoints_of(server, service)) endpoints.emplace_back(std::move(e));
    return value::object({{"instance", value(server.instance())},
                          {"pid", value(static_cast<std::int64_t>(getpid()))},
                          {"uid", value(static_cast<std::int64_t>(geteuid()))},
                          {"started", value(as_text(server.started()))},
                          {"scopes", value(static_cast<int>(service.options.seen.bits()))},
                          {"endpoints", value(std::move(endpoints))},
                          {"manifest", manifest_of(service)}});
}

std::optional<instance> read_instance(const value& d, std::string_view publisher,
                                      std::string_view service, std::string_view id) {
    const value* const manifest = d.find("manifest");
    if (!manifest || text_of(d, "instance") != id || text_of(*manifest, "publisher") != publisher ||
        text_of(*manifest, "name") != service)
        return std::nullopt;
    instance i;
    i.publisher = publisher;
    i.service = service;
    i.id = id;
    i.seen = scopes(static_cast<std::uint8_t>(number_of(d, "scopes")));
    i.version = text_of(*manifest, "version");
    i.hash = text_of(*manifest, "hash");
    i.pid = number_of(d, "pid");
    i.uid = static_cast<std::uint32_t>(number_of(d, "uid"));
    i.started = text_of(d, "started");
    if (const value* list = d.find("endpoints"); list && list->is_array())
        for (const value& e : list->as_array())
            if (e.is_string() && i.endpoints.size() < most_endpoints)
                i.endpoints.push_back(e.as_string());
    return i;
}

}  // namespace tenon::inline v0::naming
