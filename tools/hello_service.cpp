// What a hello-world service costs to compile; see check_compile_time.py.

#include <string>

#include "tenon/server.hpp"

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

    server.run();
}
