// What values that wait may take together: of one connection, and of all connections of a server.

#include <algorithm>
#include <utility>
#include <vector>

#include "rpc/stream_test_support.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;

constexpr std::size_t mib = std::size_t{1} << 20;
const tenon::bytes large(mib, std::byte{7});

struct heap {
    tenon::sink<tenon::bytes, std::size_t> put;
    tenon::source<tenon::bytes(int)> get;
    tenon::sink<int, int> count;

    static void describe(tenon::description<heap>& d) {
        d[&heap::put].window(64);
        d[&heap::get].window(64);
    }
};
TENON_INTERFACE(heap, "test", "heap", "1.0.0", put, (get, n), count)

tenon::server_options limited_to(std::size_t connection, std::size_t server) {
    tenon::server_options o;
    o.limits.stream_memory_per_connection = connection;
    o.limits.stream_memory = server;
    return o;
}

/// Handlers take nothing until `go`.
class stream_memory : public testing::TestWithParam<const char*> {
protected:
    void start(const tenon::server_options& o) {
        s_.emplace(GetParam(), test_runtime(), o);
        heap& h = *s_->members;
        h.put = [this](tenon::reader<tenon::bytes> in) {
            ++begun_;
            while (!go_) std::this_thread::sleep_for(1ms);
            std::size_t n = 0;
            while (auto v = in.get()) n += v->size();
            return n;
        };
        h.get = [](tenon::writer<tenon::bytes> out, int n) {
            for (int i = 0; i < n; ++i) out.send(large);
        };
        h.count = [](tenon::reader<int> in) {
            int n = 0;
            while (in.get()) ++n;
            return n;
        };
        s_->start();
    }
    ~stream_memory() override {
        go_ = true;
        if (s_) s_->stop();
    }

    /// As many values as the window lets pass, or until the stream ends.
    static std::optional<errc> fill(auto& out, int n) {
        return code_thrown_by([&] {
            for (int i = 0; i < n; ++i) out.send(large);
        });
    }

    std::optional<stream_server<heap>> s_;
    std::atomic<bool> go_{false};
    std::atomic<int> begun_{0};
};
INSTANTIATE_TEST_SUITE_P(over, stream_memory, testing::Values("unix", "shm", "tcp"), name_of);

TEST_P(stream_memory, of_a_connection_is_shared_by_its_streams) {
    start(limited_to(8 * mib, 1024 * mib));
    auto c = s_->connect();
    std::vector<decltype(c.put())> all;
    for (int i = 0; i < 4; ++i) {
        all.push_back(c.put());
        // Which of them finds none is as it comes; at most four values each without a grant.
        (void)fill(all.back(), 4);
    }
    EXPECT_TRUE(eventually([&] { return begun_ == 4; }));
    EXPECT_TRUE(eventually(
        [&] { return std::any_of(all.begin(), all.end(), [](auto& s) { return !s.is_open(); }); }));
    // Small values go on, and another connection has its own.
    auto small = c.count();
    for (int i = 0; i < 10'000; ++i) small.send(i);
    EXPECT_EQ(small.get_reply(), 10'000);
    auto other_client = s_->connect();
    auto other = other_client.put();
    EXPECT_FALSE(fill(other, 4));
    go_ = true;
    std::size_t refused = 0, kept = 0;
    for (auto& s : all) {
        const auto why = code_thrown_by([&] { kept += s.get_reply(); });
        if (!why) continue;
        EXPECT_EQ(why, errc::overloaded);
        ++refused;
    }
    EXPECT_GE(refused, 1u);
    EXPECT_EQ(kept, (all.size() - refused) * 4 * mib);
    EXPECT_EQ(other.get_reply(), 4 * mib);
    // All of it was given back.
    auto again = c.put();
    EXPECT_FALSE(fill(again, 4));
    EXPECT_EQ(again.get_reply(), 4 * mib);
}

TEST_P(stream_memory, of_a_server_is_shared_by_its_connections) {
    start(limited_to(64 * mib, 8 * mib));
    std::vector<tenon::stub<heap>> clients;
    std::vector<decltype(clients[0].put())> all;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(s_->connect());
        all.push_back(clients.back().put());
        (void)fill(all.back(), 4);
    }
    EXPECT_TRUE(eventually(
        [&] { return std::any_of(all.begin(), all.end(), [](auto& s) { return !s.is_open(); }); }));
    go_ = true;
    std::size_t refused = 0;
    for (auto& s : all) {
        const auto why = code_thrown_by([&] { EXPECT_EQ(s.get_reply(), 4 * mib); });
        EXPECT_EQ(why.value_or(errc::overloaded), errc::overloaded);
        refused += why.has_value();
    }
    EXPECT_GE(refused, 1u);
    // What was lost with a connection was given back, too.
    all.clear();
    clients.clear();
    clients.push_back(s_->connect());
    auto again = clients.back().put();
    EXPECT_FALSE(fill(again, 8));
    EXPECT_EQ(again.get_reply(), 8 * mib);
}

TEST_P(stream_memory, of_a_client) {
    start({});
    tenon::client_options o;
    o.limits.stream_memory_per_connection = 8 * mib;
    auto c = s_->connect(o);
    std::vector<decltype(c.get(1))> all;
    for (int i = 0; i < 4; ++i) all.push_back(c.get(4));
    // Nothing more comes.
    std::size_t came = 0;
    EXPECT_TRUE(eventually([&] {
        std::size_t n = 0;
        for (auto& s : all) n += s.stats().waiting;
        std::this_thread::sleep_for(30ms);
        return n > 4 && n == std::exchange(came, n);
    }));
    EXPECT_LE(came, 8u);
    std::size_t overloaded = 0;
    for (auto& s : all) {
        std::size_t n = 0;
        const auto why = code_thrown_by([&] {
            while (s.get()) ++n;
        });
        EXPECT_EQ(why.value_or(errc::overloaded), errc::overloaded);
        overloaded += why.has_value();
        EXPECT_TRUE(why || n == 4);
    }
    EXPECT_GE(overloaded, 1u);
    auto again = c.get(4);
    std::size_t n = 0;
    while (again.get()) ++n;
    EXPECT_EQ(n, 4u);
}

}  // namespace
