// What the adaptive spin gives and costs: Tenon with it, compared with Tenon without it, in a closed
// loop and with calls at fixed times.

#include <time.h>

#include <sys/prctl.h>

#include "echo_target.hpp"

namespace bench {
namespace {

class spin_target final : public target {
public:
    /// `rate` in calls per second; 0: back to back.
    spin_target(std::string_view name, bool on, unsigned rate)
        : name_(name), on_(on), rate_(rate) {}
    std::string_view name() const override { return name_; }

    void serve(const cell& what, const announce& ready) override {
        tenon::runtime runtime(threads());
        tenon::server_options options;
        options.runtime = &runtime;
        tenon::server server(options);
        implement(server.publish<example::echo>());
        serve_until_killed(server, what.transport, ready);
    }

    void drive(const cell& what, const std::string& endpoint, run& r) override {
        prctl(PR_SET_TIMERSLACK, 1);
        tenon::runtime runtime(threads());
        tenon::client_options options = options_for(what.transport);
        options.runtime = &runtime;
        auto client = tenon::connect<example::echo>(endpoint, options);
        wait_for(client);
        std::int64_t n = 0;
        lane& calls = r.add_lane();
        if (rate_ == 0) {
            repeat(calls, 1, [&] { n = client.plus(n, 1); });
            return;
        }
        const auto interval = std::chrono::nanoseconds(1'000'000'000 / rate_);
        auto due = clock::now();
        for (bool go_on = true; go_on; due += interval) {
            sleep_until(due);
            const auto begun = clock::now();
            n = client.plus(n, 1);
            go_on = calls.completed(begun, clock::now());
        }
    }

private:
    tenon::runtime_options threads() const {
        tenon::runtime_options o;
        o.spin = on_;
        return o;
    }

    static void sleep_until(clock::time_point due) {
        const auto t = due.time_since_epoch();
        const auto s = std::chrono::duration_cast<std::chrono::seconds>(t);
        const timespec at{static_cast<time_t>(s.count()), static_cast<long>((t - s).count())};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
    }

    std::string_view name_;
    bool on_;
    unsigned rate_;
};

}  // namespace

suite make_spin_suite() {
    suite s;
    s.name = "spin";
    s.longer = 2;
    const auto add = [&](std::string_view name, bool on, unsigned rate) {
        s.targets.push_back(std::make_unique<spin_target>(name, on, rate));
    };
    add("off", false, 0);
    add("on", true, 0);
    add("off, 1000/s", false, 1000);
    add("on, 1000/s", true, 1000);
    add("off, 20/s", false, 20);
    add("on, 20/s", true, 20);
    for (const char* transport : {"shm", "unix", "tcp"})
        for (const auto& t : s.targets)
            s.cells.push_back(
                {.suite = s.name, .target = std::string(t->name()), .transport = transport});
    return s;
}

}  // namespace bench
