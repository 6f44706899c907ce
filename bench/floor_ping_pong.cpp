// Ping-pong over a stream socket: a 4-byte length and the payload, one write and (if it is small)
// one read per direction, one thread per connection on both sides. The spinning flavour polls
// before it sleeps.

#include <sched.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <span>
#include <thread>
#include <utility>

#include "floors.hpp"
#include "sockets.hpp"

namespace bench {
namespace {

class connection {
public:
    connection(int fd, const cell& what, bool spin)
        : fd_(fd),
          spin_(spin),
          shares_cpu_(what.connections > 1),
          buffer_(sizeof(std::uint32_t) + what.size) {}

    /// False at the end. The payload is valid until the next call.
    bool receive(std::span<const std::byte>& payload) {
        std::size_t have = 0;
        std::size_t need = sizeof(std::uint32_t);
        while (have < need) {
            const ssize_t n = read_some(buffer_.data() + have, buffer_.size() - have);
            if (n <= 0) return false;
            have += static_cast<std::size_t>(n);
            std::uint32_t length;
            if (have < sizeof length) continue;
            std::memcpy(&length, buffer_.data(), sizeof length);
            need = sizeof length + length;
        }
        payload = std::span<const std::byte>(buffer_).subspan(sizeof(std::uint32_t));
        return true;
    }

    void send(std::span<const std::byte> payload) {
        auto length = static_cast<std::uint32_t>(payload.size());
        const iovec parts[2] = {{&length, sizeof length},
                                {const_cast<std::byte*>(payload.data()), payload.size()}};
        // A blocking stream socket takes everything.
        if (writev(fd_, parts, 2) != static_cast<ssize_t>(sizeof length + payload.size()))
            fail("writev");
    }

private:
    ssize_t read_some(std::byte* to, std::size_t size) {
        if (spin_) {
            const auto end = clock::now() + floor_spin_time;
            do {
                const ssize_t n = recv(fd_, to, size, MSG_DONTWAIT);
                if (n >= 0) return n;
                if (shares_cpu_) sched_yield();
            } while (clock::now() < end);
        }
        return read(fd_, to, size);
    }

    int fd_;
    bool spin_;
    bool shares_cpu_;  // with other connections' threads
    std::vector<std::byte> buffer_;
};

class ping_pong final : public target {
public:
    explicit ping_pong(bool spin) : spin_(spin) {}
    std::string_view name() const override { return spin_ ? "spinning" : "blocking"; }

    void serve(const cell& what, const announce& ready) override {
        std::string endpoint;
        const int listener = listen_at(what.transport, endpoint);
        ready(endpoint);
        std::vector<std::jthread> threads;
        for (unsigned i = 1; i <= what.connections; ++i) {
            const int fd = accept_from(listener);
            const auto echo = [this, fd, &what] {
                connection c(fd, what, spin_);
                for (std::span<const std::byte> payload; c.receive(payload);) c.send(payload);
            };
            if (i == what.connections) echo();
            else threads.emplace_back(echo);
        }
    }

    void drive(const cell& what, const std::string& endpoint, run& r) override {
        const std::vector<std::byte> payload = make_payload(what.size);
        std::vector<std::pair<connection, lane*>> clients;
        for (unsigned i = 0; i < what.connections; ++i)
            clients.emplace_back(connection(connect_to(endpoint), what, spin_), &r.add_lane());
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < clients.size(); ++i)
            threads.emplace_back([&, i] { call(payload, clients[i].first, *clients[i].second); });
        call(payload, clients[0].first, *clients[0].second);
    }

private:
    static void call(std::span<const std::byte> payload, connection& c, lane& calls) {
        clock::time_point begun = clock::now();
        for (bool go_on = true; go_on;) {
            c.send(payload);
            std::span<const std::byte> reply;
            if (!c.receive(reply)) fail("the server closed the connection");
            if (reply.size() != payload.size() || reply.front() != payload.front() ||
                reply.back() != payload.back())
                fail("the reply differs from the request");
            const auto now = clock::now();
            go_on = calls.completed(begun, now);
            begun = now;
        }
    }

    bool spin_;
};

}  // namespace

std::unique_ptr<target> make_ping_pong_floor(bool spin) {
    return std::make_unique<ping_pong>(spin);
}

}  // namespace bench
