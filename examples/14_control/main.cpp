// What a server tells of itself: who it is, what it offers, how it does; and calls by name that are
// checked before they are sent.

#include <cstdio>
#include <string>

#include "tenon/control.hpp"
#include "tenon/manifest.hpp"
#include "tenon/tenon.hpp"

struct shop {
    tenon::method<int(std::string, int)> order;
    tenon::method<int(std::string)> price;

    static void describe(tenon::description<shop>& d) {
        d.doc("Sells fruit.");
        d[&shop::order].doc("Orders some pieces and says what they cost.").default_value("n", 1);
    }
};
TENON_INTERFACE(shop, "demo", "shop", "1.2.0", (order, what, n), (price, what))

tenon::result<int> price_of(const std::string& what) {
    if (what == "apple") return 3;
    return tenon::error(tenon::errc::not_found, "no " + what + " today");
}

void look_at(const std::string& endpoint) {
    auto control = tenon::connect<tenon::control>(endpoint);
    const tenon::server_info info = control.info();
    std::printf("instance of %zu digits at %s\n", info.instance.size(), info.endpoints[0].c_str());
    for (const tenon::service_summary& s : control.list("*"))
        std::printf("%s/%s %s: %s\n", s.publisher.c_str(), s.service.c_str(), s.version.c_str(),
                    s.doc.c_str());
}

void call_by_hand(tenon::client client) {
    const tenon::manifest m = client.manifest("demo/shop").value();
    for (const auto& [name, member] : m.content()["members"].as_map())
        std::printf("%s takes %zu arguments\n", name.as_string().c_str(), member["params"].size());

    std::printf("two apples: %d\n", client.call("demo/shop.order", "apple", 2).as<int>());
    // Found out here, without asking the server.
    const auto wrong = tenon::value::object({{"what", "apple"}, {"n", "two"}});
    const auto refused = client.try_call("demo/shop.order", wrong);
    std::printf("%s\n", refused.error().to_string().c_str());
    (void)client.try_call("demo/shop.price", tenon::value::list({"plum"}));
}

void count(const std::string& endpoint) {
    auto control = tenon::connect<tenon::control>(endpoint);
    // Each also has its latency: m.latency.p50, .p90, .p99, and how long calls waited for the pool.
    for (const tenon::method_stats& m : control.stats("demo/*").methods) {
        std::printf("%s: %zu calls, %zu measured", m.route.c_str(), m.calls, m.latency.count);
        for (const auto& [code, n] : m.errors_by_code) std::printf(", %zu %s", n, code.c_str());
        std::printf("\n");
    }
    std::printf("log level %s\n", control.log_level("error").c_str());
}

void scrape(const tenon::server& server) {
    const std::string text = server.metrics();
    for (std::size_t at = 0, end; at < text.size(); at = end + 1) {
        end = text.find('\n', at);
        const std::string line = text.substr(at, end - at);
        if (line.starts_with("tenon_calls_total")) std::printf("%s\n", line.c_str());
    }
}

int main() {
    tenon::server server;
    auto& s = server.publish<shop>();
    s.price = price_of;
    s.order = [](const std::string& what, int n) -> tenon::result<int> {
        const auto price = price_of(what);
        if (!price) return price;
        return *price * n;
    };
    server.listen("tcp://127.0.0.1:0").start();
    const std::string endpoint = server.endpoints()[0];

    look_at(endpoint);
    call_by_hand(tenon::connect(endpoint));
    count("inproc:" + server.status().instance);  // over TCP nobody changes the log level
    scrape(server);
}
