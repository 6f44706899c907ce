#pragma once
// demo/feed 1.0.0, made from the manifest with
// sha256:04522e1cceae1234ec94f3b145a6b48dfbfefe6c4cd94150031a17a81d9f4cdf

#include <cstdint>
#include <string>

#include "tenon/contract.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/struct.hpp"

namespace demo {

struct tick {
    std::string symbol;
    double price{};
};
TENON_STRUCT(tick, symbol, price)

struct closed {
    std::string until;
};
TENON_STRUCT(closed, until)

struct feed {
    tenon::source<tick(std::string)> ticks;
    tenon::sink<tick, std::int64_t> record;
    tenon::channel<std::string, tick, std::int32_t> ask;
    tenon::method<std::int32_t()> count;

    static void describe(tenon::description<feed>& d) {
        d.doc("Prices.");
        d[&feed::ticks]
            .doc("Prices as they come.")
            .default_value("pattern", "*")
            .errors<closed>()
            .latest(&tick::symbol, 100);
        d[&feed::record].doc("How many have been recorded.").window(500);
        d[&feed::ask].down().overflow(tenon::overflow::drop_old, 10);
    }
};
TENON_INTERFACE(feed, "demo", "feed", "1.0.0", (ticks, pattern), record, (ask, limit), count)

}  // namespace demo
