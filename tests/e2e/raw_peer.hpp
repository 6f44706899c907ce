#pragma once
// raw_peer: the other end of a server's socket, with frames written by hand, so that it can say
// what our own client never would. docs/wire.md has the formats.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace e2e {

enum frame_type : unsigned {
    setup_frame = 0x01,
    lease_frame = 0x02,
    keepalive_frame = 0x03,
    request_response_frame = 0x04,
    request_fnf_frame = 0x05,
    request_stream_frame = 0x06,
    request_channel_frame = 0x07,
    request_n_frame = 0x08,
    cancel_frame = 0x09,
    payload_frame = 0x0a,
    error_frame = 0x0b,
    metadata_push_frame = 0x0c,
    resume_frame = 0x0d,
    ext_frame = 0x3f,
};

enum frame_flag : unsigned {
    ignore_flag = 0x200,
    metadata_flag = 0x100,
    follows_flag = 0x080,
    respond_flag = 0x080,
    resume_flag = 0x080,
    lease_flag = 0x040,
    complete_flag = 0x040,
    next_flag = 0x020,
};

inline constexpr std::string_view json_mime = "application/json";
inline constexpr std::string_view msgpack_mime = "application/x-msgpack";
inline constexpr std::string_view composite_mime = "message/x.rsocket.composite-metadata.v0";

/// Big-endian number of `bytes` bytes.
std::string be(std::uint64_t value, unsigned bytes);

/// A frame with its length in front.
std::string make_frame(std::uint32_t stream, unsigned type, unsigned flags, std::string_view body);
std::string make_setup(std::string_view data_mime = json_mime, unsigned flags = 0,
                       std::string_view metadata_mime = composite_mime);
/// A composite entry with the route.
std::string route_entry(std::string_view route);
/// The body of a request: counted metadata with the route, and data.
std::string request_body(std::string_view route, std::string_view data);
/// REQUEST_RESPONSE.
std::string make_request(std::uint32_t stream, std::string_view route, std::string_view data,
                         unsigned flags = 0);

struct raw_frame {
    std::uint32_t stream = 0;
    unsigned type = 0;
    unsigned flags = 0;
    std::string body;

    /// Of an ERROR.
    std::uint32_t code() const;
    std::string text() const;
    /// For messages of tests.
    std::string to_string() const;
};

/// A connection. Fails by exception only where the test itself is broken.
class raw_peer {
public:
    /// "unix:/path" or "tcp://127.0.0.1:port". `receive_buffer`: SO_RCVBUF, 0: as it is.
    explicit raw_peer(std::string_view endpoint, int receive_buffer = 0);
    ~raw_peer();
    raw_peer(const raw_peer&) = delete;
    raw_peer& operator=(const raw_peer&) = delete;

    /// All of it; false if the server has closed.
    bool send(std::string_view bytes);
    /// What fits without waiting; 0: no room now or closed.
    std::size_t send_some(std::string_view bytes);

    /// The next frame; nothing if the time is over or the connection ends.
    std::optional<raw_frame> receive(std::chrono::milliseconds limit = std::chrono::seconds(10));
    /// Whether the server has ended the connection, within the time; drops frames before.
    bool ended(std::chrono::milliseconds limit = std::chrono::seconds(10));
    /// Whether receive() has come to the end of the connection. Reads nothing.
    bool at_end() const noexcept { return ended_; }

    void half_close();
    /// Ends the connection so that the server sees a reset.
    void reset();
    void close();

private:
    bool fill(std::chrono::steady_clock::time_point end);

    int fd_ = -1;
    bool ended_ = false;
    std::string input_;
    std::size_t taken_ = 0;
};

/// Whether the text is well-formed UTF-8.
bool is_utf8(std::string_view text);

}  // namespace e2e
