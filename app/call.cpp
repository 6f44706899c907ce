// tenon call: one call, its result on stdout.

#include <unistd.h>

#include "command_line.hpp"
#include "interruption.hpp"
#include "output.hpp"
#include "request.hpp"

namespace cli {

namespace {

void print_raw(const tenon::bytes& result) {
    write_out(tenon::as_text(result));
    if (::isatty(STDOUT_FILENO) && !result.empty() && result.back() != std::byte('\n'))
        write_out("\n");
}

int print(const tenon::bytes& encoded, const target_options& options, const std::string& endpoint) {
    if (options.codec == tenon::codec::raw && !options.json) return print_raw(encoded), 0;
    const auto result = decode_result(options.codec, encoded);
    if (!result)
        return report(result.error(), advice(result.error(), endpoint, options, nullptr),
                      options.json);
    if (result->is_nil() && !options.json) return 0;
    write_out(tenon::to_json(*result, !options.json) + "\n");
    return 0;
}

}  // namespace

int call(arguments args, interruption& interrupt) {
    target_options options;
    command_line line("call", "--at ENDPOINT [OPTION…] PUBLISHER/SERVICE.METHOD [ARGUMENT…]",
                      "Calls a method and prints its result as JSON; nothing if there is none.",
                      std::string(argument_help) + R"(
Examples:
  tenon call --at unix:/run/demo/math.sock demo/math.plus 10 20
  tenon call --at tcp://127.0.0.1:5555 demo/math.plus a=10 b=20 --timeout 500
  tenon call --at unix:@shop example/shop.order @order.json
  tenon call --at unix:@demo example/echo.echo --codec raw - <picture.png >copy.png
)");
    options.add_to(line, true);
    const std::vector<std::string> words = line.parse(args);
    const std::string& endpoint = options.endpoint();
    if (words.empty())
        throw usage_error("which method? give PUBLISHER/SERVICE.METHOD, as in example/echo.plus");
    check_route(words[0]);
    const call_arguments given = read_arguments(std::span(words).subspan(1), options.codec);

    tenon::client client = open(endpoint, options);
    tenon::call_options how;
    how.cancel = &interrupt.cancellation();
    const auto answer = client.try_call_encoded(words[0], options.codec, given.encoded, how);
    if (interrupt.happened()) return interruption::exit_code;
    if (answer) return print(*answer, options, endpoint);
    return report(answer.error(), advice(answer.error(), endpoint, options, &given), options.json);
}

}  // namespace cli
