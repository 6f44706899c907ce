#include "transport/shm/ring.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"

namespace tenon::inline v0::transport::shm {
namespace {

// Both sides on the same memory, so that ThreadSanitizer sees them meet.
struct two_sides {
    explicit two_sides(std::size_t size) : bytes(size) {}

    header a{};  // sends
    header b{};  // receives
    std::vector<std::byte> bytes;
    base::unique_fd bell_of_a{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    base::unique_fd bell_of_b{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    ring_writer writer{a, bytes, b, bell_of_b.get()};
    ring_reader reader{b, a, bytes, bell_of_a.get()};

    ring_writer::outcome write(std::size_t n, std::byte what = std::byte{7}) {
        const std::vector<std::byte> data(n, what);
        const base::segment s{data.data(), n};
        return writer.write({&s, 1});
    }
    ring_reader::outcome read(std::size_t n) {
        std::vector<std::byte> into(n);
        return reader.read(into);
    }
};

// How often a bell has been rung since the last look.
std::uint64_t rings(const base::unique_fd& bell) {
    std::uint64_t n = 0;
    return ::read(bell.get(), &n, sizeof n) == sizeof n ? n : 0;
}

bool wait_for_bell(const base::unique_fd& bell) {
    pollfd p{bell.get(), POLLIN, 0};
    const bool rang = poll(&p, 1, 20'000) == 1;
    rings(bell);
    return rang;
}

TEST(ring, is_full_and_empty_at_its_size) {
    two_sides s(4096);
    EXPECT_EQ(s.read(1).what, ring_reader::state::empty);
    EXPECT_EQ(s.write(5000).n, 4096U);
    EXPECT_EQ(s.write(1).what, ring_writer::state::full);
    EXPECT_EQ(s.read(10'000).n, 4096U);
    EXPECT_EQ(s.read(1).what, ring_reader::state::empty);
    EXPECT_EQ(s.write(0).what, ring_writer::state::ok);
    EXPECT_EQ(s.write(100).n, 100U);
    EXPECT_EQ(s.read(0).n, 0U);
    EXPECT_EQ(s.read(99).n, 99U);
    EXPECT_EQ(s.read(99).n, 1U);
}

TEST(ring, rings_sleepers_only_and_once) {
    two_sides s(4096);
    s.write(10);
    EXPECT_EQ(rings(s.bell_of_b), 0U);
    EXPECT_FALSE(s.reader.sleep()) << "there is something to read";
    EXPECT_FALSE(s.reader.is_asleep());
    s.read(10);
    EXPECT_FALSE(s.reader.has_bytes());
    EXPECT_TRUE(s.reader.sleep());
    s.write(1);
    s.write(1);
    EXPECT_EQ(rings(s.bell_of_b), 1U);
    EXPECT_TRUE(s.reader.has_bytes());
    EXPECT_EQ(s.read(2).n, 2U);  // awake
    s.write(1);
    EXPECT_EQ(rings(s.bell_of_b), 0U);
    s.read(2);
    EXPECT_TRUE(s.reader.sleep());
    EXPECT_TRUE(s.reader.sleep()) << "one goes on sleeping";
    s.write(1);
    EXPECT_EQ(rings(s.bell_of_b), 1U);
}

TEST(ring, rings_writers_without_room_only_and_once) {
    two_sides s(4096);
    s.write(4000);
    s.read(4000);
    EXPECT_EQ(rings(s.bell_of_a), 0U);
    EXPECT_EQ(s.write(5000).n, 4096U);
    EXPECT_FALSE(s.writer.has_room_again());
    EXPECT_EQ(s.write(1).what, ring_writer::state::full);
    EXPECT_EQ(s.write(1).what, ring_writer::state::full);
    EXPECT_FALSE(s.writer.has_room_again());
    s.read(1024);
    s.read(1024);
    EXPECT_EQ(rings(s.bell_of_a), 1U);
    EXPECT_TRUE(s.writer.has_room_again());
    EXPECT_EQ(s.write(1024).n, 1024U);
    EXPECT_FALSE(s.writer.has_room_again());
    s.read(2048);
    EXPECT_EQ(rings(s.bell_of_a), 0U);
}

TEST(ring, tells_the_end_after_the_last_byte) {
    two_sides s(4096);
    s.write(5);
    s.writer.finish();
    EXPECT_FALSE(s.reader.sleep());
    EXPECT_EQ(s.read(10).n, 5U);
    EXPECT_FALSE(s.reader.sleep());
    EXPECT_EQ(s.read(10).what, ring_reader::state::finished);
    EXPECT_EQ(s.read(10).what, ring_reader::state::finished);
}

TEST(ring, believes_no_impossible_index) {
    for (const std::uint64_t claim : {std::uint64_t{4096 + 11}, std::uint64_t{9}, std::uint64_t{0},
                                      ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
        two_sides s(4096);
        s.write(10);
        ASSERT_EQ(s.read(10).n, 10U);
        s.a.produced = claim;
        EXPECT_EQ(s.read(1).what, ring_reader::state::broken) << claim;
    }
    {
        // Behind what was known to be there already.
        two_sides s(4096);
        s.write(10);
        ASSERT_EQ(s.read(5).n, 5U);
        s.a.produced = 6;
        EXPECT_EQ(s.read(100).what, ring_reader::state::broken);
    }
    for (const std::uint64_t claim : {std::uint64_t{4097}, ~std::uint64_t{0}}) {
        two_sides s(4096);
        ASSERT_EQ(s.write(4096).n, 4096U);
        s.b.consumed = claim;
        EXPECT_EQ(s.write(1).what, ring_writer::state::broken) << claim;
    }
    {
        two_sides s(4096);
        ASSERT_EQ(s.write(4096).n, 4096U);
        ASSERT_EQ(s.read(4096).n, 4096U);
        ASSERT_EQ(s.write(4096).n, 4096U);
        s.b.consumed = 4095;
        EXPECT_EQ(s.write(1).what, ring_writer::state::broken);
    }
}

// Random pieces through a small ring, the ends asleep whenever there is nothing to do. `looks`: the
// sender forgets what the bell has said before, and looks for room itself before it listens.
void run_stream(std::size_t ring_size, std::size_t total, unsigned seed, bool looks = false) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    two_sides s(ring_size);
    std::thread sender([&] {
        std::minstd_rand random(seed);
        std::vector<std::byte> data(3 * ring_size);
        for (std::size_t sent = 0; sent < total;) {
            const std::size_t n = std::min<std::size_t>(total - sent, 1 + random() % data.size());
            for (std::size_t i = 0; i < n; ++i)
                data[i] = static_cast<std::byte>((sent + i) * 31 >> 3);
            const std::size_t cut = random() % (n + 1);
            const base::segment parts[] = {{data.data(), cut}, {data.data() + cut, n - cut}};
            const auto r = s.writer.write(parts);
            ASSERT_NE(r.what, ring_writer::state::broken);
            if (r.what == ring_writer::state::full) {
                if (looks) rings(s.bell_of_a);
                const bool has_room = looks && s.writer.has_room_again();
                ASSERT_TRUE(has_room || wait_for_bell(s.bell_of_a));
            }
            sent += r.n;
            if (random() % 64 == 0) std::this_thread::yield();
        }
        s.writer.finish();
        ring_bell(s.bell_of_b.get());  // a link ends its socket instead
    });
    std::minstd_rand random(seed + 1);
    std::vector<std::byte> into(2 * ring_size);
    std::size_t got = 0;
    std::size_t wrong = 0;
    for (;;) {
        const std::size_t n = 1 + random() % into.size();
        const auto r = s.reader.read({into.data(), n});
        if (r.what == ring_reader::state::finished) break;
        if (r.what == ring_reader::state::empty) {
            if (s.reader.sleep() && !wait_for_bell(s.bell_of_b)) break;
            continue;
        }
        ASSERT_EQ(r.what, ring_reader::state::ok);
        for (std::size_t i = 0; i < r.n; ++i)
            wrong += into[i] != static_cast<std::byte>((got + i) * 31 >> 3);
        got += r.n;
    }
    sender.join();
    EXPECT_EQ(got, total);
    EXPECT_EQ(wrong, 0U);
}

TEST(ring, carries_random_pieces_and_loses_no_bell) {
    for (unsigned seed = 1; seed <= 4; ++seed) run_stream(4096, 4 << 20, seed);
    run_stream(128 << 10, 16 << 20, 5);
}

TEST(ring, rings_for_room_that_comes_after_what_a_writer_has_found_itself) {
    for (unsigned seed = 1; seed <= 4; ++seed) run_stream(4096, 16 << 20, seed, true);
}

// One byte at a time to and fro: each wait is a real one.
TEST(ring, ping_pong_sleeps_and_wakes) {
    two_sides there(4096);
    two_sides back(4096);
    constexpr int rounds = 3000;
    const auto receive = [](two_sides& s) {
        while (s.read(1).n == 0)
            if (s.reader.sleep() && !wait_for_bell(s.bell_of_b)) return false;
        return true;
    };
    std::thread other([&] {
        for (int i = 0; i < rounds; ++i) {
            ASSERT_TRUE(receive(there));
            back.write(1);
        }
    });
    int done = 0;
    for (; done < rounds; ++done) {
        there.write(1);
        if (!receive(back)) break;
    }
    other.join();
    EXPECT_EQ(done, rounds);
}

}  // namespace
}  // namespace tenon::inline v0::transport::shm
