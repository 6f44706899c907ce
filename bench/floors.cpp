#include "floors.hpp"

namespace bench {
namespace {

constexpr std::size_t sizes[] = {16, 1024, 65536, 1048576};

class copy_floor final : public target {
public:
    std::string_view name() const override { return "copy"; }
    void serve(const cell&, const announce&) override { fail("a copy needs no server"); }
    void drive(const cell& what, const std::string&, run& r) override {
        using echo_function = void(const std::vector<std::byte>& in, std::vector<std::byte>& out);
        echo_function* volatile echo = [](const std::vector<std::byte>& in,
                                          std::vector<std::byte>& out) { out = in; };
        const std::vector<std::byte> payload = make_payload(what.size);
        std::vector<std::byte> reply;
        lane& calls = r.add_lane();
        clock::time_point begun = clock::now();
        for (bool go_on = true; go_on;) {
            echo(payload, reply);
            const auto now = clock::now();
            go_on = calls.completed(begun, now);
            begun = now;
        }
    }
};

}  // namespace

std::unique_ptr<target> make_copy_floor() { return std::make_unique<copy_floor>(); }

suite make_floor_suite() {
    suite s;
    s.name = "floor";
    s.targets.push_back(make_copy_floor());
    s.targets.push_back(make_ping_pong_floor(false));
    s.targets.push_back(make_ping_pong_floor(true));
    s.targets.push_back(make_batch_floor("epoll", false));
    s.targets.push_back(make_batch_floor("batch sleeping", false));
    s.targets.push_back(make_batch_floor("batch spinning", true));
    s.targets.push_back(make_connect_floor());

    const auto add = [&](const char* target, const char* transport, std::size_t size, unsigned n) {
        s.cells.push_back({.suite = s.name,
                           .target = target,
                           .transport = transport,
                           .size = size,
                           .outstanding = n});
    };
    for (const std::size_t size : sizes) add("copy", "inproc", size, 1);
    for (const char* transport : {"unix", "tcp"})
        for (const std::size_t size : sizes) {
            for (const char* target : {"blocking", "spinning", "epoll"})
                add(target, transport, size, 1);
            for (const char* target : {"batch sleeping", "batch spinning"})
                for (const unsigned n : {64u, 256u}) add(target, transport, size, n);
        }
    return s;
}

cell reference_floor(const cell& of) {
    cell floor = of;
    floor.suite = "floor";
    if (of.suite == "discover") {
        floor.target = "connect";
        return floor;
    }
    const bool same = of.where == placement::same;
    if (of.transport == "inproc") {
        floor.target = "copy";
        floor.outstanding = floor.connections = 1;
    } else if (compares_latency(of)) {
        floor.target = same ? "blocking" : "spinning";
        floor.outstanding = 1;
    } else {
        floor.target = same ? "batch sleeping" : "batch spinning";
    }
    return floor;
}

}  // namespace bench
