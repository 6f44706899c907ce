#include <fcntl.h>
#include <sdbus-c++/sdbus-c++.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <thread>

#include "peers.hpp"

namespace bench {
namespace {

using byte_array = std::vector<std::uint8_t>;

const char* const service = "org.tenon.Echo";
const char* const interface = "org.tenon.Echo";
const char* const object_path = "/org/tenon/Echo";

byte_array as_array(bytes_view bytes) {
    const auto* at = reinterpret_cast<const std::uint8_t*>(bytes.data());
    return {at, at + bytes.size()};
}

/// A bus of our own, which lives as long as this process.
pid_t start_bus(const std::string& path) {
    // It complains that it may not have more descriptors than it needs.
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const pid_t pid = start_program({"dbus-daemon", "--session", "--nofork", "--nopidfile",
                                     "--nosyslog", "--address=unix:path=" + path},
                                    -1, -1, nowhere);
    close(nowhere);
    for (int attempt = 0; attempt < 500; ++attempt) {
        if (std::filesystem::exists(path)) return pid;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    fail("dbus-daemon did not start");
}

class sdbus_caller final : public caller {
public:
    explicit sdbus_caller(const std::string& bus)
        : proxy_(sdbus::createProxy(sdbus::createSessionBusConnectionWithAddress(bus), service,
                                    object_path)) {
        proxy_->finishRegistration();
    }

    bytes_view call(bytes_view payload) override {
        const byte_array bytes = as_array(payload);
        reply_.clear();  // storeResultsTo appends
        proxy_->callMethod("Call").onInterface(interface).withArguments(bytes).storeResultsTo(
            reply_);
        return std::as_bytes(std::span(reply_));
    }

    // Replies arrive, and calls are issued again, on the connection's thread.
    void pipeline(bytes_view payload, unsigned outstanding, lane& calls) override {
        bytes_ = as_array(payload);
        under_way_ = outstanding;
        for (unsigned i = 0; i < outstanding; ++i) issue(calls, clock::now());
        drained_.get_future().wait();
    }

private:
    void issue(lane& calls, clock::time_point begun) {
        proxy_->callMethodAsync("Call")
            .onInterface(interface)
            .withArguments(bytes_)
            .uponReplyInvoke(
                [this, &calls, begun](const sdbus::Error* error, const byte_array& reply) {
                    if (error) fail(error->getMessage());
                    check_reply(std::as_bytes(std::span(bytes_)), std::as_bytes(std::span(reply)));
                    const auto now = clock::now();
                    if (calls.completed(begun, now)) issue(calls, now);
                    else if (--under_way_ == 0) drained_.set_value();
                });
    }

    std::unique_ptr<sdbus::IProxy> proxy_;
    byte_array bytes_;
    byte_array reply_;
    std::promise<void> drained_;
    std::atomic<unsigned> under_way_{0};
};

class sdbus_peer final : public target {
public:
    std::string_view name() const override { return "sdbus"; }

    /// The endpoint is the bus's process id, a space and its address.
    void serve(const cell&, const announce& ready) override {
        const std::string path = socket_path("bus");
        const std::string bus = "unix:path=" + path;
        const pid_t pid = start_bus(path);
        const auto connection = sdbus::createSessionBusConnectionWithAddress(bus);
        connection->requestName(service);
        const auto object = sdbus::createObject(*connection, object_path);
        object->registerMethod("Call").onInterface(interface).implementedAs(
            [](const byte_array& payload) { return payload; });
        object->finishRegistration();
        ready(std::to_string(pid) + " " + bus);
        connection->enterEventLoop();
    }

    void drive(const cell& what, const std::string& endpoint, run& r) override {
        const std::size_t space = endpoint.find(' ');
        r.add_server(std::stoi(endpoint.substr(0, space)));
        sdbus_caller client(endpoint.substr(space + 1));
        const std::vector<std::byte> payload = make_payload(what.size);
        lane& calls = r.add_lane();
        if (what.outstanding == 1)
            repeat(calls, 1, [&] { check_reply(payload, client.call(payload)); });
        else client.pipeline(payload, what.outstanding, calls);
    }
};

}  // namespace

std::unique_ptr<target> make_sdbus_peer() { return std::make_unique<sdbus_peer>(); }

}  // namespace bench
