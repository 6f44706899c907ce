#include "naming/listing.hpp"

#include <algorithm>

#include "base/wildcard.hpp"
#include "naming/description.hpp"
#include "naming/instance_files.hpp"
#include "rpc/server_core.hpp"
#include "transport/link.hpp"

namespace tenon::inline v0::naming {
namespace {

bool can_be_reached(const std::string& endpoint) {
    const auto link = transport::open_link(transport::parse_endpoint(endpoint).value());
    // Its queue is full, or we are out of descriptors: somebody listens, or may.
    return link || link.error().code() == errc::overloaded;
}

class scanner {
public:
    scanner(std::string_view pattern, const list_options& options, const instances& known)
        : pattern_(pattern), options_(options), known_(known) {}

    void look_in_process(detail::runtime_core& runtime) {
        for (const auto& [name, server] : runtime.services().all())
            for (const rpc::published_service& s : server->services())
                if (s.contract.publisher + "/" + s.contract.service == name &&
                    base::matches(pattern_, name))
                    add(describe(*server, s));
    }

    void look_in(const std::string& base) {
        const auto root = open_base(base);
        if (!root) return;
        for_each_service(
            *root, pattern_, {},
            [&](const open_directory& d, const std::string& publisher, const std::string& service) {
                for_each_entry(d, [&](std::string_view file) {
                    const auto id = instance_of(file, socket_extension);
                    if (!id.empty())
                        look_at_files(d, base + "/" + publisher + "/" + service,
                                      {publisher, service, std::string(id)});
                });
            });
    }

    instances take() { return std::move(found_); }

private:
    void look_at_files(const open_directory& d, const std::string& path, const instance_key& key) {
        const auto& [publisher, service, id] = key;
        const auto owner = owner_of(d, id);
        const auto& trusted = options_.owners;
        if (!owner || (!trusted.empty() &&
                       std::find(trusted.begin(), trusted.end(), *owner) == trusted.end()))
            return;
        const life alive = look_at(d, id);
        if (alive == life::dead) return clean_up(d, id);
        const std::string endpoint = "unix:" + path + "/" + id + std::string(socket_extension);
        if (alive == life::unknown && !can_be_reached(endpoint)) return;
        if (const auto at = known_.find(key); at != known_.end()) {
            found_.emplace(key, at->second);
            return;
        }
        const auto description = read_description(d, id);
        auto i = description ? read_instance(*description, publisher, service, id) : std::nullopt;
        if (!i) return;
        // What the kernel says of it goes before what it says itself.
        i->uid = *owner;
        std::erase(i->endpoints, endpoint);
        i->endpoints.insert(i->endpoints.begin(), endpoint);
        add(*std::move(i));
    }

    void add(instance i) {
        instance_key key{i.publisher, i.service, i.id};
        const auto [at, is_new] = found_.try_emplace(std::move(key), std::move(i));
        if (is_new) return;
        // Known from the process; the directory adds its sockets.
        auto& endpoints = at->second.endpoints;
        for (std::string& e : i.endpoints)
            if (std::find(endpoints.begin(), endpoints.end(), e) == endpoints.end())
                endpoints.push_back(std::move(e));
    }

    const std::string_view pattern_;
    const list_options& options_;
    const instances& known_;
    instances found_;
};

}  // namespace

void for_each_service(
    const open_directory& base, std::string_view pattern,
    const std::function<void(const open_directory& publisher)>& publisher_seen,
    const std::function<void(const open_directory& d, const std::string& publisher,
                             const std::string& service)>& visit) {
    // Up to the first wildcard names are as they are.
    const std::string_view fixed = pattern.substr(0, pattern.find_first_of("*?"));
    const std::size_t slash = fixed.find('/');
    for_each_entry(base, [&](std::string_view publisher) {
        if (slash != fixed.npos && publisher != fixed.substr(0, slash)) return;
        if (!is_directory_name(publisher, true)) return;
        const auto outer = open_below(base, publisher);
        if (!outer) return;
        if (publisher_seen) publisher_seen(*outer);
        for_each_entry(*outer, [&](std::string_view service) {
            const std::string name = std::string(publisher).append("/").append(service);
            if (!is_directory_name(service, false) || !base::matches(pattern, name)) return;
            if (const auto inner = open_below(*outer, service))
                visit(*inner, std::string(publisher), std::string(service));
        });
    });
}

instances scan(detail::runtime_core& runtime, std::string_view pattern, const list_options& options,
               const instances& known) {
    scanner s(pattern, options, known);
    if (options.scopes.contains(scope::process)) s.look_in_process(runtime);
    if (options.scopes.contains(scope::os))
        for (const std::string& base : searched_directories(runtime.options().directory))
            s.look_in(base);
    return s.take();
}

}  // namespace tenon::inline v0::naming

namespace tenon::inline v0 {

std::vector<instance> list(std::string_view pattern, const list_options& options) {
    const auto runtime =
        (options.runtime ? *options.runtime : tenon::runtime::process()).shared_core();
    if (auto e = runtime->unusable()) throw failure(*std::move(e));
    std::vector<instance> all;
    for (auto& [key, i] : naming::scan(*runtime, pattern, options, {})) all.push_back(i);
    return all;
}

std::vector<std::string> name_directories(const runtime* r) {
    return naming::searched_directories((r ? *r : runtime::process()).core().options().directory);
}

}  // namespace tenon::inline v0
