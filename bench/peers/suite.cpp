#include "peers.hpp"

namespace bench {
namespace {

struct load {
    std::size_t size;
    unsigned outstanding;
};

constexpr load loads[] = {{16, 1},  {1024, 1}, {65536, 1}, {1048576, 1}, {16, 8},
                          {16, 64}, {16, 256}, {1024, 64}, {65536, 64}};
// Of Tenon and the floors only, to make curves of.
constexpr load more_loads[] = {{4096, 1}, {16384, 1}, {262144, 1}, {16, 16}};

/// D-Bus moves large arrays item by item: a second for a few calls, and none that would tell more.
bool is_worth_it(const cell& c) { return c.target != "sdbus" || c.size * c.outstanding <= 1 << 20; }

}  // namespace

suite make_peers_suite() {
    suite s;
    s.name = "peers";
    s.targets.push_back(make_redis_peer());
    s.targets.push_back(make_zeromq_peer());
    s.targets.push_back(make_capnp_peer());
    s.targets.push_back(make_grpc_peer(true));
    s.targets.push_back(make_grpc_peer(false));
    s.targets.push_back(make_nng_peer());
    s.targets.push_back(make_sdbus_peer());

    const auto add = [&](const char* suite, std::string_view target, const char* transport,
                         const load& l) {
        const cell c{.suite = suite,
                     .target = std::string(target),
                     .transport = transport,
                     .size = l.size,
                     .outstanding = l.outstanding};
        if (is_worth_it(c)) s.cells.push_back(c);
    };
    // Tenon's own, in the same run.
    const auto add_tenon = [&](const load& l) {
        for (const char* transport : {"shm", "unix", "tcp"}) add("rpc", "echo", transport, l);
    };
    for (const load& l : loads) {
        add_tenon(l);
        for (const auto& t : s.targets)
            for (const char* transport : {"unix", "tcp"})
                if (t->name() != "sdbus" || std::string_view(transport) == "unix")
                    add("peers", t->name(), transport, l);
    }
    for (const load& l : more_loads) add_tenon(l);
    return s;
}

}  // namespace bench
