// Streams one way: values of 16 bytes at full speed, taken by a thread, a coroutine or handlers; and
// sent by the client. Compared with the batch floor, which echoes: a value is half a round trip.

#include <unistd.h>

#include <atomic>

#include "echo_target.hpp"
#include "tenon/stream_members.hpp"

namespace bench {
namespace {

struct tick {
    std::uint64_t number = 0;
    double price = 0;
};
TENON_STRUCT(tick, number, price)

struct feed {
    tenon::source<tick(std::uint64_t)> ticks;
    tenon::sink<tick, std::uint64_t> take;
};
TENON_INTERFACE(feed, "bench", "feed", "1.0.0", (ticks, from), take)

constexpr unsigned per_reading = 64;

tenon::generator<tick> make_ticks(std::uint64_t from) {
    for (std::uint64_t n = from;; ++n) co_yield tick{n, 0.5};
}

tenon::task<std::uint64_t> count_ticks(tenon::reader<tick> in) {
    std::uint64_t n = 0;
    while (auto t = co_await in.next()) ++n;
    co_return n;
}

void implement(feed& f) {
    f.ticks = make_ticks;
    f.take = count_ticks;
}

/// Counts values, many to a reading of the clock.
class counter {
public:
    explicit counter(lane& calls) : calls_(calls) {}

    /// False once the measurement is over.
    bool add() {
        if (++n_ % per_reading != 0) return true;
        const auto now = clock::now();
        const auto each = (now - begun_) / per_reading;
        bool go_on = true;
        for (unsigned i = 0; i < per_reading; ++i) go_on = calls_.completed(now - each, now);
        begun_ = now;
        return go_on;
    }

private:
    lane& calls_;
    std::uint64_t n_ = 0;
    clock::time_point begun_ = clock::now();
};

enum class way { thread, coroutine, handler, sent };

class stream_target final : public target {
public:
    stream_target(std::string_view name, way how, tenon::codec c)
        : name_(name), how_(how), codec_(c) {}
    std::string_view name() const override { return name_; }
    /// In process nothing is encoded, and over TCP marshal is refused.
    bool is_for(std::string_view transport) const {
        return codec_ == tenon::codec::msgpack || transport == "shm" || transport == "unix";
    }

    void serve(const cell& what, const announce& ready) override {
        tenon::server server;
        implement(server.publish<feed>());
        serve_until_killed(server, what.transport, ready);
    }

    void drive(const cell& what, const std::string& at, run& r) override {
        std::string endpoint = at;
        tenon::server local;
        if (what.transport == "inproc") {
            implement(local.publish<feed>());
            endpoint = tenon_endpoint(what.transport);
            local.listen(endpoint).start();
        }
        tenon::client_options options = options_for(what.transport);
        options.codec = codec_;
        auto client = tenon::connect<feed>(endpoint, options);
        wait_for(client);
        counter count(r.add_lane());
        if (how_ == way::sent) return send(client, count);
        auto ticks = client.ticks(1);
        std::uint64_t expected = 1;
        const auto take = [&](const tick& t) {
            if (t.number != expected++) fail("a value is lost");
            return count.add();
        };
        if (how_ == way::thread) {
            for (const tick& t : ticks)
                if (!take(t)) break;
        } else if (how_ == way::coroutine) {
            tenon::sync_wait(read(ticks, take));
        } else {
            std::atomic<bool> over{false};
            const auto handler = ticks.on_value([&](const tick& t) {
                if (!over && !take(t)) over = true;
            });
            while (!over) usleep(1000);
            ticks.stop();
            ticks.remove(handler);
        }
    }

private:
    template <class Take>
    static tenon::task<void> read(tenon::reader<tick> ticks, Take take) {
        while (auto t = co_await ticks.next())
            if (!take(*t)) break;
    }
    static void send(tenon::stub<feed>& client, counter& count) {
        auto w = client.take();
        for (std::uint64_t n = 0; count.add(); ++n) w.send(tick{n, 0.5});
    }

    std::string_view name_;
    way how_;
    tenon::codec codec_;
};

}  // namespace

suite make_streams_suite() {
    suite s;
    s.name = "streams";
    std::vector<const stream_target*> all;
    const auto add = [&](std::string_view name, way how, tenon::codec c = tenon::codec::msgpack) {
        auto t = std::make_unique<stream_target>(name, how, c);
        all.push_back(t.get());
        s.targets.push_back(std::move(t));
    };
    add("source", way::thread);
    add("source, marshal", way::thread, tenon::codec::marshal);
    add("source, coroutine", way::coroutine);
    add("source, coroutine, marshal", way::coroutine, tenon::codec::marshal);
    add("source, handler", way::handler);
    add("sink", way::sent);
    for (const std::string_view transport : {"inproc", "shm", "unix", "tcp"})
        for (const stream_target* t : all)
            if (t->is_for(transport))
                s.cells.push_back({.suite = s.name,
                                   .target = std::string(t->name()),
                                   .transport = std::string(transport),
                                   .outstanding = 256});
    return s;
}

}  // namespace bench
