// Publish and subscribe: a topic gives every value to all who have subscribed; one who does not keep
// up loses values, and knows how many; the others notice nothing.

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"
#include "tenon/topic.hpp"

struct quote {
    std::string symbol;
    int cents = 0;
};
TENON_STRUCT(quote, symbol, cents)

struct exchange {
    tenon::source<quote()> quotes;
    tenon::source<quote(std::string)> of;
};
TENON_INTERFACE(exchange, "demo", "exchange", "1.0.0", quotes, (of, symbol))

namespace {

/// One topic for each symbol, besides that of all.
struct topics {
    tenon::topic<quote> all;
    tenon::topic<quote> apple;
    tenon::topic<quote> plum;

    void publish(const quote& q) {
        all.publish(q);
        (q.symbol == "apple" ? apple : plum).publish(q);
    }
};

void wait_for(const tenon::topic<quote>& t, std::size_t subscribers) {
    while (t.stats().subscribers != subscribers) std::this_thread::yield();
}

}  // namespace

int main() {
    topics t;
    tenon::server server;
    auto& served = server.publish<exchange>();
    served.quotes = t.all;
    served.of = [t](tenon::writer<quote> out, const std::string& symbol) {
        if (symbol == "apple") t.apple.add(std::move(out));
        else if (symbol == "plum") t.plum.add(std::move(out));
        else throw tenon::failure(tenon::error(tenon::errc::not_found, "no " + symbol));
    };
    server.listen("tcp://127.0.0.1:0").start();
    auto e = tenon::connect<exchange>(server.endpoints().front());

    auto everything = e.quotes();
    auto apples = e.of("apple");
    auto stuck = e.quotes();
    tenon::reader<quote> here = t.all.subscribe();  // in this process, without a server
    wait_for(t.all, 3);
    wait_for(t.apple, 1);

    constexpr int n = 5000;
    int in_order = 0, in_apples = 0;
    for (int i = 0; i < n; ++i) {
        t.publish({i % 2 == 0 ? "apple" : "plum", i});
        // Everybody but one keeps up.
        in_order += everything.get()->cents == i && here.get()->cents == i;
        if (i % 2 == 0) in_apples += apples.get()->cents == i;
    }
    std::printf("%d of %d in order, %d of apples\n", in_order, n, in_apples);

    t.all.close();
    std::uint64_t got = 0;
    for ([[maybe_unused]] const quote& q : stuck) ++got;
    const std::uint64_t lost = stuck.stats().lost;
    std::printf("who did not keep up got %s and lost the others\n",
                got + lost == n && lost > 0 ? "some" : "wrong numbers");

    { const auto leaving = std::move(apples); }
    wait_for(t.apple, 0);
    std::printf("nobody wants apples any more\n");
    const auto none = e.of("pear").get_for(std::chrono::seconds(10));
    std::printf("%s\n", none.error().to_string().c_str());
}
