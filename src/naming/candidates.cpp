#include "naming/candidates.hpp"

#include <algorithm>

#include "naming/instance_files.hpp"
#include "rpc/server_core.hpp"

namespace tenon::inline v0::naming {
namespace {

/// Which instances are looked for.
class filter {
public:
    filter(const discover_options& options, const std::vector<std::string>& tried)
        : options_(options), tried_(tried) {}

    bool wants(std::string_view id) const {
        return (options_.instance.empty() || options_.instance == id) &&
               std::find(tried_.begin(), tried_.end(), id) == tried_.end();
    }
    bool trusts(const open_directory& d, std::string_view id) const {
        if (options_.owners.empty()) return true;
        const auto owner = owner_of(d, id);
        const auto& trusted = options_.owners;
        return owner && std::find(trusted.begin(), trusted.end(), *owner) != trusted.end();
    }

private:
    const discover_options& options_;
    const std::vector<std::string>& tried_;
};

std::optional<open_directory> open_service(const std::string& base, const service_name& name) {
    const auto root = open_base(base);
    if (!root) return std::nullopt;
    const auto publisher = open_below(*root, name.publisher);
    if (!publisher) return std::nullopt;
    return open_below(*publisher, name.service);
}

void look_in(const std::string& base, const service_name& name, const filter& f,
             std::vector<candidate>& found) {
    const auto directory = open_service(base, name);
    if (!directory) return;
    for_each_entry(*directory, [&](std::string_view file) {
        const std::string_view id = instance_of(file, socket_extension);
        if (id.empty() || !f.wants(id) || !f.trusts(*directory, id)) return;
        const auto is_same = [&](const candidate& c) { return c.id == id; };
        if (std::any_of(found.begin(), found.end(), is_same)) return;
        const std::string path = base + "/" + name.publisher + "/" + name.service + "/";
        found.push_back({std::string(id), "unix:" + path + std::string(file), false, base});
    });
}

}  // namespace

service_name service_name::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    service_name n;
    n.publisher = text.substr(0, slash);
    if (slash != text.npos) n.service = text.substr(slash + 1);
    if (!is_directory_name(n.publisher, true) || !is_directory_name(n.service, false))
        throw failure(error(errc::invalid, "\"" + std::string(text) +
                                               "\" is not the name of a service; expected "
                                               "PUBLISHER/SERVICE, as in demo/math")
                          .set_may_have_run(false));
    return n;
}

std::vector<candidate> find_candidates(detail::runtime_core& runtime, const service_name& name,
                                       const discover_options& options,
                                       const std::vector<std::string>& tried) {
    const filter f(options, tried);
    std::vector<candidate> found;
    if (options.scopes.contains(scope::process))
        for (const auto& server : runtime.services().find(name.text()))
            if (f.wants(server->instance()))
                found.push_back({server->instance(), "inproc:" + server->instance(), true, {}});
    if (found.empty() && options.scopes.contains(scope::os))
        for (const std::string& base : searched_directories(runtime.options().directory))
            look_in(base, name, f, found);
    return found;
}

bool may_live(const candidate& c, const service_name& name) {
    if (c.local) return true;
    const auto directory = open_service(c.base, name);
    if (!directory) return false;
    if (look_at(*directory, c.id) != life::dead) return true;
    clean_up(*directory, c.id);
    return false;
}

}  // namespace tenon::inline v0::naming
