// What only time shows: a flood of clients that come and go, and slow handlers beside quick ones.
// A second each, or TENON_SOAK_SECONDS. Prints what it has measured; see tests/soak/run.sh.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <future>
#include <mutex>
#include <random>
#include <thread>

#include "bystanders.hpp"
#include "raw_peer.hpp"
#include "server_process.hpp"
#include "tenon/server.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

std::chrono::milliseconds soak_time() {
    const char* wanted = std::getenv("TENON_SOAK_SECONDS");
    return std::chrono::seconds(wanted ? std::max(1, std::atoi(wanted)) : 1);
}

// --- flood ---

/// Threads that each make clients, call all sorts of things, and leave at a random moment.
class flood {
public:
    flood(std::vector<std::string> endpoints, unsigned seed)
        : endpoints_(std::move(endpoints)), seed_(seed) {}

    void run(unsigned threads, std::chrono::milliseconds time) {
        const auto end = steady_clock::now() + time;
        std::vector<std::thread> all;
        for (unsigned i = 0; i < threads; ++i)
            all.emplace_back([this, i, end] {
                std::mt19937 random(seed_ + i);
                while (steady_clock::now() < end) {
                    if (random() % 8 == 0) pester(random);
                    else visit(random);
                }
            });
        for (std::thread& t : all) t.join();
        ++seed_;
    }
    std::uint64_t calls() const { return calls_; }
    std::uint64_t clients() const { return clients_; }
    std::string failure() const {
        const std::lock_guard lock(mutex_);
        return failure_;
    }

private:
    void visit(std::mt19937& random) {
        ++clients_;
        const auto echo = tenon::connect<example::echo>(endpoints_[random() % endpoints_.size()]);
        std::vector<std::future<tenon::result<tenon::bytes>>> left;
        for (unsigned n = random() % 100; n > 0; --n, ++calls_) {
            const std::size_t size = random() % (std::size_t{1} << random() % 21);
            const tenon::bytes data(size, std::byte(random()));
            switch (random() % 6) {
                case 0: check(echo.plus.try_call(n, 1), std::int64_t{n} + 1); break;
                case 1:
                    check(echo.upper.try_call(std::string(size % 5000, 'a')),
                          std::string(size % 5000, 'A'));
                    break;
                case 2: check(echo.nap.try_call(1), 1); break;
                case 3: {
                    const auto r = echo.nap.with({.timeout = 1ms}).try_call(50);
                    if (r || r.error().code() != tenon::errc::deadline) note("no deadline");
                    break;
                }
                case 4: left.push_back(echo.echo.future(data)); break;
                default: check(echo.echo.try_call(data), data); break;
            }
        }
        // Half of the clients leave while calls are under way.
        if (random() % 2)
            for (auto& f : left)
                if (const auto r = f.get(); !r) note(r.error().to_string());
    }
    /// A peer that says nothing that makes sense, or leaves in the middle of it.
    void pester(std::mt19937& random) {
        raw_peer peer(endpoints_[random() % endpoints_.size()]);
        std::string bytes = make_setup() + make_request(1, "example/echo.nap", "[20]") +
                            make_request(3, "example/echo.upper", "[\"abc\"]");
        if (random() % 2)
            for (int i = 0; i < 5; ++i)
                bytes[random() % bytes.size()] = static_cast<char>(random());
        peer.send(std::string_view(bytes).substr(0, random() % (bytes.size() + 1)));
        if (random() % 2) peer.reset();
    }
    template <class T>
    void check(const tenon::result<T>& r, const T& wanted) {
        if (!r) note(r.error().to_string());
        else if (*r != wanted) note("a wrong answer");
    }
    void note(std::string what) {
        const std::lock_guard lock(mutex_);
        if (failure_.empty()) failure_ = std::move(what);
    }

    const std::vector<std::string> endpoints_;
    unsigned seed_;
    std::atomic<std::uint64_t> calls_{0}, clients_{0};
    mutable std::mutex mutex_;
    std::string failure_;
};

TEST(soak, flood) {
    constexpr double mib = 1 << 20;
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    const scratch files;
    server_process server = server_process::echo({"unix:" + files.path("s"), "tcp://127.0.0.1:0"});
    bystanders others(server.endpoints());
    ASSERT_TRUE(others.served());
    const auto server_files = server.descriptors();
    flood all(server.endpoints(), seed);
    all.run(16, soak_time() / 3);
    const auto server_memory = server.resident(), own_memory = resident_of(::getpid());
    const auto own_files = descriptors_of(::getpid());
    all.run(16, soak_time());
    EXPECT_EQ(all.failure(), "");
    EXPECT_TRUE(others.served());
    others.stop();
    EXPECT_EQ(others.failure(), "");
    EXPECT_TRUE(eventually([&] { return server.descriptors() <= server_files; }))
        << server.descriptors() << " descriptors, at first " << server_files;
    EXPECT_TRUE(eventually([&] { return descriptors_of(::getpid()) <= own_files + 2; }));
    std::printf(
        "flood: %llu calls of %llu clients; memory of the server %.1f, then %.1f MiB; "
        "of the clients %.1f, then %.1f MiB\n",
        static_cast<unsigned long long>(all.calls()),
        static_cast<unsigned long long>(all.clients()), static_cast<double>(server_memory) / mib,
        static_cast<double>(server.resident()) / mib, static_cast<double>(own_memory) / mib,
        static_cast<double>(resident_of(::getpid())) / mib);
    if (!sanitized) {
        EXPECT_LT(server.resident(), server_memory * 2 + 64 * (1 << 20));
    }
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait(20s), 0);
}

// --- slow handlers ---

struct worker {
    tenon::method<int(int, bool)> work;
};
TENON_INTERFACE(worker, "soak", "worker", "1.0.0", (work, n, slowly))

/// Latencies in microseconds.
class latencies {
public:
    void add(steady_clock::duration d) { all_.push_back(static_cast<std::uint32_t>(d / 1us)); }
    void add(const latencies& o) { all_.insert(all_.end(), o.all_.begin(), o.all_.end()); }
    /// The one that `share` of them do not exceed.
    std::uint32_t at(double share) {
        std::sort(all_.begin(), all_.end());
        const auto last = static_cast<double>(all_.size() - 1);
        return all_.empty() ? 0 : all_[static_cast<std::size_t>(share * last)];
    }
    std::size_t count() const { return all_.size(); }

private:
    std::vector<std::uint32_t> all_;
};

TEST(soak, slow_handlers) {
    const scratch files;
    tenon::runtime threads;
    tenon::server_options options;
    options.runtime = &threads;
    tenon::server server(options);
    server.publish<worker>().work = [](int n, bool slowly) {
        if (slowly) ::usleep(20'000);
        return n;
    };
    const std::string at = "unix:" + files.path("s");
    server.listen(at).start();

    constexpr int callers = 4;
    latencies quick;
    std::mutex mutex;
    std::vector<std::thread> all;
    const auto end = steady_clock::now() + std::max(soak_time(), std::chrono::milliseconds(2000));
    for (int i = 0; i < callers; ++i)
        all.emplace_back([&, i] {
            std::mt19937 random(static_cast<unsigned>(i));
            const auto w = tenon::connect<worker>(at);
            latencies own;
            for (int n = 0; steady_clock::now() < end; ++n) {
                const bool slowly = random() % 100 == 0;
                const auto begin = steady_clock::now();
                const auto r = w.work.try_call(n, slowly);
                if (!slowly) own.add(steady_clock::now() - begin);
                EXPECT_TRUE(r && *r == n);
                ::usleep(500);
            }
            const std::lock_guard lock(mutex);
            quick.add(own);
        });
    for (std::thread& t : all) t.join();
    const tenon::method_stats stats = server.stats().at(0);
    std::printf(
        "slow handlers: %zu quick calls beside 1 %% of 20 ms: p50 %u us, p99 %u us, "
        "p99.9 %u us, longest %u us; %llu slow runs seen, %s\n",
        quick.count(), quick.at(0.5), quick.at(0.99), quick.at(0.999), quick.at(1),
        static_cast<unsigned long long>(stats.slow),
        stats.on_pool ? "on the pool now" : "still on the loop");
    EXPECT_EQ(stats.route, "soak/worker.work");
    EXPECT_GT(stats.slow, 0U);
    EXPECT_TRUE(stats.on_pool);
    server.stop(0ms);
    threads.stop();
}

}  // namespace
}  // namespace e2e
