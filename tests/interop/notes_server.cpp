// Serves {test, notes}, which remembers what foreign clients did that has no answer. Listens on a
// free port of the loopback address and prints it.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tenon/context.hpp"
#include "tenon/contract.hpp"
#include "tenon/server.hpp"
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

std::atomic<std::int64_t> noted, given_up;

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
    server.listen("tcp://127.0.0.1:0");
    server.on_started([](const std::vector<std::string>& at) {
        std::printf("listening on %s\n", at.at(0).c_str());
        std::fflush(stdout);
    });
    server.run();
}
