// Echo through shared memory: a ring in each direction per connection, one thread per side for all
// of them. A payload is copied into a ring once and read in place. The flavours differ in how a side
// waits. Each record is shown at once, so that both sides work at the same time; who sleeps is woken
// once for all.

#include <bit>
#include <deque>
#include <span>

#include "floors.hpp"
#include "shared_memory.hpp"

namespace bench {
namespace {

using bytes_view = std::span<const std::byte>;

constexpr std::size_t most_capacity = 8 << 20;

struct bells {
    bell server;
    bell client;
};

struct rings {
    static std::size_t capacity(const cell& what) {
        const std::size_t record = ring::record_size(what.size);
        const std::size_t all = 2 * record * std::max(1u, what.outstanding);
        return std::bit_ceil(std::max({page_size, 2 * record, std::min(all, most_capacity)}));
    }
    static std::size_t space(const cell& what) { return 2 * ring::space(capacity(what)); }

    rings(const segment& in, const cell& what, unsigned index)
        : requests(in, page_size + index * space(what), capacity(what)),
          replies(in, page_size + index * space(what) + space(what) / 2, capacity(what)) {}

    ring requests;
    ring replies;
};

/// The client's end of a connection.
class caller {
public:
    caller(const segment& in, const cell& what, unsigned index)
        : rings_(in, what, index), pending_(what.outstanding) {}

    bool is_ready(std::size_t size) {
        return !rings_.replies.is_empty() || (pending_ > 0 && rings_.requests.has_room(size));
    }

    /// Takes the replies that are there and sends that many requests. False at the end.
    bool advance(bytes_view payload, lane& calls) {
        const auto now = clock::now();
        for (bytes_view reply; rings_.replies.front(reply); rings_.replies.pop(reply)) {
            if (reply.size() != payload.size() || reply.front() != payload.front() ||
                reply.back() != payload.back())
                fail("the reply differs from the request");
            if (!calls.completed(begun_.front(), now)) return false;
            begun_.pop_front();
            ++pending_;
        }
        for (; pending_ > 0 && rings_.requests.push(payload); --pending_) {
            begun_.push_back(now);
            rings_.requests.publish();
        }
        return true;
    }

private:
    rings rings_;
    unsigned pending_;  // calls to send
    std::deque<clock::time_point> begun_;
};

class ring_floor final : public target {
public:
    ring_floor(std::string_view name, waiting how) : name_(name), how_(how) {}
    std::string_view name() const override { return name_; }

    void serve(const cell& what, const announce& ready) override {
        const segment memory(page_size + what.connections * rings::space(what));
        auto& b = *reinterpret_cast<bells*>(memory.data());
        bell_keeper keeper(how_, b.server, b.client);
        std::deque<rings> connections;
        for (unsigned i = 0; i < what.connections; ++i) connections.emplace_back(memory, what, i);
        ready(memory.endpoint());
        const auto is_ready = [&] {
            for (rings& c : connections)
                if (!c.requests.is_empty() && c.replies.has_room(what.size)) return true;
            return false;
        };
        for (;;) {
            keeper.wait_until(is_ready);
            for (rings& c : connections) {
                for (bytes_view request; c.requests.front(request) && c.replies.push(request);) {
                    c.replies.publish();
                    c.requests.pop(request);
                }
            }
            keeper.ring();
        }
    }

    void drive(const cell& what, const std::string& endpoint, run& r) override {
        const std::vector<std::byte> payload = make_payload(what.size);
        const segment memory(endpoint);
        auto& b = *reinterpret_cast<bells*>(memory.data());
        bell_keeper keeper(how_, b.client, b.server);
        lane& calls = r.add_lane();
        std::deque<caller> callers;
        for (unsigned i = 0; i < what.connections; ++i) callers.emplace_back(memory, what, i);
        const auto is_ready = [&] {
            for (caller& c : callers)
                if (c.is_ready(what.size)) return true;
            return false;
        };
        for (;;) {
            for (caller& c : callers)
                if (!c.advance(payload, calls)) return;
            keeper.ring();
            keeper.wait_until(is_ready);
        }
    }

private:
    std::string_view name_;
    waiting how_;
};

}  // namespace

std::unique_ptr<target> make_ring_floor(std::string_view name, waiting how) {
    return std::make_unique<ring_floor>(name, how);
}

}  // namespace bench
