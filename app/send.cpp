// tenon send: values for a sink.

#include "commands.hpp"
#include "lines.hpp"
#include "output.hpp"
#include "streams.hpp"

namespace cli {

namespace {

using std::chrono::milliseconds;

void print_reply(const tenon::value& reply, const stream_command& command) {
    const line_format format = command.format();
    if (reply.is_nil() && !format.json) return;
    if (format.raw && reply.is_bytes()) return write_out(tenon::as_text(reply.as_bytes()));
    if (format.text && reply.is_string()) return write_out(reply.as_string() + "\n");
    write_out(tenon::to_json(reply, !format.json) + "\n");
}

/// Nothing: interrupted.
std::optional<tenon::result<tenon::value>> wait_for_reply(
    tenon::reply_writer<tenon::value, tenon::value>& out, milliseconds patience,
    interruption& interrupt) {
    const auto begin = std::chrono::steady_clock::now();
    for (;;) {
        auto reply = out.get_reply_for(step);
        if (reply || reply.error().code() != tenon::errc::deadline) return reply;
        if (interrupt.happened()) return std::nullopt;
        if (patience.count() > 0 && std::chrono::steady_clock::now() - begin >= patience)
            return reply;
    }
}

int run(const stream_command& command, const std::vector<std::string>& words,
        interruption& interrupt) {
    stream_request request(command, words, interrupt);
    if (const auto exit = request.check()) return *exit;
    try {
        auto out = tenon::open_sink_with(request.options(), request.client(), request.route(),
                                         request.arguments());
        line_reader lines(interrupt, [&] { return !out.is_open(); });
        try {
            while (const auto line = lines.next()) {
                const auto v = value_of_line(*line, lines.number(), command, false);
                if (v && !send_value(out, *v, interrupt)) break;
            }
        } catch (const usage_error& e) {
            out.fail(tenon::error(tenon::errc::invalid, e.what()));
            static_cast<void>(out.get_reply_for(step));  // it has taken what was sent before
            throw;
        }
        if (interrupt.happened()) return interruption::exit_code;
        const auto reply = wait_for_reply(out, command.target.timeout, interrupt);
        if (!reply) return interruption::exit_code;
        if (!*reply) return request.fail(reply->error());
        print_reply(**reply, command);
        return 0;
    } catch (const tenon::failure& f) {
        return request.fail(f.error());
    }
}

}  // namespace

int send(arguments args, interruption& interrupt) {
    stream_command command{"send", {}};
    command_line line(
        "send", "[OPTION…] PUBLISHER/SERVICE.SINK [ARGUMENT…]",
        "Sends the lines of stdin to a sink, each of them one value in JSON, and prints\n"
        "the reply, if there is one, once all have been taken. --timeout is the longest\n"
        "wait for that.",
        std::string(argument_help) + R"(
Blank lines are skipped. At a line that is not JSON the stream fails, and the command
ends with 2; the values before have been sent.

Examples:
  seq 1000 | tenon send example/echo.sum
  tenon send demo/store.orders <orders.jsonl
  journalctl -f | tenon send demo/log.lines --text
)");
    command.add_to(line, "lines are strings as they are, not JSON");
    const std::vector<std::string> words = line.parse(args);
    if (words.empty())
        throw usage_error("which sink? give PUBLISHER/SERVICE.SINK, as in example/echo.sum");
    return run(command, words, interrupt);
}

}  // namespace cli
