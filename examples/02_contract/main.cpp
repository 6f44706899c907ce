// A contract with types of its own, a default argument and an error that it declares.

#include <cstdio>

#include "shop.hpp"
#include "tenon/tenon.hpp"

namespace {

demo::receipt order(const std::vector<demo::item>& items, std::string currency) {
    double total = 0;
    for (const demo::item& i : items) {
        if (i.count > 10) throw demo::sold_out{i.name, 10};
        total += i.count * 0.5;
    }
    return {1, total, std::move(currency)};
}

}  // namespace

int main() {
    tenon::server server;
    auto& s = server.publish<demo::shop>();
    s.price = [](const std::string&) { return 0.5; };
    s.order = order;
    server.listen("tcp://127.0.0.1:0").start();

    auto shop = tenon::connect<demo::shop>(server.endpoints().front());
    std::printf("an apple costs %.2f\n", shop.price("apple"));

    const std::vector<demo::item> basket{{"apple", 3}, {"pear", 2}};
    const demo::receipt r = shop.order(basket, "CHF");
    std::printf("order %d: %.2f %s\n", static_cast<int>(r.number), r.total, r.currency.c_str());

    try {
        shop.order(std::vector<demo::item>{{"plum", 40}}, "CHF");
    } catch (const tenon::failure_of<demo::sold_out>& e) {
        std::printf("only %d of %s left\n", e.data().left, e.data().name.c_str());
    }

    // Defaults are for callers that give arguments by name: here `currency` and `count`.
    auto arguments = tenon::parse_json(R"({"items": [{"name": "fig"}]})").value();
    const tenon::value answer = shop.handle().try_call("demo/shop.order", arguments).value();
    std::printf("%s\n", tenon::to_json(answer).c_str());
}
