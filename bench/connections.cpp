// What many connections cost: calls spread over 1 to 10,000 of them, with some in flight at a time,
// and the memory of those at rest. Compared with 100 connections of the same kind.
//
//   floor    a bare epoll echo; what the kernel alone makes of so many sockets
//   served   a Tenon server, called by bare sockets
//   typed    Tenon on both sides, callbacks on the client's loop
//
// The calls take the connections in turn, or, "scattered", those of a random tenth of them.
//
// And what a second loop of the server brings, for handlers that compute for 20 µs and for such that
// do nothing. The client needs a CPU, too.

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <deque>
#include <numeric>
#include <random>
#include <thread>

#include "echo_target.hpp"
#include "floors.hpp"
#include "sockets.hpp"

namespace bench {
namespace {

constexpr auto until_idle = std::chrono::milliseconds(2'000);
constexpr unsigned parts = 10;   // scattered: this part of all connections at a time …
constexpr unsigned fewest = 64;  // … but not fewer than may be in flight …
constexpr unsigned rounds = 4;   // … so many times
constexpr auto computing_time = std::chrono::microseconds(20);

std::string number(std::uint64_t value, unsigned bytes) {
    std::string s(bytes, '\0');
    for (unsigned i = bytes; i-- > 0; value >>= 8) s[i] = static_cast<char>(value & 0xff);
    return s;
}

// docs/wire.md has the layouts.
std::string frame(std::uint32_t stream, unsigned type, unsigned flags, const std::string& body) {
    return number(body.size() + 6, 3) + number(stream, 4) + number(type << 10 | flags, 2) + body;
}

std::string setup_frame() {
    constexpr std::string_view metadata = "message/x.rsocket.routing.v0";
    constexpr std::string_view data = "application/octet-stream";
    std::string body = number(1, 2) + number(0, 2) + number(20'000, 4) + number(600'000, 4);
    body.append(number(metadata.size(), 1)).append(metadata);
    body.append(number(data.size(), 1)).append(data);
    return frame(0, 1, 0, body);
}

std::string request_frame(std::uint32_t stream, const std::vector<std::byte>& payload) {
    constexpr std::string_view route = "example/echo.echo";
    std::string body = number(route.size() + 1, 3) + number(route.size(), 1);
    body.append(route).append(reinterpret_cast<const char*>(payload.data()), payload.size());
    return frame(stream, 4, 0x100, body);
}

/// Which connection the next call takes.
class course {
public:
    course(unsigned connections, bool scattered) : order_(connections), scattered_(scattered) {
        std::iota(order_.begin(), order_.end(), 0U);
        subset_ =
            scattered ? std::min(connections, std::max(fewest, connections / parts)) : connections;
        if (scattered) draw();
    }

    unsigned next() {
        const unsigned at = order_[position_];
        if (++position_ == subset_) {
            position_ = 0;
            if (scattered_ && ++round_ == rounds) draw();
        }
        return at;
    }

private:
    void draw() {
        round_ = 0;
        for (unsigned i = 0; i < subset_; ++i) {
            std::uniform_int_distribution<std::size_t> any(i, order_.size() - 1);
            std::swap(order_[i], order_[any(random_)]);
        }
    }

    std::vector<unsigned> order_;
    const bool scattered_;
    unsigned subset_;
    unsigned position_ = 0;
    unsigned round_ = 0;
    std::mt19937 random_{12345};
};

/// Tells what a server keeps for each connection, from before there were any to when they rest.
class memory_watch {
public:
    explicit memory_watch(run& r) : run_(r), before_(resident_bytes(r.server())) {}
    void finish(unsigned connections) {
        if (connections < connections_to_compare) return;
        std::this_thread::sleep_for(until_idle);
        run_.note_idle_bytes((resident_bytes(run_.server()) - before_) / connections);
    }

private:
    run& run_;
    const double before_;
};

/// A client of bare sockets: as many requests as may be in flight, each a write, then the answers.
class bare_client {
public:
    bare_client(const cell& what, const std::string& endpoint, bool to_tenon, run& r)
        : payload_(make_payload(what.size)), calls_(r.add_lane()) {
        for (unsigned i = 0; i < what.connections; ++i) {
            const int fd = connect_to(endpoint);
            fds_.push_back(fd);
            ids_.push_back(1);
            if (to_tenon) put(fd, setup_frame());
            put(fd, request_frame(1, payload_));
            answer_size_ = receive_first(fd);
        }
    }

    void drive(unsigned outstanding, course order, run& r) {
        struct issued {
            int fd;
            clock::time_point at;
        };
        std::vector<issued> window(outstanding);
        std::vector<char> answer(answer_size_);
        while (!r.is_over()) {
            for (issued& i : window) {
                const unsigned n = order.next();
                i = {fds_[n], clock::now()};
                put(i.fd, request_frame(ids_[n] += 2, payload_));
            }
            for (const issued& i : window) {
                if (recv(i.fd, answer.data(), answer.size(), MSG_WAITALL) !=
                    static_cast<ssize_t>(answer.size()))
                    fail("the server closed a connection");
                if (answer.back() != static_cast<char>(payload_.back()))
                    fail("the reply differs from the request");
                calls_.completed(i.at, clock::now());
            }
        }
    }

private:
    static void put(int fd, const std::string& bytes) {
        if (send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(bytes.size()))
            fail("send");
    }

    /// The first answer on a connection; every one is as long.
    static std::size_t receive_first(int fd) {
        unsigned char prefix[3];
        if (recv(fd, prefix, sizeof prefix, MSG_WAITALL) != sizeof prefix) fail("no answer");
        std::vector<char> rest(std::size_t{prefix[0]} << 16 | prefix[1] << 8U | prefix[2]);
        if (recv(fd, rest.data(), rest.size(), MSG_WAITALL) != static_cast<ssize_t>(rest.size()))
            fail("no whole answer");
        return sizeof prefix + rest.size();
    }

    const std::vector<std::byte> payload_;
    lane& calls_;
    std::vector<int> fds_;
    std::vector<std::uint32_t> ids_;
    std::size_t answer_size_ = 0;
};

/// Calls over all connections of typed clients, so many in flight.
class typed_clients {
public:
    typed_clients(const cell& what, const std::string& endpoint, course order, run& r)
        : payload_(make_payload(what.size)), order_(std::move(order)), calls_(r.add_lane()) {
        for (unsigned i = 0; i < what.connections; ++i) {
            clients_.push_back(connect_echo(what, endpoint));
            if (!clients_.back().echo.try_call(payload_)) fail("a call failed");
        }
        for (unsigned i = 0; i < what.outstanding; ++i) slots_.emplace_back(*this);
    }

    void drive() {
        for (slot& s : slots_) s.issue();
        while (resting_.load(std::memory_order_acquire) != slots_.size())
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }

private:
    /// As in rpc.cpp: whoever of then() and the outcome is later goes on.
    class slot {
    public:
        explicit slot(typed_clients& all) : all_(all) {}

        void issue() {
            state next;
            do {
                state_.store(issuing, std::memory_order_relaxed);
                begun_ = clock::now();
                all_.next_client().echo.then(
                    [this](const tenon::result<tenon::bytes>& reply) { answered(reply); },
                    all_.payload_);
                next = state_.exchange(under_way, std::memory_order_acq_rel);
            } while (next == go_on);
            if (next == over) all_.resting_.fetch_add(1, std::memory_order_release);
        }

    private:
        enum state : int { issuing, under_way, go_on, over };

        void answered(const tenon::result<tenon::bytes>& reply) {
            need(reply);
            bool wanted;
            {
                const std::lock_guard lock(all_.mutex_);
                wanted = all_.calls_.completed(begun_, clock::now());
            }
            if (state_.exchange(wanted ? go_on : over, std::memory_order_acq_rel) != under_way)
                return;
            if (wanted) issue();
            else all_.resting_.fetch_add(1, std::memory_order_release);
        }

        typed_clients& all_;
        clock::time_point begun_;
        std::atomic<state> state_{issuing};
    };

    tenon::stub<example::echo>& next_client() {
        const std::lock_guard lock(mutex_);
        return clients_[order_.next()];
    }

    const std::vector<std::byte> payload_;
    std::mutex mutex_;  // guards order_ and calls_
    course order_;
    lane& calls_;
    std::vector<tenon::stub<example::echo>> clients_;
    std::deque<slot> slots_;
    std::atomic<std::size_t> resting_{0};
};

class connections_target final : public target {
public:
    enum class kind { floor, served, typed, computing };
    connections_target(std::string_view name, kind k, bool scattered)
        : name_(name), kind_(k), scattered_(scattered) {}
    std::string_view name() const override { return name_; }

    void serve(const cell& what, const announce& ready) override {
        raise_descriptor_limit();
        if (kind_ == kind::floor) return serve_bare(what, ready);
        tenon::runtime_options threads;
        threads.loops = what.threads;
        tenon::runtime runtime(threads);
        tenon::server_options options;
        options.runtime = &runtime;
        options.limits.connections_per_peer = options.limits.connections;
        tenon::server server(options);
        auto& echo = server.publish<example::echo>();
        implement(echo);
        if (kind_ == kind::computing) echo.echo = compute;
        serve_until_killed(server, what.transport, ready);
    }

    void drive(const cell& what, const std::string& endpoint, run& r) override {
        raise_descriptor_limit();
        const course order(what.connections, scattered_);
        memory_watch memory(r);
        if (kind_ == kind::typed || kind_ == kind::computing) {
            typed_clients clients(what, endpoint, order, r);
            r.restart();
            clients.drive();
            memory.finish(what.connections);
        } else {
            bare_client client(what, endpoint, kind_ == kind::served, r);
            r.restart();
            client.drive(what.outstanding, order, r);
            memory.finish(what.connections);
        }
    }

private:
    static tenon::bytes compute(tenon::bytes_view data) {
        for (const auto end = clock::now() + computing_time; clock::now() < end;) {}
        return {data.begin(), data.end()};
    }

    static void serve_bare(const cell& what, const announce& ready) {
        std::string endpoint;
        const int listener = listen_at(what.transport, endpoint);
        ready(endpoint);
        const int poll = epoll_create1(EPOLL_CLOEXEC);
        make_non_blocking(listener);
        epoll_event wanted{.events = EPOLLIN, .data = {.fd = listener}};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, listener, &wanted) != 0) fail("epoll_ctl");
        epoll_event events[64];
        std::vector<char> buffer(65536);
        for (;;) {
            const int n = epoll_wait(poll, events, 64, -1);
            for (int i = 0; i < n; ++i) {
                int fd = events[i].data.fd;
                if (fd == listener) {
                    fd = accept_from(listener);
                    wanted = {.events = EPOLLIN | EPOLLET, .data = {.fd = fd}};
                    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &wanted) != 0) fail("epoll_ctl");
                }
                const ssize_t got = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
                if (got > 0 &&
                    send(fd, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got)
                    fail("send");
            }
        }
    }

    std::string_view name_;
    kind kind_;
    bool scattered_;
};

}  // namespace

suite make_connections_suite() {
    using kind = connections_target::kind;
    suite s;
    s.name = "connections";
    s.longer = 2;
    const auto add = [&](std::string_view name, kind k, bool scattered) {
        s.targets.push_back(std::make_unique<connections_target>(name, k, scattered));
        for (const char* transport : {"unix", "tcp"})
            for (const unsigned outstanding : {1U, 64U})
                for (const unsigned n : {1U, connections_to_compare, 1'000U, 10'000U})
                    if (!scattered || n >= connections_to_compare)
                        s.cells.push_back({.suite = s.name,
                                           .target = std::string(name),
                                           .transport = transport,
                                           .outstanding = outstanding,
                                           .connections = n});
    };
    add("floor", kind::floor, false);
    add("served", kind::served, false);
    add("scattered", kind::served, true);
    add("typed", kind::typed, false);
    return s;
}

suite make_loops_suite() {
    using kind = connections_target::kind;
    suite s;
    s.name = "loops";
    s.targets.push_back(std::make_unique<connections_target>("computing", kind::computing, false));
    s.targets.push_back(std::make_unique<connections_target>("echo", kind::typed, false));
    for (const auto& t : s.targets)
        for (const unsigned threads : {1U, 2U})
            s.cells.push_back({.suite = s.name,
                               .target = std::string(t->name()),
                               .transport = "unix",
                               .outstanding = 64,
                               .connections = 8,
                               .threads = threads});
    return s;
}

}  // namespace bench
