#include "loop/crew.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/futex.hpp"
#include "loop/monitor.hpp"

namespace tenon::inline v0::loop {
namespace {

using namespace std::chrono_literals;

class test_work final : public work {
public:
    explicit test_work(std::function<turn(event_loop&)> f) : f_(std::move(f)) {}
    turn run(event_loop& l) override { return f_(l); }

private:
    std::function<turn(event_loop&)> f_;
};

/// Set once, waited for by any thread.
class signal {
public:
    void set() {
        word_.store(1);
        base::futex_wake_all(word_);
    }
    void wait() {
        while (word_.load() == 0) base::futex_wait(word_, 0);
    }
    bool is_set() const { return word_.load() != 0; }

private:
    base::futex_word word_{0};
};

TEST(Crew, RunsAndStopsLoops) {
    event_loop a;
    event_loop b;
    crew threads;
    ASSERT_TRUE(threads.start(a));
    ASSERT_TRUE(threads.start(b));
    signal done_a;
    signal done_b;
    test_work wa([&](event_loop& l) {
        EXPECT_TRUE(threads.in_crew());
        EXPECT_TRUE(l.in_loop_thread());
        return done_a.set(), turn::done;
    });
    test_work wb([&](event_loop&) { return done_b.set(), turn::done; });
    a.post(wa);
    b.post(wb);
    done_a.wait();
    done_b.wait();
    EXPECT_FALSE(threads.in_crew());
    EXPECT_EQ(threads.threads(), 2u);
    EXPECT_TRUE(threads.stop());
    EXPECT_EQ(threads.threads(), 0u);
}

TEST(Crew, CannotBeStoppedFromWithin) {
    event_loop loop;
    crew threads;
    signal done;
    test_work w([&](event_loop&) {
        const result<void> r = threads.stop();
        EXPECT_FALSE(r);
        EXPECT_EQ(r.error().code(), errc::conflict);
        return done.set(), turn::done;
    });
    ASSERT_TRUE(threads.start(loop));
    loop.post(w);
    done.wait();
    test_work still_runs([&](event_loop& l) { return l.stop(), turn::done; });
    loop.post(still_runs);
    EXPECT_TRUE(threads.stop());
}

// A handler blocks on something that only its own loop can bring.
TEST(Crew, BlockingHandlerGivesItsLoopAway) {
    event_loop loop;
    crew threads;
    signal reply;
    signal returned;
    test_work answer([&](event_loop&) { return reply.set(), turn::done; });
    test_work handler([&](event_loop& l) {
        const ticket t = l.enter();
        l.post(answer);
        event_loop::before_blocking();
        event_loop::before_blocking();  // given away already
        EXPECT_FALSE(l.in_loop_thread());
        EXPECT_TRUE(event_loop::in_user_code());
        EXPECT_FALSE(claim(l));
        reply.wait();
        const bool owns = l.leave(t);
        EXPECT_FALSE(owns);
        EXPECT_EQ(event_loop::current(), nullptr);
        EXPECT_FALSE(event_loop::in_user_code());
        returned.set();
        return turn::lost;
    });
    ASSERT_TRUE(threads.start(loop));
    loop.post(handler);
    returned.wait();
    EXPECT_EQ(loop.stats().takeovers, 1u);
    EXPECT_TRUE(threads.stop());
}

// Each handler waits for the next one: as many threads as handlers are needed at once.
TEST(Crew, BlockedHandlersMayPileUp) {
    constexpr int depth = 20;
    event_loop loop;
    crew threads;
    std::vector<std::unique_ptr<signal>> signals;
    std::vector<std::unique_ptr<test_work>> handlers;
    std::atomic<int> returned{0};
    for (int i = 0; i <= depth; ++i) signals.push_back(std::make_unique<signal>());
    for (int i = 0; i < depth; ++i)
        handlers.push_back(std::make_unique<test_work>([&, i](event_loop& l) {
            const ticket t = l.enter();
            if (i + 1 < depth) l.post(*handlers[i + 1]);
            event_loop::before_blocking();
            if (i + 1 < depth) signals[i + 1]->wait();
            ++returned;
            signals[i]->set();
            return l.leave(t) ? turn::done : turn::lost;
        }));
    ASSERT_TRUE(threads.start(loop));
    loop.post(*handlers[0]);
    signals[0]->wait();
    EXPECT_EQ(returned, depth);
    EXPECT_EQ(loop.stats().takeovers, static_cast<std::uint64_t>(depth));
    EXPECT_TRUE(threads.stop());
}

TEST(Crew, NoTakeOverBeyondTheBound) {
    crew_options options;
    options.max_threads = 1;
    event_loop loop;
    crew threads(options);
    signal done;
    test_work handler([&](event_loop& l) {
        const ticket t = l.enter();
        event_loop::before_blocking();
        EXPECT_TRUE(l.in_loop_thread());
        EXPECT_TRUE(l.leave(t));
        return done.set(), turn::done;
    });
    ASSERT_TRUE(threads.start(loop));
    event_loop second;
    EXPECT_FALSE(threads.start(second));
    loop.post(handler);
    done.wait();
    EXPECT_TRUE(threads.stop());
}

TEST(Crew, SurplusStandbyThreadsEnd) {
    crew_options options;
    options.kept_idle = 1;
    options.idle_time = 5ms;
    constexpr int depth = 6;
    event_loop loop;
    crew threads(options);
    signal all_blocked;
    std::atomic<int> blocked{0};
    std::vector<std::unique_ptr<test_work>> handlers;
    for (int i = 0; i < depth; ++i)
        handlers.push_back(std::make_unique<test_work>([&](event_loop& l) {
            const ticket t = l.enter();
            event_loop::before_blocking();
            if (++blocked == depth) all_blocked.set();
            all_blocked.wait();
            return l.leave(t) ? turn::done : turn::lost;
        }));
    ASSERT_TRUE(threads.start(loop));
    for (const auto& h : handlers) loop.post(*h);
    all_blocked.wait();
    while (threads.threads() > 2) std::this_thread::sleep_for(1ms);  // the loop's and one more
    EXPECT_TRUE(threads.stop());
}

/// Parses "messages" of one byte out of a buffer, each with a handler, as a connection does.
class fake_connection final : public pollable {
public:
    explicit fake_connection(int fd) : fd_(fd) {}
    turn on_ready(event_loop& l, ready_flags flags) override {
        if (flags & ready::resumed) ++resumed;
        std::uint64_t n = 0;
        if (::read(fd_, &n, sizeof n) > 0) left += static_cast<int>(n);
        while (left > 0) {
            --left;
            const ticket t = l.enter(this);
            handler(l);
            if (!l.leave(t)) return turn::lost;
            ++finished;  // only the owner gets here
        }
        return turn::done;
    }
    void on_taken_over(event_loop&) override { ++taken_over; }

    std::function<void(event_loop&)> handler;
    int left = 0;
    int finished = 0;
    int resumed = 0;
    int taken_over = 0;

private:
    int fd_;
};

TEST(Crew, NewOwnerGoesOnWithTheInterruptedObject) {
    base::unique_fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    event_loop loop;
    crew threads;
    fake_connection c(fd.get());
    signal third_ran;
    signal first_back;
    std::atomic<int> calls{0};
    c.handler = [&](event_loop&) {
        switch (++calls) {
            case 1:
                event_loop::before_blocking();
                third_ran.wait();
                first_back.set();
                break;
            case 3: third_ran.set(); break;
            default: break;
        }
    };
    ASSERT_TRUE(loop.watch(c, fd.get()));
    const std::uint64_t three = 3;
    ASSERT_EQ(::write(fd.get(), &three, sizeof three), 8);
    ASSERT_TRUE(threads.start(loop));
    first_back.wait();
    EXPECT_TRUE(threads.stop());
    EXPECT_EQ(calls, 3);
    EXPECT_EQ(c.finished, 2);
    EXPECT_EQ(c.taken_over, 1);
    EXPECT_EQ(c.resumed, 1);
    loop.remove(c);
}

TEST(Crew, TakenOverObjectMayRemoveItself) {
    class closing final : public pollable {
    public:
        turn on_ready(event_loop& l, ready_flags) override {
            const ticket t = l.enter();
            event_loop::before_blocking();
            hook_ran.wait();
            return l.leave(t) ? turn::done : turn::lost;
        }
        void on_taken_over(event_loop& l) override {
            l.remove(*this);
            hook_ran.set();
        }
        signal hook_ran;
    };
    event_loop loop;
    crew threads;
    closing c;
    loop.make_ready(c);
    ASSERT_TRUE(threads.start(loop));
    c.hook_ran.wait();
    EXPECT_TRUE(threads.stop());
}

TEST(Monitor, TakesOverStuckLoopAndNamesTheCulprit) {
    event_loop loop;
    crew threads;
    const int method = 0;
    std::atomic<const void*> named{nullptr};
    monitor_options options;
    options.on_slow = [&](event_loop& l, const void* what) {
        EXPECT_EQ(&l, &loop);
        named = what;
    };
    monitor watcher(options);
    ASSERT_TRUE(watcher.watch(loop));
    signal freed;
    signal returned;
    test_work stuck([&](event_loop& l) {
        const ticket t = l.enter(&method);
        freed.wait();  // without a word to anybody
        EXPECT_FALSE(l.leave(t));
        returned.set();
        return turn::lost;
    });
    test_work rescue([&](event_loop&) { return freed.set(), turn::done; });
    ASSERT_TRUE(threads.start(loop));
    loop.post(stuck);
    loop.post(rescue);
    returned.wait();
    EXPECT_EQ(named, &method);
    EXPECT_EQ(loop.stats().takeovers, 1u);
    EXPECT_TRUE(threads.stop());
    EXPECT_TRUE(watcher.stop());
}

// A loop that spins, or gets no CPU, comes to user code long after its turn has begun.
TEST(Monitor, DoesNotRestWhileALoopIsAwake) {
    event_loop loop;
    crew threads;
    monitor_options options;
    options.rest_after = 1ms;
    monitor watcher(options);
    ASSERT_TRUE(watcher.watch(loop));
    signal freed;
    signal returned;
    test_work late([&](event_loop& l) {
        std::this_thread::sleep_for(50ms);
        const ticket t = l.enter();
        freed.wait();  // without a word to anybody
        EXPECT_FALSE(l.leave(t));
        returned.set();
        return turn::lost;
    });
    test_work rescue([&](event_loop&) { return freed.set(), turn::done; });
    ASSERT_TRUE(threads.start(loop));
    loop.post(late);
    loop.post(rescue);
    returned.wait();
    EXPECT_TRUE(threads.stop());
    EXPECT_TRUE(watcher.stop());
}

TEST(Monitor, LeavesQuickUserCodeAlone) {
    event_loop loop;
    crew threads;
    monitor_options options;
    options.take_over_after = options.report_after = 10s;
    options.on_slow = [](event_loop&, const void*) { ADD_FAILURE(); };
    monitor watcher(options);
    ASSERT_TRUE(watcher.watch(loop));
    signal done;
    int left = 20'000;
    test_work busy([&](event_loop& l) {
        const ticket t = l.enter();
        if (!l.leave(t)) return turn::lost;
        if (--left == 0) done.set();
        return left > 0 ? turn::again : turn::done;
    });
    ASSERT_TRUE(threads.start(loop));
    loop.post(busy);
    done.wait();
    EXPECT_TRUE(threads.stop());
    EXPECT_EQ(loop.stats().takeovers, 0u);
}

// A handler that runs for a moment only, and has to wait for its CPU in the middle of it.
TEST(Monitor, WaitingForACpuIsNotSlow) {
    event_loop loop;
    crew threads;
    std::atomic<int> blamed{0};
    monitor_options options;
    options.on_slow = [&](event_loop&, const void*) { ++blamed; };
    monitor watcher(options);
    ASSERT_TRUE(watcher.watch(loop));
    cpu_set_t all, one;
    ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (int i = 0; CPU_COUNT(&one) == 0; ++i)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);  // and the threads that come from here
    std::atomic<bool> over{false};
    std::vector<std::thread> others;
    for (int i = 0; i < 4; ++i)
        others.emplace_back([&] {
            while (!over.load(std::memory_order_relaxed)) {}
        });
    const auto cpu_time = [] {
        timespec t{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
    };
    signal done;
    int left = 300;
    test_work brief([&](event_loop& l) {
        const ticket t = l.enter();
        for (const auto end = cpu_time() + 200us; cpu_time() < end;) {}
        const bool mine = l.leave(t);
        if (!mine || --left == 0) done.set();
        if (!mine) return turn::lost;
        return left > 0 ? turn::again : turn::done;
    });
    ASSERT_TRUE(threads.start(loop));
    ASSERT_EQ(::sched_setaffinity(0, sizeof all, &all), 0);
    loop.post(brief);
    done.wait();
    over = true;
    for (std::thread& t : others) t.join();
    EXPECT_TRUE(threads.stop());
    EXPECT_EQ(blamed, 0);
    EXPECT_EQ(loop.stats().takeovers, 0u);
}

// Handlers that block now and then, with and without notice, claim the loop back and post, while an
// impatient monitor takes loops away at random: every message is handled exactly once, and what
// belongs to the loop is only ever touched by its owner (which TSan checks).
TEST(Monitor, StormOfTakeOvers) {
    constexpr int messages = 1'500;
    base::unique_fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    event_loop loop;
    crew threads;
    monitor_options options;
    options.tick = 100us;
    options.take_over_after = 0us;
    monitor impatient(options);
    ASSERT_TRUE(impatient.watch(loop));
    fake_connection c(fd.get());
    std::atomic<int> calls{0};
    std::atomic<int> replies{0};
    int flushed = 0;  // of the loop
    test_work flush([&](event_loop&) { return ++flushed, turn::done; });
    test_work reply([&](event_loop& l) { return ++replies, l.defer(flush), turn::done; });
    c.handler = [&](event_loop& l) {
        const int n = ++calls;
        if (n % 7 == 0) event_loop::before_blocking();
        if (n % 5 == 0) std::this_thread::sleep_for(200us);
        if (const claim own(l); own) l.defer(flush);
        else l.post(reply);
        if (n % 11 == 0) std::this_thread::yield();
    };
    ASSERT_TRUE(loop.watch(c, fd.get()));
    ASSERT_TRUE(threads.start(loop));
    for (int sent = 0; sent < messages; sent += 10) {
        const std::uint64_t ten = 10;
        ASSERT_EQ(::write(fd.get(), &ten, sizeof ten), 8);
        if (sent % 100 == 0) std::this_thread::sleep_for(100us);
    }
    while (calls < messages) std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(threads.stop());
    EXPECT_TRUE(impatient.stop());
    EXPECT_EQ(calls, messages);
    EXPECT_GE(loop.stats().takeovers, static_cast<std::uint64_t>(messages / 7));
    EXPECT_EQ(c.finished + static_cast<int>(loop.stats().takeovers), messages);
    EXPECT_EQ(c.taken_over, static_cast<int>(loop.stats().takeovers));
    EXPECT_GT(flushed, 0);
    loop.remove(c);
}

/// Of the library's threads.
long voluntary_switches() {
    long sum = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string name;
        std::getline(std::ifstream(task.path() / "comm") >> std::ws, name);
        if (!name.starts_with("tenon-")) continue;
        std::ifstream status(task.path() / "status");
        const std::string key = "voluntary_ctxt_switches:";
        for (std::string line; std::getline(status, line);)
            if (line.starts_with(key)) sum += std::stol(line.substr(key.size()));
    }
    return sum;
}

TEST(Monitor, IdleThreadsDoNotWakeUp) {
    spin_policy spin;
    loop_options loop_settings;
    loop_settings.spin = &spin;
    event_loop loop(loop_settings);
    crew threads;
    monitor_options options;
    options.rest_after = 5ms;
    monitor watcher(options);
    ASSERT_TRUE(watcher.watch(loop));
    ASSERT_TRUE(threads.start(loop));
    for (int round = 0; round < 2; ++round) {  // it must come to rest again after work
        signal done;
        test_work w([&](event_loop&) { return done.set(), turn::done; });
        loop.post(w);
        done.wait();
        for (std::uint64_t seen = ~0ull; seen != watcher.ticks();) {
            seen = watcher.ticks();
            std::this_thread::sleep_for(50ms);
        }
        const long before = voluntary_switches();
        const loop_stats stats = loop.stats();
        std::this_thread::sleep_for(200ms);
        EXPECT_EQ(voluntary_switches(), before);
        EXPECT_EQ(loop.stats().turns, stats.turns);
    }
    EXPECT_TRUE(threads.stop());
}

}  // namespace
}  // namespace tenon::inline v0::loop
