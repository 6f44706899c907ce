// What the runtime says goes to stderr, unless the program takes it.

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "tenon/tenon.hpp"

using namespace std::chrono_literals;

struct library {
    tenon::method<void()> index;
};
TENON_INTERFACE(library, "demo", "library", "1.0.0", index)

int main() {
    tenon::runtime::process().set_log_sink(
        tenon::log_level::info, [](tenon::log_level level, std::string_view line) {
            std::printf("%s: %.*s\n", std::string(to_string(level)).c_str(),
                        static_cast<int>(line.size()), line.data());
        });

    tenon::server server;
    // Takes long and does not say so. The runtime notices, keeps other calls going, and remembers.
    server.publish<library>().index = [] { std::this_thread::sleep_for(20ms); };
    server.listen("tcp://127.0.0.1:0").start();

    auto l = tenon::connect<library>(server.endpoints().front());
    while (!server.stats().front().on_pool) l.index();

    const tenon::method_stats s = server.stats().front();
    std::printf("%s: on the pool, %s\n", s.route.c_str(), s.slow >= 2 ? "slow" : "quick");
}
