#include "tenon/server.hpp"

#include "naming/publication.hpp"
#include "rpc/control.hpp"
#include "rpc/metrics.hpp"
#include "rpc/server_core.hpp"

namespace tenon::inline v0 {

server::server(server_options options)
    : core_(std::make_shared<rpc::server_core>(std::move(options))) {
    core_->add(std::make_unique<naming::publication>());
}

server::~server() { core_->stop(std::chrono::milliseconds(0)); }

server& server::listen(std::string_view endpoint) {
    core_->listen(endpoint);
    return *this;
}

std::vector<detail::binding> server::offer(const detail::contract_info& info,
                                           const publish_options& options) {
    return core_->add(info, options);
}

detail::method_info& server::operate(std::string_view service, std::string_view name,
                                     std::string_view params, const detail::signature& types,
                                     std::unique_ptr<detail::handler> handler) {
    return core_->add_operation(service, name, params, types, std::move(handler));
}

void server::keep(std::unique_ptr<kept> object) { kept_.push_back(std::move(object)); }

server& server::on_connected(std::function<void(session&)> f) {
    core_->callbacks().connected.push_back(std::move(f));
    return *this;
}

server& server::on_disconnected(std::function<void(session&)> f) {
    core_->callbacks().disconnected.push_back(std::move(f));
    return *this;
}

server& server::on_stream_opened(std::function<void(served_stream&)> f) {
    core_->callbacks().opened.push_back(std::move(f));
    return *this;
}

server& server::on_stream_closed(std::function<void(served_stream&)> f) {
    core_->callbacks().closed.push_back(std::move(f));
    return *this;
}

server& server::on_note(std::function<void(session&, const note&)> f) {
    core_->callbacks().noted.push_back(std::move(f));
    return *this;
}

server& server::on_started(std::function<void(const std::vector<std::string>&)> f) {
    core_->on_started(std::move(f));
    return *this;
}

void server::start() { core_->start(); }
std::vector<std::string> server::endpoints() const { return core_->endpoints(); }
void server::stop() { core_->stop(core_->options().drain); }
void server::stop(std::chrono::milliseconds drain) { core_->stop(drain); }
void server::run() { core_->run(); }
std::vector<method_stats> server::stats() const { return status().methods; }
server_stats server::status() const { return rpc::status_of(*core_, "*", {scopes(), true}); }
std::string server::metrics() const { return rpc::metrics_of(*core_, {scopes(), true}); }
std::vector<connection_stats> server::connections() const { return core_->connections(); }

}  // namespace tenon::inline v0
