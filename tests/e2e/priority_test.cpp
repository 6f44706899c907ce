// Priorities over real sockets: what goes first on either side, that nothing starves, and that one
// connection does not hold up another. In counts and in order, not in time.
// Labels: tsan

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <future>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "raw_peer.hpp"
#include "server_process.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using tenon::priority;

constexpr std::size_t mib = std::size_t{1} << 20;

struct traffic {
    tenon::method<tenon::bytes(tenon::bytes_view)> take;        // so many bytes, as text
    tenon::method<tenon::bytes(tenon::bytes_view)> take_later;  // the same, declared low
    tenon::method<tenon::blob(tenon::blob)> exchange;
    tenon::method<int(int)> hello;  // declared high
    tenon::method<int()> count;
    tenon::source<std::int64_t()> ticks;  // declared low

    static void describe(tenon::description<traffic>& d) {
        d[&traffic::take].codec(tenon::codec::raw);
        d[&traffic::take_later].codec(tenon::codec::raw).priority(priority::low);
        d[&traffic::exchange].codec(tenon::codec::raw);
        d[&traffic::hello].priority(priority::high);
        d[&traffic::ticks].priority(priority::low);
    }
};
TENON_INTERFACE(traffic, "test", "traffic", "1.0.0", (take, size), (take_later, size),
                (exchange, data), (hello, n), count, ticks)

tenon::bytes as_many(tenon::bytes_view text) {
    const std::string digits(reinterpret_cast<const char*>(text.data()), text.size());
    return tenon::bytes(std::stoul(digits));
}

tenon::generator<std::int64_t> count_for_ever() {
    for (std::int64_t n = 0;; ++n) co_yield n;
}

/// Serves `traffic` with one loop.
class traffic_server {
public:
    explicit traffic_server(const tenon::limits& limits = {}) : runtime_(one_loop()) {
        tenon::server_options o;
        o.runtime = &runtime_;
        o.limits = limits;
        server_.emplace(o);
        auto& t = server_->publish<traffic>();
        t.take = as_many;
        t.take_later = as_many;
        t.exchange = [](tenon::blob data) { return data; };
        t.hello = [this](int n) {
            ++greeted;
            return n;
        };
        t.count = [this] { return greeted.load(); };
        t.ticks = count_for_ever;
        server_->listen(endpoint()).start();
    }
    ~traffic_server() {
        server_->stop(0ms);
        runtime_.stop();
    }
    std::string endpoint() const { return "unix:" + files_.path("s"); }
    /// So many calls have come, and all are answered.
    bool has_answered(std::uint64_t calls) const {
        std::uint64_t n = 0;
        for (const auto& m : server_->stats()) n += m.calls;
        return n == calls && server_->status().in_flight == 0;
    }
    /// A handler held the loop for so long, on a busy machine, that the pool runs it now.
    bool uses_pool() const {
        for (const auto& m : server_->stats())
            if (m.on_pool) return true;
        return false;
    }

    std::atomic<int> greeted{0};

private:
    static tenon::runtime_options one_loop() {
        tenon::runtime_options o;
        o.loops = 1;
        return o;
    }

    scratch files_;
    tenon::runtime runtime_;
    std::optional<tenon::server> server_;
};

template <class F>
bool soon(F condition) {
    const auto limit = steady_clock::now() + 20s;
    while (!condition()) {
        if (steady_clock::now() > limit) return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

std::string request(std::uint32_t stream, std::string_view member, std::string_view data) {
    return make_request(stream, "test/traffic." + std::string(member), data);
}

/// With the entry that says how urgent it is.
std::string request(std::uint32_t stream, std::string_view member, std::string_view data,
                    priority p) {
    const std::string mime = "application/vnd.tenon.priority.v1";
    const std::string entries = route_entry("test/traffic." + std::string(member)) +
                                be(mime.size() - 1, 1) + mime + be(1, 3) +
                                be(static_cast<unsigned>(p), 1);
    return make_frame(stream, request_response_frame, metadata_flag,
                      be(entries.size(), 3) + entries + std::string(data));
}

struct arrival {
    std::uint32_t stream;
    std::size_t size;
    bool last;  // of its message
};

/// The frames that come until so many messages are complete.
std::vector<arrival> receive_messages(raw_peer& peer, std::size_t messages) {
    std::vector<arrival> all;
    while (messages != 0) {
        const auto f = peer.receive();
        EXPECT_TRUE(f) << messages << " to come";
        if (!f) break;
        EXPECT_EQ(f->type, payload_frame) << f->to_string();
        all.push_back({f->stream, f->body.size(), (f->flags & follows_flag) == 0});
        if (all.back().last) --messages;
    }
    return all;
}

std::size_t end_of(const std::vector<arrival>& all, std::uint32_t stream) {
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].stream == stream && all[i].last) return i;
    ADD_FAILURE() << "#" << stream;
    return 0;
}

std::size_t bytes_before(const std::vector<arrival>& all, std::size_t place) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < place; ++i) n += all[i].size;
    return n;
}

// The peer does not read before the server has answered everything, so that what comes out is the
// order of what waited.
TEST(priority, answers_wait_by_priority) {
    tenon::limits l;
    l.unsent = 1'000 * mib;
    traffic_server s(l);
    raw_peer peer(s.endpoint());
    constexpr std::uint32_t late = 160;  // answers of 32 KiB
    std::string bytes = make_setup();
    std::uint32_t id = 1;
    for (std::uint32_t i = 0; i < late; ++i, id += 2) bytes += request(id, "take_later", "32768");
    const std::uint32_t first_normal = id;
    for (std::uint32_t i = 0; i < late; ++i, id += 2) bytes += request(id, "take", "32768");
    const std::uint32_t large = id;
    bytes += request(large, "take", std::to_string(60 * mib));
    const std::uint32_t told = id += 2;
    bytes += request(told, "take", "100", priority::high);
    const std::uint32_t declared = id += 2;
    bytes += request(declared, "hello", "1");
    const std::uint32_t demoted = id += 2;
    bytes += request(demoted, "hello", "2", priority::low);
    peer.send(bytes);
    ASSERT_TRUE(soon([&] { return s.has_answered(2 * late + 4); }));
    const auto all = receive_messages(peer, 2 * late + 4);
    ASSERT_GT(all.size(), 2 * late + 4);

    // Behind what the kernel had taken already.
    EXPECT_LT(bytes_before(all, end_of(all, told)), 3 * mib);
    EXPECT_LT(bytes_before(all, end_of(all, declared)), 3 * mib);
    EXPECT_GT(end_of(all, demoted), end_of(all, 2 * late - 1)) << "behind the low ones before it";
    // The normal ones before most of the low ones, and small ones before the large.
    const std::size_t normal_done = end_of(all, large - 2);
    std::size_t low_before = 0;
    for (std::size_t i = 0; i < normal_done; ++i) low_before += all[i].stream < first_normal;
    EXPECT_LT(low_before, late * 2 / 3);
    EXPECT_GT(end_of(all, large), normal_done);
    // But not all: a ninth is theirs, so they are done before 60 MiB are.
    EXPECT_LT(end_of(all, 2 * late - 1), end_of(all, large)) << "nothing starves";
    // In order within a priority, if they were answered in order.
    for (std::uint32_t i = 1; i < late && !s.uses_pool(); ++i)
        EXPECT_LT(end_of(all, 2 * i - 1), end_of(all, 2 * i + 1));
}

/// A server that accepts one connection and reads when it is told to.
class silent_server {
public:
    silent_server() : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        std::memcpy(a.sun_path, path_.data(), path_.size());
        if (::bind(listener_, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0 ||
            ::listen(listener_, 1) != 0)
            throw std::runtime_error("cannot listen");
    }
    ~silent_server() {
        ::close(listener_);
        if (fd_ >= 0) ::close(fd_);
    }
    std::string endpoint() const { return "unix:" + path_; }
    void accept() { fd_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC); }

    /// The requests, in the order in which they end, with how many bytes came before their end.
    std::vector<arrival> receive_requests(std::size_t messages) {
        std::vector<arrival> all;
        std::string input;
        std::size_t at = 0;
        while (messages != 0) {
            while (input.size() - at < 3 || input.size() - at < 3 + size_at(input, at))
                if (!fill(input)) {
                    ADD_FAILURE() << messages << " to come";
                    return all;
                }
            const std::size_t size = size_at(input, at);
            const auto byte = [&](std::size_t i) {
                return static_cast<std::uint32_t>(static_cast<unsigned char>(input[at + 3 + i]));
            };
            const std::uint32_t stream = byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
            const bool follows = (byte(5) & follows_flag) != 0;
            at += 3 + size;
            if (stream == 0) continue;
            all.push_back({stream, size, !follows});
            if (!follows) --messages;
        }
        return all;
    }

private:
    static std::size_t size_at(const std::string& s, std::size_t at) {
        const auto byte = [&](std::size_t i) {
            return static_cast<std::size_t>(static_cast<unsigned char>(s[at + i]));
        };
        return byte(0) << 16 | byte(1) << 8 | byte(2);
    }
    bool fill(std::string& input) const {
        pollfd p{fd_, POLLIN, 0};
        if (::poll(&p, 1, 20'000) != 1) return false;
        const std::size_t before = input.size();
        input.resize(before + 65'536);
        const ssize_t n = ::read(fd_, input.data() + before, 65'536);
        input.resize(before + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        return n > 0;
    }

    scratch files_;
    const std::string path_ = files_.path("silent");
    int listener_;
    int fd_ = -1;
};

TEST(priority, requests_wait_by_priority) {
    silent_server s;
    tenon::client_options o;
    o.shared_memory = false;
    auto client = tenon::connect<traffic>(s.endpoint(), o);
    s.accept();
    ASSERT_TRUE(client.wait_ready(10s));
    const std::string digits(32'768, '1');
    const tenon::bytes_view small(reinterpret_cast<const std::byte*>(digits.data()), digits.size());
    std::vector<std::future<tenon::result<tenon::bytes>>> all;
    for (int i = 0; i < 200; ++i) all.push_back(client.take_later.future(small));
    auto large = client.exchange.future(tenon::blob(20 * mib));
    auto told = client.take.with({.priority = priority::high}).future(small);
    auto declared = client.hello.future(1);
    const auto got = s.receive_requests(203);
    ASSERT_GT(got.size(), 203u);
    // Streams are numbered in order of the calls.
    EXPECT_LT(bytes_before(got, end_of(got, 2 * 201 + 1)), 3 * mib) << "told";
    EXPECT_LT(bytes_before(got, end_of(got, 2 * 202 + 1)), 3 * mib) << "declared";
    const std::size_t large_done = end_of(got, 2 * 200 + 1);
    std::size_t low_before = 0;
    for (std::size_t i = 0; i < large_done; ++i) low_before += got[i].stream < 2 * 200;
    EXPECT_GE(low_before, 30u) << "nothing starves";
    for (std::uint32_t i = 1; i < 200; ++i)
        EXPECT_LT(end_of(got, 2 * i - 1), end_of(got, 2 * i + 1));
}

// With large messages both ways, a flood of small answers and a stream at full rate under way, on one
// connection.
TEST(priority, urgent_calls_go_on_beside_large_messages_and_a_flood) {
    traffic_server s;
    tenon::client_options o;
    o.shared_memory = false;
    auto client = tenon::connect<traffic>(s.endpoint(), o);
    ASSERT_TRUE(client.wait_ready(10s));
    const int rounds = sanitized ? 2 : 6;
    std::atomic<bool> over{false};
    std::atomic<int> flooded{0};
    std::thread flood([&] {
        const std::string digits = "2000";
        const tenon::bytes_view size(reinterpret_cast<const std::byte*>(digits.data()), 4);
        std::atomic<int> under_way{0};
        while (!over || under_way != 0) {
            if (over || under_way >= 64) {
                std::this_thread::yield();
                continue;
            }
            ++under_way;
            client.take_later.then(
                [&](const tenon::result<tenon::bytes>& r) {
                    EXPECT_TRUE(r && r->size() == 2'000);
                    ++flooded;
                    --under_way;
                },
                size);
        }
    });
    auto ticks = client.ticks();
    std::atomic<std::int64_t> seen{0};
    std::thread reader([&] {
        for (const std::int64_t n : ticks) {
            if (n != seen++) ADD_FAILURE() << "a value is lost";
            if (over) break;
        }
    });
    int urgent = 0;
    std::int64_t during = 0;  // values that came while a large message was under way
    for (int i = 0; i < rounds; ++i) {
        const std::int64_t before = seen;
        auto large = client.exchange.future(tenon::blob(60 * mib));
        while (large.wait_for(0s) != std::future_status::ready) {
            EXPECT_EQ(client.hello(urgent), urgent);
            ++urgent;
        }
        EXPECT_EQ(large.get().value().size(), 60 * mib);
        during += seen - before;
    }
    over = true;
    flood.join();
    reader.join();
    EXPECT_GE(during, 100 * rounds) << "a large message does not stop a stream";
    EXPECT_GE(urgent, 10 * rounds) << "120 MiB take much longer than a call";
    EXPECT_GE(flooded, rounds) << "nothing starves";
    std::printf("%d urgent calls, %d others, %lld values beside %d large messages\n", urgent,
                flooded.load(), static_cast<long long>(during), rounds);
}

// One loop serves both; neither many requests at once nor answers that are not taken hold it up.
TEST(priority, one_connection_does_not_hold_up_another) {
    traffic_server s;
    raw_peer greedy(s.endpoint());
    constexpr std::uint32_t n = 30'000;
    std::string bytes = make_setup();
    for (std::uint32_t i = 0; i < n; ++i)
        bytes += request(2 * i + 1, "hello", "1", static_cast<priority>(i % 3));
    auto client = tenon::connect<traffic>(s.endpoint());
    ASSERT_TRUE(client.wait_ready(10s));
    std::thread sender([&] { greedy.send(bytes); });
    std::atomic<std::uint32_t> answered{0};
    int refused = 0;  // by the pool, which a very busy machine makes the server use
    std::thread reader([&] {
        for (; answered < n; ++answered) {
            const auto f = greedy.receive();
            EXPECT_TRUE(f) << answered;
            if (!f) break;
            refused += f->type == error_frame;
        }
    });
    int between = 0;
    const auto limit = steady_clock::now() + 60s;
    while (answered < n && steady_clock::now() < limit)
        if (client.count() > 0 && answered < n) ++between;
    sender.join();
    reader.join();
    if (!s.uses_pool()) {
        EXPECT_EQ(refused, 0);
    }
    EXPECT_EQ(client.count(), static_cast<int>(n) - refused);
    EXPECT_GE(between, 5) << "calls served in the middle of " << n << " others";
    std::printf("%d calls in the middle of %u others\n", between, n);

    raw_peer deaf(s.endpoint());
    deaf.send(make_setup() + request(1, "take", std::to_string(50 * mib)) +
              request(3, "take", std::to_string(50 * mib)));
    for (int i = 0; i < 100; ++i) EXPECT_GT(client.count(), 0);
}

}  // namespace
}  // namespace e2e
