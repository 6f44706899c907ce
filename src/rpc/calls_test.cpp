// The four ways to call, every kind of handler, declared errors: over every transport.

#include "rpc/test_support.hpp"

namespace rpc_test {
namespace {

class calls : public testing::TestWithParam<const char*> {
protected:
    calls() : s(GetParam()) {}
    served s;
};
INSTANTIATE_TEST_SUITE_P(transports, calls, testing::Values("inproc", "unix", "path", "shm", "tcp"),
                         name_of);

TEST_P(calls, blocking) {
    s.start();
    auto c = s.connect();
    EXPECT_EQ(c.plus(2, 3), 5);
    EXPECT_EQ(c.greet("you"), "hello you");
    const person p{"ada", 36};
    EXPECT_EQ(c.older(p), (person{"ada", 37}));
    EXPECT_EQ(p.name, "ada") << "an lvalue is copied";
    c.poke(1);
    EXPECT_EQ(c.count(), 42);
    EXPECT_EQ(c.numbers(std::vector<int>{1, 2, 3}), (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(c.echo(tenon::bytes{std::byte{7}}), tenon::bytes{std::byte{7}});
    EXPECT_EQ(c.block(1), 1);
    EXPECT_EQ(c.nap(1), 1);
    EXPECT_EQ(c.alone(3), 3);
    EXPECT_EQ(c.again(4), 4);
}

TEST_P(calls, as_result) {
    s.start();
    auto c = s.connect();
    EXPECT_EQ(c.plus.try_call(2, 3).value(), 5);
    EXPECT_TRUE(c.poke.try_call(1).has_value());
    const auto r = c.check.try_call(101);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code(), tenon::errc::failed);
    EXPECT_EQ(r.error().name(), "too_big");
    EXPECT_EQ(r.error().origin(), "test/lab.check");
}

TEST_P(calls, future) {
    s.start();
    auto c = s.connect();
    EXPECT_EQ(get(c.plus.future(2, 3)).value(), 5);
    EXPECT_TRUE(get(c.poke.future(1)).has_value());
    EXPECT_EQ(get(c.nap.future(1)).value(), 1);
    EXPECT_EQ(get(c.block.future(1)).value(), 1);
    EXPECT_EQ(get(c.alone.future(1)).value(), 1);
    EXPECT_EQ(get(c.check.future(101)).error().name(), "too_big");
}

TEST_P(calls, callback) {
    s.start();
    auto c = s.connect();
    std::promise<int> got;
    c.plus.then([&](tenon::result<int> r) { got.set_value(r.value()); }, 2, 3);
    EXPECT_EQ(get(got.get_future()), 5);

    std::promise<bool> poked;
    c.poke.then([&](tenon::result<void> r) { poked.set_value(r.has_value()); }, 2);
    EXPECT_TRUE(get(poked.get_future()));
}

tenon::task<int> sum_of(tenon::stub<lab>& c, int n) {
    int sum = 0;
    for (int i = 0; i < n; ++i) sum = co_await c.plus.async(sum, i);
    const auto napped = co_await c.nap.try_async(1);
    co_return sum + napped.value();
}

tenon::task<std::string> name_of_failure(tenon::stub<lab>& c) {
    try {
        co_await c.check.async(1000);
    } catch (const tenon::failure_of<too_big>& f) {
        co_return f.data().hint;
    }
    co_return "none";
}

TEST_P(calls, coroutine) {
    s.start();
    auto c = s.connect();
    EXPECT_EQ(tenon::sync_wait(sum_of(c, 20)), 191);
    EXPECT_EQ(tenon::sync_wait(name_of_failure(c)), "less");
}

TEST_P(calls, asynchronous_ones_started_before_awaited) {
    s.start();
    auto c = s.connect();
    const auto all = [](tenon::stub<lab>& on) -> tenon::task<int> {
        auto a = on.plus.async(1, 2);
        auto b = on.plus.async(3, 4);
        auto dropped = on.nap.async(1);
        (void)dropped;
        const int first = co_await b;
        co_return first * 10 + co_await a;
    };
    EXPECT_EQ(tenon::sync_wait(all(c)), 73);
}

TEST_P(calls, declared_errors_arrive_as_their_type) {
    s.l->check = [](int n) -> tenon::result<int> {
        if (n == 1) throw too_big{7, "a"};
        if (n == 2) throw not_today{"friday"};
        if (n == 3) return tenon::make_error(too_big{8, "b"}, "no way");
        if (n == 4) throw std::runtime_error("oops");
        if (n == 5) throw tenon::failure(tenon::error(tenon::errc::denied, "not you"));
        if (n == 6) throw 7;
        if (n == 7) return tenon::error(tenon::errc::failed, "x").set_name("somebody_else");
        return n;
    };
    s.start();
    auto c = s.connect();
    EXPECT_EQ(c.check(0), 0);
    try {
        c.check(1);
        FAIL();
    } catch (const tenon::failure_of<too_big>& f) {
        EXPECT_EQ(f.data().limit, 7);
    }
    EXPECT_THROW(c.check(2), tenon::failure_of<not_today>);
    try {
        c.check(3);
        FAIL();
    } catch (const tenon::failure_of<too_big>& f) {
        EXPECT_EQ(f.data().hint, "b");
        EXPECT_EQ(f.error().message(), "no way");
        EXPECT_TRUE(f.error().may_have_run());
    }
    EXPECT_EQ(c.check.try_call(4).error().code(), tenon::errc::internal);
    EXPECT_EQ(c.check.try_call(4).error().message(), "oops");
    EXPECT_EQ(c.check.try_call(5).error().code(), tenon::errc::denied);
    EXPECT_EQ(c.check.try_call(6).error().code(), tenon::errc::internal);
    const auto other = c.check.try_call(7).error();
    EXPECT_EQ(other.code(), tenon::errc::failed);
    EXPECT_EQ(other.name(), "somebody_else");
}

TEST_P(calls, not_implemented_is_unsupported) {
    s.start();
    auto c = s.connect();
    const auto r = c.missing.try_call(1);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code(), tenon::errc::unsupported);
    EXPECT_FALSE(r.error().may_have_run());
}

// --- kinds of handlers ---

int plus_function(int a, int b) { return a + b; }
struct functor {
    int offset = 0;
    int operator()(int a, int b) const { return a + b + offset; }
};
tenon::task<int> coroutine_plus(tenon::context& c, int a, int b) {
    co_await tenon::sleep_for(1ms);
    co_return c.cancelled() ? -1 : a + b;
}
tenon::task<tenon::result<int>> checked_coroutine(int a, int b) {
    co_await tenon::sleep_for(1ms);
    if (b == 0) co_return tenon::error(tenon::errc::invalid, "b is nothing");
    if (b == -1) throw too_big{1, ""};
    co_return a + b;
}

TEST_P(calls, function) {
    s.l->plus = plus_function;
    s.start();
    EXPECT_EQ(s.connect().plus(1, 2), 3);
}
TEST_P(calls, functor_with_state) {
    s.l->plus = functor{10};
    s.start();
    EXPECT_EQ(s.connect().plus(1, 2), 13);
}
TEST_P(calls, move_only_functor) {
    s.l->plus = [p = std::make_unique<int>(5)](int a, int b) { return a + b + *p; };
    s.start();
    EXPECT_EQ(s.connect().plus(1, 2), 8);
}
TEST_P(calls, with_context) {
    s.l->greet = [](tenon::context& c, std::string who) {
        return who + " " + std::string(c.route()) + " " + std::string(c.peer().transport) +
               (c.deadline() ? " in time" : "");
    };
    s.start();
    // At a path of the same user it is chosen by itself.
    const std::string transport = std::string(GetParam()) == "path" ? "shm" : GetParam();
    EXPECT_EQ(s.connect().greet("x"), "x test/lab.greet " + transport);
    EXPECT_EQ(s.connect().greet.with({.timeout = 10s})("x"),
              "x test/lab.greet " + transport + " in time");
}
TEST_P(calls, coroutine_with_context) {
    s.l->plus = coroutine_plus;
    s.start();
    EXPECT_EQ(s.connect().plus(1, 2), 3);
}
TEST_P(calls, coroutine_of_result) {
    s.l->plus = checked_coroutine;
    s.start();
    auto c = s.connect();
    EXPECT_EQ(c.plus(1, 2), 3);
    EXPECT_EQ(c.plus.try_call(1, 0).error().message(), "b is nothing");
    EXPECT_EQ(c.plus.try_call(1, -1).error().code(), tenon::errc::internal) << "not declared";
}
TEST_P(calls, result_of_void_and_void_coroutine) {
    s.l->poke = [](int n) -> tenon::result<void> {
        if (n == 0) return tenon::error(tenon::errc::conflict, "zero");
        return {};
    };
    s.start();
    auto c = s.connect();
    EXPECT_TRUE(c.poke.try_call(1).has_value());
    EXPECT_EQ(c.poke.try_call(0).error().code(), tenon::errc::conflict);
}
TEST_P(calls, void_coroutine) {
    s.l->poke = [](int n) -> tenon::task<void> {
        co_await tenon::sleep_for(1ms);
        if (n == 0) throw std::runtime_error("zero");
    };
    s.start();
    auto c = s.connect();
    EXPECT_TRUE(c.poke.try_call(1).has_value());
    EXPECT_EQ(c.poke.try_call(0).error().message(), "zero");
}
TEST_P(calls, coroutine_that_never_waits) {
    s.l->nap = [](int n) -> tenon::task<int> { co_return n; };
    s.start();
    auto c = s.connect();
    EXPECT_EQ(c.nap(5), 5);
    EXPECT_EQ(get(c.nap.future(6)).value(), 6);
}
TEST_P(calls, coroutine_that_throws_at_once) {
    s.l->nap = [](int n) -> tenon::task<int> {
        if (n >= 0) throw std::runtime_error("at once");
        co_return n;
    };
    s.start();
    EXPECT_EQ(s.connect().nap.try_call(1).error().message(), "at once");
}
TEST_P(calls, handler_that_converts) {
    s.l->plus = [](long a, long b) -> short { return static_cast<short>(a + b); };
    s.l->greet = [](std::string_view who) { return std::string(who); };
    s.start();
    auto c = s.connect();
    EXPECT_EQ(c.plus(1, 2), 3);
    EXPECT_EQ(c.greet("a text that is longer than any small string"),
              "a text that is longer than any small string");
}

class lab_impl {
public:
    explicit lab_impl(int offset) : offset_(offset) {}
    int plus(int a, int b) { return a + b + offset_; }
    std::string greet(std::string who) { return "hi " + who; }
    person older(person p) { return p; }
    tenon::result<void> poke(int n) {
        if (n < 0) return tenon::error(tenon::errc::invalid, "negative");
        return {};
    }
    int count() { return ++count_; }
    int check(int n) {
        if (n > 1) throw too_big{1, "impl"};
        return n;
    }
    tenon::task<int> nap(int ms) {
        co_await tenon::sleep_for(std::chrono::milliseconds(ms));
        co_return ms + offset_;
    }
    int block(int ms) { return ms; }
    int alone(int n) { return n; }
    int again(int n) { return n; }
    tenon::bytes echo(tenon::bytes b) { return b; }
    std::vector<int> numbers(std::vector<int> v) { return v; }
    int missing(tenon::context& c, int) { return c.route().empty() ? 0 : 1; }

private:
    int offset_;
    std::atomic<int> count_{0};
};

TEST(implement, a_class_implements_the_contract) {
    for (const char* transport : {"inproc", "unix"}) {
        tenon::runtime runtime(test_runtime());
        tenon::server_options so;
        so.runtime = &runtime;
        tenon::server server(so);
        server.implement<lab, lab_impl>(100);
        server.listen(fresh_endpoint(transport)).start();
        tenon::client_options co;
        co.runtime = &runtime;
        auto c = tenon::connect<lab>(server.endpoints().at(0), co);
        EXPECT_EQ(c.plus(1, 2), 103);
        EXPECT_EQ(c.nap(1), 101);
        EXPECT_EQ(c.count(), 1);
        EXPECT_EQ(c.count(), 2) << "one shared instance";
        EXPECT_EQ(c.poke.try_call(-1).error().message(), "negative");
        EXPECT_THROW(c.check(2), tenon::failure_of<too_big>);
        EXPECT_EQ(c.missing(0), 1);
    }
}

}  // namespace
}  // namespace rpc_test
