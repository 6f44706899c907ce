// A class that implements a contract: each method by the member of the same name.

#include <atomic>
#include <cstdio>
#include <string>

#include "tenon/tenon.hpp"

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

int main() {
    tenon::server server;
    tally& object = server.implement<counter, tally>("visitors");
    server.listen("inproc:counter").start();

    auto c = tenon::connect<counter>("inproc:counter");
    c.add(2);
    object.add(10);  // an ordinary object
    std::printf("%s: %d\n", c.title().c_str(), c.add(3));
}
