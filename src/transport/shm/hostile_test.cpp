// A peer of the same user that keeps to no rule can end the link, and nothing else.

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "transport/shm/test_support.hpp"

namespace tenon::inline v0::transport::shm {
namespace {

using namespace test;

class hostile_peer : public testing::Test {
protected:
    void SetUp() override {
        before_ = holdings::now();
        start();
    }
    void TearDown() override {
        client_.reset();
        server_.reset();
        listener_.reset();
        answer_ = received();
        EXPECT_EQ(holdings::now(), before_);
    }

    void start(const listen_options& options = willing()) {
        server_.reset();
        listener_.reset();
        listener_ = must_listen("unix:" + path_, options);
        client_ = std::make_unique<raw_client>(path_);
        server_ = must_accept(*listener_);
        ASSERT_TRUE(server_);
    }
    void share() {
        client_->offer();
        EXPECT_EQ(read().state, io_state::would_block);
        ASSERT_TRUE(server_->is_shared());
        answer_ = receive_message(client_->socket.get());
        ASSERT_EQ(answer_.what, received::outcome::message);
        ASSERT_EQ(answer_.message.type, message_type::accept);
    }
    void restart_shared() {
        start();
        share();
    }

    io_result read(std::size_t n = 100'000) {
        std::vector<std::byte> into(n);
        return server_->read(into);
    }
    io_result write(std::size_t n) {
        const std::vector<std::byte> data(n);
        const base::segment s{data.data(), n};
        return server_->write({&s, 1});
    }
    void expect_failed(const io_result& r, int error = EPROTO) {
        EXPECT_EQ(r.state, io_state::failed);
        EXPECT_EQ(r.error, error);
        // For good, and for the peer as well.
        EXPECT_EQ(read().state, io_state::failed);
        EXPECT_NE(write(1).state, io_state::ok);
    }
    // What the server makes of a message after the handshake.
    void expect_refused(const message& m, std::initializer_list<int> fds) {
        ASSERT_EQ(client_->send(m, fds), 0);
        EXPECT_FALSE(server_->prepare_to_sleep());
        expect_failed(read());
        restart_shared();
    }

    scratch_directory scratch_;
    const std::string path_ = scratch_ / "s";
    holdings before_;
    std::unique_ptr<listener> listener_;
    std::unique_ptr<raw_client> client_;
    std::unique_ptr<link> server_;
    received answer_;
};

constexpr int all_seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
constexpr std::size_t segment_size = 128 << 10;

TEST_F(hostile_peer, cannot_change_our_memory) {
    share();
    const int fd = answer_.fds[0].get();
    const std::size_t size = header_bytes + answer_.message.b;
    EXPECT_EQ(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    void* const at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    ASSERT_NE(at, MAP_FAILED);
    EXPECT_NE(::mprotect(at, size, PROT_READ | PROT_WRITE), 0);
    ::munmap(at, size);
    EXPECT_NE(::ftruncate(fd, 0), 0);
    EXPECT_NE(::ftruncate(fd, static_cast<off_t>(2 * size)), 0);
    EXPECT_LT(::pwrite(fd, "x", 1, 0), 0);
    EXPECT_NE(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
    EXPECT_NE(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    const std::string again = "/proc/self/fd/" + std::to_string(fd);
    const base::unique_fd reopened(::open(again.c_str(), O_RDWR | O_CLOEXEC));
    if (reopened) {
        EXPECT_EQ(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, reopened.get(), 0),
                  MAP_FAILED);
        EXPECT_LT(::pwrite(reopened.get(), "x", 1, 0), 0);
    }
}

TEST_F(hostile_peer, garbage_instead_of_an_offer_fails) {
    const std::string cases[] = {"t",
                                 "tenonshm",
                                 "tenonxxx" + std::string(32, '\0'),
                                 std::string(40, 't'),
                                 "tenonshm" + std::string(20, '\0'),
                                 "tenonshm" + std::string(32, '\xff'),
                                 "tenonshm" + std::string(32, '\0')};
    for (const std::string& bytes : cases) {
        ASSERT_EQ(::send(client_->socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
        expect_failed(read());
        EXPECT_FALSE(server_->is_shared());
        start();
    }
    // Any message but an offer.
    for (const auto type : {message_type::accept, message_type::refuse, message_type::segment,
                            message_type::forget, static_cast<message_type>(77)}) {
        std::vector<int> fds;
        if (type == message_type::accept) fds = {client_->memory.fd.get(), client_->bell.get()};
        if (type == message_type::segment) fds = {client_->memory.fd.get()};
        ASSERT_EQ(send_message(client_->socket.get(), {type, version, 4096}, fds), 0);
        expect_failed(read());
        start();
    }
}

TEST_F(hostile_peer, offers_of_something_else_fail) {
    constexpr std::size_t size = header_bytes + raw_client::ring;
    const auto offered = [&](const message& m, std::initializer_list<int> fds) {
        ASSERT_EQ(client_->send(m, fds), 0);
        expect_failed(read());
        EXPECT_FALSE(server_->is_shared());
        start();
    };
    const message good = raw_client::honest_offer();
    for (const std::uint64_t ring :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2048}, std::uint64_t{5000},
          std::uint64_t{8192}, std::uint64_t{64} << 20, std::uint64_t{1} << 63,
          ~std::uint64_t{0}}) {
        message m = good;
        m.b = ring;
        offered(m, {client_->memory.fd.get(), client_->bell.get()});
    }
    // Memory that could shrink, or be written by others, or is no memory.
    for (const int without : {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE, F_SEAL_SEAL})
        offered(good, {memfd(size, all_seals & ~without).get(), client_->bell.get()});
    offered(good, {memfd(size + 4096, all_seals).get(), client_->bell.get()});
    offered(good, {memfd(size - 4096, all_seals).get(), client_->bell.get()});
    offered(good, {client_->bell.get(), client_->memory.fd.get()});
    offered(good, {client_->socket.get(), client_->bell.get()});
    const base::unique_fd file(
        ::open((scratch_ / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::ftruncate(file.get(), size), 0);
    offered(good, {file.get(), client_->bell.get()});
    // Bells whose ringing could raise a signal, or wait.
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const base::unique_fd out(ends[0]), in(ends[1]);
    offered(good, {client_->memory.fd.get(), in.get()});
    offered(good, {client_->memory.fd.get(), client_->socket.get()});
    offered(good, {client_->memory.fd.get(), file.get()});
    const base::unique_fd waiting(eventfd(0, EFD_CLOEXEC));
    offered(good, {client_->memory.fd.get(), waiting.get()});
    // Too few descriptors, and too many.
    offered(good, {});
    offered(good, {client_->memory.fd.get()});
    offered(good, {client_->memory.fd.get(), client_->bell.get(), client_->bell.get()});
    const int b = client_->bell.get();
    offered(good, {client_->memory.fd.get(), b, b, b, b, b, b, b});
}

TEST_F(hostile_peer, another_version_is_refused_and_stays_plain) {
    message m = raw_client::honest_offer();
    m.a = version + 1;
    ASSERT_EQ(client_->send(m, {client_->memory.fd.get(), client_->bell.get()}), 0);
    EXPECT_EQ(read().state, io_state::would_block);
    EXPECT_FALSE(server_->is_shared());
    const received r = receive_message(client_->socket.get());
    ASSERT_EQ(r.what, received::outcome::message);
    EXPECT_EQ(r.message.type, message_type::refuse);
    EXPECT_EQ(static_cast<refusal>(r.message.a), refusal::version);
    ASSERT_EQ(::send(client_->socket.get(), "\0hello", 6, 0), 6);
    EXPECT_EQ(read().n, 6U);
}

TEST_F(hostile_peer, descriptors_among_plain_bytes_are_dropped) {
    client_->send({message_type::refuse}, {});
    start();
    std::vector<int> fds{client_->memory.fd.get(), client_->bell.get()};
    iovec iov{const_cast<char*>("\0\0\1x"), 4};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(2 * sizeof(int))> control{};
    msghdr h{};
    h.msg_iov = &iov;
    h.msg_iovlen = 1;
    h.msg_control = control.data();
    h.msg_controllen = control.size();
    CMSG_FIRSTHDR(&h)->cmsg_level = SOL_SOCKET;
    CMSG_FIRSTHDR(&h)->cmsg_type = SCM_RIGHTS;
    CMSG_FIRSTHDR(&h)->cmsg_len = CMSG_LEN(2 * sizeof(int));
    std::memcpy(CMSG_DATA(CMSG_FIRSTHDR(&h)), fds.data(), 2 * sizeof(int));
    const holdings held = holdings::now();
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(::sendmsg(client_->socket.get(), &h, 0), 4);
        EXPECT_EQ(read().n, 4U);
    }
    EXPECT_EQ(holdings::now(), held);
}

TEST_F(hostile_peer, scribbled_indexes_end_the_link) {
    share();
    for (const std::uint64_t produced :
         {std::uint64_t{4097}, ~std::uint64_t{0}, std::uint64_t{1} << 40}) {
        client_->own().produced = produced;
        EXPECT_TRUE(server_->has_news());
        EXPECT_FALSE(server_->prepare_to_sleep());
        expect_failed(read());
        restart_shared();
    }
    client_->own().produced = 10;
    EXPECT_EQ(read().n, 10U);
    client_->own().produced = 9;
    expect_failed(read());

    restart_shared();
    client_->own().consumed = 1 << 20;
    while (write(100'000).state == io_state::ok) {}
    expect_failed(read());

    // Words that only wake cannot do harm.
    restart_shared();
    for (std::uint64_t i = 0; i < 100; ++i) {
        client_->own().asleep = ~i;
        client_->own().room_wanted = ~i;
        client_->own().produced = i + 1;
        EXPECT_EQ(read().n, 1U);
        EXPECT_EQ(write(1).state, io_state::ok);
    }
}

TEST_F(hostile_peer, junk_on_the_socket_ends_the_link) {
    share();
    for (const std::string& junk : {std::string("\0\0\1x", 4), std::string("hello"),
                                    std::string("tenonshm"), std::string(1000, 't')}) {
        ASSERT_EQ(::send(client_->socket.get(), junk.data(), junk.size(), 0),
                  static_cast<ssize_t>(junk.size()));
        EXPECT_FALSE(server_->prepare_to_sleep());
        expect_failed(read());
        restart_shared();
    }
    expect_refused(raw_client::honest_offer(), {client_->memory.fd.get(), client_->bell.get()});
    expect_refused({message_type::refuse, 1}, {});
    expect_refused({message_type::forget, 0}, {});
    expect_refused({message_type::forget, 63}, {});
}

TEST_F(hostile_peer, impossible_segments_end_the_link) {
    share();
    const auto refused = [&](std::uint64_t claimed, std::size_t size, int seals) {
        const base::unique_fd fd = memfd(size, seals);
        expect_refused({message_type::segment, 0, claimed}, {fd.get()});
    };
    for (const int without : {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE, F_SEAL_SEAL})
        refused(segment_size, segment_size, all_seals & ~without);
    refused(segment_size, 2 * segment_size, all_seals);
    refused(2 * segment_size, segment_size, all_seals);
    refused(4096, 4096, all_seals);
    refused(3 * segment_size, 3 * segment_size, all_seals);
    refused(std::size_t{128} << 20, std::size_t{128} << 20, all_seals);
    refused(std::uint64_t{1} << 63, segment_size, all_seals);
    refused(0, 0, all_seals);
    expect_refused({message_type::segment, 0, segment_size}, {});
    const base::unique_fd one = memfd(segment_size, all_seals);
    expect_refused({message_type::segment, 0, segment_size}, {one.get(), one.get()});
    // A slot that is taken, by whatever number.
    for (const std::uint32_t number : {3U, 67U}) {
        ASSERT_EQ(client_->send({message_type::segment, 3, segment_size}, {one.get()}), 0);
        expect_refused({message_type::segment, number, segment_size}, {one.get()});
    }
    // More than was allowed to all together.
    const base::unique_fd large = memfd(std::size_t{64} << 20, all_seals);
    for (std::uint32_t i = 0; i < 4; ++i)
        ASSERT_EQ(client_->send({message_type::segment, i, std::size_t{64} << 20}, {large.get()}),
                  0);
    EXPECT_TRUE(server_->prepare_to_sleep());
    expect_refused({message_type::segment, 4, segment_size}, {one.get()});
}

TEST_F(hostile_peer, impossible_references_end_the_link) {
    const base::unique_fd segment = memfd(segment_size, all_seals);
    const auto announced = [&] {
        restart_shared();
        ASSERT_EQ(client_->send({message_type::segment, 5, segment_size}, {segment.get()}), 0);
    };
    const auto refused = [&](const block_reference& r) {
        EXPECT_FALSE(server_->borrow(r));
        expect_failed(read());
        announced();
    };
    announced();
    refused({4, 1, 1});
    refused({69, 1, 1});  // the same slot
    refused({0xffffffff, 1, 1});
    refused({5, 0, 1});
    refused({5, 2, 1});
    refused({5, 0xffffffff, 1});
    refused({5, 1, segment_size + 1});
    refused({5, 1, ~std::uint64_t{0}});
    {
        base::block_ref held = server_->borrow({5, 1, segment_size});
        ASSERT_TRUE(held);
        refused({5, 2, 1});  // not given back yet
    }
    for (const std::uint32_t use : {1U, 3U}) {
        ASSERT_TRUE(server_->borrow({5, 1, 1}));
        refused({5, use, 1});  // once more, or one left out
    }
    ASSERT_TRUE(server_->borrow({5, 1, 1}));
    EXPECT_TRUE(server_->borrow({5, 2, 1}));
    {
        base::block_ref held = server_->borrow({5, 3, segment_size});
        ASSERT_EQ(client_->send({message_type::forget, 5}, {}), 0);
        EXPECT_FALSE(server_->prepare_to_sleep());
        expect_failed(read());
        EXPECT_EQ(held->room()[segment_size - 1], std::byte{0});
    }
    announced();
    ASSERT_TRUE(server_->borrow({5, 1, 1}));
    ASSERT_EQ(client_->send({message_type::forget, 5}, {}), 0);
    EXPECT_TRUE(server_->prepare_to_sleep());
    refused({5, 2, 1});
}

TEST_F(hostile_peer, a_flood_of_messages_does_not_hold_the_reader) {
    share();
    const base::unique_fd segment = memfd(segment_size, all_seals);
    std::uint32_t sent = 0;
    for (; sent < 1000; ++sent) {
        if (client_->send({message_type::segment, sent * 64, segment_size}, {segment.get()}) != 0 ||
            client_->send({message_type::forget, sent * 64}, {}) != 0)
            break;
    }
    ASSERT_GT(sent, 50U);
    for (int i = 0; i < 100 && !server_->prepare_to_sleep(); ++i)
        EXPECT_EQ(read().state, io_state::would_block);
    EXPECT_TRUE(server_->prepare_to_sleep());
}

// Whatever lies in the peer's memory, at any moment: nothing but the link can break.
TEST_F(hostile_peer, random_scribbles_do_no_harm) {
    const unsigned seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::minstd_rand random(seed);
    const base::unique_fd segment = memfd(segment_size, all_seals);
    for (int round = 0; round < 30; ++round) {
        restart_shared();
        ASSERT_EQ(client_->send({message_type::segment, 1, segment_size}, {segment.get()}), 0);
        std::atomic<bool> stop{false};
        std::thread scribbler([&, mine = random()]() mutable {
            std::minstd_rand r(static_cast<unsigned>(mine));
            header& h = client_->own();
            while (!stop) {
                // Mostly believable, so that the link lives for a while.
                h.produced += r() % (r() % 100 == 0 ? 10'000U : 50U);
                if (r() % 1000 == 0) h.produced = r();
                if (r() % 4 == 0) h.consumed = h.consumed + r() % 20;
                if (r() % 1000 == 0) h.consumed = r();
                h.asleep = r();
                h.room_wanted = r();
                h.released[r() % max_segment_slots] = static_cast<std::uint32_t>(r() % 4);
                std::memset(client_->memory.map.data() + header_bytes, static_cast<int>(r()),
                            raw_client::ring);
            }
        });
        io_result r;
        for (int i = 0; i < 2000 && r.state != io_state::failed; ++i) {
            r = read(1 + random() % 10'000);
            EXPECT_NE(r.state, io_state::closed);
            if (r.state == io_state::ok) {
                EXPECT_LE(r.n, raw_client::ring);
            }
            write(1 + random() % 10'000);
            if (random() % 8 == 0) server_->prepare_to_sleep();
            if (const auto loan = server_->memory()->lend(1)) {
                loan->room()[0] = std::byte{1};
                server_->pass(*loan.get(), 1);
            }
            if (i == 1000) {
                EXPECT_FALSE(server_->borrow({1, 2, 1}));
            }
        }
        stop = true;
        scribbler.join();
    }
}

// Descriptors of all kinds behind an offer that is honest but for some bytes.
TEST_F(hostile_peer, random_handshakes_do_no_harm) {
    constexpr std::size_t size = header_bytes + raw_client::ring;
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const base::unique_fd out(ends[0]), in(ends[1]);
    std::vector<base::unique_fd> all;
    all.push_back(base::unique_fd(::open(scratch_.path().c_str(), O_DIRECTORY | O_CLOEXEC)));
    all.push_back(base::unique_fd(::open("/proc/self/exe", O_PATH | O_CLOEXEC)));
    all.push_back(base::unique_fd(::open("/dev/zero", O_RDWR | O_CLOEXEC)));
    all.push_back(base::unique_fd(::open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)));
    all.push_back(
        base::unique_fd(::open((scratch_ / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
    all.push_back(memfd(size, 0));
    all.push_back(memfd(size, all_seals));
    all.push_back(memfd(0, all_seals));  // touching it would be SIGBUS
    all.push_back(memfd(size - 1, all_seals));
    all.push_back(base::unique_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)));
    for (std::size_t i = 3; i < 5; ++i)  // there may be no /dev/shm
        if (all[i].get() >= 0) {
            ASSERT_EQ(::ftruncate(all[i].get(), size), 0);
        }
    std::vector<int> kinds{in.get(), out.get()};
    for (const base::unique_fd& fd : all)
        if (fd.get() >= 0) kinds.push_back(fd.get());

    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    int shared = 0;
    for (int round = 0; round < 1'000; ++round) {
        start();
        message m = raw_client::honest_offer();
        std::array<std::byte, sizeof m> bytes;
        std::memcpy(bytes.data(), &m, sizeof m);
        for (unsigned changes = random() % 3; changes > 0; --changes)
            bytes[random() % bytes.size()] = static_cast<std::byte>(random() >> 8);
        std::memcpy(&m, bytes.data(), sizeof m);
        std::vector<int> fds{client_->memory.fd.get(), client_->bell.get()};
        for (int& fd : fds)
            if (random() % 3 == 0) fd = kinds[random() % kinds.size()];
        while (fds.size() < 8 && random() % 4 == 0) fds.push_back(kinds[random() % kinds.size()]);
        if (random() % 8 == 0) fds.pop_back();
        ASSERT_EQ(send_message(client_->socket.get(), m, fds), 0);
        (void)read();
        // Whatever it has come to, what follows does no harm either.
        shared += server_->is_shared();
        (void)client_->send({message_type::segment, static_cast<std::uint32_t>(random() % 4), size},
                            {kinds[random() % kinds.size()]});
        (void)server_->prepare_to_sleep();
        (void)read();
        (void)write(1);
    }
    EXPECT_GT(shared, 0);
    EXPECT_LT(shared, 1'000);
}

// The server's side of the handshake, made by hand.
TEST(hostile_server, cannot_fool_a_client) {
    const holdings before = holdings::now();
    {
        const scratch_directory scratch;
        const std::string path = scratch / "s";
        // Nothing of a lock file: offers to `shm:` only.
        const base::unique_fd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, path.c_str());
        ASSERT_EQ(::bind(listening.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
                  0);
        ASSERT_EQ(::listen(listening.get(), 8), 0);

        const auto outcome = [&](auto&& answer) {
            auto client = open_link(at("shm:" + path)).value();
            EXPECT_TRUE(client->awaits_reply());
            EXPECT_EQ(client->finish_connect().state, io_state::would_block);
            {
                const base::unique_fd server(
                    ::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
                answer(server.get());
            }
            const int error = finish(*client);
            EXPECT_EQ(client->finish_connect().error, error);
            return error;
        };
        const auto memory = make_sealed(header_bytes + 4096);
        const base::unique_fd bell(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        const std::array good{memory.fd.get(), bell.get()};
        const std::array bad{bell.get(), memory.fd.get()};
        const message accept{message_type::accept, version, 4096, 1 << 20, 1 << 20};
        EXPECT_EQ(outcome([](int) {}), EPROTONOSUPPORT);
        EXPECT_EQ(outcome([](int s) {
                      send_message(s, {message_type::refuse, 1}, {});
                  }),
                  EPROTONOSUPPORT);
        EXPECT_EQ(outcome([](int s) { send_message(s, {message_type::refuse, 3}, {}); }), ENOMEM);
        EXPECT_EQ(outcome([&](int s) { send_message(s, accept, bad); }), EPROTO);
        EXPECT_EQ(outcome([&](int s) { send_message(s, accept, {}); }), EPROTO);
        EXPECT_EQ(outcome([&](int s) { ::send(s, "tenon", 5, MSG_NOSIGNAL); }), EPROTO);
        message other = accept;
        other.a = version + 1;
        EXPECT_EQ(outcome([&](int s) { send_message(s, other, good); }), EPROTO);
        other = accept;
        other.b = 8192;
        EXPECT_EQ(outcome([&](int s) { send_message(s, other, good); }), EPROTO);
        EXPECT_EQ(outcome([&](int s) { send_message(s, accept, good); }), 0);
        // One that talks at once has a reason, which is read as from any socket.
        EXPECT_EQ(outcome([&](int s) { ::send(s, "\0\0\6error!", 9, MSG_NOSIGNAL); }), 0);
    }
    EXPECT_EQ(holdings::now(), before);
}

}  // namespace
}  // namespace tenon::inline v0::transport::shm
