#pragma once
// A contract: all that the two sides have to agree on, in one header.

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/contract.hpp"
#include "tenon/struct.hpp"

namespace demo {

struct item {
    std::string name;
    int count = 1;
};
TENON_STRUCT(item, name, (count, defaulted))

struct receipt {
    std::int64_t number;
    double total;
    std::string currency;
};
TENON_STRUCT(receipt, number, total, currency)

/// An error that callers can catch by its type.
struct sold_out {
    std::string name;
    int left;
};
TENON_STRUCT(sold_out, name, left)

struct shop {
    tenon::method<double(std::string)> price;
    tenon::method<receipt(std::vector<item>, std::string), sold_out> order;

    static void describe(tenon::description<shop>& d) {
        d.doc("Sells fruit.");
        d[&shop::price].doc("The price of one piece.").idempotent();
        d[&shop::order]
            .doc("Buys all of the items or nothing.")
            .default_value("currency", std::string("EUR"));
    }
};
TENON_INTERFACE(shop, "demo", "shop", "1.0.0", (price, name), (order, items, currency))

}  // namespace demo
