// Streams that survive a restart: a source that is replayed from a log, and a sink whose values
// arrive exactly once.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "tenon/delivery.hpp"
#include "tenon/stream_log.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/subscription.hpp"
#include "tenon/tenon.hpp"

namespace demo {

struct reading {
    int sensor = 0;
    double degrees = 0;
};
TENON_STRUCT(reading, sensor, degrees)

struct station {
    tenon::source<reading()> history;
    tenon::sink<reading> report;
};
TENON_INTERFACE(station, "demo", "station", "1.0.0", history, report)

}  // namespace demo

/// Both members are the same log: what is reported can be read.
class station_server {
public:
    explicit station_server(const std::string& directory)
        : readings_({.directory = directory + "/readings", .sync = tenon::log_sync::each}) {
        auto& station = server_.publish<demo::station>();
        station.history = readings_;
        station.report = readings_;
        server_.listen("unix:" + directory + "/station.sock").start();
    }

private:
    tenon::log<demo::reading> readings_;
    tenon::server server_;
};

void report(const demo::station& station) {
    auto out = tenon::deliver(station.report);
    for (int i = 1; i <= 1000; ++i) out.send({i % 10, i / 10.0});
    out.finish();
    std::printf("all are stored\n");
}

void follow(const demo::station& station) {
    auto readings = tenon::follow(station.history, tenon::stream_start::earliest());
    for (int i = 1; i <= 1000; ++i) {
        const auto r = readings.get();
        if (r->degrees != i / 10.0) std::printf("expected another value\n");
    }
    std::printf("1000 readings in order, the last at position %llu, %llu lost\n",
                static_cast<unsigned long long>(readings.position()),
                static_cast<unsigned long long>(readings.lost()));
}

int main() {
    char directory[] = "/tmp/tenon-replay-XXXXXX";
    if (!mkdtemp(directory)) return 1;
    auto server = std::make_unique<station_server>(directory);
    auto station =
        tenon::connect<demo::station>("unix:" + std::string(directory) + "/station.sock");

    std::thread sender([&] { report(station); });
    for (int i = 0; i < 3; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        server.reset();
        server = std::make_unique<station_server>(directory);
    }
    sender.join();
    follow(station);
    server.reset();
    std::filesystem::remove_all(directory);
}
