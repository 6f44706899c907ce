// Serves {example, tape} from a log in files:  tape_server DIRECTORY ENDPOINT [none|interval|each]
// Prints "listening on ENDPOINT" once it accepts connections.

#include <cstdio>
#include <string>

#include "tape.hpp"
#include "tenon/server.hpp"
#include "tenon/stream_log.hpp"

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fputs("usage: tape_server DIRECTORY ENDPOINT [none|interval|each]\n", stderr);
        return 2;
    }
    tenon::log_options options;
    options.directory = argv[1];
    const std::string sync = argc > 3 ? argv[3] : "interval";
    options.sync = sync == "each"   ? tenon::log_sync::each
                   : sync == "none" ? tenon::log_sync::none
                                    : tenon::log_sync::interval;
    try {
        tenon::log<std::int64_t> numbers(options);
        tenon::server server;
        auto& tape = server.publish<example::tape>();
        tape.play = numbers;
        tape.record = numbers;
        server.listen(argv[2]).run([](const std::vector<std::string>& at) {
            std::printf("listening on %s\n", at.front().c_str());
            std::fflush(stdout);
        });
    } catch (const tenon::failure& f) {
        std::fprintf(stderr, "tape_server: %s\n", f.what());
        return 1;
    }
}
