// Large messages: whose memory they lie in while they are sent and received, and what passes
// between them.

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <random>

#include "base/unique_fd.hpp"
#include "rpc/test_support.hpp"
#include "wire/frame.hpp"
#include "wire/frame_reader.hpp"

namespace {

using namespace rpc_test;
using tenon::blob;
using tenon::bytes;
using tenon::bytes_view;

constexpr std::size_t mib = std::size_t{1} << 20;

bool is_all(bytes_view b, std::byte what) {
    return b.empty() || (b[0] == what && std::memcmp(b.data(), b.data() + 1, b.size() - 1) == 0);
}

struct bulk {
    tenon::method<blob(blob)> exchange;
    tenon::method<bytes(bytes)> copy;
    tenon::method<std::string(std::string)> text;
    tenon::method<std::string(bytes_view)> is_whole;  // "yes": all bytes are the same
    tenon::method<int(int)> small;

    static void describe(tenon::description<bulk>& d) {
        d[&bulk::exchange].codec(tenon::codec::raw);
        d[&bulk::copy].codec(tenon::codec::raw);
        d[&bulk::text].codec(tenon::codec::raw);
        d[&bulk::is_whole].codec(tenon::codec::raw);
    }
};
TENON_INTERFACE(bulk, "test", "bulk", "1.0.0", (exchange, data), (copy, data), (text, data),
                (is_whole, data), (small, n))

class large_messages : public testing::TestWithParam<const char*> {
protected:
    large_messages() : runtime_(test_runtime()) {
        tenon::server_options so;
        so.runtime = &runtime_;
        server_.emplace(so);
        auto& b = server_->publish<bulk>();
        b.exchange = [](blob data) { return data; };
        b.copy = [](bytes data) { return data; };
        b.text = [](std::string data) { return data; };
        b.is_whole = [this](bytes_view data) {
            const bool whole = data.empty() || is_all(data, data[0]);
            if (!whole) ++torn_;
            return whole ? "yes" : "no";
        };
        b.small = [](int n) { return n; };
        const std::string_view over = GetParam();
        server_->listen(fresh_endpoint(over == "shm" ? "unix" : over)).start();
    }
    tenon::stub<bulk> connect() {
        tenon::client_options o;
        o.runtime = &runtime_;
        o.shared_memory = GetParam() == std::string_view("shm");
        return tenon::connect<bulk>(server_->endpoints().at(0), o);
    }

    std::atomic<int> torn_{0};
    tenon::runtime runtime_;
    std::optional<tenon::server> server_;
};

/// No two pages are the same.
bytes mixed(std::size_t size) {
    bytes b(size, std::byte{7});
    for (std::size_t at = 0; at + sizeof at <= size; at += 1000)
        std::memcpy(b.data() + at, &at, sizeof at);
    return b;
}

bool same(bytes_view a, bytes_view b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

TEST_P(large_messages, come_back_as_they_went) {
    auto client = connect();
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{5'000}, std::size_t{65'000}, std::size_t{65'536},
          std::size_t{70'000}, std::size_t{262'144}, mib, mib + 1, 3 * mib + 17, 20 * mib}) {
        SCOPED_TRACE(size);
        const bytes sent = mixed(size);
        EXPECT_TRUE(same(client.copy(sent), sent));
        EXPECT_TRUE(same(client.exchange(blob{bytes_view(sent)}).view(), sent));
        const blob lvalue{bytes_view(sent)};
        EXPECT_TRUE(same(client.exchange(lvalue).view(), sent));
        EXPECT_TRUE(same(lvalue.view(), sent));
        const std::string text(reinterpret_cast<const char*>(sent.data()), sent.size());
        EXPECT_TRUE(client.text(text) == text);
    }
}

TEST_P(large_messages, that_are_given_away_are_moved_and_others_stay) {
    auto client = connect();
    const bytes original = mixed(2 * mib);
    blob given{bytes_view(original)};
    auto answer = client.exchange.future(std::move(given));
    EXPECT_TRUE(given.empty());
    EXPECT_TRUE(same(get(std::move(answer)).value().view(), original));

    bytes kept = original;
    auto other = client.copy.future(kept);
    std::memset(kept.data(), 0, kept.size());  // it was copied
    EXPECT_TRUE(get(std::move(other)).value() == original);
}

TEST_P(large_messages, small_calls_are_answered_between_their_parts) {
    auto client = connect();
    client.small(0);
    const bytes sent(48 * mib, std::byte{3});
    int between = 0;
    // As often as it takes: the threads may run one after the other.
    EXPECT_TRUE(eventually([&] {
        std::atomic<bool> done{false};
        std::thread bulky([&] {
            EXPECT_EQ(client.is_whole(sent), "yes");
            done = true;
        });
        for (int i = 0; !done; ++i) {
            EXPECT_EQ(client.small(i), i);
            between += done ? 0 : 1;
        }
        bulky.join();
        return between >= 3;
    }));
}

// Threads lend memory to calls that end at any moment, and write to it as soon as they have it back;
// nothing of that may be seen by the server.
TEST_P(large_messages, lent_memory_is_free_when_the_call_has_ended) {
    auto client = connect();
    client.small(0);
    std::vector<std::thread> threads;
    std::atomic<int> ended_early{0};
    for (unsigned t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            std::mt19937 random(t);
            for (unsigned i = 0; i < 40; ++i) {
                auto lent = std::make_unique<bytes>(70'000 + random() % (2 * mib),
                                                    static_cast<std::byte>(i));
                tenon::cancellation cancel;
                tenon::call_options o;
                if (i % 3 == 0) o.timeout = std::chrono::milliseconds(1 + random() % 3);
                if (i % 3 == 1) o.cancel = &cancel;
                std::thread canceller([&cancel, i, after = random() % 1000] {
                    std::this_thread::sleep_for(std::chrono::microseconds(after));
                    if (i % 3 == 1) cancel.cancel();
                });
                const auto whole = client.is_whole.with(o).try_call(bytes_view(*lent));
                std::memset(lent->data(), 0xee, lent->size());
                (*lent)[lent->size() / 2] = std::byte{0xdd};
                lent.reset();
                if (whole) EXPECT_EQ(*whole, "yes");
                else ++ended_early;
                canceller.join();
            }
        });
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(torn_, 0);
    EXPECT_EQ(client.small(7), 7);
    RecordProperty("ended_early", ended_early.load());
}

INSTANTIATE_TEST_SUITE_P(transports, large_messages,
                         testing::Values("inproc", "unix", "tcp", "shm"), name_of);

/// A server that accepts and reads nothing until it is asked to.
class deaf_server {
public:
    explicit deaf_server(const std::string& abstract_name) {
        listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        std::memcpy(at.sun_path + 1, abstract_name.data(), abstract_name.size());
        const auto length =
            static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + abstract_name.size());
        EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&at), length), 0);
        EXPECT_EQ(::listen(listener_.get(), 4), 0);
    }
    void accept() { peer_.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
    /// For good: a call that surely did not run would be made again.
    void hang_up() {
        listener_.reset();
        peer_.reset();
    }

    /// Frames up to the first of this type; it too.
    std::vector<bytes> read_until(tenon::wire::frame_type type) {
        std::vector<bytes> out;
        for (;;) {
            while (const auto b = reader_.next()) {
                out.emplace_back(b->begin(), b->end());
                const auto f = tenon::wire::parse_frame(out.back());
                if (!f || f->type == type) return out;
            }
            const auto room = reader_.space();
            const ssize_t n = ::recv(peer_.get(), room.data(), room.size(), 0);
            if (n <= 0) return out;
            reader_.commit(static_cast<std::size_t>(n));
        }
    }

private:
    tenon::base::unique_fd listener_;
    tenon::base::unique_fd peer_;
    tenon::wire::frame_reader reader_;
};

tenon::stub<bulk> connect_over_sockets(tenon::runtime& runtime, const std::string& endpoint) {
    tenon::client_options o;
    o.runtime = &runtime;
    o.shared_memory = false;
    return tenon::connect<bulk>(endpoint, o);
}

TEST(lending, a_call_that_ends_while_nobody_reads_leaves_whole_frames_of_what_was_lent) {
    const std::string name = fresh_endpoint("unix");
    deaf_server server(name.substr(std::strlen("unix:@")));
    tenon::runtime runtime(test_runtime());
    auto client = connect_over_sockets(runtime, name);
    ASSERT_TRUE(client.wait_ready(patience));
    server.accept();
    tenon::call_options o;
    o.timeout = 50ms;
    {
        auto lent = std::make_unique<bytes>(8 * mib, std::byte{0x11});
        const auto answer = client.is_whole.with(o).try_call(bytes_view(*lent));
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().code(), tenon::errc::deadline);
        std::memset(lent->data(), 0x22, lent->size());
    }
    std::size_t data = 0;
    const auto frames = server.read_until(tenon::wire::frame_type::cancel);
    ASSERT_GE(frames.size(), 3U);  // SETUP, the beginning of the request, CANCEL
    for (const bytes& b : frames) {
        const auto f = tenon::wire::parse_frame(b);
        ASSERT_TRUE(f);
        if (!tenon::wire::may_be_cut(f->type)) continue;
        EXPECT_TRUE(is_all(f->data, std::byte{0x11}));
        data += f->data.size();
    }
    EXPECT_GT(data, 0U);
    EXPECT_LT(data, 8 * mib);
    EXPECT_EQ(tenon::wire::parse_frame(frames.back())->type, tenon::wire::frame_type::cancel);
}

TEST(lending, ends_with_the_connection) {
    const std::string name = fresh_endpoint("unix");
    deaf_server server(name.substr(std::strlen("unix:@")));
    tenon::runtime runtime(test_runtime());
    auto client = connect_over_sockets(runtime, name);
    ASSERT_TRUE(client.wait_ready(patience));
    server.accept();
    auto lent = std::make_unique<bytes>(8 * mib, std::byte{0x11});
    std::thread later([&] {
        std::this_thread::sleep_for(20ms);
        server.hang_up();
    });
    const auto answer = client.is_whole.try_call(bytes_view(*lent));
    lent.reset();
    later.join();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), tenon::errc::unavailable);
}

}  // namespace
