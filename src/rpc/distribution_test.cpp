// Which loop a connection goes to.

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "loop/loop.hpp"
#include "rpc/runtime_core.hpp"
#include "rpc/test_support.hpp"
#include "tenon/control.hpp"

namespace rpc_test {
namespace {

struct where {
    tenon::method<std::uint64_t()> loop;
};
TENON_INTERFACE(where, "test", "where", "1.0.0", loop)

/// Something that a loop has to do all the time, until this ends.
class chore {
public:
    explicit chore(tenon::loop::event_loop& loop) : loop_(loop) { loop_.post(work_); }
    chore(const chore&) = delete;
    chore& operator=(const chore&) = delete;
    ~chore() {
        stop_ = true;
        while (!done_) std::this_thread::yield();
    }

private:
    tenon::loop::turn go_on(tenon::loop::event_loop&) {
        if (stop_) done_ = true;
        else loop_.post(work_);
        return tenon::loop::turn::done;
    }

    tenon::loop::event_loop& loop_;
    std::atomic<bool> stop_{false}, done_{false};
    tenon::loop::member_work<&chore::go_on> work_{*this};
};

/// A server with two loops, and clients with one of their own.
class two_loops : public testing::Test {
protected:
    two_loops() : runtime_(loops(2)), own_(loops(1)), server_(options()) {
        auto& s = server_.publish<where>();
        s.loop = [] { return reinterpret_cast<std::uint64_t>(tenon::loop::event_loop::current()); };
        server_.listen("tcp://127.0.0.1:0").start();
    }
    ~two_loops() override {
        server_.stop(std::chrono::milliseconds(0));
        own_.stop();
        runtime_.stop();
    }

    struct placed {
        tenon::stub<where> stub;
        std::uint64_t loop;
    };
    placed connect() {
        tenon::client_options o;
        o.runtime = &own_;
        auto stub = tenon::connect<where>(server_.endpoints().front(), o);
        const std::uint64_t loop = stub.loop();
        return {std::move(stub), loop};
    }
    static std::size_t count(const std::vector<placed>& all, std::uint64_t loop) {
        return static_cast<std::size_t>(
            std::count_if(all.begin(), all.end(), [&](const placed& p) { return p.loop == loop; }));
    }
    std::size_t connections() {
        return tenon::connect<tenon::control>(server_.endpoints().front()).stats("*").connections;
    }

    tenon::runtime runtime_;
    tenon::runtime own_;
    tenon::server server_;

private:
    static tenon::runtime_options loops(unsigned n) {
        tenon::runtime_options o;
        o.loops = n;
        return o;
    }
    tenon::server_options options() {
        tenon::server_options o;
        o.runtime = &runtime_;
        return o;
    }
};

TEST_F(two_loops, get_as_many_connections_each) {
    std::vector<placed> all;
    for (int i = 0; i < 20; ++i) all.push_back(connect());
    EXPECT_EQ(count(all, all[0].loop), 10U);
}

// Taking turns would leave one loop with 5 and the other one with 15.
TEST_F(two_loops, level_out_when_connections_leave) {
    std::vector<placed> all;
    for (int i = 0; i < 20; ++i) all.push_back(connect());
    const std::uint64_t left = all[0].loop;
    std::erase_if(all, [&](const placed& p) { return p.loop == left; });
    ASSERT_EQ(all.size(), 10U);
    ASSERT_TRUE(eventually([&] { return connections() <= 11; }));  // and the one that asks
    for (int i = 0; i < 10; ++i) all.push_back(connect());
    // The connection that asked may still be there when the first ones come.
    EXPECT_GE(count(all, left), 8U);
}

TEST_F(two_loops, a_busy_one_gets_fewer) {
    const placed first = connect();
    auto& core = runtime_.core();
    auto* loop = &core.loop(0);
    for (std::size_t i = 0; i < core.loop_count(); ++i)
        if (reinterpret_cast<std::uint64_t>(&core.loop(i)) == first.loop) loop = &core.loop(i);
    std::vector<placed> all;
    {
        const chore busy(*loop);
        ASSERT_TRUE(eventually([&] { return loop->busy() > 800; }));
        for (int i = 0; i < 10; ++i) all.push_back(connect());
    }
    // Each of them makes the other loop a little less attractive.
    EXPECT_LT(count(all, first.loop), 5U);
    EXPECT_TRUE(eventually([&] { return loop->busy() < 100; })) << "it has nothing to do any more";
}

}  // namespace
}  // namespace rpc_test
