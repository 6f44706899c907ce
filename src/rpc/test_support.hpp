#pragma once
// What the tests of this layer share: a contract with a method of every kind, endpoints of every
// transport, and a server with its runtime.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tenon/tenon.hpp"

#if defined(__SANITIZE_THREAD__)
#define RUNNING_ON_TSAN 1
#else
#define RUNNING_ON_TSAN 0
#endif

namespace rpc_test {

using namespace std::chrono_literals;

struct person {
    std::string name;
    int age = 0;
    bool operator==(const person&) const = default;
};
TENON_STRUCT(person, name, age)

/// A declared error.
struct too_big {
    int limit = 0;
    std::string hint;
};
TENON_STRUCT(too_big, limit, hint)

struct not_today {
    std::string until;
};
TENON_STRUCT(not_today, until)

struct lab {
    tenon::method<int(int, int)> plus;
    tenon::method<std::string(std::string)> greet;
    tenon::method<person(person)> older;
    tenon::method<void(int)> poke;
    tenon::method<int()> count;
    tenon::method<int(int), too_big, not_today> check;
    tenon::method<int(int)> nap;                                // a coroutine
    tenon::method<int(int)> block;                              // declared blocking
    tenon::method<int(int)> alone;                              // serial
    tenon::method<int(int)> again;                              // idempotent
    tenon::method<tenon::bytes(tenon::bytes)> echo;             // raw
    tenon::method<std::vector<int>(std::vector<int>)> numbers;  // in JSON
    tenon::method<int(int)> missing;                            // never implemented

    static void describe(tenon::description<lab>& d) {
        d.doc("For tests.");
        d[&lab::plus].doc("Adds.").default_value("b", 1);
        d[&lab::block].blocking();
        d[&lab::alone].serial();
        d[&lab::again].idempotent();
        d[&lab::echo].codec(tenon::codec::raw);
        d[&lab::numbers].codec(tenon::codec::json);
    }
};
TENON_INTERFACE(lab, "test", "lab", "1.0.0", (plus, a, b), (greet, who), (older, who), (poke, n),
                count, (check, n), (nap, ms), (block, ms), (alone, n), (again, n), (echo, data),
                (numbers, list), (missing, n))

inline tenon::task<int> nap_for(int ms) {
    co_await tenon::sleep_for(std::chrono::milliseconds(ms));
    co_return ms;
}

inline void implement(lab& l) {
    l.plus = [](int a, int b) { return a + b; };
    l.greet = [](std::string who) { return "hello " + who; };
    l.older = [](person p) {
        ++p.age;
        return p;
    };
    l.poke = [](int) {};
    l.count = [] { return 42; };
    l.check = [](int n) {
        if (n > 100) throw too_big{100, "less"};
        return n;
    };
    l.nap = nap_for;
    l.block = [](int ms) {
        std::this_thread::sleep_for(std::chrono::milliseconds(ms));
        return ms;
    };
    l.alone = [](int n) { return n; };
    l.again = [](int n) { return n; };
    l.echo = [](tenon::bytes data) { return data; };
    l.numbers = [](std::vector<int> v) { return v; };
}

/// "inproc:…", "unix:@…", "shm:/…" or "tcp://127.0.0.1:0", different in every test.
inline std::string fresh_endpoint(std::string_view transport) {
    static std::atomic<int> next{0};
    const std::string name = "rpctest-" + std::to_string(::getpid()) + "-" + std::to_string(next++);
    if (transport == "inproc") return "inproc:" + name;
    if (transport == "unix") return "unix:@" + name;
    if (transport == "shm") return "shm:/tmp/" + name + ".sock";
    if (transport == "path") return "unix:/tmp/" + name + ".sock";
    return "tcp://127.0.0.1:0";
}

/// Names the instances of tests that run over several transports.
inline std::string name_of(const testing::TestParamInfo<const char*>& transport) {
    return transport.param;
}

/// A deadline for things that must happen at all; generous, because test machines are slow.
inline constexpr auto patience = 20s;

template <class F>
bool eventually(F condition) {
    const auto limit = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > limit) return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

/// The value of a future that has to become ready.
template <class T>
T get(std::future<T> f) {
    if (f.wait_for(patience) != std::future_status::ready) {
        ADD_FAILURE() << "a call has no outcome";
        std::abort();  // its threads cannot be joined
    }
    return f.get();
}

inline tenon::runtime_options test_runtime() {
    tenon::runtime_options o;
    o.pool.resident = 1;
    o.pool.most = 16;
    return o;
}

/// A server of `lab`, and clients of it, each with the same runtime.
class served {
public:
    explicit served(std::string_view transport, tenon::runtime_options ro = test_runtime(),
                    tenon::server_options so = {})
        : runtime(ro) {
        so.runtime = &runtime;
        server.emplace(so);
        l = &server->publish<lab>();
        implement(*l);
        server->listen(fresh_endpoint(transport));
    }
    void start() {
        server->start();
        endpoint = server->endpoints().at(0);
    }
    tenon::stub<lab> connect(tenon::client_options o = {}) {
        o.runtime = &runtime;
        return tenon::connect<lab>(endpoint, o);
    }

    tenon::runtime runtime;
    std::optional<tenon::server> server;
    lab* l = nullptr;
    std::string endpoint;
};

/// Opened once, from any thread.
class gate {
public:
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    bool wait() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, patience, [this] { return open_; });
    }
    bool is_open() {
        const std::lock_guard lock(mutex_);
        return open_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

}  // namespace rpc_test
