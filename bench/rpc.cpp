// Tenon: `echo` with raw bytes over all transports, sizes and depths, and `plus` with two integers.
//
// One call in flight per connection is the blocking client, a thread per connection. More are
// callbacks on the client's loop, each of which issues the next call.

#include <atomic>
#include <deque>
#include <thread>

#include "echo_target.hpp"

namespace bench {
namespace {

using echo_stub = tenon::stub<example::echo>;

/// The callbacks of a loop follow one another, but when one was interrupted for so long that the
/// loop went on without it, two of them overlap.
class spin_lock {
public:
    void lock() {
        while (taken_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
    }
    void unlock() { taken_.clear(std::memory_order_release); }

private:
    std::atomic_flag taken_;
};

void check(tenon::bytes_view sent, tenon::bytes_view reply) {
    if (reply.size() != sent.size() || reply.front() != sent.front() || reply.back() != sent.back())
        fail("the reply differs from the request");
}

/// One connection with a fixed number of asynchronous calls in flight.
class pipeline {
public:
    pipeline(const std::string& endpoint, const cell& what, tenon::bytes_view payload, lane& calls)
        : client_(connect_echo(what, endpoint)), payload_(payload), calls_(calls) {
        for (unsigned i = 0; i < what.outstanding; ++i) slots_.emplace_back(*this);
    }

    void start() {
        for (slot& s : slots_) s.issue(clock::now());
    }

    /// All calls have ended, which they do once the measurement is over.
    bool is_at_rest() const { return at_rest_.load(std::memory_order_acquire) == slots_.size(); }

private:
    class slot {
    public:
        explicit slot(pipeline& p) : pipeline_(p) {}

        // The outcome may come within then(), or meanwhile on another thread; whoever of the two
        // is later issues the next call or rests, so that nothing recurses.
        void issue(clock::time_point now) {
            state next;
            begun_ = now;
            do {
                state_.store(issuing, std::memory_order_relaxed);
                pipeline_.client_.echo.then(
                    [this](const tenon::result<tenon::bytes>& reply) { answered(reply); },
                    pipeline_.payload_);
                next = state_.exchange(under_way, std::memory_order_acq_rel);
            } while (next == go_on);
            if (next == over) pipeline_.add_resting();
        }

    private:
        enum state : int { issuing, under_way, go_on, over };

        void answered(const tenon::result<tenon::bytes>& reply) {
            const auto now = clock::now();
            need(reply);
            check(pipeline_.payload_, *reply);
            pipeline_.lock_.lock();
            const bool wanted = pipeline_.calls_.completed(begun_, now);
            pipeline_.lock_.unlock();
            begun_ = now;
            if (state_.exchange(wanted ? go_on : over, std::memory_order_acq_rel) != under_way)
                return;
            if (wanted) issue(now);
            else pipeline_.add_resting();
        }

        pipeline& pipeline_;
        clock::time_point begun_;
        std::atomic<state> state_{issuing};
    };

    // The last access to anything here.
    void add_resting() { at_rest_.fetch_add(1, std::memory_order_release); }

    echo_stub client_;
    const tenon::bytes_view payload_;
    lane& calls_;
    spin_lock lock_;  // guards calls_
    std::deque<slot> slots_;
    std::atomic<std::size_t> at_rest_{0};
};

class echo_target final : public target {
public:
    std::string_view name() const override { return "echo"; }

    void serve(const cell& what, const announce& ready) override {
        tenon::runtime_options threads;
        threads.loops = what.threads;
        tenon::runtime runtime(threads);
        tenon::server_options options;
        options.runtime = &runtime;
        tenon::server server(options);
        implement(server.publish<example::echo>());
        serve_until_killed(server, what.transport, ready);
    }

    void drive(const cell& what, const std::string& at, run& r) override {
        std::string endpoint = at;
        const auto local = local_echo_server(what, endpoint);
        const std::vector<std::byte> payload = make_payload(what.size);
        if (what.outstanding == 1) block(what, endpoint, payload, r);
        else pipe(what, endpoint, payload, r);
    }

private:
    static void block(const cell& what, const std::string& endpoint, tenon::bytes_view payload,
                      run& r) {
        std::vector<std::pair<echo_stub, lane*>> clients;
        for (unsigned i = 0; i < what.connections; ++i)
            clients.emplace_back(connect_echo(what, endpoint), &r.add_lane());
        std::vector<std::jthread> threads;
        const auto call = [&](unsigned i) {
            auto& [client, calls] = clients[i];
            repeat(*calls, 1, [&, &c = client] { check(payload, c.echo(payload)); });
        };
        for (unsigned i = 1; i < what.connections; ++i) threads.emplace_back(call, i);
        call(0);
    }

    static void pipe(const cell& what, const std::string& endpoint, tenon::bytes_view payload,
                     run& r) {
        std::deque<pipeline> pipelines;
        for (unsigned i = 0; i < what.connections; ++i)
            pipelines.emplace_back(endpoint, what, payload, r.add_lane());
        for (pipeline& p : pipelines) p.start();
        for (const pipeline& p : pipelines)
            while (!p.is_at_rest()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
};

/// Two integers there, one back; a function call in process, so many share a reading of the clock.
class plus_target final : public target {
public:
    std::string_view name() const override { return "plus"; }

    void serve(const cell& what, const announce& ready) override { echo_.serve(what, ready); }

    void drive(const cell& what, const std::string& at, run& r) override {
        std::string endpoint = at;
        const auto local = local_echo_server(what, endpoint);
        const echo_stub client = connect_echo(what, endpoint);
        std::int64_t n = 0;
        repeat(r.add_lane(), what.transport == "inproc" ? 32 : 1, [&] { n = client.plus(n, 1); });
        if (n == 0) fail("plus does not add");
    }

private:
    echo_target echo_;
};

}  // namespace

suite make_rpc_suite() {
    suite s;
    s.name = "rpc";
    s.targets.push_back(std::make_unique<echo_target>());
    for (const char* transport : {"inproc", "shm", "unix", "tcp"})
        for (const std::size_t size : {16, 1024, 65536, 1048576})
            for (const unsigned outstanding : {1u, 64u, 256u})
                for (const unsigned connections : {1u, 8u})
                    s.cells.push_back({.suite = s.name,
                                       .target = "echo",
                                       .transport = transport,
                                       .size = size,
                                       .outstanding = outstanding,
                                       .connections = connections});
    return s;
}

suite make_plus_suite() {
    suite s;
    s.name = "plus";
    s.targets.push_back(std::make_unique<plus_target>());
    for (const char* transport : {"inproc", "shm", "unix", "tcp"})
        s.cells.push_back({.suite = s.name, .target = "plus", .transport = transport});
    return s;
}

}  // namespace bench
