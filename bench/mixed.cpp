// Tenon under a mix that production has and an echo has not: 1 % of the calls take 20 ms. Counted
// are the others, beside the same load without slow calls.
//
// The load is open: calls are due at fixed times, at 20 % of what client and server manage together,
// and a latency counts from when its call was due, so that waiting for a stalled server is not left
// out. What is compared is the 99th percentile; with --repeat 9 as the median of nine pairs. Slow
// calls of a method that does not say so must have it named in the server's statistics.

#include <time.h>

#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "echo_target.hpp"
#include "tenon/control.hpp"

namespace bench {
namespace {

constexpr unsigned slow_every = 100;
constexpr unsigned slow_us = 20'000;
constexpr double share_of_capacity = 0.2;
constexpr unsigned outstanding_at_capacity = 64;
constexpr unsigned most_in_flight = 1'000'000;
constexpr unsigned threads_for_slow_calls = 256;  // 12,800 slow calls a second
constexpr auto capacity_time = std::chrono::milliseconds(100);

struct mixed_service {
    tenon::method<std::int64_t(std::int64_t, bool)> work;
    tenon::method<std::int64_t(std::int64_t)> rest;

    static void describe(tenon::description<mixed_service>& d) {
        d[&mixed_service::work].doc("n + 1; at times it turns out to be slow.");
        d[&mixed_service::rest].doc("n + 1, slowly.").blocking();
    }
};
TENON_INTERFACE(mixed_service, "bench", "mixed", "1.0.0", (work, n, slowly), (rest, n))

enum class slow_calls { none, declared, undeclared };

using mixed_stub = tenon::stub<mixed_service>;

/// Calls per second when one thread sends as fast as it can, so many in flight at most: the same
/// way of calling as later, so that a fifth of it leaves four fifths of the machine idle.
class capacity {
public:
    explicit capacity(mixed_stub& client) : client_(client) {}

    double measure() {
        send_for(capacity_time);
        const std::uint64_t before = answered_;
        const auto begun = clock::now();
        send_for(capacity_time);
        const std::uint64_t n = answered_ - before;
        const std::chrono::duration<double> took = clock::now() - begun;
        while (under_way_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return static_cast<double>(n) / took.count();
    }

private:
    void send_for(std::chrono::milliseconds time) {
        for (const auto end = clock::now() + time; clock::now() < end;) {
            if (under_way_ >= outstanding_at_capacity) {
                std::this_thread::yield();
                continue;
            }
            ++under_way_;
            client_.work.then(
                [this](const tenon::result<std::int64_t>& r) {
                    need(r);
                    ++answered_;
                    --under_way_;
                },
                1, false);
        }
    }

    mixed_stub& client_;
    std::atomic<std::uint64_t> answered_{0};
    std::atomic<unsigned> under_way_{0};
};

class mixed_target final : public target {
public:
    mixed_target(std::string_view name, slow_calls slow) : name_(name), slow_(slow) {}
    std::string_view name() const override { return name_; }

    void serve(const cell& what, const announce& ready) override {
        // Whatever piles up is to show as latency, not as refusals.
        tenon::runtime_options threads;
        threads.loops = what.threads;
        threads.pool.queue_limit = most_in_flight;
        threads.pool.most = threads_for_slow_calls;
        tenon::runtime runtime(threads);
        tenon::server_options options;
        options.runtime = &runtime;
        options.limits.calls_per_connection = most_in_flight;
        tenon::server server(options);
        auto& s = server.publish<mixed_service>();
        s.work = [](std::int64_t n, bool slowly) {
            if (slowly) usleep(slow_us);
            return n + 1;
        };
        s.rest = [](std::int64_t n) {
            usleep(slow_us);
            return n + 1;
        };
        serve_until_killed(server, what.transport, ready);
    }

    void drive(const cell& what, const std::string& endpoint, run& r) override {
        prctl(PR_SET_TIMERSLACK, 1);
        auto client = tenon::connect<mixed_service>(endpoint, options_for(what.transport));
        if (!client.wait_ready(std::chrono::seconds(5))) fail("cannot connect to " + endpoint);
        const double rate = share_of_capacity * capacity(client).measure();
        lane& calls = r.add_lane();
        std::mutex mutex;  // guards calls
        std::atomic<unsigned> under_way{0};
        r.restart();
        const auto begun = clock::now();
        for (std::uint64_t n = 0; !r.is_over(); ++n) {
            const auto due = begun + std::chrono::nanoseconds(static_cast<std::int64_t>(
                                         1e9 / rate * static_cast<double>(n)));
            wait_until(due);
            ++under_way;
            if (slow_ != slow_calls::none && n % slow_every == slow_every / 2) {
                send_slow(client, under_way);
                continue;
            }
            client.work.then(
                [&calls, &mutex, &under_way, due](const tenon::result<std::int64_t>& reply) {
                    need(reply);
                    {
                        const std::lock_guard lock(mutex);
                        calls.completed(due, clock::now());
                    }
                    --under_way;
                },
                1, false);
        }
        while (under_way > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (slow_ == slow_calls::undeclared && !is_named(endpoint))
            fail("the statistics do not name the slow method");
    }

private:
    static bool is_named(const std::string& endpoint) {
        const auto server = tenon::connect<tenon::control>(endpoint).stats("bench/*");
        return std::any_of(server.methods.begin(), server.methods.end(), [](const auto& m) {
            return m.route == "bench/mixed.work" && m.slow > 0;
        });
    }

    static void wait_until(clock::time_point due) {
        if (clock::now() >= due) return;
        const auto t = due.time_since_epoch();
        const auto s = std::chrono::duration_cast<std::chrono::seconds>(t);
        const timespec at{static_cast<time_t>(s.count()), static_cast<long>((t - s).count())};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
    }

    void send_slow(mixed_stub& client, std::atomic<unsigned>& under_way) const {
        const auto check = [&under_way](const tenon::result<std::int64_t>& reply) {
            need(reply);
            --under_way;
        };
        if (slow_ == slow_calls::declared) client.rest.then(check, 1);
        else client.work.then(check, 1, true);
    }

    std::string_view name_;
    slow_calls slow_;
};

}  // namespace

suite make_mixed_suite() {
    suite s;
    s.name = "mixed";
    s.longer = 3;
    s.targets.push_back(std::make_unique<mixed_target>("no slow calls", slow_calls::none));
    s.targets.push_back(std::make_unique<mixed_target>("1 % declared", slow_calls::declared));
    s.targets.push_back(std::make_unique<mixed_target>("1 % undeclared", slow_calls::undeclared));
    for (const auto& t : s.targets)
        s.cells.push_back({.suite = s.name,
                           .target = std::string(t->name()),
                           .transport = "unix",
                           .outstanding = open_loop});
    return s;
}

}  // namespace bench
