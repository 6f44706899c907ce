// Tenon inside a program's own poll() loop: no thread is started, handlers and callbacks run in
// run_ready().

#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>

#include "tenon/tenon.hpp"

struct math {
    tenon::method<int(int, int)> plus;
};
TENON_INTERFACE(math, "demo", "math", "1.0.0", (plus, a, b))

namespace {

// For poll(): how long until `when`, rounded up; no time: for ever.
int milliseconds_until(std::optional<std::chrono::steady_clock::time_point> when) {
    if (!when) return -1;
    const auto left = *when - std::chrono::steady_clock::now();
    return static_cast<int>(
        std::max(std::chrono::ceil<std::chrono::milliseconds>(left).count(), std::int64_t{0}));
}

}  // namespace

int main() {
    tenon::runtime runtime = tenon::runtime::external();

    tenon::server_options serving;
    serving.runtime = &runtime;
    tenon::server server(serving);
    server.publish<math>().plus = [](int a, int b) { return a + b; };
    server.listen("tcp://127.0.0.1:0").start();

    tenon::client_options calling;
    calling.runtime = &runtime;
    auto m = tenon::connect<math>(server.endpoints().front(), calling);
    bool answered = false;
    m.plus.then(
        [&answered](tenon::result<int> r) {
            std::printf("2 + 3 = %d\n", r.value_or(0));
            answered = true;
        },
        2, 3);

    // Something of the program's own: a clock that ticks once.
    const int clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    const itimerspec once{{0, 0}, {0, 100'000'000}};
    timerfd_settime(clock, 0, &once, nullptr);

    for (bool ticked = false; !answered || !ticked;) {
        runtime.run_ready();
        pollfd watched[] = {{runtime.fd(), POLLIN, 0}, {clock, POLLIN, 0}};
        poll(watched, 2, milliseconds_until(runtime.next_deadline()));
        std::uint64_t times;
        if ((watched[1].revents & POLLIN) && read(clock, &times, sizeof times) > 0) {
            std::printf("tick\n");
            ticked = true;
        }
    }
    close(clock);
}
