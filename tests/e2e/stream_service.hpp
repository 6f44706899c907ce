#pragma once
// The service that the tests of streams between processes use.

#include <chrono>
#include <string>
#include <thread>

#include "tenon/server.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/task.hpp"

namespace e2e {

struct flow {
    tenon::source<int(int, int)> count;
    tenon::source<int()> endless;
    tenon::source<int()> broken;
    tenon::source<int()> hasty;
    tenon::source<int()> asleep;
    tenon::sink<int, long> sum;
    tenon::sink<int> swallow;
    tenon::sink<int, int> first;
    tenon::channel<int, int> twice;
    tenon::channel<int, int> deaf;
    tenon::channel<int, int> refuse;
    tenon::channel<int, int> breaks;
    tenon::channel<int, int> slow_to_end;
    tenon::channel<int, int> heedless;
    tenon::method<int(int, int)> plus;
};
TENON_INTERFACE(flow, "test", "flow", "1.0.0", (count, from, n), endless, broken, hasty, asleep,
                sum, swallow, first, twice, deaf, refuse, breaks, slow_to_end, heedless,
                (plus, a, b))

inline tenon::generator<int> count(int from, int n) {
    for (int i = 0; i < n; ++i) co_yield from + i;
}
inline tenon::generator<int> endless() {
    for (int i = 0;; ++i) co_yield i;
}
inline tenon::generator<int> broken() {
    co_yield 1;
    co_yield 2;
    throw tenon::failure(tenon::error(tenon::errc::failed, "enough").set_name("tired"));
}
inline tenon::task<long> sum(tenon::reader<int> in) {
    long all = 0;
    while (auto v = co_await in.next()) all += *v;
    co_return all;
}
inline tenon::task<int> first(tenon::reader<int> in) {
    auto v = co_await in.next();
    co_return v.value_or(-1);
}
inline tenon::task<void> deaf(tenon::duplex<int, int> s) {
    s.stop();
    for (int i = 0; i < 3; ++i) co_await s.send_async(i);
}
inline tenon::task<void> breaks(tenon::duplex<int, int> s) {
    co_await s.send_async(1);
    s.fail(tenon::error(tenon::errc::failed, "no more of this"));
    while (auto v = co_await s.next()) {}
}

// These wait for something that has nothing to do with their streams.
inline tenon::task<void> asleep(tenon::writer<int>) {
    co_await tenon::sleep_for(std::chrono::hours(1));
}
inline tenon::task<void> heedless(tenon::duplex<int, int>) {
    co_await tenon::sleep_for(std::chrono::hours(1));
}

// Holds the loop for so long at its end that another thread goes on with it.
inline tenon::task<void> slow_to_end(tenon::duplex<int, int> s) {
    struct pause {
        ~pause() { std::this_thread::sleep_for(std::chrono::milliseconds(5)); }
    } at_end;
    while (auto v = co_await s.next()) co_await s.send_async(*v);
}

inline void implement(flow& f) {
    f.count = count;
    f.endless = endless;
    f.broken = broken;
    f.hasty = [](tenon::writer<int> out) {
        for (int i = 0; i < 1000; ++i) (void)out.try_send(i);
    };
    f.asleep = asleep;
    f.sum = sum;
    f.swallow = [](int) {};
    f.first = first;
    f.twice = [](int n) { return 2 * n; };
    f.deaf = deaf;
    f.refuse = [](tenon::duplex<int, int>) {
        throw tenon::failure(tenon::error(tenon::errc::denied, "not you"));
    };
    f.breaks = breaks;
    f.slow_to_end = slow_to_end;
    f.heedless = heedless;
    f.plus = [](int a, int b) { return a + b; };
}

}  // namespace e2e
