// The same call at three distances, and what each costs.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "tenon/tenon.hpp"

namespace {

struct math {
    tenon::method<int(int, int)> plus;
};
TENON_INTERFACE(math, "demo", "math", "1.0.0", (plus, a, b))

/// Median time of a call, in microseconds: each sample is the mean of ten calls.
double median_call(const math& m) {
    using clock = std::chrono::steady_clock;
    std::vector<double> samples(2000);
    for (double& s : samples) {
        const auto start = clock::now();
        for (int i = 0; i < 10; ++i) m.plus(i, 1);
        s = std::chrono::duration<double, std::micro>(clock::now() - start).count() / 10;
    }
    std::nth_element(samples.begin(), samples.begin() + 1000, samples.end());
    return samples[1000];
}

}  // namespace

int main() {
    tenon::server server;
    server.publish<math>().plus = [](int a, int b) { return a + b; };
    server.listen("inproc:math")
        .listen("unix:@distance-" + std::to_string(::getpid()))
        .listen("tcp://127.0.0.1:0")
        .start();

    for (const std::string& endpoint : server.endpoints()) {
        const auto m = tenon::connect<math>(endpoint);
        std::printf("%-24s plus(10, 20) = %d   %8.2f us\n", endpoint.c_str(), m.plus(10, 20),
                    median_call(m));
    }
}
