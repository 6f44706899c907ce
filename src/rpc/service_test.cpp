// Exposed classes: instances, members, errors, names.

#include "tenon/service.hpp"

#include "rpc/test_support.hpp"

namespace rpc_test {
namespace {

using tenon::errc;
using tenon::value;
using namespace std::string_literals;

/// What instances of a class share, and what the tests see of them.
struct engine {
    std::atomic<int> made{0};
    std::atomic<int> alive{0};
    std::atomic<int> calls{0};
    std::atomic<int> together{0};
    std::atomic<bool> wrong{false};
};

class counted {
public:
    explicit counted(engine& e) : engine_(&e) { ++e.made, ++e.alive; }
    counted(const counted&) = delete;
    ~counted() { --engine_->alive; }

protected:
    engine* engine_;
};

class base {
public:
    std::string inherited(int n) const { return "base " + std::to_string(n); }
    virtual ~base() = default;
    virtual int kind() { return 0; }
};

class desk : public base, counted {
public:
    desk(std::string hello, engine& e) : counted(e), hello_(std::move(hello)) {
        if (hello_ == "out of stock") throw too_big{7, "made"};
        if (hello_ == "broken") throw std::runtime_error("no desk today");
    }

    int plus(int a, int b) const noexcept { return a + b; }
    std::string greet(const std::string& who) { return hello_ + " " + who; }
    const std::string& hello() const& { return hello_; }
    int mine() {  // of this instance only
        ++engine_->calls;
        return ++count_;
    }
    tenon::result<int> check(int n) {
        if (n < 0) return tenon::error(errc::invalid, "below zero");
        if (n > 100) throw too_big{100, "less"};
        return n;
    }
    tenon::task<std::string> nap(const std::string& text, int ms) {
        const bool slept = co_await tenon::sleep_for(std::chrono::milliseconds(ms));
        if (!slept) throw tenon::failure(tenon::error(errc::cancelled));
        if (++count_ != 1 || hello_.empty()) engine_->wrong = true;
        co_return hello_ + " " + text;
    }
    tenon::task<tenon::result<int>> late(tenon::context& ctx, int n) {
        co_await tenon::sleep_for(1ms);
        if (n > 100) throw too_big{100, "later"};
        if (n < 0) co_return tenon::error(errc::invalid, "below zero");
        co_return static_cast<int>(ctx.route().size()) + n;
    }
    tenon::task<> pause() { co_await tenon::sleep_for(1ms); }
    std::string route(tenon::context& ctx, int) { return std::string(ctx.route()); }
    void nothing() { ++engine_->calls; }
    person older(person p, const std::vector<int>& years) {
        for (int y : years) p.age += y;
        return p;
    }
    int kind() override { return 1; }
    std::string view(std::string_view text) { return std::string(text); }
    std::uint64_t place(const std::vector<int>& list) {
        return reinterpret_cast<std::uintptr_t>(list.data());
    }

    static void describe(tenon::description<desk>& d) {
        d.doc("A desk.");
        d[&desk::plus].doc("Adds.").idempotent().default_value("b", 1);
        d[&desk::check].errors<too_big>().doc("Checks.");
        d[&desk::late].errors<not_today, too_big>();
        d[&desk::greet].errors<too_big>();
        d[&desk::inherited].doc("From the base.");
        d[&desk::kind].blocking();
    }

private:
    std::string hello_;
    int count_ = 0;
};
TENON_SERVICE(desk, "test", "desk", "1.2.0", (plus, a, b), (greet, who), hello, mine, (check, n),
              (nap, text, ms), (late, n), pause, (route, n), nothing, (older, who, years), kind,
              (inherited, n), (view, text), (place, list))

/// The same as a contract, for clients.
struct desk_contract {
    tenon::method<int(int, int)> plus;
    tenon::method<std::string(std::string)> greet;
    tenon::method<std::string()> hello;
    tenon::method<int()> mine;
    tenon::method<int(int), too_big> check;
    tenon::method<std::string(std::string, int)> nap;
    tenon::method<int(int), too_big> late;
    tenon::method<void()> pause;
    tenon::method<std::string(int)> route;
    tenon::method<void()> nothing;
    tenon::method<person(person, std::vector<int>)> older;
    tenon::method<int()> kind;
    tenon::method<std::string(int)> inherited;
    tenon::method<std::string(std::string_view)> view;
    tenon::method<std::uint64_t(std::vector<int>)> place;
};
TENON_INTERFACE(desk_contract, "test", "desk", "1.2.0", (plus, a, b), (greet, who), hello, mine,
                (check, n), (nap, text, ms), (late, n), pause, (route, n), nothing,
                (older, who, years), kind, (inherited, n), (view, text), (place, list))

errc code_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const tenon::failure& e) {
        return e.code();
    }
    ADD_FAILURE() << "no failure";
    return errc::internal;
}

class service : public testing::TestWithParam<const char*> {
protected:
    service() {
        tenon::server_options o;
        o.runtime = &runtime;
        server.emplace(o);
        server->listen(fresh_endpoint(GetParam()));
    }
    tenon::client dynamic() { return tenon::client(endpoint(), {.runtime = &runtime}); }
    tenon::stub<desk_contract> connect() {
        return tenon::connect<desk_contract>(endpoint(), {.runtime = &runtime});
    }
    std::string endpoint() const { return server->endpoints().at(0); }

    engine shared_engine;
    tenon::runtime runtime{test_runtime()};
    std::optional<tenon::server> server;
};
INSTANTIATE_TEST_SUITE_P(transports, service, testing::Values("inproc", "unix", "shm", "tcp"),
                         name_of);

TEST_P(service, every_kind_of_member) {
    server->add<desk>("hello", std::ref(shared_engine)).start();
    auto d = connect();
    EXPECT_EQ(d.plus(10, 20), 30);
    EXPECT_EQ(d.greet("you"), "hello you");
    EXPECT_EQ(d.hello(), "hello");
    EXPECT_EQ(d.nap("there", 2), "hello there");
    EXPECT_EQ(d.late(1), 15);
    d.pause();
    EXPECT_EQ(d.route(1), "test/desk.route");
    d.nothing();
    EXPECT_EQ(shared_engine.calls, 1);
    EXPECT_EQ(d.older(person{"bo", 1}, std::vector<int>{1, 2}).age, 4);
    EXPECT_EQ(d.kind(), 1);
    EXPECT_EQ(d.inherited(3), "base 3");
    EXPECT_EQ(d.view("seen"), "seen");
    EXPECT_EQ(get(d.nap.future("later", 2)).value(), "hello later");

    auto c = dynamic();
    EXPECT_EQ(c.call("test/desk.plus", 10, 20).as<int>(), 30);
    EXPECT_EQ(c.try_call("test/desk.plus", value::object({{"a", 1}})).value(), value(2));
    EXPECT_EQ(c.try_call("test/desk.greet", value::object({{"who", "me"}})).value(),
              value("hello me"));
    EXPECT_TRUE(c.call("test/desk.nothing").is_nil());
    EXPECT_EQ(c.try_call("test/desk.missing", value::list({})).error().code(), errc::unsupported);
}

TEST(service_in_process, the_arguments_themselves_are_handed_over) {
    tenon::runtime runtime(test_runtime());
    engine e;
    tenon::server server({.runtime = &runtime});
    server.add<desk>("hello", std::ref(e)).listen(fresh_endpoint("inproc")).start();
    auto d = tenon::connect<desk_contract>(server.endpoints().at(0), {.runtime = &runtime});
    std::vector<int> list{1, 2, 3};
    const auto place = reinterpret_cast<std::uintptr_t>(list.data());
    EXPECT_EQ(d.place(std::move(list)), place);
}

TEST_P(service, errors_that_describe_declares) {
    server->add<desk>("hello", std::ref(shared_engine)).start();
    auto d = connect();
    EXPECT_EQ(d.check(5), 5);
    EXPECT_EQ(d.check.try_call(-1).error().code(), errc::invalid);
    EXPECT_EQ(d.late.try_call(-1).error().code(), errc::invalid);
    for (const auto& e : {d.check.try_call(101).error(), d.late.try_call(101).error(),
                          get(d.late.future(101)).error()}) {
        EXPECT_EQ(e.code(), errc::failed) << e.to_string();
        EXPECT_EQ(e.name(), "too_big");
        ASSERT_TRUE(e.details_as<too_big>());
        EXPECT_EQ(e.details_as<too_big>()->limit, 100);
    }
    EXPECT_THROW(d.check(101), tenon::failure_of<too_big>);
}

TEST_P(service, constructors_that_throw) {
    server->add<desk>("broken", std::ref(shared_engine)).start();
    auto d = connect();
    for (const auto& e : {d.plus.try_call(1, 2).error(), get(d.plus.future(1, 2)).error()}) {
        EXPECT_EQ(e.code(), errc::internal);
        EXPECT_EQ(e.message(), "no desk today");
        EXPECT_FALSE(e.may_have_run());
    }
    const auto late = d.nap.try_call("x", 0).error();
    EXPECT_EQ(late.message(), "no desk today");
    EXPECT_FALSE(late.may_have_run());
    EXPECT_EQ(shared_engine.alive, 0);
}

TEST_P(service, constructors_that_throw_a_declared_error) {
    server->add<desk>("out of stock", std::ref(shared_engine)).start();
    const auto e = connect().greet.try_call("you").error();
    EXPECT_EQ(e.name(), "too_big");
    EXPECT_EQ(e.details_as<too_big>()->limit, 7);
    EXPECT_FALSE(e.may_have_run());
    EXPECT_EQ(connect().plus.try_call(1, 2).error().code(), errc::internal) << "not declared there";
}

TEST_P(service, a_fresh_instance_per_request_whoever_calls) {
    server->add<desk>("hello", std::ref(shared_engine)).start();
    constexpr int threads = 4;
    constexpr int calls = 100;
    std::atomic<int> others{0};
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t)
        all.emplace_back([&] {
            auto d = connect();
            std::vector<std::future<tenon::result<std::string>>> naps;
            for (int i = 0; i < calls; ++i) {
                if (d.mine() != 1) ++others;
                naps.push_back(d.nap.future("x", 1));
            }
            for (auto& n : naps)
                if (get(std::move(n)).value() != "hello x") ++others;
        });
    for (auto& t : all) t.join();
    EXPECT_EQ(others, 0);
    EXPECT_FALSE(shared_engine.wrong);
    EXPECT_EQ(shared_engine.calls, threads * calls);
    EXPECT_EQ(shared_engine.made, 2 * threads * calls);
    EXPECT_TRUE(eventually([&] { return shared_engine.alive == 0; }));
}

TEST_P(service, a_shared_instance) {
    server->add<desk>(tenon::shared, "hello", shared_engine).start();
    auto d = connect();
    EXPECT_EQ(d.mine(), 1);
    EXPECT_EQ(d.mine(), 2);
    EXPECT_EQ(dynamic().call("test/desk.mine").as<int>(), 3);
    EXPECT_EQ(d.nap("x", 1), "hello x");
    EXPECT_EQ(shared_engine.made, 1);
    server.reset();
    EXPECT_EQ(shared_engine.alive, 0);
}

TEST_P(service, an_existing_instance) {
    auto object = std::make_shared<desk>("good day", shared_engine);
    server->add(object).start();
    EXPECT_EQ(connect().mine(), 1);
    EXPECT_EQ(object->mine(), 2);
    EXPECT_EQ(connect().greet("you"), "good day you");
    server.reset();
    EXPECT_EQ(object.use_count(), 1);
}

TEST_P(service, instances_live_until_their_coroutines_have_finished) {
    server->add<desk>("hello", std::ref(shared_engine)).start();
    tenon::cancellation cancel;
    std::thread caller([&] {
        auto d = connect();
        const auto given_up = d.nap.with({.cancel = &cancel}).try_call("x", 10'000);
        ASSERT_FALSE(given_up);
        EXPECT_EQ(given_up.error().code(), errc::cancelled);
    });
    EXPECT_TRUE(eventually([&] { return shared_engine.alive == 1; }));
    cancel.cancel();
    caller.join();
    EXPECT_TRUE(eventually([&] { return shared_engine.alive == 0; }));

    const auto late = connect().nap.with({.timeout = 20ms}).try_call("x", 10'000);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code() == errc::cancelled, GetParam() == std::string("inproc"))
        << "there the handler has the last word";
    EXPECT_TRUE(eventually([&] { return shared_engine.alive == 0; }));
    EXPECT_FALSE(shared_engine.wrong);
}

TEST_P(service, the_server_stops_with_coroutines_of_fresh_instances_under_way) {
    server->add<desk>("hello", std::ref(shared_engine)).start();
    auto d = connect();
    std::vector<std::future<tenon::result<std::string>>> all;
    for (int i = 0; i < 20; ++i) all.push_back(d.nap.future("x", 10'000));
    EXPECT_TRUE(eventually([&] { return shared_engine.alive == 20; }));
    server->stop(0ms);
    EXPECT_EQ(shared_engine.alive, 0);
    EXPECT_FALSE(shared_engine.wrong);
    for (auto& f : all) (void)get(std::move(f));
}

class holder {
public:
    holder(std::shared_ptr<const std::string> text, int n) : text_(std::move(text)), n_(n) {}
    std::string text() const { return *text_ + std::to_string(n_); }

private:
    std::shared_ptr<const std::string> text_;
    int n_;
};
TENON_SERVICE(holder, "test", "holder", "1.0.0", text)

TEST_P(service, arguments_are_copied_and_pointers_shared) {
    auto text = std::make_shared<const std::string>("shared ");
    int n = 7;
    server->add<holder>(text, n).start();
    n = 8;
    EXPECT_EQ(dynamic().call("test/holder.text").as<std::string>(), "shared 7");
    EXPECT_EQ(text.use_count(), 2);
    server.reset();
    EXPECT_EQ(text.use_count(), 1);
}

// --- names and scopes ---

struct other_contract {
    tenon::method<int()> f;
};
TENON_INTERFACE(other_contract, "test", "holder", "1.0.0", f)

TEST(service_names, a_name_is_published_once_in_whatever_way) {
    const auto text = std::make_shared<const std::string>("x");
    const std::vector<std::function<void(tenon::server&)>> ways{
        [](tenon::server& s) { s.publish<other_contract>(); },
        [&](tenon::server& s) { s.add<holder>(text, 1); },
        [&](tenon::server& s) { s.add<holder>(tenon::shared, text, 1); },
        [&](tenon::server& s) { s.add(std::make_shared<holder>(text, 1)); },
        [](tenon::server& s) { s.add(tenon::functions("test", "holder", "1").add("g", [] {})); },
    };
    for (const auto& first : ways)
        for (const auto& second : ways) {
            tenon::server s;
            first(s);
            EXPECT_EQ(code_of([&] { second(s); }), errc::conflict);
        }
}

TEST(service_names, nothing_is_added_after_the_start) {
    tenon::server s;
    s.start();
    EXPECT_EQ(code_of([&] { s.add<holder>(std::make_shared<const std::string>("x"), 1); }),
              errc::conflict);
    EXPECT_EQ(code_of([&] { s.add(tenon::functions("test", "tools", "1")); }), errc::conflict);
    EXPECT_EQ(code_of([&] { s.add(std::shared_ptr<holder>()); }), errc::invalid);
}

TEST(service_names, seen_from_some_scopes_only) {
    tenon::runtime runtime(test_runtime());
    engine e;
    const auto text = std::make_shared<const std::string>("x");
    const auto near = tenon::scope::process;
    const tenon::publish_options options{.seen = near};
    const std::vector<std::function<void(tenon::server&)>> ways{
        [&](tenon::server& s) { s.add<holder>(near, text, 1); },
        [&](tenon::server& s) { s.add<holder>(options, text, 1); },
        [&](tenon::server& s) { s.add<holder>(near, tenon::shared, text, 1); },
        [&](tenon::server& s) { s.add<holder>(options, tenon::shared, text, 1); },
        [&](tenon::server& s) { s.add(near, std::make_shared<holder>(text, 1)); },
        [&](tenon::server& s) { s.add(options, std::make_shared<holder>(text, 1)); },
        [&](tenon::server& s) {
            s.add(near, tenon::functions("test", "holder", "1").add("text", [] { return "x1"s; }));
        },
        [&](tenon::server& s) {
            s.add(options,
                  tenon::functions("test", "holder", "1").add("text", [] { return "x1"s; }));
        },
    };
    for (const auto& way : ways) {
        tenon::server s({.runtime = &runtime});
        way(s);
        s.listen(fresh_endpoint("inproc")).listen(fresh_endpoint("unix")).start();
        tenon::client here(s.endpoints().at(0), {.runtime = &runtime});
        EXPECT_EQ(here.call("test/holder.text").as<std::string>(), "x1");
        tenon::client there(s.endpoints().at(1), {.runtime = &runtime});
        EXPECT_EQ(there.try_call("test/holder.text", {}).error().code(), errc::not_found);
    }
}

TEST(service_names, descriptions_are_kept) {
    const auto& info = tenon::detail::service_of<desk>();
    EXPECT_EQ(info.doc, "A desk.");
    EXPECT_EQ(info.version, "1.2.0");
    const auto method = [&](std::string_view name) {
        for (const auto& m : info.methods)
            if (m.name == name) return m;
        throw std::out_of_range(std::string(name));
    };
    EXPECT_EQ(method("plus").doc, "Adds.");
    EXPECT_TRUE(method("plus").flags.idempotent);
    EXPECT_EQ(method("plus").param_names, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(method("inherited").doc, "From the base.");
    EXPECT_TRUE(method("kind").flags.blocking);
    EXPECT_EQ(method("route").param_names, std::vector<std::string>{"n"}) << "no context";
    EXPECT_EQ(method("plus").signature->error_count, 0U);
    ASSERT_EQ(method("late").signature->error_count, 2U);
    EXPECT_EQ(method("late").signature->errors[0], &tenon::shape_of<not_today>());
    EXPECT_EQ(method("late").signature->errors[1], &tenon::shape_of<too_big>());
    EXPECT_EQ(method("late").signature->result, &tenon::shape_of<int>());
}

class hidden_member {
public:
    void shown() {}
    void not_shown() {}
    static void describe(tenon::description<hidden_member>& d) { d[&hidden_member::not_shown]; }
};
TENON_SERVICE(hidden_member, "test", "hidden", "1", shown)

TEST(service_names, describing_what_is_not_exposed_is_invalid) {
    tenon::server s;
    EXPECT_EQ(code_of([&] { s.add<hidden_member>(); }), errc::invalid);
}

}  // namespace
}  // namespace rpc_test
