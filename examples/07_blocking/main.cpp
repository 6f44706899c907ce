// Where handlers run. Quick ones on the event loop, those declared `blocking` on a pool of threads,
// coroutines on the loop again, and `serial` ones one at a time.

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "tenon/tenon.hpp"

using namespace std::chrono_literals;

struct places {
    tenon::method<std::string()> quick;
    tenon::method<std::string()> slow;
    tenon::method<std::string()> patient;
    tenon::method<int()> next;
    tenon::method<std::string()> nested;

    static void describe(tenon::description<places>& d) {
        d[&places::slow].blocking();
        d[&places::next].serial();
        d[&places::nested].blocking();
    }
};
TENON_INTERFACE(places, "demo", "places", "1.0.0", quick, slow, patient, next, nested)

namespace {

std::string this_thread_name() {
    char name[16] = {};
    pthread_getname_np(pthread_self(), name, sizeof name);
    return name;
}

std::string slow() {
    std::this_thread::sleep_for(20ms);
    return this_thread_name();
}

tenon::task<std::string> patient() {
    co_await tenon::sleep_for(20ms);  // occupies no thread
    co_return this_thread_name();
}

}  // namespace

int main() {
    tenon::server server;
    server.listen("tcp://127.0.0.1:0");
    auto p = tenon::connect<places>(server.endpoints().front());

    auto& offered = server.publish<places>();
    offered.quick = this_thread_name;
    offered.slow = slow;
    offered.patient = patient;
    offered.next = [n = 0]() mutable { return ++n; };  // no lock: it is serial
    offered.nested = [p] { return "quick from " + this_thread_name() + ": " + p.quick(); };
    server.start();

    std::printf("quick: %s\n", p.quick().c_str());
    std::printf("slow: %s\n", p.slow().c_str());
    std::printf("patient: %s\n", p.patient().c_str());
    std::printf("%s\n", p.nested().c_str());

    std::vector<std::future<tenon::result<int>>> many;
    for (int i = 0; i < 100; ++i) many.push_back(p.next.future());
    int last = 0;
    for (auto& f : many) last = std::max(last, f.get().value());
    std::printf("%d\n", last);
}
