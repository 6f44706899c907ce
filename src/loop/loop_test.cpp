#include "loop/loop.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"

namespace tenon::inline v0::loop {
namespace {

using namespace std::chrono_literals;

class socket_pair {
public:
    socket_pair() {
        int fds[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        ours = base::unique_fd(fds[0]);
        theirs = base::unique_fd(fds[1]);
    }
    void say(std::string_view text) {
        EXPECT_EQ(::write(theirs.get(), text.data(), text.size()),
                  static_cast<ssize_t>(text.size()));
    }
    std::string hear() {
        char text[256];
        const ssize_t n = ::read(ours.get(), text, sizeof text);
        return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : std::string();
    }
    base::unique_fd ours;
    base::unique_fd theirs;
};

class test_pollable final : public pollable {
public:
    using function = std::function<turn(event_loop&, ready_flags)>;
    explicit test_pollable(function f, bool probe = false) : pollable(probe), f_(std::move(f)) {}
    turn on_ready(event_loop& l, ready_flags flags) override { return f_(l, flags); }

private:
    function f_;
};

class test_work final : public work {
public:
    explicit test_work(std::function<turn(event_loop&)> f) : f_(std::move(f)) {}
    turn run(event_loop& l) override { return f_(l); }

private:
    std::function<turn(event_loop&)> f_;
};

class test_timer final : public timer {
public:
    explicit test_timer(std::function<turn(event_loop&)> f) : f_(std::move(f)) {}
    turn on_timer(event_loop& l) override { return f_(l); }

private:
    std::function<turn(event_loop&)> f_;
};

TEST(Loop, TellsWhatIsReady) {
    event_loop loop;
    socket_pair s;
    std::vector<std::string> heard;
    ready_flags seen = 0;
    test_pollable p([&](event_loop&, ready_flags f) {
        seen |= f;
        heard.push_back(s.hear());
        return turn::done;
    });
    s.say("first");
    ASSERT_TRUE(loop.watch(p, s.ours.get()));
    loop.run_ready();
    loop.run_ready();
    EXPECT_EQ(heard, std::vector<std::string>{"first"});
    EXPECT_EQ(seen, ready::read);
    s.theirs.reset();
    loop.run_ready();
    EXPECT_EQ(seen, ready::read | ready::write | ready::hang_up | ready::end);
    loop.remove(p);
    loop.remove(p);
    EXPECT_FALSE(loop.watch(p, -1));
}

TEST(Loop, RoomToWriteIsReportedOnceWhenAskedFor) {
    event_loop loop;
    socket_pair s;
    int writable = 0;
    test_pollable p([&](event_loop&, ready_flags f) {
        if (f & ready::write) ++writable;
        return turn::done;
    });
    ASSERT_TRUE(loop.watch(p, s.ours.get()));
    const std::string block(4096, 'x');
    const auto fill = [&] {
        while (::write(s.ours.get(), block.data(), block.size()) > 0) {}
    };
    const auto drain = [&] {
        char text[65536];
        while (::read(s.theirs.get(), text, sizeof text) > 0) {}
    };
    fill();
    ASSERT_TRUE(loop.want_write(p));
    loop.run_ready();
    EXPECT_EQ(writable, 0);
    drain();
    loop.run_ready();
    EXPECT_EQ(writable, 1);
    fill();
    drain();
    loop.run_ready();
    EXPECT_EQ(writable, 1);
    loop.remove(p);
}

TEST(Loop, RemovalInsideOnReadyIsFinal) {
    // Both are ready in the same round; whichever comes first destroys the other and itself.
    event_loop loop;
    socket_pair s1;
    socket_pair s2;
    std::unique_ptr<test_pollable> p1;
    std::unique_ptr<test_pollable> p2;
    int calls = 0;
    const auto destroy_both = [&](event_loop& l, ready_flags) {
        ++calls;
        l.make_ready(*p1);
        l.make_ready(*p2);
        l.remove(*p1);
        l.remove(*p2);
        event_loop* const again = &l;  // the captures die with the objects
        auto dead1 = std::move(p1);
        auto dead2 = std::move(p2);
        (void)again;
        return turn::done;
    };
    p1 = std::make_unique<test_pollable>(destroy_both);
    p2 = std::make_unique<test_pollable>(destroy_both);
    ASSERT_TRUE(loop.watch(*p1, s1.ours.get()));
    ASSERT_TRUE(loop.watch(*p2, s2.ours.get()));
    s1.say("x");
    s2.say("x");
    loop.run_ready();
    loop.run_ready();
    EXPECT_EQ(calls, 1);
}

TEST(Loop, MoreWorkGoesBehindTheOthers) {
    event_loop loop;
    std::string order;
    int left = 3;
    test_pollable a([&](event_loop&, ready_flags) {
        order += 'a';
        return --left > 0 ? turn::again : turn::done;
    });
    test_pollable b([&](event_loop&, ready_flags f) {
        EXPECT_EQ(f, ready::resumed);
        order += 'b';
        return turn::done;
    });
    test_work flush([&](event_loop&) { return order += 'f', turn::done; });
    loop.make_ready(a);
    loop.make_ready(b);
    loop.defer(flush);
    loop.defer(flush);
    loop.run_ready();
    EXPECT_EQ(order, "abfaa");
    loop.remove(a);
    loop.remove(b);
}

TEST(Loop, TimersFollowTheVirtualClock) {
    base::virtual_clock clock;
    loop_options options;
    options.time = &clock;
    event_loop loop(options);
    EXPECT_EQ(loop.next_deadline(), base::never);
    std::vector<int> fired;
    test_timer late([&](event_loop&) { return fired.push_back(2), turn::done; });
    test_timer soon([&](event_loop& l) {
        fired.push_back(1);
        if (fired.size() < 3) l.arm(soon, l.now() + 1s);
        return turn::done;
    });
    test_timer disarmed([&](event_loop&) { return fired.push_back(9), turn::done; });
    loop.arm(late, clock.now() + 1h);
    loop.arm(soon, clock.now() + 1s);
    loop.arm(disarmed, clock.now() + 1s);
    loop.disarm(disarmed);
    EXPECT_EQ(loop.next_deadline(), clock.now() + 1s);
    loop.run_ready();
    EXPECT_TRUE(fired.empty());
    for (int i = 0; i < 5; ++i) {
        clock.advance(1s);
        loop.run_ready();
    }
    EXPECT_EQ(fired, (std::vector{1, 1, 1}));
    clock.advance(1h);
    loop.run_ready();
    EXPECT_EQ(fired, (std::vector{1, 1, 1, 2}));
}

TEST(Loop, EmbedsInPoll) {
    event_loop loop;
    int ran = 0;
    test_work w([&](event_loop& l) {
        EXPECT_TRUE(l.in_loop_thread());
        return ++ran, turn::done;
    });
    loop.run_ready();
    pollfd p{loop.fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&p, 1, 0), 0);
    std::thread([&] { loop.post(w); }).join();
    ASSERT_EQ(::poll(&p, 1, 5'000), 1);
    loop.run_ready();
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(::poll(&p, 1, 0), 0);
    EXPECT_FALSE(loop.in_loop_thread());
}

TEST(Loop, EmbeddedLoopThatIsNotDoneStaysReadable) {
    event_loop loop;
    test_work forever([&](event_loop&) { return turn::again; });
    loop.defer(forever);
    loop.run_ready();
    pollfd p{loop.fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&p, 1, 0), 1);
}

TEST(Loop, EveryPostRunsAndSeesWhatWasWrittenBefore) {
    event_loop loop;
    std::thread runner([&] { EXPECT_EQ(loop.run(), event_loop::end::stopped); });
    constexpr int threads = 4;
    constexpr int posts = 5'000;
    struct slot {
        std::atomic<int> written{0};
        int plain = 0;  // guarded by the post
        int seen = 0;
        std::unique_ptr<test_work> w;
    };
    std::vector<slot> slots(threads);
    for (slot& s : slots)
        s.w = std::make_unique<test_work>([&s](event_loop&) {
            s.seen = s.written.load(std::memory_order_relaxed);
            return turn::done;
        });
    std::vector<std::thread> posters;
    for (slot& s : slots)
        posters.emplace_back([&] {
            for (int i = 1; i <= posts; ++i) {
                s.written.store(i, std::memory_order_relaxed);
                loop.post(*s.w);
                if (i % 64 == 0) std::this_thread::yield();
            }
        });
    for (std::thread& t : posters) t.join();
    std::atomic<bool> last{false};
    test_work stop([&](event_loop& l) { return last = true, l.stop(), turn::done; });
    loop.post(stop);
    runner.join();
    EXPECT_TRUE(last);
    for (slot& s : slots) EXPECT_EQ(s.seen, posts);
}

TEST(Loop, OneQueuePerPosterKeepsItsOrder) {
    event_loop loop;
    std::vector<int> order;
    std::vector<std::unique_ptr<test_work>> works;
    for (int i = 0; i < 100; ++i)
        works.push_back(std::make_unique<test_work>(
            [&order, i](event_loop&) { return order.push_back(i), turn::done; }));
    for (const auto& w : works) loop.post(*w);
    loop.post(*works[3]);  // queued already
    loop.defer(*works[5]);
    loop.run_ready();
    ASSERT_EQ(order.size(), 100u);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(Loop, IdleLoopDoesNotTurn) {
    spin_policy spin;
    loop_options options;
    options.spin = &spin;
    event_loop loop(options);
    test_timer far([](event_loop&) { return turn::done; });
    loop.arm(far, loop.now() + 30s);
    std::thread runner([&] { loop.run(); });
    test_work nothing([](event_loop&) { return turn::done; });
    loop.post(nothing);
    while (loop.stats().turns == 0) std::this_thread::yield();
    std::this_thread::sleep_for(20ms);
    const loop_stats before = loop.stats();
    std::this_thread::sleep_for(200ms);
    EXPECT_EQ(loop.stats().turns, before.turns);
    EXPECT_EQ(loop.stats().sleeps, before.sleeps);
    loop.stop();
    runner.join();
    far.unlink();
}

TEST(Loop, SpinningServesProbedSocket) {
    spin_policy spin;
    loop_options options;
    options.spin = &spin;
    event_loop loop(options);
    socket_pair s;
    test_pollable echo(
        [&](event_loop&, ready_flags) {
            const std::string text = s.hear();
            if (text.empty()) return turn::nothing;
            EXPECT_EQ(::write(s.ours.get(), text.data(), text.size()),
                      static_cast<ssize_t>(text.size()));
            return turn::done;
        },
        true);
    ASSERT_TRUE(loop.watch(echo, s.ours.get()));
    std::thread runner([&] { loop.run(); });
    int late = 0;
    test_work other([&](event_loop&) { return ++late, turn::done; });
    for (int i = 0; i < 500; ++i) {
        s.say("ping");
        pollfd p{s.theirs.get(), POLLIN, 0};
        ASSERT_EQ(::poll(&p, 1, 10'000), 1);
        char text[8];
        ASSERT_EQ(::read(s.theirs.get(), text, sizeof text), 4);
        if (i % 100 == 0) loop.post(other);
    }
    loop.stop();
    runner.join();
    EXPECT_GT(late, 0);
    loop.remove(echo);
}

// Work that posts itself again keeps the inbox full, and a probed socket keeps the loop from asking
// epoll; the others must be heard all the same.
TEST(Loop, PostsAndProbesDoNotStarveOtherSockets) {
    spin_policy spin;
    loop_options options;
    options.spin = &spin;
    event_loop loop(options);
    socket_pair hot, other;
    int hot_heard = 0, rounds = 0;
    test_pollable probed(
        [&](event_loop&, ready_flags) {
            if (hot.hear().empty()) return turn::nothing;
            return ++hot_heard, turn::done;
        },
        true);
    test_pollable waiting([&](event_loop& l, ready_flags) {
        if (other.hear() == "now") l.stop();
        return turn::done;
    });
    ASSERT_TRUE(loop.watch(probed, hot.ours.get()));
    ASSERT_TRUE(loop.watch(waiting, other.ours.get()));
    test_work again([&](event_loop& l) {
        if (++rounds == 100) hot.say("x");
        if (rounds == 1'000) other.say("now");
        if (rounds == 100'000) l.stop();
        l.post(again);
        return turn::done;
    });
    loop.post(again);
    loop.run();
    EXPECT_EQ(hot_heard, 1);
    EXPECT_GE(rounds, 1'000);
    EXPECT_LT(rounds, 2'000);
    loop.remove(probed);
    loop.remove(waiting);
}

/// Input that comes through memory: a number that another thread counts up, and a bell that it
/// rings if the reader sleeps.
class counted_input final : public pollable {
public:
    counted_input() : bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

    void add() {
        produced.fetch_add(1);
        if (!asleep.exchange(false)) return;
        ++rings;
        const std::uint64_t one = 1;
        EXPECT_EQ(::write(bell.get(), &one, sizeof one), 8);
    }
    turn on_ready(event_loop& l, ready_flags) override {
        asleep = false;
        const unsigned before = consumed;
        consumed = produced.load();
        l.keep_looking(*this);
        if (stop_at != 0 && consumed >= stop_at) l.stop();
        return consumed == before ? turn::nothing : turn::done;
    }
    bool has_news() noexcept override { return produced.load() != consumed; }
    bool prepare_to_sleep() noexcept override {
        ++sleeps;
        asleep = true;
        return produced.load() == consumed;
    }

    const base::unique_fd bell;
    std::atomic<unsigned> produced{0};
    std::atomic<bool> asleep{false};
    unsigned consumed = 0;
    unsigned stop_at = 0;
    unsigned sleeps = 0;
    std::atomic<unsigned> rings{0};
};

TEST(Loop, LooksAtMemoryUntilItSleeps) {
    event_loop loop;
    counted_input in;
    ASSERT_TRUE(loop.watch_bell(in, in.bell.get()));
    ASSERT_TRUE(loop.watch_bell(in, in.bell.get()));
    loop.make_ready(in);
    loop.run_ready();
    EXPECT_EQ(in.sleeps, 1U);
    in.add();
    loop.run_ready();
    EXPECT_EQ(in.consumed, 1U);
    // From another thread, at any moment.
    in.stop_at = 20'001;
    std::thread producer([&] {
        for (int i = 0; i < 20'000; ++i) {
            in.add();
            if (i % 64 == 0) std::this_thread::sleep_for(20us);
        }
    });
    loop.run();
    producer.join();
    EXPECT_EQ(in.consumed, 20'001U);
    EXPECT_LE(in.rings, in.sleeps);
    loop.remove(in);
}

TEST(Loop, LooksAtMemoryWhileItIsBusyWithOtherThings) {
    event_loop loop;
    counted_input in;
    int rounds = 0;
    test_work again([&](event_loop& l) {
        if (++rounds == 10) in.add();
        if (rounds < 1'000'000) l.post(again);
        else l.stop();
        return turn::done;
    });
    in.stop_at = 1;
    loop.make_ready(in);
    loop.post(again);
    loop.run();
    EXPECT_EQ(in.consumed, 1U);
    EXPECT_LT(rounds, 1'000);
    EXPECT_EQ(in.rings, 0U);
    loop.remove(in);
}

TEST(Loop, LooksAtAFewOnly) {
    event_loop loop;
    std::vector<std::unique_ptr<counted_input>> all;
    for (int i = 0; i < 100; ++i) {
        all.push_back(std::make_unique<counted_input>());
        ASSERT_TRUE(loop.watch_bell(*all.back(), all.back()->bell.get()));
        loop.make_ready(*all.back());
    }
    unsigned told = 0;  // that nobody looks at them any more, in the round they were ready in
    test_work count([&](event_loop&) {
        for (const auto& in : all) told += in->asleep;
        return turn::done;
    });
    test_work behind([&](event_loop& l) { return l.defer(count), turn::done; });
    loop.post(behind);
    loop.run_ready();
    EXPECT_EQ(told, 68U);
    for (const auto& in : all) in->add();
    for (int i = 0; i < 3; ++i) loop.run_ready();  // takes so many events at a time
    for (const auto& in : all) EXPECT_EQ(in->consumed, 1U);
    for (const auto& in : all) loop.remove(*in);
}

TEST(Loop, ClaimGivesTheLoopBackForAMoment) {
    event_loop loop;
    bool checked = false;
    test_work w([&](event_loop& l) {
        {
            const claim owner(l);
            EXPECT_TRUE(owner);
        }
        const ticket t = l.enter();
        EXPECT_TRUE(event_loop::in_user_code());
        EXPECT_TRUE(l.in_loop_thread());
        {
            const claim own(l);
            EXPECT_TRUE(own);
            EXPECT_FALSE(event_loop::in_user_code());
            const claim nested(l);
            EXPECT_TRUE(nested);
        }
        EXPECT_TRUE(event_loop::in_user_code());
        event_loop::before_blocking();  // no crew: nothing
        event_loop other;
        EXPECT_FALSE(claim(other));
        test_work inner([&](event_loop& o) {
            EXPECT_TRUE(o.in_loop_thread());
            EXPECT_FALSE(l.in_loop_thread());
            EXPECT_FALSE(event_loop::in_user_code());
            return checked = true, turn::done;
        });
        other.post(inner);
        other.run_ready();  // another loop, driven from inside user code
        EXPECT_TRUE(event_loop::in_user_code());
        EXPECT_TRUE(l.leave(t));
        EXPECT_FALSE(event_loop::in_user_code());
        return turn::done;
    });
    loop.post(w);
    loop.run_ready();
    EXPECT_TRUE(checked);
    EXPECT_FALSE(claim(loop));
}

}  // namespace
}  // namespace tenon::inline v0::loop
