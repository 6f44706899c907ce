// Tenon inside a Boost.Asio program: Asio watches Tenon's descriptor and next deadline.

#include <cstdio>

#include "tenon/tenon.hpp"

#if __has_include(<boost/asio.hpp>)
#include <boost/asio.hpp>

struct math {
    tenon::method<int(int, int)> plus;
};
TENON_INTERFACE(math, "demo", "math", "1.0.0", (plus, a, b))

namespace {

namespace asio = boost::asio;

/// Keeps an external runtime going on an io_context.
class tenon_on_asio {
public:
    tenon_on_asio(asio::io_context& io, tenon::runtime runtime)
        : runtime_(std::move(runtime)), descriptor_(io, runtime_.fd()), timer_(io) {
        watch();
        run();
    }
    ~tenon_on_asio() { descriptor_.release(); }  // the descriptor belongs to the runtime

private:
    void watch() {
        descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                               [this](boost::system::error_code e) {
                                   if (e) return;
                                   run();
                                   watch();
                               });
    }
    void run() {
        runtime_.run_ready();
        const auto at = runtime_.next_deadline();
        if (!at) return;
        timer_.expires_at(*at);
        timer_.async_wait([this](boost::system::error_code e) {
            if (!e) run();
        });
    }

    tenon::runtime runtime_;
    asio::posix::stream_descriptor descriptor_;
    asio::steady_timer timer_;
};

}  // namespace

int main() {
    asio::io_context io;
    tenon::runtime runtime = tenon::runtime::external();

    tenon::server_options serving;
    serving.runtime = &runtime;
    tenon::server server(serving);
    server.publish<math>().plus = [](int a, int b) { return a + b; };
    server.listen("tcp://127.0.0.1:0").start();

    tenon::client_options calling;
    calling.runtime = &runtime;
    auto m = tenon::connect<math>(server.endpoints().front(), calling);
    m.plus.then(
        [&](tenon::result<int> r) {
            std::printf("2 + 3 = %d\n", r.value_or(0));
            io.stop();
        },
        2, 3);

    tenon_on_asio service(io, runtime);
    io.run();
}

#else

int main() { std::puts("built without Boost.Asio"); }

#endif
