// tenon control pause, resume and close: what operators do to one stream; and watch, what they are
// told.

#include <signal.h>

#include <charconv>

#include "commands.hpp"
#include "output.hpp"
#include "stats.hpp"
#include "streams.hpp"
#include "tenon/control.hpp"

namespace cli {

namespace {

struct operation {
    const char* verb;  // "pause"
    const char* about;
    tenon::method<void(std::uint64_t, std::uint32_t)> tenon::control::*method;
};

/// One stream of one server.
struct place {
    name_pattern server;  // every server, unless --at or --instance say which
    std::uint64_t connection = 0;
    std::uint32_t stream = 0;
};

template <class Number>
Number parse_number(const char* what, const std::string& text) {
    Number n = 0;
    const char* const end = text.data() + text.size();
    const auto [at, problem] = std::from_chars(text.data(), end, n);
    if (problem == std::errc() && at == end && !text.empty()) return n;
    throw usage_error(std::string("expected the number of a ") + what + ", got \"" + text +
                      "\"; `tenon control streams` shows both numbers");
}

place understand(const operation& what, std::vector<std::string> words,
                 const target_options& options) {
    place p;
    const bool is_named = options.endpoint() || !options.instance.empty();
    const std::size_t most = is_named ? 2 : 3;
    if (words.size() < most || words.size() > 3)
        throw usage_error(std::string("which stream? control ") + what.verb + " takes " +
                          (is_named ? "" : "PUBLISHER/SERVICE (or --at, or --instance), ") +
                          "CONNECTION and STREAM, as `tenon control streams` shows them");
    if (words.size() == 3) {
        const service_name name = parse_service(words[0]);
        p.server.service = name.text();
        words.erase(words.begin());
    }
    p.connection = parse_number<std::uint64_t>("connection", words[0]);
    p.stream = parse_number<std::uint32_t>("stream", words[1]);
    return p;
}

/// It has to be clear which one: connections are numbered by each for itself.
target only_server(const name_pattern& server, const target_options& options) {
    std::vector<target> all = find_servers(server, options);
    if (all.size() > 1)
        throw usage_error(std::to_string(all.size()) + " instances of " + server.service +
                          " run; choose one by --instance ID, or --at ENDPOINT");
    if (all.empty())
        throw tenon::failure(
            tenon::error(tenon::errc::unavailable, "nobody serves " + server.service)
                .set_may_have_run(false));
    return std::move(all[0]);
}

int act(const operation& what, const place& p, const target_options& options,
        interruption& interrupt) {
    std::optional<target> to;
    try {
        to = only_server(p.server, options);
    } catch (const tenon::failure& f) {
        return report(f.error(), nobody_serves(p.server.service, options.instance), options.json);
    }
    tenon::call_options how;
    how.cancel = &interrupt.cancellation();
    tenon::stub<tenon::control> server(to->client);
    const auto done = (server.*what.method).with(how).try_call(p.connection, p.stream);
    if (interrupt.happened()) return interruption::exit_code;
    if (!done) {
        const bool is_gone = done.error().code() == tenon::errc::not_found;
        return report(done.error(),
                      is_gone ? "`tenon control streams` shows those that are open"
                              : advice(done.error(), *to, options),
                      options.json);
    }
    if (options.json) {
        const auto which =
            tenon::value::object({{"connection", p.connection}, {"stream", p.stream}});
        write_out(tenon::to_json(which) + "\n");
    }
    return 0;
}

int run(const operation& what, arguments args, interruption& interrupt) {
    target_options options;
    options.timeout = std::chrono::milliseconds(5000);
    const std::string name = std::string("control ") + what.verb;
    command_line line(
        name, "[OPTION…] PUBLISHER/SERVICE | --at ENDPOINT CONNECTION STREAM", what.about,
        "CONNECTION and STREAM are the numbers that `tenon control streams` shows. "
        "For the\nserver's user and root, on this machine.\n\nExamples:\n"
        "  tenon " +
            name + " example/echo 3 1\n  tenon " + name + " --at unix:/run/demo/feed.sock 3 1\n");
    options.add_to(line, false);
    return act(what, understand(what, line.parse(args), options), options, interrupt);
}

// --- watch ---

struct watch_command {
    target_options target;
    name_pattern server;
    std::uint64_t limit = 0;
};

int show_events(const watch_command& c, interruption& interrupt) {
    std::optional<target> to;
    try {
        to = only_server(c.server, c.target);
        auto in = tenon::subscribe(to->client, "tenon/control.watch", c.server.service);
        const on_interruption stop(interrupt, [&]() noexcept { in.stop(); });
        line_format format;
        format.json = c.target.json;
        value_printer out(format);
        const auto done = print_values(in, out, c.limit, c.target.timeout);
        if (interrupt.happened()) return interruption::exit_code;
        if (done) return 0;
        return report(done.error(), advice(done.error(), *to, c.target), c.target.json);
    } catch (const tenon::failure& f) {
        return report(f.error(),
                      to ? advice(f.error(), *to, c.target)
                         : nobody_serves(c.server.service, c.target.instance),
                      c.target.json);
    } catch (const output_error&) {
        if (reader_has_gone()) return 0;
        throw;
    }
}

}  // namespace

int control_watch(arguments args, interruption& interrupt) {
    watch_command c;
    command_line line(
        "control watch", "[OPTION…] PUBLISHER/SERVICE | --at ENDPOINT [PUBLISHER/SERVICE]",
        "Prints what a server notices of itself, a line of JSON each: that it goes away,\n"
        "methods that hold their event loop, receivers that do not keep up with a stream,\n"
        "clients that do not take what is sent. It ends when the server stops.",
        R"(The first event, "watching", says that from there on all is told. Streams and
connections are told of to the server's user and root only, on this machine.
--timeout is the longest wait for the next event. With --json each line is an
object: the event as value, and as gap how many were dropped before it because
nobody took them.

Examples:
  tenon control watch example/echo
  tenon control watch --at unix:/run/demo/feed.sock
  tenon control watch example/echo | jq -c 'select(.what == "slow")'
)");
    line.number("--limit", 1, UINT64_MAX, c.limit, "end after N events");
    c.target.add_to(line, false);
    const std::vector<std::string> words = line.parse(args);
    if (words.size() > 1)
        throw usage_error("control watch takes one name, got \"" + words[1] + "\", too");
    if (words.empty() && !c.target.endpoint() && c.target.instance.empty())
        throw usage_error("which server? give PUBLISHER/SERVICE, as in example/echo, or --at");
    if (!words.empty()) c.server.service = parse_service(words[0]).text();
    ::signal(SIGPIPE, SIG_IGN);  // written to in vain, it ends as one that was read to the end
    return show_events(c, interrupt);
}

int control_pause(arguments args, interruption& interrupt) {
    return run({"pause",
                "Stops the values of a stream, in both directions, until `control resume`: as if\n"
                "nobody took them. Who sends under the policy `block` waits; other policies\n"
                "keep or drop what they may.",
                &tenon::control::pause},
               args, interrupt);
}

int control_resume(arguments args, interruption& interrupt) {
    return run({"resume",
                "Lets a stream go on that `control pause` has stopped. Nothing was lost by that,\n"
                "but what the sender's policy dropped meanwhile.",
                &tenon::control::resume},
               args, interrupt);
}

int control_close(arguments args, interruption& interrupt) {
    return run({"close",
                "Ends a stream: for the client and for the handler, which is cancelled, it ends\n"
                "as `cancelled`.",
                &tenon::control::close},
               args, interrupt);
}

}  // namespace cli
