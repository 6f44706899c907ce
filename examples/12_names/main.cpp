// Services found by name. Here everybody is in one program; the same calls find what other programs
// on the machine publish.

#include <cstdio>
#include <semaphore>
#include <string>

#include "tenon/tenon.hpp"

struct math {
    tenon::method<int(int, int)> plus;
};
TENON_INTERFACE(math, "demo", "math", "1.0.0", (plus, a, b))

void by_name() {
    auto m = tenon::discover<math>();
    std::printf("10 + 20 = %d\n", m.plus(10, 20));

    // Without the contract.
    auto c = tenon::discover("demo/math");
    std::printf("1 + 2 = %d\n", c.call("demo/math.plus", 1, 2).as<int>());
}

void over_the_machine() {
    tenon::discover_options o;
    o.scopes = tenon::scope::os;                 // not in this process
    o.choice = tenon::choice::round_robin;       // spread the calls over all instances
    o.wait = std::chrono::seconds(1);            // for a first one to come
    o.client.timeout = std::chrono::seconds(1);  // as for connect()
    auto m = tenon::discover<math>(o);
    std::printf("2 + 3 = %d\n", m.plus(2, 3));
}

int main() {
    std::counting_semaphore<> told(0);
    auto watching = tenon::watch("demo/*", [&](tenon::presence p, const tenon::instance& i) {
        std::printf("%s/%s %s\n", i.publisher.c_str(), i.service.c_str(),
                    p == tenon::presence::arrived ? "has come" : "has gone");
        told.release();
    });

    tenon::server server;
    server.publish<math>().plus = [](int a, int b) { return a + b; };
    server.start();  // no listen(): the name is enough
    told.acquire();

    by_name();
    over_the_machine();
    for (const tenon::instance& i : tenon::list("demo/*")) {
        std::printf("%s/%s %s, first endpoint %.7s…\n", i.publisher.c_str(), i.service.c_str(),
                    i.version.c_str(), i.endpoints.front().c_str());
    }

    auto m = tenon::discover<math>();
    server.stop();
    told.acquire();
    const auto r = m.plus.try_call(10, 20);
    std::printf("%s\n", r.error().to_string().c_str());
}
