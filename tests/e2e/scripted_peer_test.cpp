// Our client resumes against a peer that only plays bytes. What the peer says, and what it expects
// of the client, was recorded between this library's client and the server of rsocket-js
// 1.0.0-alpha.3 (tests/interop/foreign_server.js): a stream cut in the middle of a value, a request
// that was lost, and a server that knows nothing of the session. Where a case differs from the
// recording, it says so. Nothing here but a socket and bytes: this library's idea of a frame is not
// asked.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;
using tenon::errc;

struct foreign {
    tenon::method<std::int64_t(std::int64_t, std::int64_t)> plus;
    tenon::source<int(int, int)> count;
};
TENON_INTERFACE(foreign, "example", "foreign", "1.0.0", (plus, a, b), (count, from, n))

/// Bytes that are written as pairs of hexadecimal digits, with blanks anywhere.
std::string hex(std::string_view digits) {
    std::string out;
    int half = -1;
    for (const char c : digits) {
        if (c == ' ') continue;
        const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
        if (half >= 0) out.push_back(static_cast<char>(half << 4 | digit));
        half = half < 0 ? digit : -1;
    }
    return out;
}
std::string to_hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes)
        for (const int shift : {4, 0}) out.push_back("0123456789abcdef"[c >> shift & 15]);
    return out;
}

// --- the recording, each frame with its length in front ---

/// REQUEST_STREAM on 1 for up to 2,048 values: composite metadata with a route entry,
/// "example/foreign.count"; data "[7,8]". 44 bytes without the length.
const std::string request_stream =
    hex("00002c 00000001 1900 00000800 00001a fe000016 15 6578616d706c652f666f726569676e2e636f756e"
        "74 5b372c385d");
/// REQUEST_RESPONSE on 3: "example/foreign.plus", "[40,2]". 40 bytes.
const std::string request_plus =
    hex("000028 00000003 1100 000019 fe000015 14 6578616d706c652f666f726569676e2e706c7573"
        "5b34302c325d");

/// PAYLOADs with N on 1: "7", "8", "9". 7 bytes each.
const std::string first_values =
    hex("000007 00000001 2820 37"
        "000007 00000001 2820 38"
        "000007 00000001 2820 39");
/// The begin of the next one, where the connection was cut.
const std::string half_a_value = hex("000008 00000001 28");
/// "10" to "14", 8 bytes each, and PAYLOAD with C, 6 bytes.
const std::string last_values =
    hex("000008 00000001 2820 3130"
        "000008 00000001 2820 3131"
        "000008 00000001 2820 3132"
        "000008 00000001 2820 3133"
        "000008 00000001 2820 3134"
        "000006 00000001 2840");
/// PAYLOAD with N and C on 3: "42". 8 bytes.
const std::string reply_plus = hex("000008 00000003 2860 3432");

/// RESUME, version 1.0, a token of 16 bytes; then u64 received and u64 first one kept.
const std::string resume_begin = hex("00002c 00000000 3400 0001 0000 0010");
const std::string received_nothing = hex("0000000000000000");
const std::string received_three = hex("0000000000000015");  // 3 values of 7
const std::string received_all = hex("0000000000000043");    // and 5 of 8, and the end
const std::string kept_all = hex("0000000000000000");
const std::string kept_behind_stream = hex("000000000000002c");

/// RESUME_OK: 44 bytes have arrived, which is REQUEST_STREAM.
const std::string resume_ok = hex("00000e 00000000 3800 000000000000002c");
/// ERROR[REJECTED_RESUME]: "No session found for the given resume token".
const std::string rejected =
    hex("000035 00000000 2c00 00000004 4e6f2073657373696f6e20666f756e6420666f72207468652067"
        "6976656e20726573756d6520746f6b656e");

/// Plays the other end of the client's connections, one after the other, by hand.
class scripted_peer {
public:
    scripted_peer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        auto* const address = reinterpret_cast<sockaddr*>(&at);
        if (::bind(listener_, address, size) != 0 || ::listen(listener_, 8) != 0 ||
            ::getsockname(listener_, address, &size) != 0)
            throw std::runtime_error("cannot listen");
        endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(at.sin_port));
    }
    scripted_peer(const scripted_peer&) = delete;
    scripted_peer& operator=(const scripted_peer&) = delete;
    ~scripted_peer() {
        cut();
        ::close(listener_);
    }

    const std::string& endpoint() const { return endpoint_; }

    /// The client's next connection.
    void accept() {
        wait_for(listener_);
        fd_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd_ < 0) throw std::runtime_error("cannot accept");
    }
    void say(std::string_view bytes) {
        if (::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(bytes.size()))
            throw std::runtime_error("the client has gone");
    }
    /// As many bytes; fewer if the client ends the connection.
    std::string hear(std::size_t size) {
        std::string all(size, '\0');
        std::size_t n = 0;
        while (n < size) {
            wait_for(fd_);
            const ssize_t more = ::recv(fd_, all.data() + n, size - n, 0);
            if (more <= 0) break;
            n += static_cast<std::size_t>(more);
        }
        all.resize(n);
        return all;
    }
    /// These bytes and no others.
    void expect(const std::string& bytes, const char* what) {
        EXPECT_EQ(to_hex(hear(bytes.size())), to_hex(bytes)) << what;
    }
    /// SETUP with R, keep-alive 20,000 ms and lifetime 90,000 ms; what follows the token (MIME
    /// types, metadata) is not looked at. The token.
    std::string expect_setup() {
        const std::string length = hear(3);
        if (length.size() < 3) throw std::runtime_error("no SETUP");
        const std::string frame = hear(static_cast<unsigned char>(length[1]) * 256u +
                                       static_cast<unsigned char>(length[2]));
        EXPECT_EQ(to_hex(frame.substr(0, 20)),
                  "000000000580"
                  "00010000"
                  "00004e20"
                  "00015f90"
                  "0010");
        return frame.size() < 36 ? "" : frame.substr(20, 16);
    }
    /// That the client ends the connection and says no more.
    void expect_end() { EXPECT_EQ(to_hex(hear(1)), ""); }
    void cut() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

private:
    static void wait_for(int fd) {
        pollfd ready{fd, POLLIN, 0};
        if (::poll(&ready, 1, 20'000) <= 0) throw std::runtime_error("the client did nothing");
    }

    int listener_;
    int fd_ = -1;
    std::string endpoint_;
};

class scripted : public testing::Test {
protected:
    void SetUp() override {
        tenon::client_options o;
        o.codec = tenon::codec::json;
        o.resume = true;
        o.timeout = 0ms;  // no deadline, which would be in the metadata
        o.backoff_first = 1ms;
        o.backoff_last = 10ms;
        o.connect_timeout = 1s;
        client_.emplace(tenon::connect<foreign>(peer_.endpoint(), o));
    }

    /// The recording's first connection: until it is cut in the middle of the fourth value. The
    /// values are taken at the end, because taking them would grant more.
    void play_to_the_cut() {
        stream_ = client_->count(7, 8);
        peer_.accept();
        token_ = peer_.expect_setup();
        peer_.expect(request_stream, "REQUEST_STREAM");
        peer_.say(first_values + half_a_value);
        peer_.cut();
    }
    void expect_resume(const std::string& received, const std::string& first) {
        peer_.accept();
        peer_.expect(resume_begin + token_ + received + first, "RESUME");
    }
    /// These have come, and no other.
    void expect_values(int from, int to) {
        for (int i = from; i < to; ++i) {
            const auto v = stream_.get_for(20s);
            ASSERT_TRUE(v) << v.error().to_string();
            ASSERT_EQ(*v, i);
        }
    }
    /// The first three values, and then not an end but this.
    void expect_loss(const std::string& text) {
        expect_values(7, 10);
        const auto v = stream_.get_for(20s);
        ASSERT_FALSE(v) << (*v ? std::to_string(**v) : "an end as if all had come");
        EXPECT_EQ(v.error().code(), errc::unavailable);
        EXPECT_TRUE(v.error().may_have_run());
        EXPECT_NE(v.error().to_string().find(text), std::string::npos) << v.error().to_string();
    }
    /// The client begins again, with another token, and is served.
    void expect_another_session() {
        peer_.cut();
        auto reply = client_->plus.future(40, 2);
        peer_.accept();
        const std::string token = peer_.expect_setup();
        EXPECT_EQ(token.size(), 16u);
        EXPECT_NE(token, token_);
        std::string request = request_plus;
        request[6] = 1;  // the first stream of this session
        peer_.expect(request, "REQUEST_RESPONSE");
        std::string said = reply_plus;
        said[6] = 1;
        peer_.say(said);
        EXPECT_EQ(reply.get().value(), 42);
    }

    scripted_peer peer_;
    std::optional<tenon::stub<foreign>> client_;
    tenon::reader<int> stream_;
    std::string token_;
};

// The whole recording.
TEST_F(scripted, a_stream_goes_on_and_a_lost_request_is_said_again) {
    play_to_the_cut();
    expect_resume(received_three, kept_all);
    peer_.say(resume_ok);
    peer_.say(last_values);
    expect_values(7, 15);
    EXPECT_EQ(stream_.get(), std::nullopt);

    auto reply = client_->plus.future(40, 2);
    peer_.expect(request_plus, "REQUEST_RESPONSE");  // which is as good as lost
    peer_.cut();
    expect_resume(received_all, kept_behind_stream);
    peer_.say(resume_ok);
    peer_.expect(request_plus, "REQUEST_RESPONSE once more");
    peer_.say(reply_plus);
    EXPECT_EQ(reply.get().value(), 42);
}

// Not recorded: links that break again before the client has heard the answer.
TEST_F(scripted, resuming_may_itself_be_cut) {
    play_to_the_cut();
    expect_resume(received_three, kept_all);
    peer_.cut();
    expect_resume(received_three, kept_all);
    peer_.say(resume_ok.substr(0, 9));
    peer_.cut();
    expect_resume(received_three, kept_all);
    peer_.say(resume_ok + last_values.substr(0, 15));  // a value, and 4 bytes
    peer_.cut();
    expect_resume(hex("000000000000001d"), kept_behind_stream);  // what it now has
    peer_.say(resume_ok + last_values.substr(11));
    expect_values(7, 15);
    EXPECT_EQ(stream_.get(), std::nullopt);
}

TEST_F(scripted, a_server_that_refuses_ends_the_stream_with_its_words) {
    play_to_the_cut();
    expect_resume(received_three, kept_all);
    auto call = client_->plus.future(40, 2);
    peer_.say(rejected);
    expect_loss("cannot be resumed: No session found for the given resume token");
    const auto reply = call.get();
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), errc::unavailable);
    EXPECT_NE(reply.error().to_string().find("No session found"), std::string::npos);
    expect_another_session();
}

// From here on the server's answer is not what was recorded.

struct wrong_answer {
    const char* name;
    std::string bytes;
    const char* error;
};

class scripted_wrongly : public scripted, public testing::WithParamInterface<wrong_answer> {};

TEST_P(scripted_wrongly, ends_the_stream_with_an_error) {
    play_to_the_cut();
    expect_resume(received_three, kept_all);
    peer_.say(GetParam().bytes);
    expect_loss(GetParam().error);
    peer_.expect_end();
    expect_another_session();
}

constexpr const char* no_frame_ends = "the server names a position where no frame ends";
constexpr const char* no_answer = "the server did not answer RESUME";

INSTANTIATE_TEST_SUITE_P(
    resume_ok, scripted_wrongly,
    testing::Values(wrong_answer{"more_than_was_sent", hex("00000e 00000000 3800 000000000000002d"),
                                 no_frame_ends},
                    wrong_answer{"far_more_than_was_sent",
                                 hex("00000e 00000000 3800 7fffffffffffffff"), no_frame_ends},
                    wrong_answer{"with_the_sign_bit", hex("00000e 00000000 3800 ffffffffffffffff"),
                                 no_frame_ends},
                    wrong_answer{"inside_a_frame", hex("00000e 00000000 3800 0000000000000010"),
                                 no_frame_ends},
                    wrong_answer{"too_short", hex("00000a 00000000 3800 00000000"),
                                 "broke the protocol: frame cut short"},
                    wrong_answer{"missing", last_values, no_answer},
                    wrong_answer{"that_is_a_keepalive",
                                 hex("00000e 00000000 0c00 000000000000002c"), no_answer}),
    [](const auto& p) { return std::string(p.param.name); });

// Not an answer, nor the end of a link: what begins here has the length of a long frame.
TEST_F(scripted, an_answer_that_never_becomes_whole) {
    play_to_the_cut();
    expect_resume(received_three, kept_all);
    peer_.say("HTTP/1.1 400 Bad Request\r\n\r\n");
    peer_.expect_end();
    peer_.cut();
    expect_resume(received_three, kept_all);
    peer_.say(resume_ok + last_values);
    expect_values(7, 15);
    EXPECT_EQ(stream_.get(), std::nullopt);
}

// The client has forgotten what the server had acknowledged.
TEST_F(scripted, a_server_that_takes_an_acknowledgement_back) {
    stream_ = client_->count(7, 8);
    peer_.accept();
    token_ = peer_.expect_setup();
    peer_.expect(request_stream, "REQUEST_STREAM");
    peer_.say(hex("00000e 00000000 0c00 000000000000002c") + first_values);
    expect_values(7, 8);
    peer_.cut();
    expect_resume(received_three, kept_behind_stream);
    peer_.say(hex("00000e 00000000 3800") + received_nothing);
    expect_values(8, 10);
    const auto v = stream_.get_for(20s);
    ASSERT_FALSE(v);
    EXPECT_NE(v.error().to_string().find("frames that the server has not received are gone"),
              std::string::npos)
        << v.error().to_string();
    expect_another_session();
}

// Outside of resuming, a position of what was never sent ends the session too.
TEST_F(scripted, a_keepalive_with_a_wrong_position) {
    stream_ = client_->count(7, 8);
    peer_.accept();
    token_ = peer_.expect_setup();
    peer_.expect(request_stream, "REQUEST_STREAM");
    peer_.say(first_values + hex("00000e 00000000 0c00 000000000000002d"));
    expect_loss("a position beyond what was sent");
    // ERROR[CONNECTION_ERROR], with the same words.
    peer_.expect(hex("000029 00000000 2c00 00000101") + "a position beyond what was sent", "ERROR");
    peer_.expect_end();
    expect_another_session();
}

}  // namespace
}  // namespace e2e
