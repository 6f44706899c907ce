// The program behind the gates: calls of plus(int64, int64), client and server in two processes.
//
//   gate allocations   counts what both processes allocate per call, in every way to call and over
//                      every transport; fails above the limits
//   gate calls N       N blocking calls over a Unix socket, for an instruction count

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "count_allocations.hpp"
#include "tenon/client.hpp"
#include "tenon/server.hpp"

namespace gates {
namespace {

struct arithmetic {
    tenon::method<std::int64_t(std::int64_t, std::int64_t)> plus;
};
TENON_INTERFACE(arithmetic, "gates", "arithmetic", "1.0.0", (plus, a, b))

using stub = tenon::stub<arithmetic>;

constexpr int warm_up = 1'000;
constexpr int counted = 10'000;
// What a call allocates shows every time; what happens once in a while, such as a thread that comes
// in because the machine is busy, does not.
constexpr int attempts = 3;

[[noreturn]] void fail(std::string_view why) {
    std::fprintf(stderr, "gate: %.*s\n", static_cast<int>(why.size()), why.data());
    std::_Exit(1);
}

void check(std::int64_t got, std::int64_t wanted) {
    if (got != wanted) fail("plus gave a wrong answer");
}

/// Shared by client and server.
struct counters {
    std::atomic<std::uint64_t> client{0};
    std::atomic<std::uint64_t> server{0};
};

struct counts {
    std::uint64_t client;
    std::uint64_t server;
};

/// What both processes allocate between construction and take(), which waits until they are at rest.
class interval {
public:
    explicit interval(const counters& c) : counters_(c), begin_(now()) {}

    counts take() const {
        counts seen = now();
        for (;;) {
            usleep(2'000);
            const counts again = now();
            if (again.client == seen.client && again.server == seen.server) break;
            seen = again;
        }
        return {seen.client - begin_.client, seen.server - begin_.server};
    }

private:
    counts now() const { return {counters_.client.load(), counters_.server.load()}; }

    const counters& counters_;
    counts begin_;
};

// --- ways to call ---

using options = const tenon::call_options*;

void call_blocking(stub& s, options o, int n) {
    for (int i = 0; i < n; ++i)
        check(o ? s.plus.with(*o)(i, 1) : s.plus(i, 1), std::int64_t{i} + 1);
}

tenon::task<void> await_calls(stub& s, options o, int n) {
    for (int i = 0; i < n; ++i) {
        if (o) {
            auto method = s.plus.with(*o);
            check(co_await method.async(i, 1), std::int64_t{i} + 1);
        } else {
            check(co_await s.plus.async(i, 1), std::int64_t{i} + 1);
        }
    }
}
void call_awaiting(stub& s, options o, int n) { tenon::sync_wait(await_calls(s, o, n)); }

void call_future(stub& s, options o, int n) {
    for (int i = 0; i < n; ++i) {
        auto reply = o ? s.plus.with(*o).future(i, 1) : s.plus.future(i, 1);
        check(reply.get().value(), std::int64_t{i} + 1);
    }
}

/// A callable of the given size.
template <std::size_t Size>
struct callback {
    std::atomic<int>* done;
    std::int64_t wanted;
    std::byte more[Size - sizeof(std::atomic<int>*) - sizeof(std::int64_t)] = {};

    void operator()(const tenon::result<std::int64_t>& r) const {
        check(r.value(), wanted);
        done->store(1);
        done->notify_one();
    }
};

template <std::size_t Size>
void call_back(stub& s, options o, int n) {
    for (int i = 0; i < n; ++i) {
        std::atomic<int> done{0};
        const callback<Size> f{&done, std::int64_t{i} + 1};
        if (o) s.plus.with(*o).then(f, i, 1);
        else s.plus.then(f, i, 1);
        done.wait(0);
    }
}

struct way {
    const char* name;
    void (*run)(stub&, options, int);
    std::uint64_t limit;  // allocations per call
};

constexpr way ways[] = {
    {"blocking", call_blocking, 0},       {"co_await", call_awaiting, 0},
    {"callback, 48 B", call_back<48>, 0}, {"callback, 64 B", call_back<64>, 1},
    {"future", call_future, 2},
};

// --- processes ---

std::string fresh_endpoint(std::string_view transport) {
    if (transport == "tcp") return "tcp://127.0.0.1:0";
    const std::string name = "tenon-gate-" + std::to_string(getpid());
    return transport == "inproc" ? "inproc:" + name : "unix:@" + name;
}

tenon::runtime_options spinning(bool yes) {
    tenon::runtime_options o;
    o.spin = yes;
    return o;
}

void serve(tenon::server& server, std::string_view transport) {
    server.publish<arithmetic>().plus = [](std::int64_t a, std::int64_t b) { return a + b; };
    server.listen(fresh_endpoint(transport)).start();
}

/// A server in a process of its own, which ends in good order with this object.
class server_process {
public:
    server_process(std::string_view transport, std::atomic<std::uint64_t>* counter, bool spin) {
        int to_child[2], from_child[2];
        if (pipe(to_child) != 0 || pipe(from_child) != 0) fail("no pipe");
        pid_ = fork();
        if (pid_ < 0) fail("no fork");
        if (pid_ == 0) {
            close(to_child[1]);
            run(transport, counter, spin, to_child[0], from_child[1]);
        }
        close(to_child[0]);
        close(from_child[1]);
        stop_ = to_child[1];
        char text[128];
        const ssize_t n = read(from_child[0], text, sizeof text);
        if (n <= 0) fail("the server did not start");
        endpoint_.assign(text, static_cast<std::size_t>(n));
        close(from_child[0]);
    }
    ~server_process() {
        close(stop_);
        waitpid(pid_, nullptr, 0);
    }
    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;

    const std::string& endpoint() const { return endpoint_; }

private:
    [[noreturn]] static void run(std::string_view transport, std::atomic<std::uint64_t>* counter,
                                 bool spin, int until_closed, int announce) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (counter) count_allocations_in(*counter);
        {
            tenon::runtime runtime(spinning(spin));
            tenon::server_options options;
            options.runtime = &runtime;
            tenon::server server(options);
            serve(server, transport);
            const std::string at = server.endpoints().front();
            if (write(announce, at.data(), at.size()) < 0) fail("cannot announce");
            char c;
            while (read(until_closed, &c, 1) > 0) {}
        }
        std::_Exit(0);
    }

    pid_t pid_;
    int stop_;
    std::string endpoint_;
};

stub connect_to(const std::string& endpoint, tenon::runtime* runtime = nullptr) {
    tenon::client_options o;
    o.runtime = runtime;
    stub s = tenon::connect<arithmetic>(endpoint, o);
    s.wait_ready(std::chrono::seconds(10)).value();
    return s;
}

// --- gates ---

/// Prints a line; true if the limit holds.
bool count(const char* transport, const way& w, const char* bounds, options o, stub& s,
           const counters& c) {
    w.run(s, o, warm_up);
    counts got{};
    bool held = false;
    for (int i = 0; i < attempts && !held; ++i) {
        const interval measured(c);
        w.run(s, o, counted);
        got = measured.take();
        held = got.client + got.server <= w.limit * counted;
    }
    std::printf("%-8s%-16s%-26s%12.4f%12.4f%8llu  %s\n", transport, w.name, bounds,
                static_cast<double>(got.client) / counted,
                static_cast<double>(got.server) / counted, static_cast<unsigned long long>(w.limit),
                held ? "ok" : "EXCEEDED");
    std::fflush(stdout);
    return held;
}

bool count_over(const char* transport, counters& c) {
    std::unique_ptr<server_process> remote;
    std::unique_ptr<tenon::server> local;
    std::string endpoint;
    if (std::strcmp(transport, "inproc") != 0) {
        remote = std::make_unique<server_process>(transport, &c.server, true);
        endpoint = remote->endpoint();
        count_allocations_in(c.client);
    } else {
        count_allocations_in(c.client);
        local = std::make_unique<tenon::server>();
        serve(*local, transport);
        endpoint = local->endpoints().front();
    }
    stub s = connect_to(endpoint);
    tenon::cancellation never;
    const tenon::call_options with_deadline{.timeout = std::chrono::seconds(20)};
    const tenon::call_options with_cancellation{.cancel = &never};
    const tenon::call_options with_both{.timeout = std::chrono::seconds(20), .cancel = &never};
    bool held = true;
    for (const way& w : ways) {
        held &= count(transport, w, "", nullptr, s, c);
        held &= count(transport, w, "deadline", &with_deadline, s, c);
        held &= count(transport, w, "cancellation", &with_cancellation, s, c);
        held &= count(transport, w, "deadline, cancellation", &with_both, s, c);
    }
    return held;
}

/// Each transport in a process of its own: servers are forked before there is a thread.
bool count_in_child(const char* transport) {
    const pid_t pid = fork();
    if (pid < 0) fail("no fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        void* page = mmap(nullptr, sizeof(counters), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) fail("no memory");
        const bool held = count_over(transport, *new (page) counters);
        std::fflush(stdout);
        std::_Exit(held ? 0 : 3);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3))
        fail("the calls failed");
    return WEXITSTATUS(status) == 0;
}

int allocations() {
    std::printf("%-8s%-16s%-26s%12s%12s%8s\n", "", "allocations", "with", "client", "server",
                "limit");
    std::fflush(stdout);
    bool held = true;
    for (const char* transport : {"inproc", "unix", "tcp"}) held &= count_in_child(transport);
    return held ? 0 : 1;
}

int calls(int n) {
    const server_process server("unix", nullptr, false);
    tenon::runtime runtime(spinning(false));
    stub s = connect_to(server.endpoint(), &runtime);
    call_blocking(s, nullptr, n);
    return 0;
}

}  // namespace
}  // namespace gates

int main(int argc, char** argv) try {
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "allocations" && argc == 2) return gates::allocations();
    if (what == "calls" && argc == 3) return gates::calls(std::atoi(argv[2]));
    std::fputs("usage: gate allocations | gate calls N\n", stderr);
    return 2;
} catch (const std::exception& e) {
    gates::fail(e.what());
}
