// Time limits, giving up from outside, and how both reach the calls behind a call.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <string>
#include <thread>

#include "tenon/tenon.hpp"

using namespace std::chrono_literals;

struct kitchen {
    tenon::method<std::string(std::string)> cook;
};
TENON_INTERFACE(kitchen, "demo", "kitchen", "1.0.0", (cook, dish))

struct waiter {
    tenon::method<std::string(std::string)> bring;

    static void describe(tenon::description<waiter>& d) { d[&waiter::bring].blocking(); }
};
TENON_INTERFACE(waiter, "demo", "waiter", "1.0.0", (bring, dish))

namespace {

std::atomic<int> thrown_away = 0;

tenon::task<std::string> cook(std::string dish) {
    const bool done = co_await tenon::sleep_for(dish == "soup" ? 1ms : 1min);
    if (!done) ++thrown_away;  // nobody waits for it any more
    co_return dish;
}

void say(const tenon::result<std::string>& r) {
    std::printf("%s\n", r ? r->c_str() : std::string(to_string(r.error().code())).c_str());
}

}  // namespace

int main() {
    tenon::server server;
    server.publish<kitchen>().cook = cook;
    server.listen("tcp://127.0.0.1:0");
    const std::string at = server.endpoints().front();

    // Calls made inside a handler inherit its deadline and its cancellation.
    auto k = tenon::connect<kitchen>(at);
    server.publish<waiter>().bring = [k](const std::string& dish) { return k.cook(dish); };
    server.start();

    auto w = tenon::connect<waiter>(at);
    say(w.bring.with({.timeout = 10s}).try_call("soup"));
    say(w.bring.with({.timeout = 50ms}).try_call("roast"));

    tenon::cancellation changed_my_mind;
    auto impatient = std::async([&] {
        std::this_thread::sleep_for(50ms);
        changed_my_mind.cancel();
    });
    say(w.bring.with({.cancel = &changed_my_mind}).try_call("cake"));

    server.stop();  // handlers have ended
    std::printf("%d dishes thrown away\n", thrown_away.load());
}
