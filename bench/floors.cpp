#include "floors.hpp"

namespace bench {
namespace {

constexpr std::size_t sizes[] = {16, 1024, 65536, 1048576};
constexpr std::size_t large_sizes[] = {65536, 1048576, 16777216, 67108864};

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
    s.targets.push_back(make_ring_floor("spin", waiting::spin));
    s.targets.push_back(make_ring_floor("hybrid", waiting::hybrid));
    s.targets.push_back(make_ring_floor("futex", waiting::futex));
    s.targets.push_back(make_one_way_floor(false));
    s.targets.push_back(make_one_way_floor(true));
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
    for (const std::size_t size : sizes)
        for (const char* target : {"spin", "hybrid", "futex"})
            for (const unsigned n : {1u, 64u, 256u}) add(target, "shm", size, n);
    for (const std::size_t size : large_sizes) {
        for (const char* transport : {"shm", "unix", "tcp"})
            add("one way copy", transport, size, 1);
        add("one way in place", "shm", size, 1);
    }
    return s;
}

bool is_pointless(const cell& c) {
    if (c.suite == "loops" && c.where != placement::free) return true;
    return c.suite == "floor" && c.where == placement::same && c.target == "spin";
}

bool is_paired(const cell& c) {
    return c.suite == "rpc" || c.suite == "plus" || c.suite == "large" || c.suite == "discover" ||
           c.suite == "streams";
}

std::optional<cell> reference_floor(const cell& of) {
    if (of.suite == "floor") return std::nullopt;
    cell floor = of;
    if (of.suite == "connections") {
        floor.connections = connections_to_compare;
        return of == floor ? std::nullopt : std::optional(floor);
    }
    if (of.suite == "loops") {
        floor.threads = 1;
        return of == floor ? std::nullopt : std::optional(floor);
    }
    if (of.suite == "spin") {
        if (!of.target.starts_with("on")) return std::nullopt;
        floor.target.replace(0, 2, "off");
        return floor;
    }
    if (of.suite == "mixed") {
        floor.target = "no slow calls";
        return of == floor ? std::nullopt : std::optional(floor);
    }
    if (of.suite == "priority") {
        floor.target = "nothing else";
        return of == floor ? std::nullopt : std::optional(floor);
    }
    floor.suite = "floor";
    if (of.suite == "discover") {
        floor.target = "connect";
        return floor;
    }
    const bool same = of.where == placement::same;
    if (of.suite == "large") {
        floor.target = of.target == "loaned" ? "one way in place" : "one way copy";
    } else if (of.transport == "inproc") {
        floor.target = "copy";
        floor.outstanding = floor.connections = 1;
    } else if (of.transport == "shm") {
        floor.target = same ? "futex" : "spin";
        floor.outstanding = std::max(1u, of.outstanding);
    } else if (compares_latency(of)) {
        floor.target = same ? "blocking" : "spinning";
        floor.outstanding = 1;
    } else {
        floor.target = same ? "batch sleeping" : "batch spinning";
    }
    return floor;
}

}  // namespace bench
