// Serves {test, notes}, which remembers what foreign clients did that has no answer, and {test, flow},
// with streams of every kind. Listens on a free port of the loopback address and prints it.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tenon/context.hpp"
#include "tenon/contract.hpp"
#include "tenon/server.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/task.hpp"

namespace {

struct notes {
    tenon::method<void(std::string)> note;
    tenon::method<std::int64_t()> noted;
    tenon::method<int(int)> wait;
    tenon::method<std::int64_t()> given_up;
    tenon::method<std::int64_t()> time_left;

    static void describe(tenon::description<notes>& d) {
        d[&notes::note].doc("Counts one more.");
        d[&notes::noted].doc("How many were counted.");
        d[&notes::wait].doc("Waits for ms milliseconds.");
        d[&notes::given_up].doc("How many waits ended early because the caller gave up.");
        d[&notes::time_left].doc("Milliseconds to the deadline of this call; -1 if it has none.");
    }
};
TENON_INTERFACE(notes, "test", "notes", "1.0.0", (note, text), noted, (wait, ms), given_up,
                time_left)

struct flow {
    tenon::source<int(int, int)> count;
    tenon::source<int()> endless;
    tenon::source<int()> broken;
    tenon::source<int(int)> hasty;
    tenon::sink<int, std::int64_t> sum;
    tenon::sink<int> swallow;
    tenon::sink<int, int> first;
    tenon::channel<int, int> twice;
    tenon::channel<int, int> refuse;
    tenon::method<std::int64_t()> stopped;

    static void describe(tenon::description<flow>& d) {
        d[&flow::endless].doc("Counts until nobody listens.");
        d[&flow::hasty].doc("Does not wait for who listens.");
        d[&flow::stopped].doc("How many of `endless` have ended.");
    }
};
TENON_INTERFACE(flow, "test", "flow", "1.0.0", (count, from, n), endless, broken, (hasty, n), sum,
                swallow, first, twice, refuse, stopped)

std::atomic<std::int64_t> noted, given_up, stopped;

tenon::generator<int> count(int from, int n) {
    for (int i = 0; i < n; ++i) co_yield from + i;
}

/// Counts its end.
struct end_counter {
    ~end_counter() { ++stopped; }
};

tenon::generator<int> endless() {
    const end_counter at_end;
    for (int i = 0;; ++i) co_yield i;
}

tenon::generator<int> broken() {
    co_yield 1;
    co_yield 2;
    throw tenon::failure(tenon::error(tenon::errc::failed, "enough").set_name("tired"));
}

tenon::task<std::int64_t> sum(tenon::reader<int> in) {
    std::int64_t all = 0;
    while (auto v = co_await in.next()) all += *v;
    co_return all;
}

tenon::task<int> first(tenon::reader<int> in) {
    const auto v = co_await in.next();
    co_return v.value_or(-1);
}

void implement(flow& f) {
    f.count = count;
    f.endless = endless;
    f.broken = broken;
    f.hasty = [](tenon::writer<int> out, int n) {
        for (int i = 0; i < n; ++i) (void)out.try_send(i);
    };
    f.sum = sum;
    f.swallow = [](int) {};
    f.first = first;
    f.twice = [](int n) { return 2 * n; };
    f.refuse = [](tenon::duplex<int, int>) {
        throw tenon::failure(tenon::error(tenon::errc::denied, "not you"));
    };
    f.stopped = [] { return stopped.load(); };
}

tenon::task<int> wait(int ms) {
    // Named: g++ 12.2 never starts a coroutine that awaits a temporary in the condition of an if.
    const bool slept = co_await tenon::sleep_for(std::chrono::milliseconds(ms));
    if (!slept) ++given_up;
    co_return ms;
}

std::int64_t time_left(tenon::context& call) {
    if (!call.deadline()) return -1;
    return std::chrono::duration_cast<std::chrono::milliseconds>(*call.deadline() -
                                                                 std::chrono::steady_clock::now())
        .count();
}

}  // namespace

int main() {
    tenon::server server;
    notes& n = server.publish<notes>();
    n.note = [](const std::string&) { ++noted; };
    n.noted = [] { return noted.load(); };
    n.wait = wait;
    n.given_up = [] { return given_up.load(); };
    n.time_left = time_left;
    implement(server.publish<flow>());
    server.listen("tcp://127.0.0.1:0");
    server.on_started([](const std::vector<std::string>& at) {
        std::printf("listening on %s\n", at.at(0).c_str());
        std::fflush(stdout);
    });
    server.run();
}
