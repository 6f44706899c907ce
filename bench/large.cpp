// Tenon with large messages one way: the handler reads every byte and answers with their sum.
// "copied": the caller has the message in memory of its own. "loaned": it builds the message where the
// handler reads it.

#include "echo_target.hpp"
#include "sums.hpp"
#include "tenon/blob.hpp"

namespace bench {
namespace {

constexpr std::size_t sizes[] = {65536, 1048576, 16777216, 67108864};
constexpr std::size_t message_limit = 128 << 20;

/// The server reads its argument wherever it lies.
struct large_service {
    tenon::method<tenon::bytes(tenon::blob)> sum;

    static void describe(tenon::description<large_service>& d) {
        d[&large_service::sum].doc("The sum of the 64-bit words.").codec(tenon::codec::raw);
    }
};
TENON_INTERFACE(large_service, "bench", "large", "1.0.0", (sum, message))

/// The same for a client that keeps its message.
struct large_from_memory {
    tenon::method<tenon::bytes(tenon::bytes_view)> sum;

    static void describe(tenon::description<large_from_memory>& d) {
        d[&large_from_memory::sum].doc("The sum of the 64-bit words.").codec(tenon::codec::raw);
    }
};
TENON_INTERFACE(large_from_memory, "bench", "large", "1.0.0", (sum, message))

tenon::limits roomy() {
    tenon::limits l;
    l.message = l.reassembly_per_connection = message_limit;
    return l;
}

void check(const tenon::bytes& answer, std::uint64_t expected) {
    const auto bytes = std::as_bytes(std::span(&expected, 1));
    if (!std::equal(answer.begin(), answer.end(), bytes.begin(), bytes.end()))
        fail("the message was not read as sent");
}

class large_target final : public target {
public:
    explicit large_target(bool loaned) : loaned_(loaned) {}
    std::string_view name() const override { return loaned_ ? "loaned" : "copied"; }

    void serve(const cell& what, const announce& ready) override {
        // The largest keep the handler busy for long, which is no news here.
        tenon::runtime::process().set_log_sink(tenon::log_level::off, {});
        tenon::server_options options;
        options.limits = roomy();
        tenon::server server(options);
        server.publish<large_service>().sum = [](const tenon::blob& message) {
            const std::uint64_t sum = sum_of(message.view());
            const auto bytes = std::as_bytes(std::span(&sum, 1));
            return tenon::bytes(bytes.begin(), bytes.end());
        };
        serve_until_killed(server, what.transport, ready);
    }

    void drive(const cell& what, const std::string& endpoint, run& r) override {
        tenon::client_options options = options_for(what.transport);
        options.limits = roomy();
        if (loaned_) build_in_place(what, tenon::connect<large_service>(endpoint, options), r);
        else send_own(what, tenon::connect<large_from_memory>(endpoint, options), r);
    }

private:
    static void send_own(const cell& what, tenon::stub<large_from_memory> client, run& r) {
        wait_for(client);
        std::vector<std::byte> message(what.size);
        build(message, 1);
        repeat(r.add_lane(), 1, [&] { check(client.sum(message), expected_sum(what.size, 1)); });
    }

    static void build_in_place(const cell& what, tenon::stub<large_service> client, run& r) {
        wait_for(client);
        std::uint64_t n = 0;
        repeat(r.add_lane(), 1, [&] {
            tenon::blob message = client.sum.loan(what.size);
            build(message.edit(), ++n);
            check(client.sum(std::move(message)), expected_sum(what.size, n));
        });
    }

    bool loaned_;
};

}  // namespace

suite make_large_suite() {
    suite s;
    s.name = "large";
    s.targets.push_back(std::make_unique<large_target>(false));
    s.targets.push_back(std::make_unique<large_target>(true));
    for (const std::size_t size : sizes)
        for (const auto& [transport, target] :
             {std::pair("shm", "loaned"), std::pair("shm", "copied"), std::pair("unix", "copied"),
              std::pair("tcp", "copied")})
            s.cells.push_back(
                {.suite = s.name, .target = target, .transport = transport, .size = size});
    return s;
}

}  // namespace bench
