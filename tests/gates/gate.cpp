// The program behind the gates: calls of plus(int64, int64), client and server in two processes.
//
//   gate allocations   counts what both processes allocate per call, in every way to call and over
//                      every transport, and per value of a stream; fails above the limits
//   gate calls TRANSPORT N
//                      N blocking calls, for an instruction count

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
#include "tenon/stream_members.hpp"

namespace gates {
namespace {

struct arithmetic {
    tenon::method<std::int64_t(std::int64_t, std::int64_t)> plus;
    tenon::source<std::int64_t()> count;
    tenon::sink<std::int64_t, std::int64_t> sum;
};
TENON_INTERFACE(arithmetic, "gates", "arithmetic", "1.0.0", (plus, a, b), count, sum)

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

// --- streams ---

tenon::generator<std::int64_t> count_up() {
    for (std::int64_t i = 0;; ++i) co_yield i;
}

tenon::task<std::int64_t> sum_up(tenon::reader<std::int64_t> in) {
    std::int64_t all = 0;
    while (auto v = co_await in.next()) all += *v;
    co_return all;
}

/// Passes values over a stream that stays open.
class passing {
public:
    virtual ~passing() = default;
    virtual void run(int n) = 0;
};

class reading : public passing {
public:
    explicit reading(stub& s) : from_(s.count()) {}
    void run(int n) override {
        for (const std::int64_t end = next_ + n; next_ < end; ++next_) check(from_.get(), next_);
    }

protected:
    static void check(const std::optional<std::int64_t>& got, std::int64_t wanted) {
        if (got != wanted) fail("a stream gave a wrong value");
    }
    tenon::reader<std::int64_t> from_;
    std::int64_t next_ = 0;
};

class awaiting : public reading {
public:
    using reading::reading;
    void run(int n) override { tenon::sync_wait(take(n)); }

private:
    tenon::task<void> take(int n) {
        for (const std::int64_t end = next_ + n; next_ < end; ++next_)
            check(co_await from_.next(), next_);
    }
};

class writing : public passing {
public:
    explicit writing(stub& s) : to_(s.sum()) {}
    void run(int n) override {
        for (int i = 0; i < n; ++i) to_.send(i);
    }

private:
    tenon::reply_writer<std::int64_t, std::int64_t> to_;
};

// --- processes ---

std::string fresh_endpoint(std::string_view transport) {
    if (transport == "tcp") return "tcp://127.0.0.1:0";
    const std::string name = "tenon-gate-" + std::to_string(getpid());
    if (transport == "shm") return "shm:/tmp/" + name;
    return transport == "inproc" ? "inproc:" + name : "unix:@" + name;
}

tenon::runtime_options spinning(bool yes) {
    tenon::runtime_options o;
    o.spin = yes;
    return o;
}

void serve(tenon::server& server, std::string_view transport) {
    arithmetic& a = server.publish<arithmetic>();
    a.plus = [](std::int64_t x, std::int64_t y) { return x + y; };
    a.count = count_up;
    a.sum = sum_up;
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
template <class F>
bool count(const char* transport, const char* name, const char* bounds, std::uint64_t limit,
           const counters& c, F run) {
    run(warm_up);
    (void)interval(c).take();  // what was measured before may be ending still
    counts got{};
    bool held = false;
    for (int i = 0; i < attempts && !held; ++i) {
        const interval measured(c);
        run(counted);
        got = measured.take();
        held = got.client + got.server <= limit * counted;
    }
    std::printf("%-8s%-16s%-26s%12.4f%12.4f%8llu  %s\n", transport, name, bounds,
                static_cast<double>(got.client) / counted,
                static_cast<double>(got.server) / counted, static_cast<unsigned long long>(limit),
                held ? "ok" : "EXCEEDED");
    std::fflush(stdout);
    return held;
}
bool count(const char* transport, const way& w, const char* bounds, options o, stub& s,
           const counters& c) {
    return count(transport, w.name, bounds, w.limit, c, [&](int n) { w.run(s, o, n); });
}

template <class Way>
bool count_stream(const char* transport, const char* name, stub& s, const counters& c) {
    Way way(s);
    way.run(counted);  // until queues and output have been as long as they get
    return count(transport, name, "values of a stream", 0, c, [&](int n) { way.run(n); });
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
    held &= count_stream<reading>(transport, "source", s, c);
    held &= count_stream<awaiting>(transport, "source, await", s, c);
    held &= count_stream<writing>(transport, "sink", s, c);
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
    for (const char* transport : {"inproc", "unix", "shm", "tcp"})
        held &= count_in_child(transport);
    return held ? 0 : 1;
}

int calls(const char* transport, int n) {
    const server_process server(transport, nullptr, false);
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
    if (what == "calls" && argc == 4) return gates::calls(argv[2], std::atoi(argv[3]));
    std::fputs("usage: gate allocations | gate calls TRANSPORT N\n", stderr);
    return 2;
} catch (const std::exception& e) {
    gates::fail(e.what());
}
