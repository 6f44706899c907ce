#pragma once
// The echo service: the standard target of benchmarks, of the guide, and of clients in other
// languages.

#include <cstdint>
#include <optional>
#include <string>

#include "tenon/contract.hpp"
#include "tenon/stream_members.hpp"
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

/// What `collect` keeps at most.
inline constexpr std::uint64_t collected_values = 1'000;
inline constexpr std::uint64_t collected_bytes = std::uint64_t{64} << 20;

struct echo {
    tenon::method<tenon::bytes(tenon::bytes_view)> echo;
    tenon::method<std::int64_t(std::int64_t, std::int64_t)> plus;
    tenon::method<std::string(std::string)> upper;
    tenon::method<greeting(person)> greet;
    tenon::method<void(std::string, std::string)> fail;
    tenon::method<int(int)> sleep;
    tenon::method<int(int)> nap;
    tenon::source<std::int64_t(std::int64_t, std::int64_t, int)> count;
    tenon::sink<std::int64_t, std::int64_t> sum;
    tenon::sink<tenon::value> collect;
    tenon::source<tenon::value()> collected;
    tenon::channel<std::string, std::string> shout;

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
        d[&self::count]
            .doc(
                "n numbers from `from` on, interval_ms milliseconds apart. They have positions, 1 "
                "to "
                "n, where a client may begin; latest is the last of them.")
            .default_value("interval_ms", 0);
        d[&self::sum].doc("Replies with the sum.");
        d[&self::collect].doc(
            "Takes anything, and acknowledges it. The newest 1,000 values of 64 MiB together are "
            "kept.");
        d[&self::collected].doc(
            "What `collect` takes from now on; or has taken before, from a position or a time.");
        d[&self::shout].doc("Every text back in ASCII capitals.");
    }
};
TENON_INTERFACE(echo, "example", "echo", "1.0.0", (echo, data), (plus, a, b), (upper, text),
                (greet, who), (fail, code, message), (sleep, ms), (nap, ms),
                (count, from, n, interval_ms), sum, collect, collected, shout)

}  // namespace example
