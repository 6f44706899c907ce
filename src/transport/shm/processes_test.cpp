// Two processes over shared memory, and what is left when one of them goes.

#include <signal.h>
#include <sys/wait.h>

#include <random>
#include <thread>

#include "transport/shm/test_support.hpp"

namespace tenon::inline v0::transport::shm {
namespace {

using namespace test;

constexpr std::size_t mib = std::size_t{1} << 20;

std::byte byte_at(std::size_t i) { return static_cast<std::byte>((i * 131) >> 4); }

void fill(std::span<std::byte> out, std::size_t from) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = byte_at(from + i);
}

std::size_t count_wrong(std::span<const std::byte> got, std::size_t from) {
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < got.size(); ++i) wrong += got[i] != byte_at(from + i);
    return wrong;
}

class two_processes : public testing::Test {
protected:
    void SetUp() override { before_ = holdings::now(); }
    void TearDown() override {
        if (child_ > 0) {
            kill(child_, SIGKILL);
            waitpid(child_, nullptr, 0);
        }
        link_.reset();
        listener_.reset();
        EXPECT_EQ(holdings::now(), before_);
    }

    // The child connects and runs `body`.
    template <class Body>
    void start(Body&& body) {
        link_.reset();
        if (!listener_) listener_ = must_listen("shm:" + (scratch_ / "s"));
        child_ = fork();
        if (child_ == 0) {
            // The listener is the parent's; nothing of it is touched.
            auto l = open_link(listener_->local()).value();
            if (finish(*l) != 0 || !l->is_shared()) _exit(2);
            if (receive(*l, 1).size() != 1) _exit(2);  // the parent has done its first read
            body(*l);
            l.reset();
            _exit(0);
        }
        link_ = must_accept(*listener_);
        ASSERT_TRUE(link_);
        // The offer comes over the socket, before there is a bell.
        std::byte none;
        while (!link_->is_shared() && wait_for(link_->fd(), POLLIN)) link_->read({&none, 1});
        ASSERT_TRUE(link_->is_shared());
        ASSERT_TRUE(send_all(*link_, as_bytes("!")));
    }
    int join() {
        int status = -1;
        waitpid(child_, &status, 0);
        child_ = -1;
        return status;
    }
    void kill_child() {
        kill(child_, SIGKILL);
        join();
    }

    scratch_directory scratch_;
    holdings before_;
    std::unique_ptr<listener> listener_;
    std::unique_ptr<link> link_;
    pid_t child_ = -1;
};

// Echoes until its input ends.
void echo(link& l) {
    bytes buffer(50'000);
    for (;;) {
        const io_result r = l.read(buffer);
        if (r.state == io_state::would_block) {
            if (!wait_for(l, POLLIN)) return;
        } else if (r.state != io_state::ok || !send_all(l, {buffer.data(), r.n})) {
            return;
        }
    }
}

TEST_F(two_processes, echo_random_pieces) {
    start(echo);
    constexpr std::size_t total = 20 * mib;
    const unsigned seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::thread sender([&] {
        std::minstd_rand random(seed);
        bytes data(300'000);
        for (std::size_t sent = 0; sent < total;) {
            const std::size_t n =
                std::min<std::size_t>(total - sent, 1 + random() % (random() % data.size() + 1));
            fill({data.data(), n}, sent);
            ASSERT_TRUE(send_all(*link_, {data.data(), n}));
            sent += n;
        }
        link_->finish_writes();
    });
    bytes into(70'000);
    std::size_t got = 0;
    std::size_t wrong = 0;
    io_result r;
    for (;;) {
        r = link_->read(into);
        if (r.state == io_state::would_block) {
            if (!wait_for(*link_, POLLIN)) break;
            continue;
        }
        if (r.state != io_state::ok) break;
        wrong += count_wrong({into.data(), r.n}, got);
        got += r.n;
    }
    sender.join();
    EXPECT_EQ(r.state, io_state::closed);
    EXPECT_EQ(got, total);
    EXPECT_EQ(wrong, 0U);
    EXPECT_EQ(join(), 0);
}

// A message by reference: the reference itself goes through the ring.
bool send_loan(link& l, std::size_t size, std::size_t from) {
    base::block_ref loan = l.memory()->lend(size);
    while (!loan) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        loan = l.memory()->lend(size);
    }
    fill(loan->room().first(size), from);
    const auto r = l.pass(*loan.get(), size);
    return r && send_all(l, {reinterpret_cast<const std::byte*>(&*r), sizeof *r});
}

base::block_ref receive_loan(link& l, block_reference& r) {
    const bytes raw = receive(l, sizeof r);
    if (raw.size() != sizeof r) return {};
    std::memcpy(&r, raw.data(), sizeof r);
    return l.borrow(r);
}

TEST_F(two_processes, loans_of_all_sizes) {
    constexpr int count = 400;
    start([](link& l) {
        std::minstd_rand random(1);
        for (int i = 0; i < count; ++i)
            if (!send_loan(l, 1 + random() % (2 * mib), static_cast<std::size_t>(i))) _exit(3);
        // Until all of it is ours again.
        std::byte b;
        while (l.read({&b, 1}).state == io_state::would_block) wait_for(l, POLLIN);
    });
    std::minstd_rand random(1);
    std::minstd_rand when(2);
    std::vector<base::block_ref> held;
    for (int i = 0; i < count; ++i) {
        block_reference r;
        base::block_ref got = receive_loan(*link_, r);
        ASSERT_TRUE(got);
        EXPECT_EQ(r.size, 1 + random() % (2 * mib));
        ASSERT_EQ(count_wrong(got->room().first(r.size), static_cast<std::size_t>(i)), 0U);
        held.push_back(std::move(got));
        while (held.size() > 8 || (!held.empty() && when() % 2 == 0))
            held.erase(held.begin() + static_cast<std::ptrdiff_t>(when() % held.size()));
    }
    held.clear();
    link_->finish_writes();
    EXPECT_EQ(join(), 0);
}

// Writes, and lends, as fast as it can.
void flood(link& l) {
    std::minstd_rand random(static_cast<unsigned>(getpid()));
    bytes data(100'000);
    for (std::size_t sent = 0;;) {
        const std::size_t n = 1 + random() % data.size();
        fill({data.data(), n}, sent);
        if (!send_all(l, {data.data(), n})) return;
        sent += n;
        if (base::block_ref loan = l.memory()->lend(random() % mib)) {
            loan->room()[0] = std::byte{1};
        }
    }
}

TEST_F(two_processes, a_writer_that_is_killed_is_missed) {
    const unsigned seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::minstd_rand random(seed);
    bytes into(64'000);
    for (int round = 0; round < 20; ++round) {
        start(flood);
        const std::size_t enough = random() % (2 * mib);
        std::size_t got = 0;
        bool killed = false;
        io_result r;
        for (;;) {
            r = link_->read(into);
            if (r.state == io_state::would_block) {
                ASSERT_TRUE(wait_for(*link_, POLLIN));
                continue;
            }
            if (r.state != io_state::ok) break;
            // All that is seen was written in whole.
            ASSERT_EQ(count_wrong({into.data(), r.n}, got), 0U);
            got += r.n;
            if (got >= enough && !std::exchange(killed, true)) kill_child();
        }
        EXPECT_TRUE(killed);
        EXPECT_EQ(r.state, io_state::failed);
        EXPECT_EQ(r.error, ECONNRESET);
        EXPECT_GE(got, enough);
    }
}

TEST_F(two_processes, a_reader_that_is_killed_is_missed) {
    for (int round = 0; round < 20; ++round) {
        start([](link& l) {
            std::byte b;
            while (l.read({&b, 1}).state != io_state::failed) wait_for(l, POLLIN);
        });
        std::thread killer([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(round % 5));
            kill_child();
        });
        flood(*link_);  // until there is no room, and then never again
        killer.join();
        const io_result r = read_end(*link_);
        EXPECT_EQ(r.state, io_state::failed);
        EXPECT_EQ(r.error, ECONNRESET);
    }
}

TEST_F(two_processes, what_a_killed_peer_lent_stays_readable) {
    start([](link& l) {
        if (!send_loan(l, mib, 5)) _exit(3);
        pause();
    });
    block_reference r;
    const base::block_ref got = receive_loan(*link_, r);
    ASSERT_TRUE(got);
    kill_child();
    EXPECT_EQ(read_end(*link_).state, io_state::failed);
    EXPECT_EQ(count_wrong(got->room().first(mib), 5), 0U);
    // And what it had borrowed comes back with the end of the link.
    base::block_ref mine = link_->memory()->lend(mib);
    link_.reset();
    EXPECT_EQ(count_wrong(got->room().first(mib), 5), 0U);
}

TEST_F(two_processes, a_peer_that_stops_for_a_while_goes_on) {
    start(echo);
    bytes data(40'000);
    for (int round = 0; round < 20; ++round) {
        kill(child_, SIGSTOP);
        int status = 0;
        ASSERT_EQ(waitpid(child_, &status, WUNTRACED), child_);
        ASSERT_TRUE(WIFSTOPPED(status));
        fill(data, static_cast<std::size_t>(round));
        // More than the rings hold would wait; this does not.
        ASSERT_TRUE(send_all(*link_, data));
        std::byte b;
        EXPECT_EQ(link_->read({&b, 1}).state, io_state::would_block);
        kill(child_, SIGCONT);
        const bytes got = receive(*link_, data.size());
        ASSERT_EQ(got.size(), data.size());
        EXPECT_EQ(count_wrong(got, static_cast<std::size_t>(round)), 0U);
    }
    link_->finish_writes();
    EXPECT_EQ(read_end(*link_).state, io_state::closed);
    EXPECT_EQ(join(), 0);
}

TEST_F(two_processes, killed_during_the_handshake) {
    listener_ = must_listen("shm:" + (scratch_ / "s"));
    for (int round = 0; round < 20; ++round) {
        child_ = fork();
        if (child_ == 0) {
            auto l = open_link(listener_->local()).value();
            if (round % 2 == 0) raise(SIGKILL);
            finish(*l);
            raise(SIGKILL);
        }
        auto server = must_accept(*listener_);
        ASSERT_TRUE(server);
        if (round % 4 == 0) join();
        const io_result r = read_end(*server);
        EXPECT_TRUE(r.state == io_state::failed || r.state == io_state::closed);
        if (child_ > 0) join();
    }
}

}  // namespace
}  // namespace tenon::inline v0::transport::shm
