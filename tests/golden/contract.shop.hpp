#pragma once
// demo/shop 1.0.0, made from the manifest with
// sha256:530b2f6cdf608ffd4e193423a055e06e7259a0c256d1c19aa7c8026b5655b874

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/contract.hpp"
#include "tenon/struct.hpp"

namespace demo {

struct item {
    std::string name;
    std::int32_t count{};
};
TENON_STRUCT(item, name, (count, defaulted))

struct receipt {
    std::int64_t number{};
    double total{};
    std::string currency;
};
TENON_STRUCT(receipt, number, total, currency)

struct sold_out {
    std::string name;
    std::int32_t left{};
};
TENON_STRUCT(sold_out, name, left)

struct shop {
    tenon::method<double(std::string)> price;
    tenon::method<receipt(std::vector<item>, std::string), sold_out> order;

    static void describe(tenon::description<shop>& d) {
        d.doc("Sells fruit.");
        d[&shop::price].doc("The price of one piece.").idempotent();
        d[&shop::order].doc("Buys all of the items or nothing.").default_value("currency", "EUR");
    }
};
TENON_INTERFACE(shop, "demo", "shop", "1.0.0", (price, name), (order, items, currency))

}  // namespace demo
