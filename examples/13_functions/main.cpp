// A service without a contract or a class: a table of functions. And what an operator may call.

#include <atomic>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <string>

#include "tenon/tenon.hpp"

int plus(int a, int b) { return a + b; }

tenon::task<std::string> slowly(std::string text) {
    co_await tenon::sleep_for(std::chrono::milliseconds(10));
    co_return text + ", at last";
}

int main() {
    std::atomic<int> shouted{0};
    tenon::server server;
    server.add(tenon::functions("demo", "tools", "1.0.0")
                   .doc("Small things.")
                   .add("plus", plus, "a, b")
                   .doc("Adds.")
                   .idempotent()
                   .default_value("b", 1)
                   .add("slowly", slowly, "text")
                   .add(
                       "shout",
                       [&shouted](std::string text) {
                           ++shouted;
                           for (char& c : text) c = static_cast<char>(std::toupper(c));
                           return text;
                       },
                       "text"));

    server.operation("demo/tools", "shouts.reset", [&shouted] { return shouted.exchange(0); })
        .doc("How often it shouted; begins again at 0.");
    server.listen("tcp://127.0.0.1:0").start();

    auto c = tenon::connect(server.endpoints().front());
    std::printf("%d\n", c.call("demo/tools.plus", 10, 20).as<int>());
    std::printf("%s\n", c.call("demo/tools.slowly", "hello").as<std::string>().c_str());
    std::printf("%s\n", c.call("demo/tools.shout", "hello").as<std::string>().c_str());
    std::printf("shouted %d times\n", c.call("demo/tools.shouts.reset").as<int>());
}
