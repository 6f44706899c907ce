// Streams of exposed classes, of tables of functions, and of classes that implement a contract.

#include "rpc/test_support.hpp"
#include "tenon/functions.hpp"
#include "tenon/manifest.hpp"
#include "tenon/service.hpp"
#include "tenon/stream_members.hpp"

namespace rpc_test {
namespace {

using tenon::errc;
using tenon::value;

struct sample {
    std::string name;
    int amount = 0;
    friend bool operator==(const sample&, const sample&) = default;
};
TENON_STRUCT(sample, name, amount)

/// What instances of a class share, and what the tests see of them.
struct plant {
    std::atomic<int> made{0};
    std::atomic<int> alive{0};
    std::atomic<bool> wrong{false};
    std::mutex mutex;
    std::vector<tenon::writer<int>> writers;
};

class station {
public:
    station(std::string name, plant& p) : name_(std::move(name)), plant_(p) {
        if (name_ == "closed") throw std::runtime_error("no station today");
        ++p.made, ++p.alive;
    }
    station(const station&) = delete;
    ~station() {
        name_ = "gone";
        --plant_.alive;
    }

    // sources
    tenon::generator<sample> samples(std::string prefix, const int& n) {
        for (int i = 0; i < n; ++i) {
            if (i % 7 == 0) co_await tenon::sleep_for(50us);
            sample s{prefix + name_, i};
            co_yield std::move(s);
        }
    }
    tenon::generator<std::string> routes(tenon::context& ctx, int n) {
        for (int i = 0; i < n; ++i) co_yield std::string(ctx.route());
    }
    void ring(tenon::writer<int> out, int n) const {
        for (int i = 0; i < n; ++i) out.send(i);
    }
    tenon::task<void> slowly(tenon::context& ctx, tenon::writer<std::string> out,
                             const std::string& text) {
        for (int i = 0; i < 5; ++i) {
            co_await tenon::sleep_for(100us);
            co_await out.send_async(text + std::to_string(i) + name_);
        }
        if (ctx.cancelled()) plant_.wrong = true;
    }
    void keep(tenon::writer<int> out) {
        const std::lock_guard lock(plant_.mutex);
        plant_.writers.push_back(std::move(out));
    }
    tenon::generator<int> broken() {
        co_yield 1;
        throw too_big{1, "only one"};
    }
    // sinks
    tenon::task<std::string> join(tenon::reader<std::string> in, std::string between) {
        std::string all = name_;
        while (auto v = co_await in.next()) all += between + *v;
        co_return all;
    }
    long total(tenon::reader<int> in) {
        long sum = 0;
        for (const int v : in) sum += v;
        return sum;
    }
    tenon::result<int> refuse(tenon::reader<int> in) {
        if (auto v = in.get()) return tenon::error(errc::invalid, "not " + std::to_string(*v));
        return 0;
    }
    void drain(tenon::reader<sample> in) {
        while (in.get()) {}
    }
    // channels
    tenon::task<void> shout(tenon::duplex<std::string, std::string> line, int times) {
        while (auto v = co_await line.next())
            for (int i = 0; i < times; ++i) co_await line.send_async(*v + "!" + name_);
    }
    void add(tenon::reader<int> in, tenon::writer<long> out, int to) {
        for (const int v : in) out.send(v + to);
    }
    // a method beside them
    std::string name() const { return name_; }

    static void describe(tenon::description<station>& d) {
        d.doc("A station.");
        d[&station::samples].doc("Samples.").default_value("n", 3).window(10);
        d[&station::ring].overflow(tenon::overflow::drop_old, 100);
        d[&station::keep].latest([](const int& n) { return n % 10; }, 10);
        d[&station::broken].errors<too_big>();
        d[&station::shout].up().window(5).down().overflow(tenon::overflow::fail, 8);
        d[&station::drain].latest(&sample::name, 4);
        d[&station::name].idempotent();
    }

private:
    std::string name_;
    plant& plant_;
};
TENON_SERVICE(station, "test", "station", "1.0.0", (samples, prefix, n), (routes, n), (ring, n),
              (slowly, text), keep, broken, (join, between), total, refuse, drain, (shout, times),
              (add, to), name)

/// The same as a contract, for clients.
struct station_contract {
    tenon::source<sample(std::string, int)> samples;
    tenon::source<std::string(int)> routes;
    tenon::source<int(int)> ring;
    tenon::source<std::string(std::string)> slowly;
    tenon::source<int()> keep;
    tenon::source<int()> broken;
    tenon::sink<std::string, std::string, std::string> join;
    tenon::sink<int, long> total;
    tenon::sink<int, int> refuse;
    tenon::sink<sample> drain;
    tenon::channel<std::string, std::string, int> shout;
    tenon::channel<int, long, int> add;
    tenon::method<std::string()> name;
};
TENON_INTERFACE(station_contract, "test", "station", "1.0.0", (samples, prefix, n), (routes, n),
                (ring, n), (slowly, text), keep, broken, (join, between), total, refuse, drain,
                (shout, times), (add, to), name)

template <class Reader>
auto all_of(Reader in) {
    std::vector<typename Reader::value_type> all;
    for (auto& v : in) all.push_back(std::move(v));
    return all;
}

template <class F>
tenon::error failure_of(F f) {
    try {
        f();
    } catch (const tenon::failure& e) {
        return e.error();
    }
    ADD_FAILURE() << "no failure";
    return tenon::error(errc::internal);
}

class stream_service : public testing::TestWithParam<const char*> {
protected:
    stream_service() {
        tenon::server_options o;
        o.runtime = &runtime;
        server.emplace(o);
        server->listen(fresh_endpoint(GetParam()));
    }
    ~stream_service() override { all.writers.clear(); }

    template <class Contract>
    tenon::stub<Contract> connect() {
        return tenon::connect<Contract>(server->endpoints().at(0), {.runtime = &runtime});
    }

    plant all;
    tenon::runtime runtime{test_runtime()};
    std::optional<tenon::server> server;
};
INSTANTIATE_TEST_SUITE_P(over, stream_service,
                         testing::Values("inproc", "unix", "path", "shm", "tcp"), name_of);

void use_all_members(tenon::stub<station_contract>& s) {
    const auto samples = all_of(s.samples("from ", 20));
    ASSERT_EQ(samples.size(), 20u);
    EXPECT_EQ(samples[19], (sample{"from east", 19}));
    EXPECT_EQ(all_of(s.routes(2)), (std::vector<std::string>(2, "test/station.routes")));
    EXPECT_EQ(all_of(s.ring(3)), (std::vector{0, 1, 2}));
    const std::string text(100, 'x');  // in memory of its own
    const auto slow = all_of(s.slowly(text));
    ASSERT_EQ(slow.size(), 5u);
    EXPECT_EQ(slow[4], text + "4east");

    auto join = s.join(", ");
    join.send("a");
    join.send("b");
    EXPECT_EQ(join.get_reply(), "east, a, b");
    auto total = s.total();
    for (int i = 1; i <= 100; ++i) total.send(i);
    EXPECT_EQ(total.get_reply(), 5050);

    auto shout = s.shout(2);
    EXPECT_EQ(shout.send_recv("hey"), "hey!east");
    EXPECT_EQ(shout.get(), "hey!east");
    shout.finish();
    EXPECT_EQ(shout.get(), std::nullopt);
    auto add = s.add(1000);
    EXPECT_EQ(add.send_recv(1), 1001);
    add.finish();
    EXPECT_EQ(add.get(), std::nullopt);
    EXPECT_EQ(s.name(), "east");
}

TEST_P(stream_service, a_fresh_instance_lives_as_long_as_its_stream) {
    server->add<station>("east", std::ref(all)).start();
    {
        auto s = connect<station_contract>();
        use_all_members(s);
        EXPECT_EQ(all.made, 9);  // 8 streams and a call
        auto samples = s.samples("x", 1'000'000);
        EXPECT_TRUE(samples.get());
        EXPECT_TRUE(eventually([&] { return all.alive == 1; }));
    }
    EXPECT_TRUE(eventually([&] { return all.alive == 0; }));
    EXPECT_FALSE(all.wrong);
}

TEST_P(stream_service, a_shared_instance_serves_all) {
    server->add<station>(tenon::shared, "east", std::ref(all)).start();
    auto s = connect<station_contract>();
    use_all_members(s);
    EXPECT_EQ(all.made, 1);
    EXPECT_EQ(all.alive, 1);
}

TEST_P(stream_service, errors_end_the_stream) {
    server->add<station>("east", std::ref(all)).start();
    auto s = connect<station_contract>();
    auto broken = s.broken();
    EXPECT_EQ(broken.get(), 1);
    const tenon::error e = failure_of([&] { broken.get(); });
    EXPECT_EQ(e.code(), errc::failed);
    EXPECT_EQ(e.name(), "too_big");
    EXPECT_EQ(e.details_as<too_big>().value().limit, 1);
    auto refuse = s.refuse();
    refuse.send(7);
    const tenon::error refused = failure_of([&] { refuse.get_reply(); });
    EXPECT_EQ(refused.code(), errc::invalid);
    EXPECT_EQ(refused.message(), "not 7");
}

TEST_P(stream_service, an_instance_that_cannot_be_made_fails_the_stream) {
    server->add<station>("closed", std::ref(all)).start();
    auto s = connect<station_contract>();
    auto samples = s.samples("x", 1);
    EXPECT_EQ(failure_of([&] { samples.get(); }).message(), "no station today");
    auto total = s.total();
    EXPECT_EQ(failure_of([&] { total.get_reply(); }).message(), "no station today");
}

// A writer that is kept outlives the instance; values with the same key take one another's place.
TEST_P(stream_service, a_writer_may_be_kept) {
    server->add<station>("east", std::ref(all)).start();
    auto s = connect<station_contract>();
    auto kept = s.keep();
    const auto has_writer = [&] {
        const std::lock_guard lock(all.mutex);
        return !all.writers.empty();
    };
    ASSERT_TRUE(eventually(has_writer));
    EXPECT_TRUE(eventually([&] { return all.alive == 0; }));
    std::uint64_t sent = 0;
    for (int i = 0; i < 20'000; ++i) sent += all.writers[0].send(i);
    all.writers.clear();
    std::vector<int> last(10, -1);
    std::uint64_t got = 0;
    for (const int v : kept) {
        EXPECT_LT(last[static_cast<std::size_t>(v % 10)], v);
        last[static_cast<std::size_t>(v % 10)] = v;
        ++got;
    }
    for (int i = 0; i < 10; ++i) EXPECT_EQ(last[static_cast<std::size_t>(i)], 19'990 + i);
    EXPECT_GE(sent, got - 10);
    EXPECT_EQ(got + kept.stats().lost, 20'000u);
}

TEST_P(stream_service, members_are_of_their_kind) {
    server->add<station>("east", std::ref(all)).start();
    tenon::client c(server->endpoints().at(0), {.runtime = &runtime});
    auto r = c.try_call("test/station.ring", value::list({1}));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code(), errc::unsupported);
    EXPECT_EQ(r.error().message(),
              "test/station.ring is a source: subscribe to it (request/stream)");
    EXPECT_FALSE(r.error().may_have_run());
    const auto total = c.try_call("test/station.total", value::list({1}));
    EXPECT_EQ(total.error().message(),
              "test/station.total is a sink: open a stream to it (request/channel)");

    // With the manifest it is known before anything is sent.
    const auto m = c.manifest("test/station").value();
    r = c.try_call("test/station.ring", value::list({1}));
    EXPECT_EQ(r.error().message(), "\"ring\" is a source, which is subscribed to, not called");
    EXPECT_TRUE(m.check_open("ring", value::list({1})));
    EXPECT_FALSE(m.check_open("ring", value::list({"one"})));
    EXPECT_EQ(m.check_open("name", value::list({})).error().message(),
              "\"name\" is a method, which is called");
}

struct confused {
    tenon::method<int(int)> ring;
    tenon::sink<int> samples;
    tenon::source<std::string()> name;
};
TENON_INTERFACE(confused, "test", "station", "1.0.0", (ring, n), samples, name)

TEST_P(stream_service, clients_that_think_otherwise_are_told) {
    server->add<station>("east", std::ref(all)).start();
    auto s = connect<confused>();
    EXPECT_EQ(s.ring.try_call(1).error().message(),
              "test/station.ring is a source: subscribe to it (request/stream)");
    const auto told = [&](auto stream) { return failure_of([&] { stream.get(); }).message(); };
    std::string said;
    try {
        said = told(s.name());
    } catch (const tenon::failure& f) {  // in process it is known when it is opened
        said = f.error().message();
    }
    EXPECT_EQ(said, "test/station.name is a method: call it (request/response)");
    EXPECT_EQ(all.made, 0);
}

TEST_P(stream_service, open_streams_are_counted) {
    server->add<station>("east", std::ref(all)).start();
    const auto open = [&](std::string_view route, std::string_view kind) {
        for (const tenon::method_stats& m : server->stats()) {
            if (m.route != route) continue;
            EXPECT_EQ(m.kind, kind);
            return m.streams;
        }
        ADD_FAILURE() << route;
        return std::uint64_t{0};
    };
    const auto samples = [&] { return open("test/station.samples", "source"); };
    const auto totals = [&] { return open("test/station.total", "sink"); };
    {
        auto s = connect<station_contract>();
        auto one = s.samples("x", 1'000'000);
        auto two = s.samples("x", 1'000'000);
        auto total = s.total();
        EXPECT_TRUE(one.get() && two.get());
        EXPECT_EQ(samples(), 2u);
        EXPECT_TRUE(eventually([&] { return totals() == 1; }));
        total.send(1);
        EXPECT_EQ(total.get_reply(), 1);
        one.stop();
        {
            const auto gone = std::move(one);  // in process it is open as long as somebody has it
        }
        EXPECT_TRUE(eventually([&] { return samples() == 1; }));
    }
    EXPECT_TRUE(eventually([&] { return samples() == 0 && totals() == 0; }));
    EXPECT_EQ(open("test/station.name", "method"), 0u);
}

tenon::generator<int> count_down(int from) {
    for (int i = from; i > 0; --i) co_yield i;
}
tenon::task<long> sum(tenon::reader<int> in, const int& start) {
    long all = start;
    while (auto v = co_await in.next()) all += *v;
    co_return all;
}

struct tools_contract {
    tenon::source<int(int)> down;
    tenon::source<std::string(std::string)> twice;
    tenon::sink<int, long, int> sum;
    tenon::channel<int, int> echo;
};
TENON_INTERFACE(tools_contract, "test", "tools", "1.0.0", (down, from), (twice, text), (sum, start),
                echo)

TEST_P(stream_service, functions_may_be_streams) {
    server->add(tenon::functions("test", "tools", "1.0.0")
                    .add("down", &count_down, "from")
                    .doc("Counts.")
                    .window(16)
                    .add(
                        "twice",
                        [](tenon::writer<std::string> out, const std::string& text) {
                            out.send(text);
                            out.send(text);
                        },
                        "text")
                    .overflow(tenon::overflow::drop_new, 3)
                    .add("sum", sum, "start")
                    .add("echo", [](tenon::reader<int> in, tenon::writer<int> out) {
                        for (const int v : in) out.send(v);
                    }));
    server->start();
    auto t = connect<tools_contract>();
    EXPECT_EQ(all_of(t.down(3)), (std::vector{3, 2, 1}));
    EXPECT_EQ(all_of(t.twice("so")), (std::vector<std::string>{"so", "so"}));
    auto s = t.sum(100);
    s.send(1);
    EXPECT_EQ(s.get_reply(), 101);
    auto e = t.echo();
    EXPECT_EQ(e.send_recv(5), 5);
    e.finish();

    tenon::client c(server->endpoints().at(0), {.runtime = &runtime});
    const value members = c.manifest("test/tools").value().content()["members"];
    EXPECT_EQ(tenon::to_json(members["down"]),
              R"({"kind":"source","doc":"Counts.","params":[{"name":"from","shape":)"
              R"({"is":"int","min":-2147483648,"max":2147483647}}],"value":)"
              R"({"is":"int","min":-2147483648,"max":2147483647},"flow":{"down":{"window":16}}})");
    EXPECT_EQ(tenon::to_json(members["twice"]["flow"]),
              R"({"down":{"overflow":"drop_new","queue":3}})");
}

/// Knows nothing of contracts.
class worker {
public:
    tenon::generator<int> down(int from) const {
        for (int i = from; i > 0; --i) co_yield i* factor_;
    }
    void twice(tenon::writer<std::string> out, const std::string& text) {
        for (int i = 0; i < 2; ++i) out.send(text);
    }
    tenon::task<long> sum(tenon::reader<int> in, int start) {
        long all = start;
        while (auto v = co_await in.next()) all += *v * factor_;
        co_return all;
    }
    int echo(int n) { return n * factor_; }

private:
    int factor_ = 10;
};

TEST_P(stream_service, a_class_may_implement_a_contract_with_streams) {
    server->implement<tools_contract, worker>();
    server->start();
    auto t = connect<tools_contract>();
    EXPECT_EQ(all_of(t.down(3)), (std::vector{30, 20, 10}));
    EXPECT_EQ(all_of(t.twice("so")), (std::vector<std::string>{"so", "so"}));
    auto s = t.sum(100);
    s.send(1);
    EXPECT_EQ(s.get_reply(), 110);
    auto e = t.echo();
    EXPECT_EQ(e.send_recv(5), 50);
    e.finish();
}

tenon::task<void> note_value(std::vector<std::string>& into, std::mutex& mutex, std::string v) {
    co_await tenon::sleep_for(10us);
    const std::lock_guard lock(mutex);
    into.push_back(std::move(v));
}
tenon::task<int> square(int n) {
    co_await tenon::sleep_for(10us);
    co_return n* n;
}
tenon::task<void> repeat(const tenon::writer<std::string>& out, const std::string& text,
                         const int& n) {
    for (int i = 0; i < n; ++i) {
        co_await tenon::sleep_for(10us);
        tenon::writer<std::string> to = out;
        co_await to.send_async(text);
    }
}

tenon::task<void> give_up(tenon::writer<int> out) {
    co_await out.send_async(1);
    throw std::runtime_error("given up");
}

struct coroutines {
    tenon::sink<std::string> note;
    tenon::channel<int, int> square;
    tenon::source<std::string(std::string, int)> repeat;
    tenon::source<int()> give_up;
    tenon::source<int()> break_off;
    tenon::channel<int, int> no_answer;
};
TENON_INTERFACE(coroutines, "test", "coroutines", "1.0.0", note, square, (repeat, text, n), give_up,
                break_off, no_answer)

// The writer goes with what is thrown, which must come first nevertheless.
TEST_P(stream_service, what_is_thrown_beside_a_writer_ends_the_stream) {
    auto& c = server->publish<coroutines>();
    c.give_up = give_up;
    c.break_off = [](tenon::writer<int> out) {
        out.send(1);
        throw std::runtime_error("broken off");
    };
    c.no_answer = [](tenon::reader<int> in, tenon::writer<int>) -> tenon::result<void> {
        if (in.get() == 7) return tenon::error(errc::denied, "not seven");
        return {};
    };
    server->start();
    auto s = connect<coroutines>();
    for (int i = 0; i < 50; ++i) {
        auto one = s.give_up();
        EXPECT_EQ(one.get(), 1);
        EXPECT_EQ(failure_of([&] { one.get(); }).message(), "given up");
        auto two = s.break_off();
        EXPECT_EQ(two.get(), 1);
        EXPECT_EQ(failure_of([&] { two.get(); }).message(), "broken off");
        auto three = s.no_answer();
        three.send(7);
        EXPECT_EQ(failure_of([&] { three.get(); }).code(), errc::denied);
    }
}

// Coroutines may take references, and may be called for every value.
TEST_P(stream_service, coroutines_may_wait_with_what_they_are_given) {
    std::vector<std::string> notes;
    std::mutex mutex;
    auto& c = server->publish<coroutines>();
    c.note = [&](std::string v) { return note_value(notes, mutex, std::move(v)); };
    c.square = square;
    c.repeat = repeat;
    server->start();
    auto s = connect<coroutines>();
    auto note = s.note();
    for (const char* v : {"a", "b", "c"}) note.send(v);
    note.get_reply();
    EXPECT_EQ(notes, (std::vector<std::string>{"a", "b", "c"}));
    auto squares = s.square();
    EXPECT_EQ(squares.send_recv(12), 144);
    squares.finish();
    EXPECT_EQ(squares.get(), std::nullopt);
    const std::string text(200, 'y');
    EXPECT_EQ(all_of(s.repeat(text, 50)), std::vector<std::string>(50, text));
}

}  // namespace
}  // namespace rpc_test
