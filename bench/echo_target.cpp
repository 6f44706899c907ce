#include "echo_target.hpp"

#include <unistd.h>

namespace bench {

std::string tenon_endpoint(const std::string& transport) {
    if (transport == "tcp") return "tcp://127.0.0.1:0";
    if (transport == "shm") return "shm:" + own_directory() + "/shm-" + std::to_string(getpid());
    const std::string name = "tenon-bench-" + std::to_string(getpid());
    return transport == "inproc" ? "inproc:" + name : "unix:@" + name;
}

void serve_until_killed(tenon::server& server, const std::string& transport,
                        const target::announce& ready) {
    server.listen(tenon_endpoint(transport));
    server.on_started([&](const std::vector<std::string>& at) { ready(at.front()); });
    server.run();
}

void implement(example::echo& e) {
    e.echo = [](tenon::bytes_view data) { return tenon::bytes(data.begin(), data.end()); };
    e.plus = [](std::int64_t a, std::int64_t b) { return a + b; };
}

std::unique_ptr<tenon::server> local_echo_server(const cell& what, std::string& endpoint) {
    if (what.transport != "inproc") return nullptr;
    auto server = std::make_unique<tenon::server>();
    implement(server->publish<example::echo>());
    endpoint = tenon_endpoint(what.transport);
    server->listen(endpoint).start();
    return server;
}

tenon::client_options options_for(const std::string& transport) {
    tenon::client_options o;
    o.shared_memory = transport == "shm";  // not by itself over "unix"
    return o;
}

tenon::stub<example::echo> connect_echo(const cell& what, const std::string& endpoint) {
    auto client = tenon::connect<example::echo>(endpoint, options_for(what.transport));
    wait_for(client);
    return client;
}

}  // namespace bench
