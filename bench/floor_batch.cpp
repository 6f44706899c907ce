// Batch echo: an epoll loop on both sides, numbered frames {length, id} + payload. Each side parses
// all frames of one read and answers them with one write; large frames are written from where they
// are. The spinning flavour polls epoll before it sleeps.

#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "floors.hpp"
#include "sockets.hpp"

namespace bench {
namespace {

constexpr std::size_t read_chunk = 256 * 1024;
constexpr std::size_t large_frame = 16 * 1024;  // from here on a copy costs more than a write

using bytes_view = std::span<const std::byte>;

struct header {
    std::uint32_t length;
    std::uint32_t id;
};

/// Bytes are appended at the end and consumed at the front.
class byte_queue {
public:
    std::byte* reserve(std::size_t size) {
        if (storage_.size() - end_ < size) {
            if (begin_ != 0) std::memmove(storage_.data(), storage_.data() + begin_, this->size());
            end_ -= begin_;
            begin_ = 0;
            if (storage_.size() - end_ < size) storage_.resize(2 * (end_ + size));
        }
        return storage_.data() + end_;
    }
    void append(std::size_t size) { end_ += size; }
    void append(const void* from, std::size_t size) {
        std::memcpy(reserve(size), from, size);
        end_ += size;
    }
    void consume(std::size_t size) {
        begin_ += size;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    const std::byte* data() const { return storage_.data() + begin_; }
    std::size_t size() const { return end_ - begin_; }

private:
    std::vector<std::byte> storage_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

/// Small frames are collected until flush(). A large one is written at once, from its place, which
/// stays untouched until flush() returns true.
class frame_writer {
public:
    explicit frame_writer(int fd) : fd_(fd) {}

    bool is_idle() const { return collected_.size() == 0 && left() == 0; }

    /// A large payload only while idle.
    void send(std::uint32_t id, bytes_view payload) {
        const header h{static_cast<std::uint32_t>(payload.size()), id};
        if (payload.size() < large_frame) {
            collected_.append(&h, sizeof h);
            collected_.append(payload.data(), payload.size());
            return;
        }
        header_ = h;
        payload_ = payload;
        sent_ = 0;
        flush();
    }

    /// True if nothing is left to write.
    bool flush() {
        while (collected_.size() > 0) {
            const ssize_t n = write(fd_, collected_.data(), collected_.size());
            if (n < 0 && errno == EAGAIN) return false;
            if (n <= 0) fail("write");
            collected_.consume(static_cast<std::size_t>(n));
        }
        while (left() > 0) {
            iovec parts[2];
            const int count = remaining(parts);
            const ssize_t n = writev(fd_, parts, count);
            if (n < 0 && errno == EAGAIN) return false;
            if (n <= 0) fail("writev");
            sent_ += static_cast<std::size_t>(n);
        }
        payload_ = {};
        sent_ = 0;
        return true;
    }

private:
    std::size_t left() const {
        return payload_.empty() ? 0 : sizeof header_ + payload_.size() - sent_;
    }
    int remaining(iovec (&parts)[2]) {
        int count = 0;
        std::size_t skip = sent_;
        if (skip < sizeof header_) {
            parts[count++] = {reinterpret_cast<std::byte*>(&header_) + skip, sizeof header_ - skip};
            skip = sizeof header_;
        }
        skip -= sizeof header_;
        parts[count++] = {const_cast<std::byte*>(payload_.data()) + skip, payload_.size() - skip};
        return count;
    }

    int fd_;
    byte_queue collected_;
    header header_{};
    bytes_view payload_;
    std::size_t sent_ = 0;  // of header and payload
};

class frame_reader {
public:
    explicit frame_reader(int fd) : fd_(fd) {}

    enum class outcome { more, drained, closed };

    outcome read_some() {
        std::size_t room = read_chunk;
        header h;
        if (input_.size() >= sizeof h) {
            std::memcpy(&h, input_.data(), sizeof h);
            if (sizeof h + h.length > input_.size() + room)
                room = sizeof h + h.length - input_.size();
        }
        const ssize_t n = read(fd_, input_.reserve(room), room);
        if (n < 0 && errno == EAGAIN) return outcome::drained;
        if (n <= 0) return outcome::closed;
        input_.append(static_cast<std::size_t>(n));
        return static_cast<std::size_t>(n) == room ? outcome::more : outcome::drained;
    }

    /// The first complete frame, if any; it stays until it is consumed.
    bool front(std::uint32_t& id, bytes_view& payload) const {
        header h;
        if (input_.size() < sizeof h) return false;
        std::memcpy(&h, input_.data(), sizeof h);
        if (input_.size() - sizeof h < h.length) return false;
        id = h.id;
        payload = {input_.data() + sizeof h, h.length};
        return true;
    }
    void consume(bytes_view payload) { input_.consume(sizeof(header) + payload.size()); }

private:
    int fd_;
    byte_queue input_;
};

/// Edge-triggered waiting for all connections of one side.
class poller {
public:
    explicit poller(bool spin) : spin_(spin), fd_(epoll_create1(EPOLL_CLOEXEC)) {}

    void add(int fd, void* owner) {
        make_non_blocking(fd);
        epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = owner}};
        if (epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
    }

    std::span<epoll_event> wait() {
        int n = 0;
        if (spin_) {
            const auto end = clock::now() + floor_spin_time;
            do n = epoll_wait(fd_, events_, most_events, 0);
            while (n == 0 && clock::now() < end);
        }
        if (n == 0) n = epoll_wait(fd_, events_, most_events, -1);
        return {events_, static_cast<std::size_t>(std::max(n, 0))};
    }

private:
    static constexpr int most_events = 16;
    bool spin_;
    int fd_;
    epoll_event events_[most_events];
};

struct server_connection {
    explicit server_connection(int fd) : reader(fd), writer(fd) {}

    /// Goes on until input is drained or output does not go. False at the end.
    bool serve() {
        bool drained = false;
        for (;;) {
            if (!writer.flush()) return true;
            if (done.data()) reader.consume(std::exchange(done, {}));
            std::uint32_t id;
            bytes_view payload;
            while (reader.front(id, payload)) {
                writer.send(id, payload);
                if (payload.size() >= large_frame) {
                    done = payload;  // may still be needed by the writer
                    break;
                }
                reader.consume(payload);
            }
            if (done.data()) continue;
            if (!writer.flush()) return true;
            if (drained) return true;
            const auto outcome = reader.read_some();
            if (outcome == frame_reader::outcome::closed) return false;
            drained = outcome == frame_reader::outcome::drained;
        }
    }

    frame_reader reader;
    frame_writer writer;
    bytes_view done;  // the large frame that is being echoed
};

struct client_connection {
    client_connection(int socket, unsigned outstanding)
        : fd(socket), reader(socket), writer(socket), begun(outstanding) {}

    /// Large frames wait here until the one before is written.
    void issue(std::uint32_t id, bytes_view payload, clock::time_point now) {
        begun[id] = now;
        if (payload.size() < large_frame) writer.send(id, payload);
        else waiting.push_back(id);
    }
    void flush(bytes_view payload) {
        while (writer.flush() && !waiting.empty()) {
            writer.send(waiting.front(), payload);
            waiting.pop_front();
        }
    }

    int fd;
    frame_reader reader;
    frame_writer writer;
    std::vector<clock::time_point> begun;  // by id
    std::deque<std::uint32_t> waiting;
};

class batch final : public target {
public:
    batch(std::string_view name, bool spin) : name_(name), spin_(spin) {}
    std::string_view name() const override { return name_; }

    void serve(const cell& what, const announce& ready) override {
        std::string endpoint;
        const int listener = listen_at(what.transport, endpoint);
        ready(endpoint);
        poller events(spin_);
        std::deque<server_connection> connections;
        for (unsigned i = 0; i < what.connections; ++i) {
            const int fd = accept_from(listener);
            events.add(fd, &connections.emplace_back(fd));
        }
        for (;;)
            for (const epoll_event& e : events.wait())
                if (!static_cast<server_connection*>(e.data.ptr)->serve()) return;
    }

    void drive(const cell& what, const std::string& endpoint, run& r) override {
        const std::vector<std::byte> payload = make_payload(what.size);
        lane& calls = r.add_lane();
        poller events(spin_);
        std::deque<client_connection> connections;
        for (unsigned i = 0; i < what.connections; ++i) {
            auto& c = connections.emplace_back(connect_to(endpoint), what.outstanding);
            events.add(c.fd, &c);
        }
        for (auto& c : connections) {
            for (unsigned id = 0; id < what.outstanding; ++id) c.issue(id, payload, clock::now());
            c.flush(payload);
        }
        for (;;)
            for (const epoll_event& e : events.wait())
                if (!advance(*static_cast<client_connection*>(e.data.ptr), payload, calls)) return;
    }

private:
    static bool advance(client_connection& c, bytes_view payload, lane& calls) {
        for (;;) {
            const auto outcome = c.reader.read_some();
            if (outcome == frame_reader::outcome::closed) fail("the server closed the connection");
            const auto now = clock::now();
            std::uint32_t id;
            for (bytes_view reply; c.reader.front(id, reply); c.reader.consume(reply)) {
                if (reply.size() != payload.size() || id >= c.begun.size() ||
                    reply.back() != payload.back())
                    fail("the reply differs from the request");
                if (!calls.completed(c.begun[id], now)) return false;
                c.issue(id, payload, now);
            }
            c.flush(payload);
            if (outcome == frame_reader::outcome::drained) return true;
        }
    }

    std::string name_;
    bool spin_;
};

}  // namespace

std::unique_ptr<target> make_batch_floor(std::string_view name, bool spin) {
    return std::make_unique<batch>(name, spin);
}

}  // namespace bench
