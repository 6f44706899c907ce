#include "transport/link.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "transport/access.hpp"
#include "transport/socket_link.hpp"
#include "transport/test_support.hpp"

namespace tenon::inline v0::transport {
namespace {

using namespace test;

bytes pattern(std::size_t n) {
    bytes out(n);
    std::uint32_t state = 1;
    for (std::byte& b : out) {
        state = state * 1664525 + 1013904223;
        b = static_cast<std::byte>(state >> 24);
    }
    return out;
}

// The same promises over every kind of stream.
class any_link : public testing::TestWithParam<const char*> {
protected:
    any_link() {
        std::string text = GetParam();
        if (text == "path" || text == "path+shm") text = "unix:" + (scratch_ / "s");
        if (text == "shm") text = "shm:" + (scratch_ / "s");
        if (text == "abstract") text = "unix:@tenon-test-" + std::to_string(getpid());
        listen_options options;
        options_.shared_memory.allowed = options.shared_memory.allowed =
            GetParam() == std::string("path+shm");
        auto opened = open_listener(at(text), options);
        if (opened) listener_ = *std::move(opened);
    }
    void SetUp() override {
        if (!listener_) GTEST_SKIP() << GetParam() << " is not available here";
        pair_ = connect_through(*listener_, options_);
        ASSERT_TRUE(pair_.client && pair_.server);
        const bool shared = std::string(GetParam()).ends_with("shm");
        EXPECT_EQ(pair_.client->is_shared(), shared);
        EXPECT_EQ(pair_.server->is_shared(), shared);
    }

    scratch_directory scratch_;
    connect_options options_;
    std::unique_ptr<listener> listener_;
    link_pair pair_;
};

INSTANTIATE_TEST_SUITE_P(transports, any_link,
                         testing::Values("path", "abstract", "shm", "path+shm", "tcp://127.0.0.1:0",
                                         "tcp://[::1]:0", "tcp://localhost:0"),
                         [](const auto& i) { return std::to_string(i.index); });

TEST_P(any_link, carries_bytes_both_ways) {
    const bytes small = pattern(16);
    ASSERT_TRUE(send_all(*pair_.client, small));
    EXPECT_EQ(receive(*pair_.server, small.size()), small);
    ASSERT_TRUE(send_all(*pair_.server, small));
    EXPECT_EQ(receive(*pair_.client, small.size()), small);
}

TEST_P(any_link, says_would_block_instead_of_waiting) {
    std::byte b;
    EXPECT_EQ(pair_.client->read({&b, 1}).state, io_state::would_block);
    const bytes block(1 << 20);
    const base::segment segment{block.data(), block.size()};
    io_result r;
    for (int i = 0; i < 1000 && r.state == io_state::ok; ++i)
        r = pair_.client->write({&segment, 1});
    EXPECT_EQ(r.state, io_state::would_block);
    EXPECT_EQ(r.n, 0u);
}

TEST_P(any_link, gathers_segments_and_takes_at_most_64) {
    const bytes data = pattern(100);
    std::vector<base::segment> segments;
    for (const std::byte& b : data) segments.push_back({&b, 1});
    std::size_t sent = 0;
    while (sent < data.size()) {
        const io_result r = pair_.client->write(std::span(segments).subspan(sent));
        ASSERT_EQ(r.state, io_state::ok);
        ASSERT_LE(r.n, link::max_segments);
        sent += r.n;
    }
    EXPECT_EQ(receive(*pair_.server, data.size()), data);
    EXPECT_EQ(pair_.client->write({}).state, io_state::ok);
}

TEST_P(any_link, carries_more_than_the_kernel_buffers) {
    const bytes data = pattern(8 << 20);
    std::thread sender([&] { EXPECT_TRUE(send_all(*pair_.client, data)); });
    const bytes got = receive(*pair_.server, data.size());
    sender.join();
    EXPECT_TRUE(got == data);
}

TEST_P(any_link, reads_and_writes_from_two_threads) {
    const bytes data = pattern(2 << 20);
    std::thread echo(
        [&] { EXPECT_TRUE(send_all(*pair_.server, receive(*pair_.server, 2 << 20))); });
    std::thread writer([&] { EXPECT_TRUE(send_all(*pair_.client, data)); });
    EXPECT_TRUE(receive(*pair_.client, data.size()) == data);
    writer.join();
    echo.join();
}

TEST_P(any_link, sees_an_orderly_end) {
    ASSERT_TRUE(send_all(*pair_.server, pattern(5)));
    pair_.server->finish_writes();
    EXPECT_EQ(receive(*pair_.client, 5).size(), 5u);
    EXPECT_EQ(read_end(*pair_.client).state, io_state::closed);
    // The other direction still works.
    ASSERT_TRUE(send_all(*pair_.client, pattern(3)));
    EXPECT_EQ(receive(*pair_.server, 3).size(), 3u);
}

TEST_P(any_link, writing_to_a_gone_peer_raises_no_signal) {
    pair_.server.reset();
    EXPECT_EQ(read_end(*pair_.client).state, io_state::closed);
    const bytes data = pattern(10);
    const base::segment segment{data.data(), data.size()};
    io_result r;
    for (int i = 0; i < 1000 && r.state == io_state::ok; ++i) {
        r = pair_.client->write({&segment, 1});
        std::this_thread::yield();
    }
    EXPECT_TRUE(r.state == io_state::closed || r.state == io_state::failed);
}

TEST_P(any_link, shutdown_wakes_a_waiting_thread) {
    std::thread waiting([&] { EXPECT_NE(read_end(*pair_.client).state, io_state::ok); });
    pair_.client->shutdown();
    waiting.join();
    EXPECT_NE(read_end(*pair_.server).state, io_state::ok);
}

TEST_P(any_link, descriptors_are_private_and_non_blocking) {
    for (const int fd : {listener_->fd(), pair_.client->fd(), pair_.server->fd()}) {
        EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        EXPECT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
    }
    if (listener_->local().kind != scheme::tcp) return;
    for (const int fd : {pair_.client->fd(), pair_.server->fd()}) {
        int no_delay = 0;
        socklen_t length = sizeof no_delay;
        getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &length);
        EXPECT_TRUE(no_delay);
        int unsent = 0;
        getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, &length);
        EXPECT_EQ(unsent, 128 * 1024);
        int received = 0;  // as the kernel counts it, which is twice
        getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &received, &length);
        EXPECT_LE(received, 2 * 208 * 1024);
    }
}

TEST_P(any_link, knows_its_peer) {
    for (const link* l : {pair_.client.get(), pair_.server.get()}) {
        const peer_identity& peer = l->peer();
        EXPECT_EQ(peer.kind, listener_->local().kind);
        EXPECT_FALSE(to_string(peer).empty());
        if (peer.kind == scheme::tcp) {
            EXPECT_FALSE(peer.has_credentials);
            EXPECT_EQ(peer.address, listener_->local().host);
            EXPECT_NE(peer.port, 0);
        } else {
            EXPECT_TRUE(peer.has_credentials);
            EXPECT_EQ(peer.pid, getpid());
            EXPECT_EQ(peer.uid, geteuid());
            EXPECT_EQ(peer.gid, getegid());
        }
    }
    EXPECT_TRUE(is_admitted({}, *pair_.server));
}

TEST(link, reset_by_peer_is_a_failure) {
    const auto listener = must_listen("tcp://127.0.0.1:0");
    auto pair = connect_through(*listener);
    const linger hard{1, 0};
    setsockopt(pair.server->fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    pair.server.reset();
    const io_result r = read_end(*pair.client);
    EXPECT_EQ(r.state, io_state::failed);
    EXPECT_EQ(r.error, ECONNRESET);
}

void expect_refused(const result<std::unique_ptr<link>>& r, errc code, const char* text) {
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code(), code) << r.error().to_string();
    EXPECT_FALSE(r.error().may_have_run());
    EXPECT_NE(r.error().message().find(text), std::string::npos) << r.error().message();
}

TEST(open_link, explains_why_not) {
    const scratch_directory scratch;
    expect_refused(open_link(at("unix:" + (scratch / "none"))), errc::unavailable, "no such file");
    expect_refused(open_link(at("unix:" + (scratch / "no/dir"))), errc::unavailable,
                   "no such file");
    expect_refused(open_link(at("unix:@tenon-test-nobody")), errc::unavailable, "refused");
    expect_refused(open_link(at("tcp://127.0.0.1:0")), errc::invalid, "port 0");
    expect_refused(open_link(at("tcp://example.org:80")), errc::invalid, "not a numeric");
    expect_refused(open_link(at("inproc:x")), errc::invalid, "not the address of a socket");
    expect_refused(open_link(at("tcp://[fe80::1%nosuchif]:80")), errc::unavailable, "interface");
    const std::string deep = scratch / std::string(100, 'd') + "/" + std::string(70, 'e');
    expect_refused(open_link(at("unix:" + deep)), errc::unavailable, "no such file");
}

TEST(open_link, full_queue_is_overloaded) {
    const scratch_directory scratch;
    listen_options options;
    options.backlog = 0;
    const auto listener = must_listen("unix:" + (scratch / "s"), options);
    std::vector<std::unique_ptr<link>> waiting;
    for (int i = 0; i < 10; ++i) {
        auto opened = open_link(listener->local());
        if (!opened) {
            expect_refused(opened, errc::overloaded, "queue is full");
            return;
        }
        waiting.push_back(*std::move(opened));
    }
    FAIL() << "ten connections in a queue of none";
}

TEST(open_link, refused_tcp_is_unavailable) {
    auto listener = must_listen("tcp://127.0.0.1:0");
    const endpoint gone = listener->local();
    listener.reset();
    const auto link = open_link(gone);
    const int error = link ? finish(**link) : ECONNREFUSED;
    EXPECT_EQ(error, ECONNREFUSED);
    if (link) {
        EXPECT_EQ((*link)->finish_connect().error, ECONNREFUSED);
    }
    EXPECT_EQ(connect_error(gone, error).code(), errc::unavailable);
}

TEST(open_link, does_not_take_itself_for_a_server) {
    // Who keeps dialling a dead server's ephemeral port is given that very port by the kernel in
    // the end, and meets itself.
    base::unique_fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in self{};
    self.sin_family = AF_INET;
    self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof self;
    const auto address = reinterpret_cast<sockaddr*>(&self);
    ASSERT_EQ(bind(fd.get(), address, length), 0);
    getsockname(fd.get(), address, &length);
    ASSERT_EQ(connect(fd.get(), address, length), 0);
    socket_link itself(std::move(fd), {}, false);
    for (int i = 0; i < 2; ++i) {
        const io_result r = itself.finish_connect();
        EXPECT_EQ(r.state, io_state::failed);
        EXPECT_EQ(r.error, ECONNREFUSED);
    }
}

TEST(is_admitted, goes_by_uid_and_group) {
    class fake final : public link {
    public:
        explicit fake(peer_identity who) : link(base::unique_fd(), std::move(who)) {}
        io_result read(std::span<std::byte>) noexcept override { return {}; }
        io_result write(std::span<const base::segment>) noexcept override { return {}; }
        io_result finish_connect() noexcept override { return {}; }
        void finish_writes() noexcept override {}
        void shutdown() noexcept override {}
    };
    const auto with = [](uid_t uid, gid_t gid) {
        peer_identity who;
        who.kind = scheme::unix_path;
        who.has_credentials = true;
        who.uid = uid;
        who.gid = gid;
        return fake(who);
    };
    const uid_t stranger = geteuid() + 4711;
    EXPECT_TRUE(is_admitted({}, with(geteuid(), 1)));
    EXPECT_TRUE(is_admitted({}, with(0, 1)));
    EXPECT_FALSE(is_admitted({}, with(stranger, getegid())));
    EXPECT_TRUE(is_admitted({{stranger}, {}}, with(stranger, 1)));
    EXPECT_FALSE(is_admitted({{stranger + 1}, {7}}, with(stranger, 1)));
    EXPECT_TRUE(is_admitted({{}, {7}}, with(stranger, 7)));

    peer_identity unknown;
    unknown.kind = scheme::unix_path;
    EXPECT_FALSE(is_admitted({}, fake(unknown)));
    unknown.kind = scheme::tcp;
    EXPECT_TRUE(is_admitted({}, fake(unknown)));
}

}  // namespace
}  // namespace tenon::inline v0::transport
