// What else a connection carries beside urgent calls: how long these take with a message of 64 MiB
// going round and round, beside a flood of small calls, and beside a stream at full rate, compared
// with a connection that carries nothing else. What is compared is the 99th percentile.

#include <atomic>
#include <functional>
#include <thread>

#include "echo_target.hpp"
#include "tenon/blob.hpp"
#include "tenon/stream_members.hpp"

namespace bench {
namespace {

constexpr std::size_t large_message = std::size_t{64} << 20;
constexpr unsigned flood_outstanding = 64;
constexpr std::size_t flood_size = 1'000;

struct busy_service {
    tenon::method<std::int64_t(std::int64_t)> urgent;
    tenon::method<tenon::bytes(tenon::bytes_view)> small;
    tenon::method<tenon::blob(tenon::blob)> large;
    tenon::source<std::int64_t()> stream;

    static void describe(tenon::description<busy_service>& d) {
        d[&busy_service::urgent].doc("n + 1, soon.").priority(tenon::priority::high);
        d[&busy_service::small].codec(tenon::codec::raw).priority(tenon::priority::low);
        d[&busy_service::large].codec(tenon::codec::raw);
    }
};
TENON_INTERFACE(busy_service, "bench", "busy", "1.0.0", (urgent, n), (small, data), (large, data),
                stream)

tenon::limits roomy() {
    tenon::limits l;
    l.message = l.reassembly_per_connection = 2 * large_message;
    return l;
}

struct load {
    bool large = false;
    bool flood = false;
    bool stream = false;
    bool equal = false;  // everything has the same priority
};

tenon::generator<std::int64_t> count_for_ever() {
    for (std::int64_t n = 0;; ++n) co_yield n;
}

class priority_target final : public target {
public:
    priority_target(std::string_view name, load l) : name_(name), load_(l) {}
    std::string_view name() const override { return name_; }

    void serve(const cell& what, const announce& ready) override {
        tenon::runtime_options threads;
        threads.loops = what.threads;
        tenon::runtime runtime(threads);
        tenon::server_options options;
        options.runtime = &runtime;
        options.limits = roomy();
        tenon::server server(options);
        auto& s = server.publish<busy_service>();
        s.urgent = [](std::int64_t n) { return n + 1; };
        s.small = [](tenon::bytes_view data) { return tenon::bytes(data.begin(), data.end()); };
        s.large = [](tenon::blob data) { return data; };
        s.stream = count_for_ever;
        serve_until_killed(server, what.transport, ready);
    }

    void drive(const cell& what, const std::string& endpoint, run& r) override {
        tenon::client_options options = options_for(what.transport);
        options.limits = roomy();
        auto client = tenon::connect<busy_service>(endpoint, options);
        wait_for(client);
        lane& calls = r.add_lane();
        if (load_.large) send_large(client, tenon::blob(large_message), r);
        const tenon::bytes data(flood_size);
        if (load_.flood)
            for (unsigned i = 0; i < flood_outstanding; ++i) send_small(client, data, r);
        std::thread reader;
        if (load_.stream)
            reader = std::thread([&r, values = client.stream()]() mutable {
                for (std::int64_t n = 0; const std::int64_t got : values) {
                    if (got != n++) fail("a value is lost");
                    if (r.is_over()) break;
                }
            });
        const auto urgent = client.urgent.with(as({}));
        repeat(calls, 1, [&] { need(urgent.try_call(1)); });
        if (reader.joinable()) reader.join();
    }

private:
    using stub = tenon::stub<busy_service>;

    tenon::call_options as(tenon::call_options o) const {
        if (load_.equal) o.priority = tenon::priority::normal;
        return o;
    }
    // Each sends the next when it is answered, until the measurement is over.
    void send_large(stub& client, tenon::blob message, const run& r) const {
        client.large.with(as({})).then(
            [this, &client, &r](tenon::result<tenon::blob> reply) {
                if (r.is_over()) return;
                need(reply);
                if (reply->size() != large_message) fail("a message came back with another size");
                send_large(client, *std::move(reply), r);
            },
            std::move(message));
    }
    void send_small(stub& client, const tenon::bytes& data, const run& r) const {
        client.small.with(as({})).then(
            [this, &client, &data, &r](const tenon::result<tenon::bytes>& reply) {
                if (r.is_over()) return;
                need(reply);
                send_small(client, data, r);
            },
            tenon::bytes_view(data));
    }

    std::string_view name_;
    load load_;
};

}  // namespace

suite make_priority_suite() {
    suite s;
    s.name = "priority";
    s.longer = 3;
    const auto add = [&s](std::string_view name, load l) {
        s.targets.push_back(std::make_unique<priority_target>(name, l));
        for (const char* transport : {"unix", "tcp"})
            s.cells.push_back(
                {.suite = s.name, .target = std::string(name), .transport = transport});
    };
    add("nothing else", {});
    add("64 MiB", {.large = true});
    add("flood", {.flood = true});
    add("stream", {.stream = true});
    add("64 MiB, stream", {.large = true, .stream = true});
    add("64 MiB, flood", {.large = true, .flood = true});
    add("all normal", {.large = true, .flood = true, .equal = true});
    return s;
}

}  // namespace bench
