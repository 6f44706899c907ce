// Large messages one way. Sockets: written from where they are, read into a buffer that is used again
// and again. Shared memory: copied into a segment that is used again and again, or built in it, and
// read in place. Both sides poll where they have a CPU each and sleep where they share one.

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "floors.hpp"
#include "sums.hpp"
#include "shared_memory.hpp"
#include "sockets.hpp"

namespace bench {
namespace {

/// A socket that polls for some time before it sleeps, or does not.
class stream {
public:
    stream(int fd, bool spin) : fd_(fd), spin_(spin) {}

    /// False at the end.
    bool receive(std::span<std::byte> to) {
        return move(to,
                    [this](void* at, std::size_t n, int flags) { return recv(fd_, at, n, flags); });
    }
    bool send(std::span<const std::byte> from) {
        return move(from, [this](const void* at, std::size_t n, int flags) {
            return ::send(fd_, at, n, flags);
        });
    }

private:
    template <class Span, class Operation>
    bool move(Span bytes, const Operation& some) {
        while (!bytes.empty()) {
            ssize_t n = -1;
            if (spin_) {
                const auto end = clock::now() + floor_spin_time;
                do n = some(bytes.data(), bytes.size(), MSG_DONTWAIT);
                while (n < 0 && errno == EAGAIN && clock::now() < end);
            }
            if (n < 0) n = some(bytes.data(), bytes.size(), 0);
            if (n <= 0) return false;
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        }
        return true;
    }

    int fd_;
    bool spin_;
};

/// Beside the message, in a page of its own.
struct shared_control {
    bell server;
    bell client;
    alignas(64) std::atomic<std::uint64_t> sent;
    alignas(64) std::atomic<std::uint64_t> answered;
    std::uint64_t sum;
};

class one_way final : public target {
public:
    explicit one_way(bool in_place) : in_place_(in_place) {}
    std::string_view name() const override {
        return in_place_ ? "one way in place" : "one way copy";
    }

    void serve(const cell& what, const announce& ready) override {
        if (what.transport == "shm") serve_memory(what, ready);
        else serve_socket(what, ready);
    }

    void drive(const cell& what, const std::string& endpoint, run& r) override {
        if (what.transport == "shm") drive_memory(what, endpoint, r);
        else drive_socket(what, endpoint, r);
    }

private:
    static bool polls(const cell& what) { return what.where != placement::same; }
    static waiting how(const cell& what) { return polls(what) ? waiting::spin : waiting::futex; }

    static void serve_socket(const cell& what, const announce& ready) {
        std::string endpoint;
        const int listener = listen_at(what.transport, endpoint);
        ready(endpoint);
        stream s(accept_from(listener), polls(what));
        std::vector<std::byte> message(what.size);
        while (s.receive(message)) {
            const std::uint64_t sum = sum_of(message);
            s.send(std::as_bytes(std::span(&sum, 1)));
        }
    }

    static void drive_socket(const cell& what, const std::string& endpoint, run& r) {
        std::vector<std::byte> message(what.size);
        build(message, 1);
        stream s(connect_to(endpoint), polls(what));
        call(r, [&](std::uint64_t) {
            std::uint64_t sum = 0;
            if (!s.send(message) || !s.receive(std::as_writable_bytes(std::span(&sum, 1))))
                fail("the server closed the connection");
            if (sum != expected_sum(what.size, 1)) fail("the message was not read as sent");
        });
    }

    static void serve_memory(const cell& what, const announce& ready) {
        const segment memory(page_size + what.size);
        auto& control = *reinterpret_cast<shared_control*>(memory.data());
        const std::span message(memory.data() + page_size, what.size);
        bell_keeper keeper(how(what), control.server, control.client);
        ready(memory.endpoint());
        for (std::uint64_t n = 1;; ++n) {
            keeper.wait_until([&] { return control.sent.load(std::memory_order_acquire) == n; });
            control.sum = sum_of(message);
            control.answered.store(n, std::memory_order_release);
            keeper.ring();
        }
    }

    void drive_memory(const cell& what, const std::string& endpoint, run& r) const {
        std::vector<std::byte> own(what.size);
        build(own, 1);
        const segment memory(endpoint);
        auto& control = *reinterpret_cast<shared_control*>(memory.data());
        const std::span message(memory.data() + page_size, what.size);
        bell_keeper keeper(how(what), control.client, control.server);
        call(r, [&](std::uint64_t n) {
            if (in_place_) build(message, n);
            else std::memcpy(message.data(), own.data(), own.size());
            control.sent.store(n, std::memory_order_release);
            keeper.ring();
            keeper.wait_until(
                [&] { return control.answered.load(std::memory_order_acquire) == n; });
            if (control.sum != expected_sum(what.size, in_place_ ? n : 1))
                fail("the message was not read as sent");
        });
    }

    template <class Call>
    static void call(run& r, const Call& exchange) {
        lane& calls = r.add_lane();
        clock::time_point begun = clock::now();
        bool go_on = true;
        for (std::uint64_t n = 1; go_on; ++n) {
            exchange(n);
            const auto now = clock::now();
            go_on = calls.completed(begun, now);
            begun = now;
        }
    }

    bool in_place_;
};

}  // namespace

std::unique_ptr<target> make_one_way_floor(bool in_place) {
    return std::make_unique<one_way>(in_place);
}

}  // namespace bench
