// The four ways to call: blocking, co_await, callback, future.

#include <cstdio>
#include <future>
#include <string>

#include "tenon/tenon.hpp"

struct math {
    tenon::method<int(int, int)> plus;
};
TENON_INTERFACE(math, "demo", "math", "1.0.0", (plus, a, b))

namespace {

tenon::task<int> sum(math m) {
    const int once = co_await m.plus.async(1, 2);
    // Sent together, awaited one after the other.
    auto x = m.plus.async(once, 10);
    auto y = m.plus.async(once, 20);
    co_return co_await x + co_await y;
}

}  // namespace

int main() {
    tenon::server server;
    server.publish<math>().plus = [](int a, int b) { return a + b; };
    server.listen("tcp://127.0.0.1:0").start();
    auto m = tenon::connect<math>(server.endpoints().front());

    std::printf("blocking: %d\n", m.plus(1, 2));
    std::printf("co_await: %d\n", tenon::sync_wait(sum(m)));

    std::future<tenon::result<int>> f = m.plus.future(3, 4);
    std::printf("future: %d\n", f.get().value());

    std::promise<void> done;
    m.plus.then(
        [&done](tenon::result<int> r) {  // on the client's loop: be quick, do not throw
            std::printf("callback: %d\n", r.value_or(0));
            done.set_value();
        },
        5, 6);
    done.get_future().wait();
}
