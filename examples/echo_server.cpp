// Serves {example, echo}:  echo_server [--listen ENDPOINT …] [--threads N] [--insecure]
//                                      [--allow-uid N …] [--group N] [--mode OCTAL]
// Prints one line per endpoint, or one with its name if there is none, once it accepts connections.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "echo.hpp"
#include "tenon/server.hpp"
#include "tenon/stream_log.hpp"
#include "tenon/task.hpp"

namespace {

std::string to_upper(std::string text) {
    for (char& c : text)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return text;
}

tenon::result<void> fail(const std::string& code, std::string message) {
    if (const auto known = tenon::errc_from_string(code))
        return tenon::error(*known, std::move(message));
    tenon::error own(tenon::errc::failed, std::move(message));
    return own.set_name(code);
}

tenon::task<int> nap(int ms) {
    co_await tenon::sleep_for(std::chrono::milliseconds(ms));
    co_return ms;
}

std::int64_t add(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

/// Positions mean the same for all who count alike, also after a restart of the server.
constexpr std::uint64_t epoch = 1;

/// The position of the number that a client wants first: the numbers are from, from + 1 and so on, at
/// 1, 2 and so on. They have all been there for ever, so nobody knows when one of them came.
std::uint64_t position_of(const tenon::stream_start& start, std::uint64_t last) {
    using at = tenon::stream_start::at;
    switch (start.where) {
        case at::position:
            if (start.epoch != 0 && start.epoch != epoch) return 1;
            return std::max<std::uint64_t>(start.position, 1);
        case at::latest: return std::max<std::uint64_t>(last, 1);
        case at::time:
            throw tenon::failure(
                tenon::error(tenon::errc::unsupported,
                             "numbers have positions, but no times: begin at earliest, latest or a "
                             "position"));
        default: return 1;
    }
}

tenon::task<void> count(tenon::writer<std::int64_t> out, std::int64_t from, std::int64_t n,
                        int interval_ms) {
    const auto last = static_cast<std::uint64_t>(std::max<std::int64_t>(n, 0));
    std::optional<tenon::stream_start> asked = out.start();
    out.allow_seeking();
    std::uint64_t position = 0;
    for (bool is_first = true;; is_first = false) {
        if (interval_ms > 0 && !is_first)
            co_await tenon::sleep_for(std::chrono::milliseconds(interval_ms));
        if (const auto sought = out.sought()) asked = sought;
        if (asked) {
            position = position_of(*asked, last);
            out.place_next(position, epoch);
            asked.reset();
        }
        if (position > last) co_return;
        (void)co_await out.send_async(add(from, static_cast<std::int64_t>(position - 1)));
        ++position;
    }
}

tenon::task<std::int64_t> sum(tenon::reader<std::int64_t> numbers) {
    std::int64_t total = 0;
    while (auto n = co_await numbers.next()) total = add(total, *n);
    co_return total;
}

void implement(example::echo& e) {
    e.echo = [](tenon::bytes_view data) { return tenon::bytes(data.begin(), data.end()); };
    e.plus = add;
    e.upper = to_upper;
    e.greet = [](example::person who) {
        std::string text = "Hello, " + who.name + "!";
        return example::greeting{std::move(text), std::move(who)};
    };
    e.fail = fail;
    e.sleep = [](int ms) {
        std::this_thread::sleep_for(std::chrono::milliseconds(ms));
        return ms;
    };
    e.nap = nap;
    e.count = count;
    e.sum = sum;
    const tenon::log<tenon::value> collection(
        {.max_records = example::collected_values, .max_bytes = example::collected_bytes});
    e.collect = collection;
    e.collected = collection;
    e.shout = to_upper;
}

int usage() {
    std::fputs(
        "usage: echo_server [--listen ENDPOINT …] [--threads N] [--insecure] [--allow-uid N …] "
        "[--group N] [--mode OCTAL]\n",
        stderr);
    return 2;
}

}  // namespace

int main(int argc, char** argv) try {
    tenon::server_options options;
    tenon::runtime_options threads;
    std::vector<std::string> endpoints;
    for (int i = 1; i < argc; ++i) {
        const bool has_value = i + 1 < argc;
        if (!std::strcmp(argv[i], "--listen") && has_value) endpoints.push_back(argv[++i]);
        else if (!std::strcmp(argv[i], "--threads") && has_value)
            threads.loops = static_cast<unsigned>(std::strtoul(argv[++i], nullptr, 10));
        else if (!std::strcmp(argv[i], "--insecure")) options.insecure = true;
        else if (!std::strcmp(argv[i], "--allow-uid") && has_value)
            options.allow_uids.push_back(static_cast<std::uint32_t>(std::atol(argv[++i])));
        else if (!std::strcmp(argv[i], "--group") && has_value)
            options.group = static_cast<std::uint32_t>(std::atol(argv[++i]));
        else if (!std::strcmp(argv[i], "--mode") && has_value)
            options.mode = static_cast<unsigned>(std::strtoul(argv[++i], nullptr, 8));
        else return usage();
    }

    tenon::runtime runtime(threads);  // event loops, each on a thread of its own
    options.runtime = &runtime;
    tenon::server server(options);
    implement(server.publish<example::echo>());
    for (const std::string& e : endpoints) server.listen(e);
    server.on_started([](const std::vector<std::string>& at) {
        for (const std::string& e : at) std::printf("listening on %s\n", e.c_str());
        if (at.empty()) std::printf("listening on example/echo\n");
        std::fflush(stdout);
    });
    server.run();
    return 0;
} catch (const tenon::failure& f) {
    std::fprintf(stderr, "echo_server: %s\n", f.what());
    return 1;
}
