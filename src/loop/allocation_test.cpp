// Counts operator new: after warm-up the loop, its tickets, timers and tasks must not allocate.

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "loop/crew.hpp"
#include "loop/monitor.hpp"
#include "loop/worker_pool.hpp"
#include "tenon/task.hpp"

namespace {

std::atomic<long> allocations{0};

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* p = std::malloc(size)) return p;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace tenon::inline v0::loop {
namespace {

task<int> leaf(int n) { co_return n; }
task<int> branch(int n) { co_return co_await leaf(n) + co_await leaf(1); }

/// One event: a bracket, a timer moved, a deferred flush, a small tree of tasks.
class busy final : public pollable {
public:
    explicit busy(int fd) : fd_(fd) {}
    turn on_ready(event_loop& l, ready_flags) override {
        std::uint64_t n = 0;
        if (::read(fd_, &n, sizeof n) < 0) return turn::nothing;
        const ticket t = l.enter();
        spawn(branch(1), scope_, [this](task<int>& done) { total_ += done.take(); });
        if (!l.leave(t)) return turn::lost;
        l.arm(keep_alive_, l.now() + std::chrono::seconds(20));
        l.defer(flush_);
        return turn::done;
    }
    turn flush(event_loop&) { return ++flushed, turn::done; }
    turn expire(event_loop&) { return turn::done; }
    int flushed = 0;

private:
    const int fd_;
    const call_scope scope_;
    int total_ = 0;
    member_work<&busy::flush> flush_{*this};
    member_timer<&busy::expire> keep_alive_{*this};
};

TEST(Allocations, NoneInALoopAfterWarmUp) {
    base::unique_fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    event_loop loop;
    busy b(fd.get());
    ASSERT_TRUE(loop.watch(b, fd.get()));
    const std::uint64_t one = 1;
    const auto events = [&](int count) {
        for (int i = 0; i < count; ++i) {
            ASSERT_EQ(::write(fd.get(), &one, sizeof one), 8);
            loop.run_ready();
        }
    };
    events(10);
    const long before = allocations;
    events(1'000);
    EXPECT_EQ(allocations, before);
    EXPECT_EQ(b.flushed, 1'010);
    loop.remove(b);
}

TEST(Allocations, NoneInTakeOverAndPoolAfterWarmUp) {
    class blocker final : public work {
    public:
        turn run(event_loop& l) override {
            const ticket t = l.enter();
            event_loop::before_blocking();
            const bool owns = l.leave(t);
            done.store(1);
            return owns ? turn::done : turn::lost;
        }
        std::atomic<int> done{0};
    };
    class quick final : public job {
    public:
        void run() noexcept override { done.store(1); }
        void drop() noexcept override {}
        std::atomic<int> done{0};
    };
    event_loop loop;
    crew threads;
    worker_pool pool(pool_options::fixed(1));
    ASSERT_TRUE(threads.start(loop));
    const auto rounds = [&](int count) {
        for (int i = 0; i < count; ++i) {
            blocker b;
            quick q;
            loop.post(b);
            while (b.done == 0) std::this_thread::yield();
            ASSERT_TRUE(pool.submit(q));
            while (q.done == 0) std::this_thread::yield();
            while (threads.idle() == 0) std::this_thread::yield();
        }
    };
    rounds(5);
    const long before = allocations;
    rounds(100);
    EXPECT_EQ(allocations, before);
    EXPECT_TRUE(threads.stop());
}

}  // namespace
}  // namespace tenon::inline v0::loop
