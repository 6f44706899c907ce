// A program outside the tree: it sees only what is installed, serves and calls.

#include <cstdio>
#include <string>

#include "tenon/tenon.hpp"

namespace {

struct person {
    std::string name;
    int age = 0;
};
TENON_STRUCT(person, name, age)

struct registry {
    tenon::method<int(int, int)> plus;
    tenon::method<std::string(person)> greet;
};
TENON_INTERFACE(registry, "test", "registry", "1.0.0", (plus, a, b), (greet, who))

}  // namespace

int main() {
    tenon::server server;
    auto& r = server.publish<registry>();
    r.plus = [](int a, int b) { return a + b; };
    r.greet = [](const person& who) -> tenon::result<std::string> {
        if (who.age < 0) return tenon::error(tenon::errc::invalid, "not born yet");
        return who.name + " is " + std::to_string(who.age);
    };
    server.listen("inproc:install-test").listen("tcp://127.0.0.1:0").start();

    for (const std::string& endpoint : server.endpoints()) {
        auto client = tenon::connect<registry>(endpoint);
        if (client.plus(40, 2) != 42) return 1;
        const person ada{"Ada", 36};
        if (client.greet(ada) != "Ada is 36") return 2;
        const person unborn{"Bob", -1};
        try {
            client.greet(unborn);
            return 3;
        } catch (const tenon::failure& f) {  // thrown in the library, caught here
            if (f.code() != tenon::errc::invalid) return 4;
            std::puts(f.what());
        }
    }
}
