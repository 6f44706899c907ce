// Peers that break the protocol, on purpose or not, against the real echo server over a Unix
// socket and TCP: each is told what was wrong, the others are served as if nothing had happened,
// and the server's memory and descriptors stay where they were.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "bystanders.hpp"
#include "raw_peer.hpp"
#include "server_process.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::uint32_t invalid_setup = 0x001, rejected_setup = 0x003, rejected_resume = 0x004,
                        connection_error = 0x101, rejected = 0x202, invalid = 0x204,
                        not_found = 0x303, unsupported = 0x306;

constexpr std::size_t mib = std::size_t{1} << 20;

class hostile : public testing::TestWithParam<const char*> {
protected:
    static void SetUpTestSuite() {
        files_ = new scratch;
        server_ = new server_process(
            server_process::echo({"unix:" + files_->path("echo"), "tcp://127.0.0.1:0"}));
        others_ = new bystanders(server_->endpoints());
        ASSERT_TRUE(others_->served());
        descriptors_ = server_->descriptors();
    }
    static void TearDownTestSuite() {
        others_->stop();
        EXPECT_GT(others_->calls(), 0U);
        EXPECT_EQ(others_->failure(), "");
        delete others_;
        server_->signal(SIGTERM);
        EXPECT_EQ(server_->wait(20s), 0);
        delete server_;
        delete files_;
    }
    void SetUp() override { resident_ = server_->resident(); }
    void TearDown() override {
        EXPECT_TRUE(server_->running());
        EXPECT_TRUE(others_->served());
        EXPECT_EQ(others_->failure(), "");
        EXPECT_TRUE(eventually([] { return server_->descriptors() <= descriptors_; }))
            << server_->descriptors() << " descriptors, at first " << descriptors_;
        if (!sanitized) {
            EXPECT_LE(server_->resident(), resident_ + growth_);
        }
    }

    static std::string endpoint() {
        return server_->endpoints()[std::string_view(GetParam()) == "unix" ? 0 : 1];
    }

    /// Sends `bytes`; the server must answer with ERROR on stream 0 and end the connection.
    void expect_refused(const std::string& bytes, std::uint32_t code, std::string_view text) {
        raw_peer peer(endpoint());
        peer.send(bytes);
        std::optional<raw_frame> f;
        do f = peer.receive();
        while (f && f->type != error_frame);
        ASSERT_TRUE(f) << "no ERROR for: " << text;
        EXPECT_EQ(f->stream, 0U) << f->to_string();
        EXPECT_EQ(f->code(), code) << f->to_string();
        EXPECT_NE(f->text().find(text), std::string::npos) << f->to_string();
        EXPECT_TRUE(peer.ended(3s));
    }
    void expect_broken(const std::string& after_setup, std::string_view text) {
        expect_refused(make_setup() + after_setup, connection_error, text);
    }

    /// Sends a request as stream 1; it alone must fail, and the connection goes on.
    void expect_failed(const std::string& request, std::uint32_t code, std::string_view text,
                       std::string_view mime = json_mime) {
        raw_peer peer(endpoint());
        peer.send(make_setup(mime) + request);
        const auto f = peer.receive();
        ASSERT_TRUE(f) << "no answer: " << text;
        EXPECT_EQ(f->type, unsigned{error_frame}) << f->to_string();
        EXPECT_EQ(f->stream, 1U) << f->to_string();
        EXPECT_EQ(f->code(), code) << f->to_string();
        EXPECT_NE(f->text().find(text), std::string::npos) << f->to_string();
        EXPECT_TRUE(is_utf8(f->text()));
        EXPECT_LT(f->body.size(), 2000U);
        expect_served(peer, mime);
    }
    static void expect_served(raw_peer& peer, std::string_view mime = json_mime) {
        const bool json = mime == json_mime;
        peer.send(make_request(101, "example/echo.plus", json ? "[40,2]" : "\x92\x28\x02"));
        const auto f = peer.receive();
        ASSERT_TRUE(f);
        EXPECT_EQ(f->stream, 101U) << f->to_string();
        EXPECT_EQ(f->body, json ? "42" : "\x2a") << f->to_string();
    }

    static inline scratch* files_ = nullptr;
    static inline server_process* server_ = nullptr;
    static inline bystanders* others_ = nullptr;
    static inline std::size_t descriptors_ = 0;
    std::size_t resident_ = 0;
    std::size_t growth_ = 12 * mib;  // what a test may leave behind
};

INSTANTIATE_TEST_SUITE_P(endpoints, hostile, testing::Values("unix", "tcp"),
                         [](const auto& i) { return std::string(i.param); });

// --- what is no RSocket at all ---

TEST_P(hostile, other_protocols) {
    expect_refused("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", invalid_setup, "too long");
    expect_refused(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), invalid_setup,
                   "too long");
    expect_refused("{\"method\":\"plus\"}\n", invalid_setup, "too long");
}

TEST_P(hostile, garbage) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto noise = [&random](std::size_t n) {
        std::string s(n, '\0');
        for (char& c : s) c = static_cast<char>(random());
        return s;
    };
    for (int i = 0; i < 40; ++i) {
        raw_peer peer(endpoint());
        std::string bytes = i % 2 ? make_setup() : std::string();
        // As it is; as one frame; as many short ones.
        if (i % 3 == 0) bytes += noise(1 + random() % 3000);
        if (i % 3 == 1) bytes += make_frame(random(), random() % 64, random() % 1024, noise(200));
        if (i % 3 == 2)
            for (int k = 0; k < 50; ++k)
                bytes += make_frame(random() % 8, random() % 16, random() % 1024, noise(20));
        peer.send(bytes);
        peer.half_close();
        EXPECT_TRUE(peer.ended()) << i;
    }
}

TEST_P(hostile, lengths) {
    expect_refused(be(0, 3) + "junkjunk", invalid_setup, "shorter than its header");
    expect_broken(be(0, 3) + "junkjunk", "shorter than its header");
    expect_broken(be(5, 3) + "12345", "shorter than its header");
    // A frame without its fixed part.
    expect_broken(make_frame(1, request_stream_frame, 0, "ab"), "frame");
    expect_refused(make_frame(0, setup_frame, 0, "abc"), invalid_setup, "");
    // A SETUP above 64 KiB is not waited for.
    expect_refused(be(70'000, 3) + std::string(100, '\0'), invalid_setup, "too long");
}

TEST_P(hostile, announced_lengths_take_no_memory) {
    std::vector<std::unique_ptr<raw_peer>> peers;
    for (int i = 0; i < 60; ++i) {
        peers.push_back(std::make_unique<raw_peer>(endpoint()));
        peers.back()->send(make_setup() + be(0xffffff, 3) + be(1, 4) + "some bytes");
    }
    EXPECT_TRUE(others_->served());
    if (!sanitized) {
        EXPECT_LT(server_->resident(), resident_ + 60 * mib);
    }
    growth_ = 40 * mib;
}

// --- slow, cut off ---

TEST_P(hostile, truncated) {
    const std::string all = make_setup() + make_request(1, "example/echo.plus", "[1,2]");
    for (std::size_t n = 0; n < all.size(); n += 3) {
        raw_peer peer(endpoint());
        peer.send(std::string_view(all).substr(0, n));
    }
}

TEST_P(hostile, dripped) {
    raw_peer peer(endpoint());
    for (const char c : make_setup() + make_request(1, "example/echo.plus", "[1,2]")) {
        peer.send({&c, 1});
        pause_for(10ms);
    }
    const auto f = peer.receive();
    ASSERT_TRUE(f);
    EXPECT_EQ(f->body, "3");
    expect_served(peer);
}

TEST_P(hostile, half_closed) {
    raw_peer peer(endpoint());
    peer.send(make_setup() + make_request(1, "example/echo.plus", "[1,2]") +
              make_request(3, "example/echo.nap", "[60000]"));
    peer.half_close();
    // What was answered by then arrives; what was not is given up.
    const auto f = peer.receive();
    ASSERT_TRUE(f);
    EXPECT_EQ(f->stream, 1U);
    EXPECT_EQ(f->body, "3");
    EXPECT_TRUE(peer.ended(5s));
}

TEST_P(hostile, reset_with_calls_in_flight) {
    for (int i = 0; i < 50; ++i) {
        raw_peer peer(endpoint());
        std::string bytes = make_setup();
        for (std::uint32_t id = 1; id < 40; id += 2)
            bytes += make_request(id, id % 4 == 1 ? "example/echo.plus" : "example/echo.nap",
                                  id % 4 == 1 ? "[1,2]" : "[60000]");
        peer.send(bytes);
        if (i % 2) pause_for(2ms);
        peer.reset();
    }
}

// --- data ---

TEST_P(hostile, deep_data) {
    std::string json = "{\"who\":{\"name\":\"x\",\"more\":";
    json += std::string(50'000, '[') + std::string(50'000, ']') + "}}";
    expect_failed(make_request(1, "example/echo.greet", json), invalid, "deep");
    expect_failed(make_request(1, "example/echo.upper", std::string(100'000, '[')), invalid, "");
    const std::string pack = "\x81\xa3who\x82\xa4name\xa1x\xa4more" + std::string(50'000, '\x91');
    expect_failed(make_request(1, "example/echo.greet", pack), invalid, "deep", msgpack_mime);
    const std::string maps = std::string(50'000, '\x81');
    expect_failed(make_request(1, "example/echo.upper", maps), invalid, "", msgpack_mime);
}

TEST_P(hostile, text_that_is_no_utf8) {
    expect_failed(make_request(1, "example/echo.upper", "[\"a\xff\xfe\"]"), invalid, "UTF-8");
    expect_failed(make_request(1, "example/echo.upper", "[\"\xed\xa0\x80\"]"), invalid, "UTF-8");
    expect_failed(make_request(1, "example/echo.upper", "[\"\\ud800\"]"), invalid, "");
    expect_failed(make_request(1, "example/echo.upper", "\x91\xa2\xff\xfe"), invalid, "UTF-8",
                  msgpack_mime);
    expect_failed(make_request(1, "example/echo.upper", "{\"\xff\xfe\":1}"), invalid, "");
    expect_failed(make_request(1, "example/\xff\xfe.plus", "[1,2]"), not_found, "");
    expect_failed(make_request(1, "example/echo.\xff", "[1,2]"), unsupported, "");
    expect_failed(make_request(1, std::string("example/echo.plus\0x", 19), "[1,2]"), unsupported,
                  "");
}

TEST_P(hostile, announced_counts_take_no_memory) {
    using namespace std::string_literals;
    for (const std::string& head :
         {"\xdd\xff\xff\xff\xff"s, "\xdf\xff\xff\xff\xff"s, "\x91\xdb\xff\xff\xff\xff"s,
          "\x91\xc6\xff\xff\xff\xff"s, "\x91\xdd\xff\xff\xff\xff"s, "\xc9\xff\xff\xff\xff\x01"s,
          "\xdc\xff\xff"s, "\x91"s})
        expect_failed(make_request(1, "example/echo.upper", head), invalid, "", msgpack_mime);
    for (const std::string& text : {"["s, "[\""s, "[1e999999999]"s, "[1,]"s, "{\"text\":"s, "nul"s,
                                    "[\"a\"] x"s, "\0"s, "[\"\\u12\"]"s})
        expect_failed(make_request(1, "example/echo.upper", text), invalid, "");
    expect_failed(make_request(1, "example/echo.plus", std::string(400'000, '9')), invalid, "");
}

TEST_P(hostile, metadata) {
    const std::string huge(70'000, 'm');
    expect_broken(
        make_frame(1, request_response_frame, metadata_flag, be(huge.size(), 3) + huge + "[1,2]"),
        "metadata");
    // Longer than its frame: RSocket wants the frame ignored.
    raw_peer peer(endpoint());
    peer.send(make_setup() +
              make_frame(1, request_response_frame, metadata_flag, be(500, 3) + "short"));
    expect_served(peer);
    // Damaged entries, none at all, an endless route.
    const auto with = [](std::string_view metadata) {
        return make_frame(1, request_response_frame, metadata_flag,
                          be(metadata.size(), 3) + std::string(metadata) + "[1,2]");
    };
    expect_failed(with("\xfe\xff\xff\xff"), invalid, "");
    expect_failed(with("\x05"), invalid, "");
    expect_failed(with(""), invalid, "route");
    expect_failed(make_frame(1, request_response_frame, 0, "[1,2]"), invalid, "route");
    const std::string route = be(255, 1) + std::string(255, 'r');
    expect_failed(with("\xfe" + be(route.size(), 3) + route), not_found, "");
}

// --- the protocol ---

TEST_P(hostile, setup) {
    expect_refused(make_frame(0, resume_frame, 0,
                              be(1, 2) + be(0, 2) + be(4, 2) + "some" + be(0, 8) + be(0, 8)),
                   rejected_resume, "no such session");
    expect_refused(make_request(1, "example/echo.plus", "[1,2]"), invalid_setup, "SETUP");
    expect_refused(make_frame(0, keepalive_frame, respond_flag, be(0, 8)), invalid_setup, "SETUP");
    std::string version = make_setup();
    version[10] = 2;
    expect_refused(version, invalid_setup, "version");

    raw_peer leased(endpoint());
    leased.send(make_setup(json_mime, lease_flag));
    const auto lease = leased.receive();
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->type, unsigned{lease_frame});
    leased.send(make_setup());  // once more: ignored
    expect_served(leased);

    raw_peer unheard(endpoint());
    unheard.send(make_setup("application/x-unheard-of") +
                 make_request(1, "example/echo.plus", "[1,2]"));
    const auto refused = unheard.receive();
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->code(), unsupported) << refused->to_string();
    EXPECT_NE(refused->text().find("application/json"), std::string::npos);

    raw_peer unknown(endpoint());
    unknown.send(make_setup(json_mime, 0, "application/x-unheard-of") +
                 make_request(1, "example/echo.plus", "[1,2]"));
    const auto f = unknown.receive();
    ASSERT_TRUE(f);
    EXPECT_EQ(f->code(), invalid) << f->to_string();
}

TEST_P(hostile, stream_ids) {
    expect_broken(make_request(2, "example/echo.plus", "[1,2]"), "stream id");
    expect_broken(make_request(0, "example/echo.plus", "[1,2]"), "stream 0");
    expect_broken(make_request(0x8000'0001, "example/echo.plus", "[1,2]"), "");
    // An id in use: the second request is not there.
    raw_peer peer(endpoint());
    peer.send(make_setup() + make_request(1, "example/echo.nap", "[50]") +
              make_request(1, "example/echo.plus", "[1,2]"));
    const auto f = peer.receive();
    ASSERT_TRUE(f);
    EXPECT_EQ(f->body, "50") << f->to_string();
    expect_served(peer);
}

TEST_P(hostile, frames_out_of_place) {
    expect_broken(make_frame(1, 0x2a, 0, "?"), "");
    expect_broken(make_frame(1, request_stream_frame, metadata_flag,
                             be(0, 4) + request_body("example/echo.plus", "[1,2]")),
                  "request n");
    expect_failed(make_frame(1, request_stream_frame, metadata_flag,
                             be(1, 4) + request_body("example/echo.plus", "[1,2]")),
                  unsupported, "");
    expect_failed(make_frame(1, request_channel_frame, metadata_flag,
                             be(1, 4) + request_body("example/echo.plus", "[1,2]")),
                  unsupported, "");
    raw_peer peer(endpoint());
    peer.send(make_setup());
    for (const unsigned type : {cancel_frame, payload_frame, error_frame, ext_frame})
        peer.send(make_frame(7, type, type == payload_frame ? unsigned{next_flag} : 0,
                             be(0x201, 4) + "?"));
    peer.send(make_frame(7, request_n_frame, 0, be(5, 4)) + make_frame(7, 0x2a, ignore_flag, "?") +
              make_frame(0, cancel_frame, 0, "") + make_frame(0, metadata_push_frame, 0x100, "??"));
    expect_served(peer);
}

TEST_P(hostile, metadata_after_data) {
    const std::string begin = make_request(1, "example/echo.upper", "[\"a", follows_flag);
    expect_broken(
        begin + make_frame(1, payload_frame, next_flag | metadata_flag, be(2, 3) + "mmb\"]"),
        "metadata after data");
}

TEST_P(hostile, endless_fragments) {
    raw_peer peer(endpoint());
    peer.send(make_setup());
    const std::string piece(1 * mib, 'x');
    peer.send(make_request(1, "example/echo.echo", piece, follows_flag));
    for (int i = 0; i < 64; ++i)
        if (!peer.send(make_frame(1, payload_frame, follows_flag | next_flag, piece))) break;
    const auto f = peer.receive();
    ASSERT_TRUE(f);
    EXPECT_EQ(f->stream, 1U);
    EXPECT_EQ(f->code(), invalid) << f->to_string();
    EXPECT_NE(f->text().find("too long"), std::string::npos) << f->to_string();
    expect_served(peer);
    growth_ = 40 * mib;
}

TEST_P(hostile, many_unfinished_messages) {
    raw_peer peer(endpoint());
    peer.send(make_setup());
    const std::string piece(1 * mib, 'x');
    for (std::uint32_t i = 0; i < 66; ++i)
        peer.send(make_request(2 * i + 201, "example/echo.echo", piece, follows_flag));
    const auto f = peer.receive();
    ASSERT_TRUE(f);
    EXPECT_EQ(f->code(), rejected) << f->to_string();
    if (!sanitized) {
        EXPECT_LT(server_->resident(), resident_ + 160 * mib);
    }
    growth_ = 80 * mib;  // what the allocator keeps of 64 MiB in pieces that were grown
}

// --- too much ---

TEST_P(hostile, many_calls_in_flight) {
    constexpr std::uint32_t calls = 1100, limit = 1024;
    raw_peer peer(endpoint());
    std::string bytes = make_setup();
    for (std::uint32_t i = 0; i < calls; ++i)
        bytes += make_request(2 * i + 1, "example/echo.nap", "[500]");
    peer.send(bytes);
    std::uint32_t answered = 0, refused = 0;
    for (std::uint32_t i = 0; i < calls; ++i) {
        const auto f = peer.receive(20s);
        ASSERT_TRUE(f) << answered << " answered, " << refused << " refused";
        if (f->type == payload_frame) ++answered;
        if (f->code() == rejected && f->text() == "too many calls in flight") ++refused;
    }
    EXPECT_EQ(answered + refused, calls);
    // On a slow machine the first may have ended before the last came.
    EXPECT_GE(answered, limit);
    expect_served(peer);
}

TEST_P(hostile, a_flood_of_tiny_frames) {
    constexpr std::uint32_t calls = 10'000;
    raw_peer peer(endpoint());
    peer.send(make_setup() + make_request(1, "example/echo.plus", "[1,2]"));
    ASSERT_TRUE(peer.receive(20s));
    std::string bytes;
    for (std::uint32_t i = 0; i < calls; ++i) {
        bytes += make_frame(1, cancel_frame, 0, "");  // it has been answered
        bytes += make_request(2 * i + 3, "example/echo.plus", "[1,2]");
    }
    std::thread sender([&] { peer.send(bytes); });
    std::uint32_t answered = 0;
    while (answered < calls && peer.receive(20s)) ++answered;
    sender.join();
    EXPECT_EQ(answered, calls);
    expect_served(peer);
}

// Small requests whose answers are large, not read: the server stops reading.
TEST_P(hostile, a_peer_that_does_not_read) {
    raw_peer peer(endpoint(), 4096);
    const auto request_number = [](std::size_t i) {
        return make_request(static_cast<std::uint32_t>(2 * i + 1), "example/echo.echo",
                            std::string(1 * mib, 'y'));
    };
    std::string request = request_number(0);
    peer.send(make_setup());
    std::size_t sent = 0;
    // Until the server has not taken anything for a while.
    for (auto last = steady_clock::now(); sent < 64 * request.size();) {
        const std::size_t n =
            peer.send_some(std::string_view(request).substr(sent % request.size()));
        sent += n;
        if (n != 0 && sent % request.size() == 0) request = request_number(sent / request.size());
        if (n != 0) last = steady_clock::now();
        else if (steady_clock::now() - last > 300ms) break;
        else pause_for(5ms);
    }
    EXPECT_LT(sent, 40 * mib);
    EXPECT_TRUE(others_->served());
    if (!sanitized) {
        EXPECT_LT(server_->resident(), resident_ + 32 * mib);
    }
    // Once it does, nothing is missing.
    const std::size_t whole = sent / request.size();
    for (std::size_t size = 0; size < whole * mib;) {
        const auto f = peer.receive();
        ASSERT_TRUE(f) << size << " bytes of " << whole * mib;
        size += f->body.size();
    }
    growth_ = 40 * mib;
}

// The same with answers the session gives by itself.
TEST_P(hostile, keepalives_whose_answers_are_not_read) {
    raw_peer peer(endpoint(), 4096);
    peer.send(make_setup());
    std::string many;
    for (int i = 0; i < 64; ++i)
        many += make_frame(0, keepalive_frame, respond_flag, be(0, 8) + std::string(4000, 'k'));
    std::size_t sent = 0;
    for (auto last = steady_clock::now(); sent < 64 * mib;) {
        const std::size_t n = peer.send_some(std::string_view(many).substr(sent % many.size()));
        sent += n;
        if (n != 0) last = steady_clock::now();
        else if (steady_clock::now() - last > 300ms) break;
        else pause_for(5ms);
    }
    EXPECT_LT(sent, 40 * mib);
}

}  // namespace
}  // namespace e2e
