// Priorities: declared, overridden, and what they reorder on the server. What they do on the wire is
// in tests/e2e/priority_test.cpp.

#include <algorithm>

#include "rpc/test_support.hpp"

namespace {

using namespace rpc_test;
using tenon::priority;

struct depot {
    tenon::method<int(int)> fetch;
    tenon::method<int(int)> report;
    tenon::method<int(int)> halt;
    tenon::method<int(int)> pass;

    static void describe(tenon::description<depot>& d) {
        d[&depot::fetch].blocking();
        d[&depot::report].blocking().priority(tenon::priority::low);
        d[&depot::halt].blocking().priority(tenon::priority::high);
        d[&depot::pass].serial();
    }
};
TENON_INTERFACE(depot, "test", "depot", "1.0.0", (fetch, n), (report, n), (halt, n), (pass, n))

struct attic {
    tenon::method<int()> look;
    tenon::method<int()> leave;

    static void describe(tenon::description<attic>& d) {
        d[&attic::leave].priority(priority::high);
        d.priority(priority::low);
    }
};
TENON_INTERFACE(attic, "test", "attic", "1.0.0", look, leave)

class priorities : public testing::TestWithParam<const char*> {
protected:
    priorities() : runtime_(one_thread()) {
        tenon::server_options so;
        so.runtime = &runtime_;
        server_.emplace(so);
        d_ = &server_->publish<depot>();
        const auto note = [this](tenon::context& c, int n) {
            if (n < 0) {
                entered_.open();
                go_.wait();
            }
            const std::lock_guard lock(mutex_);
            order_.push_back(n);
            return static_cast<int>(c.priority());
        };
        d_->fetch = note;
        d_->report = note;
        d_->halt = note;
        d_->pass = note;
        auto& a = server_->publish<attic>();
        const auto say = [](tenon::context& c) { return static_cast<int>(c.priority()); };
        a.look = say;
        a.leave = say;
        server_->listen(fresh_endpoint(GetParam())).start();
    }

    template <class Contract>
    tenon::stub<Contract> connect() {
        tenon::client_options o;
        o.runtime = &runtime_;
        return tenon::connect<Contract>(server_->endpoints().at(0), o);
    }
    std::uint64_t in_flight() const {
        std::uint64_t n = 0;
        for (const auto& m : server_->stats()) n += m.in_flight;
        return n;
    }
    std::ptrdiff_t place_of(int n) const { return std::ranges::find(order_, n) - order_.begin(); }

    tenon::runtime runtime_;
    std::optional<tenon::server> server_;
    depot* d_ = nullptr;
    gate entered_, go_;
    std::mutex mutex_;
    std::vector<int> order_;

private:
    static tenon::runtime_options one_thread() {
        tenon::runtime_options o;
        o.pool.resident = o.pool.most = 1;
        return o;
    }
};

TEST_P(priorities, are_declared_and_overridden) {
    go_.open();
    auto c = connect<depot>();
    const auto code = [](priority p) { return static_cast<int>(p); };
    EXPECT_EQ(c.fetch(0), code(priority::normal));
    EXPECT_EQ(c.report(0), code(priority::low));
    EXPECT_EQ(c.halt(0), code(priority::high));
    for (const priority p : {priority::low, priority::normal, priority::high}) {
        const tenon::call_options o{.priority = p};
        for (int i = 0; i < 2; ++i) {  // the second time the server knows these bytes
            EXPECT_EQ(c.fetch.with(o)(0), code(p));
            EXPECT_EQ(c.report.with(o)(0), code(p));
            EXPECT_EQ(get(c.halt.with(o).future(0)).value(), code(p));
        }
    }
    EXPECT_EQ(c.fetch.with({.timeout = 10s})(0), code(priority::normal));
    EXPECT_EQ(c.halt.with({.timeout = 10s})(0), code(priority::high));
    auto a = connect<attic>();
    EXPECT_EQ(a.look(), code(priority::low)) << "of the whole service";
    EXPECT_EQ(a.leave(), code(priority::high)) << "unless something else was said";
    // Without the contract.
    tenon::client_options o;
    o.runtime = &runtime_;
    auto any = tenon::connect(server_->endpoints().at(0), o);
    EXPECT_EQ(any.call("test/attic.look").as<int>(), code(priority::low));
}

// The only thread of the pool is busy; then it takes what waits.
TEST_P(priorities, order_what_waits_for_the_pool) {
    auto c = connect<depot>();
    std::vector<std::future<tenon::result<int>>> all;
    all.push_back(c.fetch.future(-1));
    ASSERT_TRUE(entered_.wait());
    for (int i = 0; i < 20; ++i) all.push_back(c.report.future(i));
    for (int i = 20; i < 40; ++i) all.push_back(c.fetch.future(i));
    for (int i = 40; i < 50; ++i) all.push_back(c.halt.future(i));
    for (int i = 50; i < 60; ++i)
        all.push_back(c.fetch.with({.priority = priority::high}).future(i));
    ASSERT_TRUE(eventually([&] { return in_flight() == 61; }));
    go_.open();
    for (auto& f : all) EXPECT_TRUE(get(std::move(f)));
    ASSERT_EQ(order_.size(), 61u);
    EXPECT_EQ(place_of(40), 1) << "the first urgent one";
    for (int i = 0; i < 59; ++i) {
        if (i % 20 == 19) continue;
        EXPECT_LT(place_of(i), place_of(i + 1)) << "in order within a priority";
    }
    EXPECT_LT(place_of(59), place_of(25));
    EXPECT_LT(place_of(39), place_of(19));
    EXPECT_LT(place_of(1), place_of(59)) << "nothing starves";
}

TEST_P(priorities, order_what_waits_for_a_serial_member) {
    auto c = connect<depot>();
    std::vector<std::future<tenon::result<int>>> all;
    all.push_back(c.pass.future(-1));
    ASSERT_TRUE(entered_.wait());
    for (int i = 0; i < 10; ++i) all.push_back(c.pass.with({.priority = priority::low}).future(i));
    for (int i = 10; i < 20; ++i) all.push_back(c.pass.future(i));
    for (int i = 20; i < 26; ++i)
        all.push_back(c.pass.with({.priority = priority::high}).future(i));
    ASSERT_TRUE(eventually([&] { return in_flight() == 27; }));
    go_.open();
    for (auto& f : all) EXPECT_TRUE(get(std::move(f)));
    ASSERT_EQ(order_.size(), 27u);
    for (int i = 20; i < 26; ++i) EXPECT_EQ(place_of(i), i - 19);
    for (int i = 0; i < 25; ++i) {
        if (i % 10 == 9) continue;
        EXPECT_LT(place_of(i), place_of(i + 1));
    }
    EXPECT_LT(place_of(18), place_of(9));
}

INSTANTIATE_TEST_SUITE_P(transport, priorities, testing::Values("inproc", "unix", "shm", "tcp"),
                         name_of);

}  // namespace
