#pragma once
// wire_stream: one stream over a connection, on either side: its ends, and what passes between them
// and the session.
//
// Counted: the session's attachment holds one share, and so do the handles of each end. A stream
// refers to its connection while it is attached, which ends with the stream or with the link,
// whichever comes first; afterwards its ends only tell how it came out.
//
// Locks are taken in this order: an end's mutex, link_mutex_, the connection's mutex.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "base/intrusive.hpp"
#include "rpc/service_call.hpp"
#include "rpc/stream/inlet.hpp"
#include "rpc/stream/outlet.hpp"
#include "rpc/stream/status.hpp"
#include "wire/session.hpp"

namespace tenon::inline v0::rpc {

class connection;
class server_connection;

/// What a stream is made with.
struct stream_plan {
    const detail::stream_types* types;
    detail::flow_settings flow;  // of the direction this side sends
    codec wire_codec = codec::msgpack;
    decode_options decoding;
    const loop::spin_policy* spin;
    std::shared_ptr<value_memory> memory;  // for values that wait
    bool has_arguments = true;
    const method_entry* member = nullptr;  // on the server
};

/// Whether the event is of a stream with values, whose user is a wire_stream.
inline bool is_stream(const wire::event& ev) noexcept {
    return ev.stream.id != 0 &&
           (ev.request == wire::request_kind::stream || ev.request == wire::request_kind::channel);
}

/// How many values of a type are on their way at most, unless a member says otherwise.
std::uint32_t default_window(const detail::value_ops& ops) noexcept;

class wire_stream;

/// What an operator may do to a stream.
enum class stream_action : std::uint8_t { pause, resume, close };

/// When a client's stream is to end at the latest, and by whom it may be given up before.
class stream_limit final : public base::list_hook<>, public cancel_hook {
public:
    explicit stream_limit(wire_stream& s) noexcept : stream(s) {}
    void on_cancel() noexcept override;

    wire_stream& stream;
    base::time_point deadline = base::never;
    tenon::cancellation* cancel = nullptr;  // hooked in until the last handle goes
};

class wire_stream final : public stream_feeder,
                          public reply_path,
                          public served_stream,
                          public base::list_hook<> {
public:
    /// `server`: null on the client.
    wire_stream(connection& c, server_connection* server, const stream_plan& plan);

    // --- by the connection ---

    void add_ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        // acq_rel: the last owner sees what the others did.
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    /// Server: its stream in the session; mutex of the connection held.
    void attach(wire::stream_ref ref) noexcept { ref_ = ref; }
    /// Server: what the first REQUEST_N grants.
    std::uint32_t first_grant() const noexcept;

    /// What a client's request says of a stream besides its arguments.
    struct opening {
        base::byte_buffer metadata;
        stream_status status;
        priority urgency = priority::normal;
        base::time_point deadline = base::never;
        tenon::cancellation* cancel = nullptr;
    };
    /// Client, before it asks: why it must not.
    std::optional<error> set_limit(const opening& o, base::time_point now);
    /// Null: it has none. Its list is the connection's.
    stream_limit* limit() noexcept { return limit_.get(); }
    /// Client: it is in the session, or waits for its first value. Mutex of the connection held.
    bool is_open_in(wire::session& session) noexcept {
        return unopened_ || session.user(ref_) == this;
    }
    /// Client: nothing goes over the connection any more; on_lost() follows. Mutex of the connection
    /// held.
    void leave_session(wire::session* session) noexcept;
    /// Client: says what seek() had to keep until the peer said hello. Mutex of the connection held.
    void say_seek(wire::session& session);
    /// Client: ends it as cancelled. Any thread, without locks.
    void give_up() noexcept;
    /// Client: asks for the stream. Mutex of the connection held.
    result<void> request(wire::session& session, const opening& o, const wire::outgoing& arguments);
    /// Client: whether REQUEST_CHANNEL is to bring the first value, since a peer that has not said
    /// hello takes what it brings for one.
    bool opens_with_value() const noexcept;
    /// … which it then does, unless the peer says hello before; meanwhile the stream is in the
    /// connection's list. Mutex of the connection held.
    void open_later(opening o);
    /// The request of one that waits, with its first value or without; `complete`: no value follows.
    /// False: it still waits. Mutex of the connection held.
    bool request_at_last(wire::session& session, const wire::outgoing* value, bool complete);

    /// The peer's first grant.
    void begin(std::uint32_t credit, const stream_status& asked) noexcept {
        out_.begin(credit);
        out_.set_start(asked.start);
        in_.set_origin(asked.origin);
    }

    /// Something came, or the stream has ended. Without locks, by the reader.
    loop::turn on_event(wire::event& ev, base::block_ref owner);
    /// What REQUEST_CHANNEL brought.
    loop::turn first_value(const coding::source& data, base::block_ref owner) {
        return in_.push(data, std::move(owner), {});
    }
    loop::turn no_more_values() { return in_.end({}); }
    /// The link is gone, or the stream was never opened. Without locks.
    loop::turn on_lost(const error& why);
    /// Output has drained.
    loop::turn on_room() { return out_.on_room(); }
    /// Its call is to be cancelled by the on_event() or on_lost() that follows. Mutex of the
    /// connection held.
    void share_call() noexcept {
        if (call_ && call_->try_add_ref()) cancelled_ = call_;
    }

    /// On the server.
    const method_entry* member() const noexcept { return plan_.member; }
    /// Of the directions it has.
    struct totals {
        std::optional<stream_stats> in, out;
    };
    totals stats();
    /// Any thread, without locks, by an owner of a share.
    void act(stream_action what);
    bool is_paused() noexcept;

    /// The ends, for handles. `keep_alive` goes with the last handle.
    detail::stream_ends ends(const std::shared_ptr<void>& keep_alive);

    bool waits_for_room = false;    // in the connection's list; guarded by its mutex
    std::optional<error> lost_why;  // for a client's list of lost streams; guarded likewise

    /// On the server: this stream is one of `open` until it ends.
    void count_in(std::atomic<std::uint64_t>& open) noexcept {
        open.fetch_add(1, std::memory_order_relaxed);
        open_ = &open;
    }

    // stream_feeder
    void consumed(std::uint32_t n) noexcept override;
    void stopped() noexcept override;
    void acknowledged(std::uint64_t number) noexcept override;
    std::optional<error> cannot_seek() override;
    void seek(std::uint32_t number, const stream_start& to) noexcept override;
    loop::event_loop* fallback() noexcept override { return &loop_; }

    // reply_path: of the call that serves the stream.
    void answer(service_call& call, void* result) override;
    void fail(service_call& call, const error& e) override;
    void keep(service_call& from, service_call& kept) override;
    void release(service_call& kept) noexcept override;
    scopes from() const noexcept override;
    tenon::session& session_of() noexcept override;
    served_stream* stream_of() noexcept override { return this; }

    // served_stream
    std::string_view route() const noexcept override { return route_; }
    tenon::session& session() noexcept override { return session_of(); }

    /// Of its member; lives as long as the server.
    void set_route(std::string_view route) noexcept { route_ = route; }
    /// Users are told of the stream, and so will be of its end.
    void note_told() noexcept { has_told_ = true; }

private:
    class wire_outlet final : public stream_outlet {
    public:
        wire_outlet(wire_stream& s, const detail::value_ops& ops,
                    const detail::flow_settings& flow) noexcept
            : stream_outlet(ops, flow), s_(s) {}
        void begin(std::uint32_t credit) noexcept { credit_ = credit; }
        /// With the next on_room().
        void grant(std::uint32_t n) noexcept;

    private:
        detail::departure transmit(void* value, bool movable, const value_note& note) override;
        void transmit_end(const std::optional<error>& why, const value_note& last) override;
        loop::turn after_end() noexcept override;
        void lagging() noexcept override { s_.tell_lagging(); }
        loop::event_loop* fallback() noexcept override { return &s_.loop_; }

        wire_stream& s_;
        std::uint32_t credit_ = 0;               // guarded by the outlet's mutex …
        std::atomic<std::uint32_t> granted_{0};  // … and to be added to it
    };

    ~wire_stream() = default;

    bool is_server() const noexcept { return server_ != nullptr; }
    bool has_in() const noexcept;
    bool has_out() const noexcept;
    void in_gone() noexcept;
    void out_gone() noexcept;
    void handle_gone() noexcept;
    void leave_queues() noexcept;
    template <class F>
    void with_session(F f) noexcept;
    void leave_link() noexcept;
    connection* hold_link() noexcept;
    void detach() noexcept;
    bool leave_unopened() noexcept;
    service_call* finish_quietly() noexcept;
    void tell_closed() noexcept;
    void tell_lagging() noexcept;
    loop::turn tell_closed_on_loop(loop::event_loop& loop);
    loop::turn on_seek(bytes_view data);
    void set_paused(bool paused);
    void close(const error& why);
    bool note_reached(std::uint32_t number);
    loop::turn refuse_seek();
    bool is_between_tenons() noexcept;
    loop::turn on_value(wire::event& ev, base::block_ref owner);
    loop::turn cancel_call(service_call* call, bool owns_loop);

    const stream_plan plan_;
    loop::event_loop& loop_;
    server_connection* const server_;
    std::atomic<std::uint32_t> refs_{1};

    base::mutex link_mutex_;
    connection* link_;                            // null once detached; guarded by link_mutex_
    bool paused_ = false;                         // by an operator; the same …
    std::uint32_t withheld_ = 0;                  // … and what is granted when it goes on
    base::time_point lag_told_at_{};              // to watchers; the same
    std::atomic<std::uint64_t>* open_ = nullptr;  // the member's count; the same

    wire::stream_ref ref_;                  // set once, under the connection's mutex
    std::unique_ptr<opening> unopened_;     // guarded by the connection's mutex
    std::atomic<bool> is_unopened_{false};  // a hint
    std::atomic<bool> has_sought_{false};   // in_ has gone on elsewhere
    stream_seek unsaid_seek_;               // guarded by the connection's mutex
    std::unique_ptr<stream_limit> limit_;   // set before it is opened
    std::atomic<unsigned> handles_{0};      // that are there
    service_call* call_ = nullptr;          // guarded by the connection's mutex
    service_call* cancelled_ = nullptr;     // the reader's; with a share

    stream_inlet in_;
    wire_outlet out_;
    std::atomic<bool> has_finished_{false};  // out_ has told its end …
    std::atomic<bool> has_stopped_{false};   // in_ wants no more
    abandoned_ends abandoned_;
    std::optional<error> failed_;  // … which was the end of both; guarded by out_'s mutex

    std::string_view route_;
    bool has_told_ = false;
    loop::member_work<&wire_stream::tell_closed_on_loop> closed_work_{*this};
};

}  // namespace tenon::inline v0::rpc
