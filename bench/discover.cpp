// What it costs to find a service by name: discover and first call, against connect and first call
// in the same process and over the same socket. Every round makes a client and lets it go.

#include <unistd.h>

#include <thread>

#include "echo_target.hpp"
#include "tenon/discover.hpp"

namespace bench {
namespace {

tenon::scopes scope_of(const cell& what) {
    return what.transport == "inproc" ? tenon::scope::process : tenon::scope::os;
}

/// This process' own instance.
std::string nearest_endpoint(const cell& what) {
    tenon::list_options o;
    o.scopes = scope_of(what);
    for (const tenon::instance& i : tenon::list("example/echo", o))
        if (i.pid == getpid()) return i.endpoints.front();
    fail("the service is not published");
}

class by_name : public target {
public:
    void serve(const cell& what, const announce& ready) override {
        tenon::server server;
        implement(server.publish<example::echo>());
        server.on_started([&](const std::vector<std::string>&) { ready(nearest_endpoint(what)); });
        server.run();
    }

    void drive(const cell& what, const std::string& at, run& r) override {
        tenon::server server;
        std::string endpoint = at;
        if (what.transport == "inproc") {
            implement(server.publish<example::echo>());
            server.start();
            endpoint = nearest_endpoint(what);
        }
        std::int64_t n = 0;
        if (what.transport == "inproc") {
            repeat(r.add_lane(), 32, [&] { n = client_of(what, endpoint).plus(n, 1); });
        } else {
            // Letting go of a connection is not counted.
            lane& calls = r.add_lane();
            for (bool go_on = true; go_on;) {
                const auto begun = clock::now();
                const auto client = client_of(what, endpoint);
                n = client.plus(n, 1);
                go_on = calls.completed(begun, clock::now());
            }
        }
        if (n == 0) fail("plus does not add");
    }

private:
    virtual tenon::stub<example::echo> client_of(const cell& what, const std::string& at) = 0;
};

class discover_target final : public by_name {
public:
    std::string_view name() const override { return "discover"; }

private:
    tenon::stub<example::echo> client_of(const cell& what, const std::string&) override {
        tenon::discover_options o;
        o.scopes = scope_of(what);
        return tenon::discover<example::echo>(o);
    }
};

class connect_target final : public by_name {
public:
    std::string_view name() const override { return "connect"; }

private:
    tenon::stub<example::echo> client_of(const cell&, const std::string& at) override {
        return tenon::connect<example::echo>(at);
    }
};

}  // namespace

std::unique_ptr<target> make_connect_floor() { return std::make_unique<connect_target>(); }

suite make_discover_suite() {
    suite s;
    s.name = "discover";
    s.targets.push_back(std::make_unique<discover_target>());
    for (const char* transport : {"inproc", "unix"})
        s.cells.push_back({.suite = s.name, .target = "discover", .transport = transport});
    return s;
}

}  // namespace bench
