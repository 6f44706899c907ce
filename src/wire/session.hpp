#pragma once
// session: the RSocket 1.0 state machine of one connection, without I/O and without a clock.
//
// Frames go in through receive(), which returns at most one event; frames to send collect in
// out(). After SETUP both roles do the same: each may send requests and answer the other's. A
// session never calls back. Not thread-safe: the connection locks around every call; parse_frame()
// is done outside the lock. Views in an event point into the frame given to receive(), or into
// event::storage. No allocation in steady state. Protocol, limits and answers: docs/wire.md.

#include <memory>
#include <span>
#include <string_view>

#include "base/buffer.hpp"
#include "tenon/error.hpp"
#include "tenon/result.hpp"
#include "wire/output.hpp"
#include "wire/session_types.hpp"

namespace tenon::inline v0::wire {

class session {
public:
    session(role r, const session_options& options, time_point now);
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    // Sending. Metadata is at most max_metadata_size and is copied.

    /// Client, first of all calls: appends SETUP. MIME types are at most 255 bytes; all together
    /// must stay within max_setup_size, else `invalid`. With a token, and if the options say what
    /// may be kept, the session can be resumed: the server then knows it by the token.
    result<void> setup(std::string_view metadata_mime, std::string_view data_mime,
                       bytes_view metadata = {}, bytes_view data = {}, bytes_view token = {});

    /// Opens a stream. `initial_n` (1 to max_n) counts for stream and channel only; `complete`
    /// for a channel means that no further value follows. Errors: `invalid` (before SETUP, n,
    /// sizes), `unavailable` (closed, closing, or no lease), both surely not run. `p` is for all
    /// that this side sends on the stream.
    result<stream_ref> request(request_kind kind, bytes_view metadata, outgoing data, void* user,
                               std::uint32_t initial_n = 1, bool complete = false,
                               priority p = priority::normal);

    /// The answer to a request/response. False: the stream has gone, and nothing is sent.
    bool respond(stream_ref stream, outgoing data, bytes_view metadata = {});

    /// One value on a stream (as responder) or a channel (either side); uses one credit. There is
    /// always room for the last one.
    send_result send(stream_ref stream, outgoing data, bytes_view metadata = {},
                     bool complete = false);

    /// Ends our direction without a value.
    void complete(stream_ref stream, bytes_view metadata = {});

    /// Ends the stream with an error. `code` as on the wire, `data` as given (at most 64 KiB is
    /// sent).
    void fail(stream_ref stream, std::uint32_t code, bytes_view data);
    void fail(stream_ref stream, errc code, bytes_view data);

    /// Gives up a stream of our own: drops what was not sent, tells the peer what was. On a
    /// peer's channel: takes no more of its values, and says nothing.
    void cancel(stream_ref stream);

    /// Grants the peer n more messages; sums above max_n mean without end.
    void request_n(stream_ref stream, std::uint32_t n);

    void push_metadata(bytes_view metadata);

    /// An EXT frame; stream {} is the connection. `may_ignore` sets the I flag.
    void extension(stream_ref stream, std::uint32_t type, bool may_ignore, bytes_view metadata,
                   bytes_view data);

    /// Ends the session: appends ERROR on stream 0. Nothing is received or sent after it. A
    /// graceful end is refuse_requests(), waiting until no stream is open and out() is empty,
    /// and then close(connection_close).
    void close(std::uint32_t code, std::string_view message);

    // Resumption: docs/wire.md. Between detach() and `resumed` everything but receiving goes on, and
    // waits in out().

    /// Whether the session can go on over another link, should it lose this one.
    bool is_resumable() const noexcept { return resumption_ && !closed_ && !closing_; }
    /// What SETUP named it; empty if it cannot be resumed.
    bytes_view token() const noexcept;
    /// The link is gone, or silent, and nothing is being written. False: that is the end; lost().
    bool detach(time_point now) noexcept;
    bool is_detached() const noexcept { return resumption_ && resumption_->detached; }
    /// Whether it ever was.
    bool has_moved() const noexcept { return resumption_ && resumption_->moved; }
    /// Client, detached, on a new link: appends RESUME. What follows is `resumed`, or `closed` if the
    /// server refuses; or this link is lost too, and detach() is due again.
    void resume(time_point now);
    /// Server: whether it can go on with a client that says this. A client that was refused may have
    /// been late, and have another link, so this says nothing about the session.
    result<void> may_resume(const resume_fields& client) const;
    /// Server, detached, on a new link whose client said this: goes on. An error, as of may_resume(),
    /// is what to refuse it with, by close(rejected_resume) on the session that got RESUME.
    result<void> resume(const resume_fields& client, time_point now);
    /// The peer is known to acknowledge, so that from the first byte nothing is dropped that it may
    /// need.
    void expect_acknowledgements() noexcept;
    /// False: so much waits to be written or acknowledged that send() will say no_room, and so will
    /// request() while detached. Look again after `keepalive` and `resumed`, and when out() moves.
    bool has_room() const noexcept { return !resumption_ || out_.has_room(); }

    /// The transport is gone: ends the session without a frame. Nothing may be written after
    /// it; gather() returns nothing.
    void lost() noexcept {
        closed_ = true;
        out_.shut();
    }

    /// From now on the peer's new requests are answered with this error.
    void refuse_requests(std::uint32_t code = error_code::rejected,
                         bytes_view data = as_bytes("going away")) {
        refusing_ = true;
        refusal_code_ = code;
        refusal_.assign(data.begin(), data.end());
    }

    // Streams.

    /// Of what is sent on a stream of the peer; before the first is sent.
    void set_priority(stream_ref stream, priority p) noexcept;
    bool alive(stream_ref stream) noexcept { return find(stream) != nullptr; }
    /// The user pointer of a stream; null if the stream is gone.
    void attach(stream_ref stream, void* user) noexcept;
    void* user(stream_ref stream) noexcept;
    /// How many values may be sent now; max_n is without end.
    std::uint32_t credit(stream_ref stream) noexcept;
    /// Ends a stream without a frame.
    void forget(stream_ref stream) noexcept;
    std::size_t own_streams() const noexcept { return own_.size(); }
    std::size_t peer_streams() const noexcept { return peer_.size(); }
    stream_table& table_of_peer() noexcept { return peer_; }

    /// After the end: takes the streams out one by one, as `failed` (our own) and `cancel` (the
    /// peer's) with `ended`; `none` when there are no more. Drops unfinished large messages, so
    /// call it before flushing out() after a close() of our own.
    event orphan();

    // Receiving.

    /// One frame of the peer. Counts as a sign of life.
    event receive(const frame& f, time_point now);
    /// Room in an unfinished message, so that data can be read to its place without the lock.
    struct room {
        stream_ref stream;
        base::byte_buffer bytes;  ///< the message so far, and behind it:
        std::size_t n = 0;        ///< room for that many bytes
        std::span<std::byte> span() noexcept { return {bytes.data() + bytes.size(), n}; }
    };
    /// At most `most`. None if the stream has no unfinished message, or that must not get so long:
    /// then the data has to go through receive(), which says so. Until put_room(), no data must come
    /// for the stream in another way.
    room take_room(std::uint32_t stream, std::size_t most);
    /// Back, with `read` bytes more.
    void put_room(room&& r, std::size_t read) noexcept;
    /// A sign of life that is no frame yet: bytes of a long one.
    void heard(time_point now) noexcept { last_received_ = now_ = now; }
    /// For bytes that parse_frame() or frame_reader refused: answers and closes.
    event reject(std::string_view message);
    /// Streams whose message stays unfinished too long, one by one; `none` if there are no more.
    event expire(time_point now);

    // Time.

    /// Sends KEEPALIVE when due; returns `closed` when the peer was silent for too long or did
    /// not send SETUP in time. Call at next_deadline(), at other times it does nothing.
    event tick(time_point now);
    /// time_point::max() if there is none. May be earlier than needed, never later.
    time_point next_deadline() const noexcept;

    output_queue& out() noexcept { return out_; }
    const output_queue& out() const noexcept { return out_; }
    bool closed() const noexcept { return closed_; }
    /// SETUP has been sent or accepted.
    bool established() const noexcept { return established_; }
    /// The peer sent CONNECTION_CLOSE: close once no stream is open and out() is empty.
    bool closing() const noexcept { return closing_; }

    /// For tests: the next stream id of our own.
    void start_ids_at(std::uint32_t id) noexcept { ids_.start_at(id); }
    /// Gives memory back that an idle session does not need; about how many bytes.
    std::size_t release_if_idle() noexcept;

private:
    // Present if the session can be resumed.
    struct resumption {
        bytes token;
        bool detached = false;
        bool awaiting = false;  // client: RESUME is out
        bool moved = false;     // has been detached once
        time_point since;       // detached
    };
    enum class fragment_state : std::uint8_t { taken, too_long, no_room, broken };

    bool is_own(std::uint32_t id) const noexcept {
        return (id & 1) == (role_ == role::client ? 1u : 0u);
    }
    stream_table& table_of(std::uint32_t id) noexcept { return is_own(id) ? own_ : peer_; }
    stream_slot* find(stream_ref stream) noexcept;
    event about(event_kind kind, const stream_slot& slot) const noexcept;
    event over(bool local, std::uint32_t code, bytes_view data) noexcept;
    stream_slot& open(stream_table& table, std::uint32_t id, request_kind kind);
    void end(stream_slot& slot, bool drop_output) noexcept;
    bool finish_own_side(stream_slot& slot) noexcept;
    void add_error(std::uint32_t stream, std::uint32_t code, bytes_view data, priority p);
    priority control_priority(const stream_slot& slot) const noexcept;
    event fail_here(stream_slot& slot, std::uint32_t code, std::string_view text);
    result<void> check_request(request_kind kind, bytes_view metadata, std::uint32_t n) noexcept;

    event receive_first(const frame& f);
    event receive_detached(const frame& f);
    void start_resumption(bytes_view token);
    void count(const frame& f);
    void go_on(time_point now);
    void add_lease();
    event end_detached(std::uint32_t code, std::string_view text) noexcept;
    bool is_overfull() const noexcept;
    event on_request(const frame& f);
    event on_payload(const frame& f);
    event on_value(stream_slot& slot, const frame& f);
    event on_request_n(const frame& f);
    event on_cancel(const frame& f);
    event on_error(const frame& f);
    event on_keepalive(const frame& f);
    event on_extension(const frame& f);
    event on_lease(const frame& f);
    void show_request(stream_slot& slot, event& e);
    fragment_state take_fragment(stream_slot& slot, const frame& f);
    void take_message(stream_slot& slot, event& e) noexcept;
    void drop_partial(stream_slot& slot) noexcept;
    event fragment_failed(stream_slot& slot, fragment_state state);

    stream_table own_;   // requested by this side
    stream_table peer_;  // requested by the peer
    stream_ids ids_;
    output_queue out_;
    session_options options_;
    role role_;
    bool established_ = false;
    bool closed_ = false;
    bool closing_ = false;
    bool refusing_ = false;
    std::uint32_t refusal_code_ = 0;
    bytes refusal_;
    bool lease_needed_ = false;  // server: the client asked for leases on both sides
    std::uint32_t lease_left_ = 0;
    bool flushing_ = false;  // closed by this side: out() still goes to the peer
    std::unique_ptr<resumption> resumption_;
    std::uint32_t uses_ = 0;  // the last stream_ref::use given out
    std::uint32_t close_code_ = error_code::connection_error;
    budget_share partial_bytes_;  // in unfinished messages
    std::size_t partial_count_ = 0;
    std::unique_ptr<partial_message> spare_;
    milliseconds lifetime_{0};
    time_point now_;  // of the last call that told it
    time_point started_;
    time_point last_received_;
    time_point next_keepalive_;
    time_point lease_until_;
    time_point partial_deadline_;  // no unfinished message expires before
};

}  // namespace tenon::inline v0::wire
