// tenon ping: is a server there, and how far is it?

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "command_line.hpp"
#include "interruption.hpp"
#include "output.hpp"
#include "target.hpp"

namespace cli {

namespace {

using clock = std::chrono::steady_clock;

// A server without such a method says so, and that is an answer, too.
constexpr const char* route = "tenon/control.ping";

double since(clock::time_point start) {
    return std::chrono::duration<double, std::micro>(clock::now() - start).count();
}

bool is_answer(const tenon::result<tenon::bytes>& r) {
    if (r) return true;
    switch (r.error().code()) {
        case tenon::errc::not_found:
        case tenon::errc::unsupported:
        case tenon::errc::invalid:
        case tenon::errc::failed: return true;
        default: return false;
    }
}

struct tally {
    std::optional<double> connect_us;
    std::uint64_t sent = 0;
    std::vector<double> times_us;
    std::optional<tenon::error> first_error;

    double median() const {
        std::vector<double> sorted = times_us;
        std::sort(sorted.begin(), sorted.end());
        const std::size_t middle = sorted.size() / 2;
        return sorted.size() % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
    double least() const { return *std::min_element(times_us.begin(), times_us.end()); }
    double most() const { return *std::max_element(times_us.begin(), times_us.end()); }
};

void print_summary(const tally& t, const std::string& endpoint, bool json) {
    if (!json) {
        if (t.times_us.size() > 1)
            write_out(fmt::format("{} of {} answered, least {}, median {}, most {}\n",
                                  t.times_us.size(), t.sent, readable_time(t.least()),
                                  readable_time(t.median()), readable_time(t.most())));
        return;
    }
    tenon::value line = tenon::value::object(
        {{"endpoint", endpoint}, {"sent", t.sent}, {"answered", t.times_us.size()}});
    if (t.connect_us) line["connect_us"] = *t.connect_us;
    if (!t.times_us.empty()) {
        line["min_us"] = t.least();
        line["p50_us"] = t.median();
        line["max_us"] = t.most();
    }
    write_out(tenon::to_json(line) + "\n");
}

target find_server(const std::vector<std::string>& words, const target_options& options) {
    const auto endpoint = options.endpoint();
    if (words.size() > (endpoint ? 0 : 1))
        throw usage_error(endpoint ? "with --at, ping takes no name; got \"" + words[0] + "\""
                                   : "ping takes one name, got \"" + words[1] + "\", too");
    if (endpoint) return open_endpoint(*endpoint, options);
    if (words.empty())
        throw usage_error("which server? give PUBLISHER/SERVICE, as in example/echo, or --at");
    return open_target(parse_service(words[0]), options);
}

}  // namespace

int ping(arguments args, interruption& interrupt) {
    target_options options;
    options.timeout = std::chrono::seconds(5);
    options.shared_memory = true;
    std::uint64_t count = 4;
    std::chrono::milliseconds interval(200);
    command_line line("ping", "[OPTION…] PUBLISHER/SERVICE | --at ENDPOINT",
                      "Connects, and measures round trips to the server and back.",
                      R"(Examples:
  tenon ping example/echo
  tenon ping --at unix:/run/demo/math.sock
  tenon ping --at tcp://127.0.0.1:5555 --count 1 --timeout 500 --json
)");
    options.add_to(line, false);
    line.number("--count", 1, 1'000'000'000, count, "round trips (default 4)");
    line.duration("--interval", "TIME", interval, "pause between them (default 200)");
    target to = find_server(line.parse(args), options);
    tenon::client& client = to.client;
    tenon::call_options how;
    how.cancel = &interrupt.cancellation();
    tally t;
    // The first round trip includes connecting and is not counted among the others.
    const auto opened = clock::now();
    if (auto first = client.try_call_encoded(route, options.codec, {}, how); is_answer(first))
        t.connect_us = since(opened);
    else t.first_error = std::move(first).error();
    if (t.connect_us && !options.json)
        write_out(
            fmt::format("{} answers, connected in {}\n", to.text, readable_time(*t.connect_us)));

    while (t.connect_us && t.sent < count && !interrupt.happened()) {
        if (t.sent) interrupt.sleep_for(interval);
        if (interrupt.happened()) break;
        const auto start = clock::now();
        auto answer = client.try_call_encoded(route, options.codec, {}, how);
        const double time = since(start);
        if (interrupt.happened()) break;
        ++t.sent;
        if (is_answer(answer)) {
            t.times_us.push_back(time);
            if (!options.json) write_out(fmt::format("{:3}  {}\n", t.sent, readable_time(time)));
        } else {
            if (!options.json)
                write_out(fmt::format("{:3}  {}\n", t.sent, answer.error().message()));
            if (!t.first_error) t.first_error = std::move(answer).error();
        }
    }
    if (t.connect_us) print_summary(t, to.text, options.json);
    if (interrupt.happened()) return interruption::exit_code;
    if (!t.first_error) return 0;
    return report(*t.first_error, advice(*t.first_error, to, options), options.json);
}

}  // namespace cli
