// Tables of functions, control operations, and run() with a callback.

#include "tenon/functions.hpp"

#include "rpc/test_support.hpp"

namespace rpc_test {
namespace {

using tenon::errc;
using tenon::value;

errc code_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const tenon::failure& e) {
        return e.code();
    }
    ADD_FAILURE() << "no failure";
    return errc::internal;
}

class functions : public testing::TestWithParam<const char*> {
protected:
    functions() {
        tenon::server_options o;
        o.runtime = &runtime;
        server.emplace(o);
        server->listen(fresh_endpoint(GetParam()));
    }
    tenon::client dynamic() {
        return tenon::client(server->endpoints().at(0), {.runtime = &runtime});
    }

    tenon::runtime runtime{test_runtime()};
    std::optional<tenon::server> server;
};
INSTANTIATE_TEST_SUITE_P(transports, functions, testing::Values("inproc", "unix", "shm", "tcp"),
                         name_of);

int add_up(int a, int b) { return a + b; }
int add_quietly(int a, const int& b) noexcept { return a + b; }
tenon::task<std::string> in_a_while(tenon::context& ctx, std::string text) {
    co_await tenon::sleep_for(1ms);
    co_return text + std::string(ctx.route());
}
struct triple {
    int operator()(int n) const { return 3 * n; }
};

tenon::functions tools() {
    return tenon::functions("test", "tools", "1.0.0")
        .doc("Small things.")
        .add("plus", &add_up, "a, b")
        .doc("Adds.")
        .idempotent()
        .default_value("b", 1)
        .add("quiet", add_quietly)
        .add(
            "greet", [](const std::string& who) { return "hello " + who; }, "who")
        .add("triple", triple{}, "n")
        .add("function", std::function<int(int)>([](int n) { return n + 1; }), "n")
        .add("later", in_a_while, "text")
        .add("count", [n = 0]() mutable { return ++n; })
        .serial()
        .add(
            "check",
            [](int n) {
                if (n > 100) throw too_big{100, "less"};
                return tenon::result<int>(n);
            },
            "n")
        .errors<too_big>()
        .add("where", [](tenon::context& ctx) { return std::string(ctx.route()); });
}

TEST_P(functions, a_table_of_functions) {
    server->add(tools()).start();
    auto c = dynamic();
    EXPECT_EQ(c.call("test/tools.plus", 1, 2).as<int>(), 3);
    EXPECT_EQ(c.try_call("test/tools.plus", value::object({{"a", 5}})).value(), value(6));
    EXPECT_EQ(c.call("test/tools.quiet", 1, 2).as<int>(), 3);
    EXPECT_EQ(c.call("test/tools.greet", "you").as<std::string>(), "hello you");
    EXPECT_EQ(c.call("test/tools.triple", 3).as<int>(), 9);
    EXPECT_EQ(c.call("test/tools.function", 3).as<int>(), 4);
    EXPECT_EQ(c.call("test/tools.later", "x ").as<std::string>(), "x test/tools.later");
    EXPECT_EQ(c.call("test/tools.count").as<int>(), 1);
    EXPECT_EQ(c.call("test/tools.count").as<int>(), 2);
    EXPECT_EQ(c.call("test/tools.where").as<std::string>(), "test/tools.where");
    const auto e = c.try_call("test/tools.check", value::list({101})).error();
    EXPECT_EQ(e.details_as<too_big>()->limit, 100);
}

TEST(tables, one_table_on_two_servers) {
    tenon::runtime runtime(test_runtime());
    const tenon::functions table = tools();
    tenon::server a({.runtime = &runtime});
    tenon::server b({.runtime = &runtime});
    for (tenon::server* s : {&a, &b}) s->add(table).listen(fresh_endpoint("inproc")).start();
    int n = 0;
    for (tenon::server* s : {&a, &b}) {
        tenon::client c(s->endpoints().at(0), {.runtime = &runtime});
        EXPECT_EQ(c.call("test/tools.count").as<int>(), ++n);
    }
    a.stop();
    EXPECT_EQ(tenon::client(b.endpoints().at(0), {.runtime = &runtime})
                  .call("test/tools.count")
                  .as<int>(),
              3);
}

TEST(tables, what_is_said_first_goes_for_all) {
    tenon::runtime runtime(test_runtime());
    tenon::server s({.runtime = &runtime});
    s.add(tenon::functions("test", "all", "1.0.0")
              .blocking()
              .errors<too_big>()
              .add("one",
                   []() -> int {
                       throw too_big{1, ""};
                   })
              .add("two",
                   []() -> int {
                       throw too_big{2, ""};
                   })
              .blocking(false))
        .listen(fresh_endpoint("inproc"))
        .start();
    tenon::client c(s.endpoints().at(0), {.runtime = &runtime});
    EXPECT_EQ(c.try_call("test/all.one", {}).error().details_as<too_big>()->limit, 1);
    EXPECT_EQ(c.try_call("test/all.two", {}).error().details_as<too_big>()->limit, 2);
    for (const auto& m : s.stats()) EXPECT_EQ(m.on_pool, m.route == "test/all.one") << m.route;
}

TEST(tables, mistakes_are_invalid) {
    tenon::server s;
    const auto one = [](int n) { return n; };
    EXPECT_EQ(code_of([&] { s.add(tenon::functions("test", "a.b", "1")); }), errc::invalid);
    EXPECT_EQ(code_of([&] { s.add(tenon::functions("test", "t", "1").add("a.b", one)); }),
              errc::invalid);
    EXPECT_EQ(code_of([&] { s.add(tenon::functions("test", "t", "1").add("f", one, "a, b")); }),
              errc::invalid);
    EXPECT_EQ(
        code_of([&] { s.add(tenon::functions("test", "t", "1").add("f", one).add("f", one)); }),
        errc::conflict);
    EXPECT_EQ(code_of([&] {
                  tenon::functions("test", "t", "1").add("f", one, "a").default_value("b", 1);
              }),
              errc::invalid);
}

// --- control operations ---

TEST_P(functions, control_operations) {
    std::atomic<int> cleared{0};
    server->add(tools());
    server
        ->operation(
            "test/tools", "cache.clear", [&](int n) { return cleared += n; }, "n")
        .doc("Forgets.")
        .default_value("n", 7)
        .errors<too_big>();
    auto check = server->operation("test/tools", "cache.deep.check", [](int n) {
        throw too_big{n, "always"};
    });
    server->operation("test/tools", "and.wait", in_a_while, "text").idempotent();
    check.errors<too_big>();
    server->start();

    auto c = dynamic();
    EXPECT_EQ(c.call("test/tools.cache.clear", 3).as<int>(), 3);
    EXPECT_EQ(c.try_call("test/tools.cache.clear", value::list({})).value(), value(10));
    EXPECT_EQ(c.call("test/tools.and.wait", "x ").as<std::string>(), "x test/tools.and.wait");
    const auto e = c.try_call("test/tools.cache.deep.check", value::list({4})).error();
    EXPECT_EQ(e.details_as<too_big>()->limit, 4);
    EXPECT_EQ(c.try_call("test/tools.cache.none", {}).error().code(), errc::unsupported);
    EXPECT_EQ(code_of([&] { server->operation("test/tools", "too.late", [] {}); }), errc::conflict);
}

class quiet {
public:
    void f() {}
};
TENON_SERVICE(quiet, "test", "quiet", "1", f)

TEST(operations, mistakes) {
    tenon::server s;
    s.add(tools());
    s.add<quiet>(tenon::publish_options{.control = false});
    const auto nothing = [] {};
    for (const char* name : {"clear", "", ".clear", "clear.", "a..b", "a b.c"})
        EXPECT_EQ(code_of([&] { s.operation("test/tools", name, nothing); }), errc::invalid)
            << name;
    EXPECT_EQ(code_of([&] { s.operation("test/nobody", "a.b", nothing); }), errc::invalid);
    EXPECT_EQ(code_of([&] { s.operation("test/tools", "a.b", add_up, "a"); }), errc::invalid);
    EXPECT_EQ(code_of([&] { s.operation("test/quiet", "a.b", nothing); }), errc::conflict);
    s.operation("test/tools", "a.b", nothing);
    EXPECT_EQ(code_of([&] { s.operation("test/tools", "a.b", nothing); }), errc::conflict);
    s.start();
}

// --- run() ---

TEST(run, in_one_chain_with_a_callback) {
    tenon::runtime runtime(test_runtime());
    std::promise<std::vector<std::string>> started;
    std::atomic<int> told{0};
    tenon::server* running = nullptr;
    std::thread runs([&] {
        tenon::server s({.runtime = &runtime});
        running = &s;
        s.on_started([&](const std::vector<std::string>&) { ++told; })
            .listen("tcp://127.0.0.1:0")
            .add(tools())
            .run([&](const std::vector<std::string>& at) { started.set_value(at); });
    });
    const auto at = get(started.get_future());
    EXPECT_EQ(told, 1);
    EXPECT_EQ(tenon::client(at.at(0), {.runtime = &runtime})
                  .call("test/tools.greet", "you")
                  .as<std::string>(),
              "hello you");
    running->stop();
    runs.join();
}

TEST(run, a_callback_that_takes_nothing) {
    tenon::runtime runtime(test_runtime());
    std::promise<void> started;
    tenon::server s({.runtime = &runtime});
    std::thread runs([&] { s.add(tools()).run([&] { started.set_value(); }); });
    get(started.get_future());
    s.stop();
    runs.join();
}

}  // namespace
}  // namespace rpc_test
