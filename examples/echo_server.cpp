// Serves {example, echo}:  echo_server [--listen ENDPOINT …] [--threads N] [--insecure]
//                                      [--allow-uid N …] [--group N] [--mode OCTAL]
// Prints one line per endpoint, or one with its name if there is none, once it accepts connections.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "echo.hpp"
#include "tenon/server.hpp"
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

tenon::generator<std::int64_t> count(std::int64_t from, std::int64_t n, int interval_ms) {
    for (std::int64_t i = 0; i < n; ++i) {
        if (interval_ms > 0 && i > 0)
            co_await tenon::sleep_for(std::chrono::milliseconds(interval_ms));
        co_yield add(from, i);
    }
}

tenon::task<std::int64_t> sum(tenon::reader<std::int64_t> numbers) {
    std::int64_t total = 0;
    while (auto n = co_await numbers.next()) total = add(total, *n);
    co_return total;
}

std::atomic<std::uint64_t> collected{0};

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
    e.collect = [](const tenon::value&) { ++collected; };
    e.collected = [] { return collected.load(); };
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
