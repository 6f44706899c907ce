#pragma once
// The echo service: the standard target of benchmarks, of the guide, and of clients in other
// languages.

#include <cstdint>
#include <optional>
#include <string>

#include "tenon/contract.hpp"
#include "tenon/struct.hpp"

namespace example {

struct person {
    std::string name;
    std::optional<int> age;
};
TENON_STRUCT(person, name, age)

struct greeting {
    std::string text;
    person to;
};
TENON_STRUCT(greeting, text, to)

struct echo {
    tenon::method<tenon::bytes(tenon::bytes_view)> echo;
    tenon::method<std::int64_t(std::int64_t, std::int64_t)> plus;
    tenon::method<std::string(std::string)> upper;
    tenon::method<greeting(person)> greet;
    tenon::method<void(std::string, std::string)> fail;
    tenon::method<int(int)> sleep;
    tenon::method<int(int)> nap;

    static void describe(tenon::description<struct echo>& d) {
        using self = struct echo;
        d.doc("Says back what it is told.");
        d[&self::echo].doc("The same bytes back.").codec(tenon::codec::raw).idempotent();
        d[&self::plus].doc("a + b").idempotent();
        d[&self::upper].doc("The text in ASCII capitals.").idempotent();
        d[&self::greet].doc("A greeting for a person.").idempotent();
        d[&self::fail].doc("Fails with the given code, such as \"not_found\", and message.");
        d[&self::sleep].doc("Blocks a thread for ms milliseconds and returns ms.").blocking();
        d[&self::nap].doc("Waits for ms milliseconds without a thread and returns ms.");
    }
};
TENON_INTERFACE(echo, "example", "echo", "1.0.0", (echo, data), (plus, a, b), (upper, text),
                (greet, who), (fail, code, message), (sleep, ms), (nap, ms))

}  // namespace example
