#include "tenon/task.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "loop/crew.hpp"
#include "loop/resume.hpp"
#include "tenon/result.hpp"

namespace tenon::inline v0 {
namespace {

using namespace std::chrono_literals;
using loop::event_loop;

task<int> number(int n) { co_return n; }
task<std::unique_ptr<int>> boxed(int n) { co_return std::make_unique<int>(n); }
task<int> fails() {
    throw std::runtime_error("no");
    co_return 0;
}
task<result<int>> careful(bool ok) {
    if (!ok) co_return error(errc::invalid, "not ok");
    co_return 5;
}
task<int> sum(int n) {
    int total = 0;
    for (int i = 1; i <= n; ++i) total += co_await number(i);
    co_return total;
}

TEST(Task, IsLazyAndGivesItsValue) {
    bool started = false;
    const auto body = [](bool& s) -> task<> {
        s = true;
        co_return;
    };
    task<> t = body(started);
    EXPECT_FALSE(started);
    sync_wait(std::move(t));
    EXPECT_TRUE(started);
    EXPECT_FALSE(t);
    EXPECT_EQ(sync_wait(sum(100)), 5050);
    EXPECT_EQ(*sync_wait(boxed(7)), 7);
}

TEST(Task, NeverAwaitedIsDestroyed) {
    auto witness = std::make_shared<int>(1);
    const auto body = [](std::shared_ptr<int> w) -> task<int> { co_return *w; };
    {
        task<int> t = body(witness);
        task<int> moved = std::move(t);
        EXPECT_EQ(witness.use_count(), 2);
    }
    EXPECT_EQ(witness.use_count(), 1);
}

TEST(Task, CarriesExceptionsAndResults) {
    EXPECT_THROW(sync_wait(fails()), std::runtime_error);
    const auto outer = []() -> task<std::string> {
        try {
            co_await fails();
        } catch (const std::runtime_error& e) {
            co_return e.what();
        }
        co_return "nothing";
    };
    EXPECT_EQ(sync_wait(outer()), "no");
    EXPECT_EQ(*sync_wait(careful(true)), 5);
    EXPECT_EQ(sync_wait(careful(false)).error().code(), errc::invalid);
}

TEST(Task, ScopeIsInherited) {
    const auto inner = []() -> task<void*> {
        const call_scope& s = co_await this_scope();
        co_return s.trace;
    };
    const auto outer = [](auto in) -> task<void*> { co_return co_await in(); };
    int mark = 0;
    call_scope scope;
    scope.trace = &mark;
    void* seen = nullptr;
    int done = 0;
    spawn(outer(inner), scope, [&](task<void*>& t) {
        seen = t.take();
        ++done;
    });
    EXPECT_EQ(seen, &mark);
    EXPECT_EQ(done, 1);
    EXPECT_EQ(sync_wait(outer(inner)), nullptr);
    const loop::scope_guard inside(&scope);  // as around a handler
    EXPECT_EQ(sync_wait(outer(inner)), &mark);
}

TEST(Task, SpawnReportsExceptions) {
    const call_scope scope;
    bool failed = false;
    spawn(fails(), scope, [&](task<int>& t) { failed = t.exception() != nullptr; });
    EXPECT_TRUE(failed);
}

/// Threads that are joined at the end; used by one thread after the other.
class helpers {
public:
    ~helpers() {
        for (std::thread& t : threads_) t.join();
    }
    void run(std::function<void()> f) {
        const std::lock_guard lock(mutex_);
        threads_.emplace_back([this, f = std::move(f)] {
            { const std::lock_guard wait_for_run(mutex_); }
            f();
        });
    }

private:
    std::mutex mutex_;
    std::vector<std::thread> threads_;
};

/// An operation that completes on another thread, as a call's reply does.
class elsewhere {
public:
    explicit elsewhere(helpers& h) : helpers_(h) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h) {
        resumer_.arm(h, detail::scope_of(h));
        helpers_.run([this] { resumer_.fire(); });
    }
    void await_resume() const noexcept {}

private:
    helpers& helpers_;
    loop::resumer resumer_;
};

task<bool> visits(event_loop& home, helpers& others) {
    for (int i = 0; i < 20; ++i) {
        elsewhere operation(others);
        co_await operation;
        if (!home.in_loop_thread() || !event_loop::in_user_code()) co_return false;
    }
    co_return true;
}

TEST(Task, ContinuesOnTheLoopOfItsScope) {
    event_loop home;
    loop::crew crew;
    ASSERT_TRUE(crew.start(home));
    call_scope scope;
    scope.loop = &home;
    helpers others;
    detail::thread_gate gate;
    bool stayed = false;
    spawn(visits(home, others), scope, [&](task<bool>& t) {
        stayed = t.take();
        gate.set();
    });
    gate.wait();
    EXPECT_TRUE(stayed);
    ASSERT_TRUE(crew.stop());
}

TEST(Task, SyncWaitCompletesOnTheOtherThread) {
    helpers others;
    const auto body = [](helpers& h) -> task<std::thread::id> {
        elsewhere operation(h);
        co_await operation;
        co_return std::this_thread::get_id();
    };
    EXPECT_NE(sync_wait(body(others)), std::this_thread::get_id());
}

class SleepFor : public testing::Test {
protected:
    SleepFor() {
        loop::loop_options options;
        options.time = &clock;
        home = std::make_unique<event_loop>(options);
        scope.loop = home.get();
        scope.cancel = &cancel;
    }
    void start(std::chrono::nanoseconds d) {
        spawn(sleep_for(d), scope, [this](task<bool>& t) {
            slept = t.take();
            done = true;
        });
        home->run_ready();
    }

    base::virtual_clock clock;
    std::unique_ptr<event_loop> home;
    cancellation cancel;
    call_scope scope;
    bool done = false;
    bool slept = false;
};

TEST_F(SleepFor, EndsAtItsTime) {
    start(1s);
    clock.advance(999ms);
    home->run_ready();
    EXPECT_FALSE(done);
    clock.advance(1ms);
    home->run_ready();
    EXPECT_TRUE(done);
    EXPECT_TRUE(slept);
    cancel.cancel();
    home->run_ready();
}

TEST_F(SleepFor, IsCutShortByCancellation) {
    start(1h);
    EXPECT_FALSE(done);
    std::thread([this] { cancel.cancel(); }).join();
    EXPECT_FALSE(done);
    home->run_ready();
    EXPECT_TRUE(done);
    EXPECT_FALSE(slept);
    EXPECT_EQ(home->next_deadline(), base::never);
}

TEST_F(SleepFor, DoesNotStartWhenCancelled) {
    cancel.cancel();
    start(1h);
    EXPECT_TRUE(done);
    EXPECT_FALSE(slept);
}

TEST_F(SleepFor, TimeAndCancellationAtOnceResumeOnce) {
    start(1s);
    clock.advance(2s);
    cancel.cancel();
    home->run_ready();
    home->run_ready();
    EXPECT_TRUE(done);
}

TEST_F(SleepFor, BlocksWithoutALoop) {
    EXPECT_TRUE(sync_wait(sleep_for(1ms)));
    scope.loop = nullptr;
    std::thread canceller([this] { cancel.cancel(); });
    start(1h);
    canceller.join();
    EXPECT_TRUE(done);
    EXPECT_FALSE(slept);
}

TEST(Task, ManySleepersCancelledWhileTheyExpire) {
    event_loop home;
    loop::crew crew;
    ASSERT_TRUE(crew.start(home));
    constexpr int count = 300;
    std::vector<std::unique_ptr<cancellation>> cancels;
    std::vector<call_scope> scopes(count);
    std::atomic<int> finished{0};
    for (int i = 0; i < count; ++i) {
        cancels.push_back(std::make_unique<cancellation>());
        scopes[i].loop = &home;
        scopes[i].cancel = cancels.back().get();
        spawn(sleep_for(std::chrono::milliseconds(i % 5)), scopes[i], [&](task<bool>& t) {
            t.take();
            ++finished;
        });
    }
    for (const auto& c : cancels) c->cancel();
    while (finished < count) std::this_thread::yield();
    ASSERT_TRUE(crew.stop());
}

TEST(Frames, AreReusedAndMayBeFreedElsewhere) {
    void* const a = detail::frame_allocate(200);
    detail::frame_free(a, 200);
    void* const b = detail::frame_allocate(256);  // the same class
    EXPECT_EQ(a, b);
    std::thread([b] { detail::frame_free(b, 256); }).join();
    for (const std::size_t size : {1u, 128u, 129u, 4096u, 4097u, 100'000u}) {
        void* const p = detail::frame_allocate(size);
        std::memset(p, 1, size);
        detail::frame_free(p, size);
    }
    std::vector<void*> many;
    for (int i = 0; i < 2'000; ++i) many.push_back(detail::frame_allocate(100));
    for (void* p : many) detail::frame_free(p, 100);
}

}  // namespace
}  // namespace tenon::inline v0
