// How calls fail, and how both sides say so.

#include <cstdio>
#include <stdexcept>
#include <string>

#include "tenon/tenon.hpp"

struct too_poor {
    double missing;
};
TENON_STRUCT(too_poor, missing)

struct bank {
    tenon::method<double(double), too_poor> withdraw;
    tenon::method<std::string(int)> owner;
    tenon::method<void()> audit;
};
TENON_INTERFACE(bank, "demo", "bank", "1.0.0", (withdraw, amount), (owner, account), audit)

namespace {

// A handler returns its result, or result<T> with an error …
tenon::result<std::string> owner(int account) {
    if (account != 7) return tenon::error(tenon::errc::not_found, "no such account");
    return "Ada";
}

// … or throws: a declared error, tenon::failure, or anything else, which becomes `internal`.
double withdraw(double amount) {
    constexpr double balance = 100;
    if (amount > balance) throw too_poor{amount - balance};
    return balance - amount;
}

void say(const tenon::error& e) {
    std::printf("%s, %s\n", e.to_string().c_str(),
                e.may_have_run() ? "may have run" : "surely did not run");
}

}  // namespace

int main() {
    tenon::server server;
    auto& b = server.publish<bank>();
    b.withdraw = withdraw;
    b.owner = owner;
    b.audit = [] { throw std::runtime_error("the books are wet"); };
    server.listen("tcp://127.0.0.1:0").start();
    auto c = tenon::connect<bank>(server.endpoints().front());

    try {
        c.withdraw(150);
    } catch (const tenon::failure_of<too_poor>& e) {
        std::printf("%.0f missing\n", e.data().missing);
    }
    try {
        c.owner(8);
    } catch (const tenon::failure& e) {
        say(e.error());
    }

    // The same without exceptions.
    if (auto r = c.withdraw.try_call(200); !r)
        if (auto data = r.error().details_as<too_poor>())
            std::printf("%.0f missing\n", data->missing);
    if (auto r = c.audit.try_call(); !r) say(r.error());

    server.stop();
    if (auto r = c.owner.try_call(7); !r)
        std::printf("%s\n", std::string(to_string(r.error().code())).c_str());
}
