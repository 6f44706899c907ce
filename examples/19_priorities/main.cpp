// Priorities. The only thread of the pool is busy; what waits for it is taken in order of urgency.

#include <chrono>
#include <cstdio>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "tenon/tenon.hpp"

struct depot {
    tenon::method<void(std::string)> deliver;
    tenon::method<void()> take_stock;
    tenon::method<void()> stop_belt;

    static void describe(tenon::description<depot>& d) {
        d[&depot::deliver].blocking();
        d[&depot::take_stock].blocking().priority(tenon::priority::low);
        d[&depot::stop_belt].blocking().priority(tenon::priority::high);
    }
};
TENON_INTERFACE(depot, "demo", "depot", "1.0.0", (deliver, what), take_stock, stop_belt)

int main() {
    tenon::runtime_options threads;
    threads.pool.resident = threads.pool.most = 1;
    tenon::runtime runtime(threads);
    tenon::server_options options;
    options.runtime = &runtime;
    tenon::server server(options);

    std::promise<void> unloading, all_wait;
    auto& d = server.publish<depot>();
    d.deliver = [&](const std::string& what) {
        if (what == "the first truck") {
            unloading.set_value();
            all_wait.get_future().wait();
        }
        std::printf("%s\n", what.c_str());
    };
    d.take_stock = [] { std::printf("stock\n"); };
    d.stop_belt = [] { std::printf("belt stopped\n"); };
    server.listen("tcp://127.0.0.1:0").start();

    auto client = tenon::connect<depot>(server.endpoints().front());
    std::vector<std::future<tenon::result<void>>> calls;
    calls.push_back(client.deliver.future("the first truck"));
    unloading.get_future().wait();
    calls.push_back(client.take_stock.future());
    calls.push_back(client.deliver.future("the second truck"));
    calls.push_back(client.stop_belt.future());
    calls.push_back(client.deliver.with({.priority = tenon::priority::high}).future("medicine"));

    const auto in_flight = [&] {
        std::uint64_t n = 0;
        for (const auto& m : server.stats()) n += m.in_flight;
        return n;
    };
    while (in_flight() < calls.size()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    all_wait.set_value();
    for (auto& c : calls) c.get().value();
}
