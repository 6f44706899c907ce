// A service found by its name: published by one program, discovered and called by another. Here
// both are the same program, so that the service is in the nearest scope of all.

#include <cstdio>
#include <string>

#include "tenon/tenon.hpp"

struct math {
    tenon::method<int(int, int)> plus;
};
TENON_INTERFACE(math, "demo", "math", "1.0.0", (plus, a, b))

int main() {
    tenon::server server;
    server.publish<math>().plus = [](int a, int b) { return a + b; };
    server.start();  // no listen(): the name is enough

    auto m = tenon::discover<math>();
    std::printf("by name: %d\n", m.plus(10, 20));

    // The same over its Unix socket, as another program would.
    tenon::discover_options os;
    os.scopes = tenon::scope::os;
    auto other = tenon::discover<math>(os);
    std::printf("over the machine: %d\n", other.plus(10, 20));

    // Without the contract.
    auto c = tenon::discover("demo/math");
    std::printf("by hand: %d\n", c.call("demo/math.plus", 10, 20).as<int>());

    server.stop();
    auto r = m.plus.try_call(10, 20);
    std::printf("stopped: %s\n", std::string(r.error().message()).c_str());
}
