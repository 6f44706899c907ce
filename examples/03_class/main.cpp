// Classes as services: exposed as they are, or as the implementation of a contract.

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tenon/tenon.hpp"

struct sold_out {
    std::string name;
    int left;
};
TENON_STRUCT(sold_out, name, left)

// The engine: there is one, and it takes care of its own state.
class store {
public:
    int take(const std::string& name, int count) {
        const std::lock_guard lock(mutex_);
        int& left = stock_[name];
        if (left < count) throw sold_out{name, left};
        return left -= count;
    }

private:
    std::mutex mutex_;
    std::map<std::string, int> stock_{{"apple", 10}, {"pear", 3}};
};

// Each request gets a shop of its own: its members need no lock.
class shop {
public:
    shop(std::string currency, store& all) : currency_(std::move(currency)), store_(all) {}

    std::string price(const std::string&) const { return "0.50 " + currency_; }
    int order(const std::string& name, int count) {
        total_ += count;
        return store_.take(name, total_);
    }
    tenon::task<int> later(const std::string& name, int n) {
        co_await tenon::sleep_for(std::chrono::milliseconds(10));
        co_return order(name, n);
    }

    static void describe(tenon::description<shop>& d) {
        d.doc("Sells fruit.");
        d[&shop::price].doc("The price of one piece.").idempotent();
        d[&shop::order].doc("How many are left.").default_value("count", 1).errors<sold_out>();
        d[&shop::later].errors<sold_out>();
    }

private:
    const std::string currency_;
    store& store_;
    int total_ = 0;
};
TENON_SERVICE(shop, "demo", "shop", "1.0.0", (price, name), (order, name, count), (later, name, n))

struct counter {
    tenon::method<int(int)> add;
    tenon::method<std::string()> title;
};
TENON_INTERFACE(counter, "demo", "counter", "1.0.0", (add, n), title)

// Knows nothing of Tenon. One object serves all callers, so it takes care of its own state.
class tally {
public:
    explicit tally(std::string title) : title_(std::move(title)) {}

    int add(int n) { return total_ += n; }
    std::string title() const { return title_; }

private:
    const std::string title_;
    std::atomic<int> total_{0};
};

void implement() {
    tenon::server server;
    tally& object = server.implement<counter, tally>("visitors");
    server.listen("inproc:counter").start();

    auto c = tenon::connect<counter>("inproc:counter");
    c.add(2);
    object.add(10);  // an ordinary object
    std::printf("%s: %d\n", c.title().c_str(), c.add(3));
}

void visit(const std::string& endpoint) {
    auto c = tenon::connect(endpoint);
    std::printf("an apple costs %s\n",
                c.call("demo/shop.price", "apple").as<std::string>().c_str());
    std::printf("%d left\n", c.call("demo/shop.order", "apple", 4).as<int>());
    std::printf("%d left\n", c.call("demo/shop.later", "apple", 4).as<int>());
    const auto more = c.try_call("demo/shop.order", tenon::value::list({"apple", 4}));
    if (auto none = more.error().details_as<sold_out>()) std::printf("only %d left\n", none->left);
}

int main() {
    implement();

    store all;
    tenon::server{}
        .listen("tcp://127.0.0.1:0")
        .add<shop>("CHF", std::ref(all))
        .run([](const std::vector<std::string>& endpoints) {
            visit(endpoints.front());
            std::raise(SIGTERM);  // the server would run until somebody else does this
        });
}
