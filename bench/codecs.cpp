// The codecs side by side: encoding, decoding, and a whole call over a Unix socket, for values as
// they are typical. All on one CPU; codecs take turns, so that the machine treats them alike.

#include <fmt/format.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "bench.hpp"
#include "report.hpp"
#include "tenon/tenon.hpp"

namespace codecs {

struct sample {
    std::uint64_t seq = 0;
    std::int32_t channel = 0;
    bool good = false;
    double value = 0;
    double error = 0;
};
TENON_STRUCT(sample, seq, channel, good, value, error)

struct entry {
    std::string name;
    std::string city;
    std::int32_t age = 0;
    double balance = 0;
};
TENON_STRUCT(entry, name, city, age, balance)

using two_ints = std::pair<std::int64_t, std::int64_t>;

struct echo {
    tenon::method<two_ints(two_ints)> ints;
    tenon::method<sample(sample)> one;
    tenon::method<std::vector<entry>(std::vector<entry>)> entries;
    tenon::method<std::vector<double>(std::vector<double>)> doubles;
    tenon::method<tenon::bytes(tenon::bytes)> data;
};
TENON_INTERFACE(echo, "bench", "codecs", "1.0.0", (ints, v), (one, v), (entries, v), (doubles, v),
                (data, v))

}  // namespace codecs

namespace bench {
namespace {

using tenon::codec;

constexpr std::array all_codecs{codec::raw, codec::marshal, codec::msgpack, codec::json};
constexpr unsigned rounds = 7;

struct plan {
    double seconds = 0.02;  // of one measurement
};

/// Of all threads, so that what else the machine does hardly counts.
double cpu_seconds() {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// CPU time per call, in ns.
template <class F>
double time_of(double seconds, F f) {
    unsigned n = 1;
    for (;;) {
        const double begun = cpu_seconds();
        for (unsigned i = 0; i < n; ++i) f();
        const double took = cpu_seconds() - begun;
        if (took > seconds) return took * 1e9 / n;
        n = std::max(n * 2,
                     static_cast<unsigned>(n * std::min(1.1 * seconds / (took + 1e-9), 1e3)));
    }
}

double median(std::vector<double> all) {
    std::nth_element(all.begin(), all.begin() + all.size() / 2, all.end());
    return all[all.size() / 2];
}

/// What one codec does with one value.
struct line {
    codec by = codec::raw;
    std::size_t size = 0;
    std::vector<double> encode{};
    std::vector<double> decode{};
    std::vector<double> call{};
};

struct section {
    std::string value;
    std::vector<line> lines{};
};

// Keeps what nobody looks at from being left out.
void keep(const void* p) { __asm__ volatile("" : : "g"(p) : "memory"); }

class comparison {
public:
    comparison(const plan& p, const std::string& endpoint) : plan_(p) {
        for (const codec c : all_codecs) {
            tenon::client_options o;
            o.codec = c;
            o.shared_memory = false;
            clients_.push_back(tenon::connect<codecs::echo>(endpoint, o));
        }
    }

    template <class T, class Method>
    section run(std::string name, const T& object, Method codecs::echo::*method) {
        section s{std::move(name)};
        for (const codec c : all_codecs)
            if (const auto packed = tenon::encode(c, object))
                s.lines.push_back({c, packed->size()});
        for (unsigned i = 0; i < rounds; ++i)
            for (line& l : s.lines) {
                const tenon::bytes packed = tenon::encode(l.by, object).value();
                l.encode.push_back(time_of(
                    plan_.seconds, [&] { keep(tenon::encode(l.by, object).value().data()); }));
                T back{};
                l.decode.push_back(time_of(plan_.seconds, [&] {
                    if (!tenon::detail::decode_object(l.by, tenon::shape_of<T>(), &back, packed,
                                                      {}))
                        fail("what was encoded cannot be decoded");
                    keep(&back);
                }));
                const auto which = std::find(all_codecs.begin(), all_codecs.end(), l.by);
                auto& c = clients_[static_cast<std::size_t>(which - all_codecs.begin())];
                l.call.push_back(time_of(plan_.seconds, [&] {
                    const T got = (c.*method)(object);
                    keep(&got);
                }));
            }
        return s;
    }

private:
    plan plan_;
    std::vector<tenon::stub<codecs::echo>> clients_;
};

std::vector<section> compare(const plan& p) {
    tenon::server server;
    auto& e = server.publish<codecs::echo>();
    e.ints = [](codecs::two_ints v) { return v; };
    e.one = [](codecs::sample v) { return v; };
    e.entries = [](std::vector<codecs::entry> v) { return v; };
    e.doubles = [](std::vector<double> v) { return v; };
    e.data = [](tenon::bytes v) { return v; };
    server.listen("unix:@tenon-bench-codecs-" + std::to_string(getpid())).start();
    comparison c(p, server.endpoints().front());

    std::vector<codecs::entry> entries;
    for (int i = 0; i < 100; ++i)
        entries.push_back(
            {"name number " + std::to_string(i), "Wuppertal", 20 + i % 60, i * 10.25});
    std::vector<double> doubles;
    for (int i = 0; i < 1000; ++i) doubles.push_back(i / 7.0);
    std::vector<section> all;
    all.push_back(c.run("two integers", codecs::two_ints{10, 200'000}, &codecs::echo::ints));
    all.push_back(c.run("struct of 5", codecs::sample{7, 3, true, 0.5, 1e-3}, &codecs::echo::one));
    all.push_back(c.run("100 structs with strings", entries, &codecs::echo::entries));
    all.push_back(c.run("1,000 doubles", doubles, &codecs::echo::doubles));
    all.push_back(c.run("64 KiB of bytes", make_payload(65536), &codecs::echo::data));
    return all;
}

// "1.52 µs" and how often the fastest one fits in.
std::string with_ratio(const std::vector<double>& times, double fastest) {
    const double ns = median(times);
    const std::string time =
        ns < 1000 ? fmt::format("{:.0f} ns", ns) : fmt::format("{:.2f} µs", ns / 1000);
    return fmt::format("{:>10} {:>6.1f}", time, ns / fastest);
}

template <class Times>
double fastest_of(const section& s, Times times) {
    double fastest = median(s.lines.front().*times);
    for (const line& l : s.lines) fastest = std::min(fastest, median(l.*times));
    return fastest;
}

void print(const std::vector<section>& all) {
    fmt::print("{:<26}{:<9}{:>8}  {:>17}  {:>17}  {:>17}\n", "VALUE", "CODEC", "BYTES",
               "ENCODE     ×", "DECODE     ×", "CALL     ×");
    for (const section& s : all)
        for (const line& l : s.lines)
            fmt::print("{:<26}{:<9}{:>8}  {}  {}  {}\n", s.value, tenon::to_string(l.by), l.size,
                       with_ratio(l.encode, fastest_of(s, &line::encode)),
                       with_ratio(l.decode, fastest_of(s, &line::decode)),
                       with_ratio(l.call, fastest_of(s, &line::call)));
    fmt::print(
        "\nCPU time; × = times the least for that value. Encode: into fresh bytes. Decode: into "
        "an\n"
        "object that was there before. Call: there and back over a Unix socket, both sides.\n");
}

tenon::value content_of(const std::vector<section>& all) {
    tenon::value::array rows;
    for (const section& s : all)
        for (const line& l : s.lines)
            rows.push_back(tenon::value::object({{"suite", "codecs"},
                                                 {"value", s.value},
                                                 {"codec", tenon::to_string(l.by)},
                                                 {"bytes", l.size},
                                                 {"encode_ns", median(l.encode)},
                                                 {"decode_ns", median(l.decode)},
                                                 {"call_ns", median(l.call)}}));
    return rows;
}

}  // namespace

int run_codecs(const std::vector<std::string>& arguments) {
    plan p;
    std::string json;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == "--quick") p.seconds = 0.002;
        else if (arguments[i] == "--json" && i + 1 < arguments.size()) json = arguments[++i];
        else {
            fmt::print(stderr, "usage: tenon_bench codecs [--quick] [--json FILE]\n");
            return 2;
        }
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) fmt::print("not bound to one CPU\n");
    const std::vector<section> all = compare(p);
    print(all);
    if (json.empty()) return 0;
    std::ofstream file(json);
    file << tenon::to_json(content_of(all), true) << '\n';
    return file.flush() ? 0 : 1;
}

}  // namespace bench
