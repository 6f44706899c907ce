#include "naming/publication.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/random.hpp"
#include "naming/description.hpp"
#include "naming/instance_files.hpp"
#include "transport/path_claim.hpp"

namespace tenon::inline v0::naming {
namespace {

// Every server has this publisher's service, so its name finds nobody in particular.
constexpr std::string_view own_publisher = "tenon";

base::unique_fd copy_of(const open_directory& d) {
    return base::unique_fd(fcntl(d.fd.get(), F_DUPFD_CLOEXEC, 0));
}

void remove_dead_instances(const open_directory& d) {
    for_each_entry(d, [&](std::string_view file) {
        const std::string_view id = instance_of(file, lock_extension);
        if (!id.empty()) clean_up(d, id);
    });
}

/// The claim to INSTANCE.sock, and the directory that it is in.
result<std::unique_ptr<transport::path_claim>> claim(const std::string& base,
                                                     const detail::contract_info& contract,
                                                     const std::string& instance,
                                                     const sharing& with, open_directory& in) {
    const std::string path = base + "/" + contract.publisher + "/" + contract.service + "/" +
                             instance + std::string(socket_extension);
    // The directory may be removed as long as nothing of ours is in it. That cannot go on for long,
    // unless somebody means it.
    constexpr std::chrono::seconds patience(2);
    const auto limit = std::chrono::steady_clock::now() + patience;
    for (;;) {
        auto made = make_service_directory(base, contract.publisher, contract.service, with);
        if (!made) return std::move(made).error();
        in = *std::move(made);
        transport::claim_options o;
        o.directory = copy_of(in);
        if (!o.directory) return error(errc::overloaded, "out of file descriptors (see ulimit -n)");
        o.lock_name = instance + std::string(lock_extension);
        o.new_name = instance + std::string(new_extension);
        o.patient = true;
        o.released = [base, publisher = contract.publisher, service = contract.service] {
            remove_empty_directories(base, publisher, service);
        };
        auto claimed = transport::path_claim::acquire(path, std::move(o));
        if (claimed || claimed.error().code() != errc::not_found) return claimed;
        if (std::chrono::steady_clock::now() >= limit) return claimed;
        std::this_thread::sleep_for(
            std::chrono::microseconds(tenon::base::thread_random().below(100)));
    }
}

}  // namespace

void publication::on_start(rpc::server_core& server) {
    server_ = &server;
    base_ = own_directory(server.runtime().options().directory);
    for (const rpc::published_service& s : server.services()) {
        if (s.contract.publisher == own_publisher) continue;
        try {
            if (s.options.seen.contains(scope::os)) publish_in_directory(server, s);
        } catch (const failure& f) {
            // With an address of its own the server can be reached without a name.
            if (server.endpoints().empty()) throw;
            server.runtime().log().warning("{}/{} is not published by name: {}",
                                           s.contract.publisher, s.contract.service,
                                           f.error().message());
        }
        if (!s.options.seen.contains(scope::process)) continue;
        names_.push_back(s.contract.publisher + "/" + s.contract.service);
        server.runtime().services().offer(names_.back(), server.shared_from_this());
    }
}

void publication::publish_in_directory(rpc::server_core& server,
                                       const rpc::published_service& service) {
    const sharing with = sharing::of(server.options());
    open_directory directory;
    auto claimed = claim(base_, service.contract, server.instance(), with, directory).value();
    remove_dead_instances(directory);

    const transport::endpoint at{transport::scheme::unix_path,
                                 base_ + "/" + service.contract.publisher + "/" +
                                     service.contract.service + "/" + server.instance() +
                                     std::string(socket_extension),
                                 {},
                                 0};
    const value content = describe_for_others(server, service, transport::to_string(at));
    write_description(directory, server.instance(), to_json(content), with).value();
    files_.push_back({copy_of(directory), server.instance() + std::string(json_extension)});

    transport::listen_options o;
    o.shared_memory = server.shared_memory();
    o.group = server.options().group;
    o.mode = server.options().mode;
    if (!server.options().allow_uids.empty() || !server.options().allow_gids.empty()) o.mode = 0666;
    server.add(transport::open_listener(at, o, std::move(claimed)).value());
}

void publication::on_stop() noexcept {
    for (const std::string& name : names_) server_->runtime().services().withdraw(name, server_);
    names_.clear();
    for (const published_file& f : files_) unlinkat(f.directory.get(), f.name.c_str(), 0);
    files_.clear();
}

}  // namespace tenon::inline v0::naming
