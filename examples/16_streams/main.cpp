// Streams: a source, a sink and a channel, and the ways to serve them and to take their values.

#include <cstdio>
#include <future>
#include <string>

#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"

struct summary {
    int count = 0;
    double mean = 0;
};
TENON_STRUCT(summary, count, mean)

struct lab {
    tenon::source<int(int, int)> count;              // server to client
    tenon::sink<double, summary> measure;            // client to server, with a reply at the end
    tenon::channel<std::string, std::string> shout;  // both ways
};
TENON_INTERFACE(lab, "demo", "lab", "1.0.0", (count, from, n), measure, shout)

namespace {

tenon::generator<int> count(int from, int n) {
    if (n < 0) throw tenon::failure(tenon::error(tenon::errc::invalid, "n is negative"));
    for (int i = 0; i < n; ++i) co_yield from + i;
}

summary measure(tenon::reader<double> values) {  // may block, so it runs on the pool
    summary s;
    for (const double v : values) {
        ++s.count;
        s.mean += (v - s.mean) / s.count;
    }
    return s;
}

tenon::task<void> shout(tenon::duplex<std::string, std::string> s) {
    while (auto word = co_await s.next()) {
        std::string loud = *word + "!";
        co_await s.send_async(std::move(loud));
    }
}

tenon::task<int> add_up(lab l) {
    int sum = 0;
    auto values = l.count(1, 100);
    while (auto v = co_await values.next()) sum += *v;
    co_return sum;
}

void handle(lab& l) {
    std::promise<void> ended;
    auto values = l.count(1, 3);
    values.on_end([&](std::optional<tenon::error>) { ended.set_value(); });
    values.on_value([](int v) { std::printf("handled: %d\n", v); });  // begins at once
    ended.get_future().wait();
}

}  // namespace

int main() {
    tenon::server server;
    auto& served = server.publish<lab>();
    served.count = count;
    served.measure = measure;
    served.shout = shout;
    server.listen("tcp://127.0.0.1:0").start();
    auto l = tenon::connect<lab>(server.endpoints().front());

    for (const int v : l.count(10, 3)) std::printf("value %d\n", v);
    std::printf("sum: %d\n", tenon::sync_wait(add_up(l)));
    handle(l);

    auto values = l.count(1, 1'000'000'000);
    std::printf("first: %d\n", values.get().value());
    values.stop();  // the server's generator ends

    auto out = l.measure();
    for (const double v : {1.0, 2.0, 6.0}) out.send(v);
    const summary s = out.get_reply();
    std::printf("%d values, mean %g\n", s.count, s.mean);

    auto talk = l.shout();
    std::printf("%s %s\n", talk.send_recv("hello").c_str(), talk.send_recv("you").c_str());
    talk.finish();

    const auto got = l.count(1, -1).get_for(std::chrono::seconds(10));
    std::printf("%s\n", got.error().to_string().c_str());
}
