// tenon call: one call, its result on stdout.

#include <unistd.h>

#include "command_line.hpp"
#include "interruption.hpp"
#include "manifests.hpp"
#include "output.hpp"
#include "request.hpp"

namespace cli {

namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

void print_raw(const tenon::bytes& result) {
    write_out(tenon::as_text(result));
    if (::isatty(STDOUT_FILENO) && !result.empty() && result.back() != std::byte('\n'))
        write_out("\n");
}

class one_call {
public:
    one_call(const service_name& name, const target_options& options,
             std::optional<tenon::priority> urgency, const call_arguments& given,
             interruption& interrupt)
        : name_(name),
          options_(options),
          urgency_(urgency),
          given_(given),
          interrupt_(interrupt),
          to_(open_target(name, options)) {}

    int run() {
        fit checked;
        // Raw arguments are bytes of the service's own.
        if (options_.codec != tenon::codec::raw)
            checked = check_request(to_, name_, options_, given_, interrupt_, "call");
        if (checked.exit) return *checked.exit;
        tenon::call_options how;
        how.cancel = &interrupt_.cancellation();
        how.priority = urgency_;
        if (options_.timeout.count() > 0) how.timeout = std::max(time_left(), milliseconds(1));
        const auto answer =
            to_.client.try_call_encoded(name_.route(), options_.codec, given_.encoded, how);
        if (interrupt_.happened()) return interruption::exit_code;
        if (answer) return print(*answer);
        const tenon::error& e = answer.error();
        const bool no_service = checked.is_unknown && e.code() == tenon::errc::not_found;
        return report(e,
                      no_service ? advice_manifest(e, to_, name_, options_)
                                 : advice(e, to_, options_, given_),
                      options_.json);
    }

private:
    milliseconds time_left() const {
        return options_.timeout - std::chrono::duration_cast<milliseconds>(clock::now() - started_);
    }

    int print(const tenon::bytes& encoded) {
        if (options_.codec == tenon::codec::raw && !options_.json) return print_raw(encoded), 0;
        const auto result = decode_result(options_.codec, encoded);
        if (!result)
            return report(result.error(), advice(result.error(), to_, options_), options_.json);
        if (result->is_nil() && !options_.json) return 0;
        write_out(tenon::to_json(*result, !options_.json) + "\n");
        return 0;
    }

    const service_name& name_;
    const target_options& options_;
    const std::optional<tenon::priority> urgency_;
    const call_arguments& given_;
    interruption& interrupt_;
    const clock::time_point started_ = clock::now();
    target to_;
};

}  // namespace

int call(arguments args, interruption& interrupt) {
    target_options options;
    command_line line("call", "[OPTION…] PUBLISHER/SERVICE.METHOD [ARGUMENT…]",
                      "Calls a method and prints its result as JSON; nothing if there is none.\n"
                      "Without --at the service is found by its name on this machine.",
                      std::string(argument_help) + R"(
Examples:
  tenon call example/echo.plus 10 20
  tenon call demo/math.plus a=10 b=20 --timeout 500
  tenon call --at tcp://127.0.0.1:5555 demo/math.plus 10 20
  tenon call --at unix:@shop example/shop.order @order.json
  tenon call example/echo.echo --codec raw - <picture.png >copy.png
)");
    options.add_to(line, true);
    std::optional<tenon::priority> urgency;
    line.choice("--priority", {"low", "normal", "high"},
                "low, normal or high; the default is what the service says",
                [&urgency](const std::string& text) {
                    urgency = text == "low"    ? tenon::priority::low
                              : text == "high" ? tenon::priority::high
                                               : tenon::priority::normal;
                });
    const std::vector<std::string> words = line.parse(args);
    if (words.empty())
        throw usage_error("which method? give PUBLISHER/SERVICE.METHOD, as in example/echo.plus");
    const service_name name = parse_route(words[0]);
    const call_arguments given = read_arguments(std::span(words).subspan(1), options.codec);
    return one_call(name, options, urgency, given, interrupt).run();
}

}  // namespace cli
