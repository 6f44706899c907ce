// Client and server of different versions of one contract: each call that the two do not agree on
// fails by itself, naming what they differ in; all others work, also on the same connection.

#include <thread>

#include "rpc/test_support.hpp"

namespace older {

struct item {
    std::string id;
};
TENON_STRUCT(item, id)

struct box {
    std::string id;
    int size = 0;
};
TENON_STRUCT(box, id, size)

struct receipt {
    int total = 0;
};
TENON_STRUCT(receipt, total)

enum class side { buy, sell };
TENON_ENUM(side, buy, sell)

struct shop {
    tenon::method<int(int, int)> same;
    tenon::method<std::string(item)> required;
    tenon::method<std::string(item)> optional;
    tenon::method<std::string(item)> defaulted;
    tenon::method<std::string(box)> shrunk;
    tenon::method<int()> gone;
    tenon::method<int(int)> wider;
    tenon::method<int(int)> extended;
    tenon::method<int(int)> retyped;
    tenon::method<std::string(side)> trade;
    tenon::method<side(int)> pick;
    tenon::method<receipt()> pay;
    tenon::method<int()> answer;
};
TENON_INTERFACE(shop, "skew", "shop", "1.0.0", (same, a, b), (required, it), (optional, it),
                (defaulted, it), (shrunk, it), gone, (wider, a), (extended, a), (retyped, a),
                (trade, which), (pick, n), pay, answer)

void implement(shop& s) {
    s.same = [](int a, int b) { return a + b; };
    s.required = [](const item& i) { return i.id; };
    s.optional = [](const item& i) { return i.id; };
    s.defaulted = [](const item& i) { return i.id; };
    s.shrunk = [](const box& b) { return b.id + std::to_string(b.size); };
    s.gone = [] { return 1; };
    s.wider = [](int a) { return a; };
    s.extended = [](int a) { return a; };
    s.retyped = [](int a) { return a; };
    s.trade = [](side x) { return std::string(x == side::buy ? "bought" : "sold"); };
    s.pick = [](int n) { return static_cast<side>(n); };
    s.pay = [] { return receipt{5}; };
    s.answer = [] { return 42; };
}

}  // namespace older

namespace newer {

struct required_item {
    std::string id;
    std::string colour;
};
TENON_STRUCT(required_item, id, colour)

struct optional_item {
    std::string id;
    std::optional<std::string> colour;
};
TENON_STRUCT(optional_item, id, colour)

struct defaulted_item {
    std::string id;
    std::string colour = "red";
};
TENON_STRUCT(defaulted_item, id, (colour, defaulted))

struct box {
    std::string id;
};
TENON_STRUCT(box, id)

struct receipt {
    int total = 0;
    int tax = 0;
};
TENON_STRUCT(receipt, total, tax)

enum class side { buy, sell, hold };
TENON_ENUM(side, buy, sell, hold)

struct shop {
    tenon::method<int(int, int)> same;
    tenon::method<std::string(required_item)> required;
    tenon::method<std::string(optional_item)> optional;
    tenon::method<std::string(defaulted_item)> defaulted;
    tenon::method<std::string(box)> shrunk;
    tenon::method<int(int, int)> wider;
    tenon::method<int(int, int)> extended;
    tenon::method<std::string(std::string)> retyped;
    tenon::method<std::string(side)> trade;
    tenon::method<side(int)> pick;
    tenon::method<receipt()> pay;
    tenon::method<std::string()> answer;
    tenon::method<int()> fresh;

    static void describe(tenon::description<shop>& d) { d[&shop::extended].default_value("b", 7); }
};
TENON_INTERFACE(shop, "skew", "shop", "1.1.0", (same, a, b), (required, it), (optional, it),
                (defaulted, it), (shrunk, it), (wider, a, b), (extended, a, b), (retyped, a),
                (trade, which), (pick, n), pay, answer, fresh)

void implement(shop& s) {
    s.same = [](int a, int b) { return a + b; };
    s.required = [](const required_item& i) { return i.id + i.colour; };
    s.optional = [](const optional_item& i) { return i.id + i.colour.value_or("none"); };
    s.defaulted = [](const defaulted_item& i) { return i.id + i.colour; };
    s.shrunk = [](const box& b) { return b.id; };
    s.wider = [](int a, int b) { return a + b; };
    s.extended = [](int a, int b) { return a + b; };
    s.retyped = [](const std::string& a) { return a; };
    s.trade = [](side x) { return std::string(x == side::hold ? "held" : "traded"); };
    s.pick = [](int n) { return static_cast<side>(n); };
    s.pay = [] { return receipt{5, 1}; };
    s.answer = [] { return std::string("42"); };
    s.fresh = [] { return 1; };
}

}  // namespace newer

namespace {

using namespace rpc_test;
using tenon::errc;

/// A server of one version, and a client of the other.
template <class Server, class Client>
class pair {
public:
    explicit pair(std::string_view transport) : runtime(test_runtime()) {
        tenon::server_options so;
        so.runtime = &runtime;
        server.emplace(so);
        implement(server->publish<Server>());
        server->listen(fresh_endpoint(transport)).start();
        tenon::client_options co;
        co.runtime = &runtime;
        client.emplace(tenon::connect<Client>(server->endpoints().at(0), co));
    }
    ~pair() { EXPECT_EQ(client->same(20, 22), 42) << "the connection does not go on"; }

    tenon::runtime runtime;
    std::optional<tenon::server> server;
    std::optional<tenon::stub<Client>> client;
};

template <class T>
void expect_failure(const tenon::result<T>& r, errc code, std::string_view naming) {
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code(), code) << r.error().to_string();
    EXPECT_NE(r.error().message().find(naming), std::string_view::npos) << r.error().to_string();
    // Arguments are refused before the handler runs; results are lost after it.
    EXPECT_EQ(r.error().may_have_run(), code == errc::data_loss) << r.error().to_string();
}

class skew : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(over, skew, testing::Values("inproc", "unix", "shm", "tcp"), name_of);

TEST_P(skew, old_client_new_server) {
    pair<newer::shop, older::shop> p(GetParam());
    auto& c = *p.client;
    EXPECT_EQ(c.same(1, 2), 3);
    // Parameters and their fields.
    expect_failure(c.required.try_call(older::item{"x"}), errc::invalid,
                   "it: missing member \"colour\"");
    EXPECT_EQ(c.optional(older::item{"x"}), "xnone");
    EXPECT_EQ(c.defaulted(older::item{"x"}), "xred");
    EXPECT_EQ(c.shrunk(older::box{"x", 3}), "x");
    expect_failure(c.wider.try_call(1), errc::invalid, "\"b\"");
    EXPECT_EQ(c.extended(1), 8);
    expect_failure(c.retyped.try_call(1), errc::invalid, "a: expected string");
    EXPECT_EQ(c.trade(older::side::sell), "traded");
    // Methods.
    expect_failure(c.gone.try_call(), errc::unsupported, "skew/shop.gone");
    // Results.
    EXPECT_EQ(c.pick(1), older::side::sell);
    expect_failure(c.pick.try_call(2), errc::data_loss, "hold");
    EXPECT_EQ(c.pay().total, 5);
    expect_failure(c.answer.try_call(), errc::data_loss, "expected");
}

TEST_P(skew, new_client_old_server) {
    pair<older::shop, newer::shop> p(GetParam());
    auto& c = *p.client;
    EXPECT_EQ(c.same(1, 2), 3);
    EXPECT_EQ(c.required(newer::required_item{"x", "blue"}), "x");
    EXPECT_EQ(c.optional(newer::optional_item{"x", "blue"}), "x");
    EXPECT_EQ(c.defaulted(newer::defaulted_item{"x", "blue"}), "x");
    expect_failure(c.shrunk.try_call(newer::box{"x"}), errc::invalid,
                   "it: missing member \"size\"");
    expect_failure(c.wider.try_call(1, 2), errc::invalid, "too many arguments");
    expect_failure(c.extended.try_call(1, 2), errc::invalid, "too many arguments");
    expect_failure(c.retyped.try_call("x"), errc::invalid, "a: expected");
    EXPECT_EQ(c.trade(newer::side::buy), "bought");
    expect_failure(c.trade.try_call(newer::side::hold), errc::invalid, "hold");
    expect_failure(c.fresh.try_call(), errc::unsupported, "skew/shop.fresh");
    EXPECT_EQ(c.pick(0), newer::side::buy);
    expect_failure(c.pay.try_call(), errc::data_loss, "tax");
    expect_failure(c.answer.try_call(), errc::data_loss, "expected string");
}

TEST_P(skew, asynchronous_calls_say_the_same) {
    pair<older::shop, newer::shop> p(GetParam());
    auto& c = *p.client;
    expect_failure(get(c.shrunk.future(newer::box{"x"})), errc::invalid,
                   "it: missing member \"size\"");
    expect_failure(get(c.fresh.future()), errc::unsupported, "skew/shop.fresh");
    expect_failure(get(c.pay.future()), errc::data_loss, "tax");
    EXPECT_EQ(get(c.required.future(newer::required_item{"x", "blue"})).value(), "x");
}

}  // namespace
