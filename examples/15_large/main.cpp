// Large messages that are built and read where they lie: pictures for a neighbouring process.

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "tenon/tenon.hpp"

namespace demo {

struct filter {
    tenon::method<tenon::blob(tenon::blob)> invert;

    static void describe(tenon::description<filter>& d) {
        d[&filter::invert].doc("The negative of a picture.").codec(tenon::codec::raw);
    }
};
TENON_INTERFACE(filter, "demo", "filter", "1.0.0", (invert, picture))

}  // namespace demo

tenon::blob invert(tenon::context& call, tenon::blob picture) {
    tenon::blob negative = call.loan(picture.size());  // memory that the caller sees
    const auto from = picture.view();                  // where the caller has built it
    const auto to = negative.edit();
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = ~from[i];
    return negative;
}

int main() {
    char directory[] = "/tmp/tenon-large-XXXXXX";
    if (!mkdtemp(directory)) return 1;
    const std::string path = std::string(directory) + "/filter.sock";

    tenon::server server;
    server.publish<demo::filter>().invert = invert;
    server.listen("unix:" + path).start();

    auto filter = tenon::connect<demo::filter>("shm:" + path);
    filter.wait_ready(std::chrono::seconds(5)).value();  // before there is no shared memory
    tenon::blob picture = filter.invert.loan(1 << 20);
    std::memset(picture.edit().data(), 0x0f, picture.size());
    std::printf("built in shared memory: %s\n", picture.is_shared() ? "yes" : "no");

    const tenon::blob negative = filter.invert(std::move(picture));
    std::printf("%zu bytes, the first is 0x%02x\n", negative.size(),
                std::to_integer<unsigned>(negative.data()[0]));
    std::printf("read in shared memory: %s\n", negative.is_shared() ? "yes" : "no");
    server.stop();
    rmdir(directory);
}
