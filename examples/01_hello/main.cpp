// One contract, implemented and called: here in the same process, over a Unix socket and over TCP.

#include <cstdio>
#include <string>

#include "tenon/tenon.hpp"

struct math {
    tenon::method<int(int, int)> plus;
    tenon::method<std::string(std::string)> greet;
};
TENON_INTERFACE(math, "demo", "math", "1.0.0", (plus, a, b), (greet, who))

int main() {
    tenon::server server;
    auto& m = server.publish<math>();
    m.plus = [](int a, int b) { return a + b; };
    m.greet = [](const std::string& who) { return "Hello, " + who + "!"; };
    server.listen("inproc:hello").listen("unix:@tenon-hello").listen("tcp://127.0.0.1:0").start();

    for (const std::string& endpoint : server.endpoints()) {
        auto client = tenon::connect<math>(endpoint);
        std::printf("%-24s 10 + 20 = %d, %s\n", endpoint.c_str(), client.plus(10, 20),
                    client.greet("world").c_str());
    }
}
