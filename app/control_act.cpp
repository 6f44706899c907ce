// tenon control pause, resume and close: what operators do to one stream.

#include <charconv>

#include "commands.hpp"
#include "output.hpp"
#include "stats.hpp"
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

/// Numbers mean something to one server only, so it has to be clear which one.
target only_server(const place& p, const target_options& options) {
    std::vector<target> all = find_servers(p.server, options);
    if (all.size() > 1)
        throw usage_error(std::to_string(all.size()) + " instances of " + p.server.service +
                          " run, and each numbers its own streams; choose one by --instance ID");
    if (all.empty())
        throw tenon::failure(
            tenon::error(tenon::errc::unavailable, "nobody serves " + p.server.service)
                .set_may_have_run(false));
    return std::move(all[0]);
}

int act(const operation& what, const place& p, const target_options& options,
        interruption& interrupt) {
    std::optional<target> to;
    try {
        to = only_server(p, options);
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

}  // namespace

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
