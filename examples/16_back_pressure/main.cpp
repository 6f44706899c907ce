// What happens to values that come faster than they are taken: each policy against a client that
// takes nothing until the sender has sent 10,000 values, or waits.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>

#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"
#include "tenon/topic.hpp"

using tenon::overflow;

struct reading {
    int sensor = 0;
    int number = 0;
};
TENON_STRUCT(reading, sensor, number)

struct station {
    tenon::source<reading()> all;
    tenon::source<reading(std::string)> live;
    tenon::source<reading()> state;

    static void describe(tenon::description<station>& d) {
        d[&station::all].doc("Every reading.").window(100);
        d[&station::state].doc("The newest of each sensor.").latest(&reading::sensor, 10);
    }
};
TENON_INTERFACE(station, "demo", "station", "1.0.0", all, (live, policy), state)

namespace {

constexpr int total = 10'000;
std::atomic<int> sent{0};

void send_all(tenon::writer<reading> out) {
    for (int i = 0; i < total; ++i) {
        out.send({i % 3, i});  // waits, or does not, as the member's policy says
        sent = i + 1;
    }
}

void wait_for(const char* what, tenon::reader<reading> values) {
    std::uint64_t got = 0;
    int newest = 0;
    try {
        for (const reading& r : values) {
            ++got;
            newest = std::max(newest, r.number);
        }
    } catch (const tenon::failure& f) {
        std::printf("%s: %s\n", what, f.error().to_string().c_str());
        return;
    }
    const std::uint64_t lost = values.stats().lost;
    std::printf("%s: got and lost make %d, %s lost, the newest is %s\n", what,
                static_cast<int>(got + lost), lost == 0 ? "none" : "some",
                newest == total - 1 ? "there" : "not there");
}

}  // namespace

int main() {
    tenon::topic<reading> readings;
    tenon::server server;
    auto& s = server.publish<station>();
    s.all = send_all;
    s.state = send_all;
    s.live = [readings](tenon::writer<reading> out, const std::string& policy) {
        if (policy == "latest") readings.add(std::move(out), tenon::latest_by<&reading::sensor>());
        else if (policy == "drop_new") readings.add(std::move(out), {overflow::drop_new, 100});
        else if (policy == "fail") readings.add(std::move(out), {overflow::fail, 100});
        else readings.add(std::move(out), {overflow::drop_old, 100});
    };
    server.listen("tcp://127.0.0.1:0").start();
    auto client = tenon::connect<station>(server.endpoints().front());

    auto everything = client.all();
    while (sent == 0) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    std::printf("block: the sender %s\n", sent < total ? "waits" : "does not wait");
    wait_for("block", everything);

    auto newest = client.live("drop_old");
    auto oldest = client.live("drop_new");
    auto state = client.live("latest");
    auto strict = client.live("fail");
    while (readings.stats().subscribers < 4) std::this_thread::yield();
    for (int i = 0; i < total; ++i) readings.publish({i % 3, i});  // never waits
    readings.close();
    wait_for("drop_old", newest);
    wait_for("drop_new", oldest);
    wait_for("latest", state);
    wait_for("fail", strict);

    sent = 0;
    auto sensors = client.state();
    while (sent < total) std::this_thread::yield();  // its sender never waits
    wait_for("declared", sensors);
}
