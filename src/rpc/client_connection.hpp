#pragma once
// client_connection: one client's way to its server, over as many successive links as it takes.
//
// Who reads. The connection is *looped* (registered with its loop, which reads) or *held* by
// blocking callers, so that a reply goes from the socket to the caller without another thread. The
// first caller takes it and it stays held between calls; the loop takes it back after 10 ms without
// a caller, or as soon as an asynchronous call is under way. A holder completes its own call, wakes
// other blocking callers through their call, hands asynchronous ones to the loop, and runs no user
// code. When it leaves, it passes the reading on to another waiting caller or lays it down.
//
// Keep-alives, deadlines of asynchronous calls and connect timeouts belong to the loop at all times
// (housekeeping()).

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "loop/spin.hpp"
#include "rpc/connection.hpp"
#include "rpc/outgoing_call.hpp"
#include "rpc/runtime_core.hpp"
#include "tenon/options.hpp"
#include "transport/endpoint.hpp"

namespace tenon::inline v0::rpc {

/// How long to wait before call attempt number `attempt` (from 0) is repeated because of `e`; nothing
/// if it must not be.
std::optional<std::chrono::nanoseconds> repetition_delay(const client_options& options,
                                                         const error& e, unsigned attempt);

/// What is sent for one call. The sending function reads the metadata before it returns.
struct outgoing_request {
    bytes_view metadata;
    wire::outgoing payload;
};

/// Counts a thread that is inside a function.
class inside {
public:
    explicit inside(std::atomic<std::uint32_t>& n) noexcept : n_(n) {
        n_.fetch_add(1, std::memory_order_relaxed);
    }
    inside(const inside&) = delete;
    inside& operator=(const inside&) = delete;
    ~inside() { n_.fetch_sub(1, std::memory_order_release); }

private:
    std::atomic<std::uint32_t>& n_;
};

class client_connection final : public connection,
                                public call_carrier,
                                public detail::runtime_part {
public:
    client_connection(std::shared_ptr<detail::runtime_core> runtime, transport::endpoint to,
                      const client_options& options);

    /// Sends and waits. Returns once `call` is done, whatever its outcome; only here the payload may
    /// be lent, which ends with the call.
    void call(blocking_call& call, const outgoing_request& request);

    /// Sends. The outcome is delivered on the loop, or inside start() if it is known at once.
    void start(async_call& call, const outgoing_request& request);

    /// Ends a stream as given up, if it is open. Its mutex held.
    void give_up(wire_stream& s);
    /// It has something to say to a server that has said hello. Mutex held.
    void await_hello(wire_stream& s) {
        if (!s.linked()) seeking_.push_back(s);
    }
    /// Opens a stream, which has one share for the session. What goes wrong is what it ends with.
    void open(wire_stream& s, wire_stream::opening o, const wire::outgoing& arguments);

    const decode_options& decoding() const noexcept { return decoding_; }
    /// For values that wait, of all its streams.
    const std::shared_ptr<value_memory>& values() const noexcept { return value_memory_; }

    /// Room for an argument, in memory that the server sees if there is some.
    blob loan(std::size_t size) { return connection::loan(size); }

    /// What the server sends of its own accord.
    note_receiver& notes() noexcept { return *notes_in_; }
    result<void> send_note(bytes_view content);

    /// Fire-and-forget.
    result<void> send(const outgoing_request& request);

    /// Starts connecting if not connected, without waiting. An error if that has failed at once, or
    /// if the server takes no new requests.
    result<void> connect();
    /// Waits until connected; gives the last reason if that takes too long.
    result<void> wait_ready(std::chrono::milliseconds timeout);
    bool is_connected();
    /// Connected, with a session that goes on, and the server has not said that it takes no new
    /// requests.
    bool is_serving();
    /// The server has said that it takes no new requests.
    bool is_leaving();
    /// Under way, or about to be repeated or delivered (at least one of those).
    std::uint32_t async_calls();

    /// The client is gone: ends everything, then destroys this object, on the loop.
    void retire() noexcept;

    void on_runtime_stop() noexcept override;

    // call_carrier
    void cancel(outgoing_call& call) noexcept override;
    bool abandon(async_call& call) noexcept override;

private:
    enum class link_state : std::uint8_t {
        closed,
        resolving,
        connecting,
        open,
        waiting,  ///< a session waits for the next attempt to connect
    };

    // Who reads. Changes by compare-and-swap; the one who sets `looping` or `held` may touch the
    // reader's state until it sets another.
    enum reader : std::uint8_t {
        nobody,     ///< no link
        idle_loop,  ///< registered with the loop, which is not reading now
        looping,    ///< the loop is reading
        laid_down,  ///< held, but by no caller at this moment
        held,       ///< a caller reads
    };

    class house_timer final : public loop::timer {
    public:
        explicit house_timer(client_connection& c) noexcept : c_(c) {}
        loop::turn on_timer(loop::event_loop& l) override { return c_.housekeeping(l); }

    private:
        client_connection& c_;
    };
    class resolve_job;
    struct candidate {
        transport::endpoint at;
        bool may_share = false;  // memory
    };

    ~client_connection();

    // Opening; mutex held.
    bool ensure_open(std::unique_lock<base::mutex>& lock, bool& leading, std::optional<error>& why);
    void start_session();
    void dial(std::unique_lock<base::mutex>& lock);
    void add_candidates(std::span<const transport::endpoint> found);
    bool is_trusted(const transport::peer_identity& server) const noexcept;
    void try_candidates(std::unique_lock<base::mutex>& lock);
    void finish_connecting();
    void failed_to_connect(error why);
    void end_calls(const error& why);
    void end_all_calls(const error& why);
    error not_connected() const;

    // A session that outlives its link; mutex held.
    bool may_go_on() const noexcept;
    bool is_opening() const noexcept {
        return state_ == link_state::connecting ||
               (state_ == link_state::open && session_ && session_->is_detached());
    }
    void go_on_elsewhere(std::unique_lock<base::mutex>& lock);
    void say_goodbye() noexcept;
    bool check_session(base::time_point now);
    void changed(link_state s) noexcept;

    // Sending; mutex held.
    bool send(outgoing_call& call, const outgoing_request& request,
              const base::block_ref& placed = {});
    void end_call(outgoing_call& call);
    void lose_stream(wire_stream& s, error why);
    void end_stream(wire_stream& s, error why);
    bool watch_time(wire_stream& s);
    void pushed(bytes_view metadata);
    void note_hello();

    // Reading, by a blocking caller.
    bool take_reading() noexcept;
    void lay_down() noexcept;
    bool pass_on() noexcept;
    void await(blocking_call& call, bool leading);
    bool lead(blocking_call& call);
    input read_waiting(blocking_call& call);
    void sleep_on_socket(blocking_call& call);
    void sleep_on_bell(blocking_call& call, base::time_point until);
    bool give_up(blocking_call& call, error why);

    void sent_async(async_call& call, bool& sooner);  // mutex held

    // Reading, by whoever does. `own` is the holder's call, null on the loop.
    enum class frames : std::uint8_t {
        handled,  ///< all that came
        more,     ///< enough for one turn
        over,     ///< the session has ended: close()
        lost,     ///< the loop was taken over
    };
    frames handle_frames(blocking_call* own, bool& any);
    frames handle(const wire::frame& f, blocking_call* own);
    void answered(outgoing_call& call, wire::event& ev);
    void close(error why);

    // The loop.
    loop::turn on_ready(loop::event_loop& loop, loop::ready_flags flags) override;
    bool has_news() noexcept override;
    bool prepare_to_sleep() noexcept override;
    bool probe_in_vain();
    loop::turn read_on_loop(bool& any);
    loop::turn deliver(async_call& call);
    loop::turn deliver_due();
    loop::turn tell_lost_streams();
    bool plan_repetition(outgoing_call& call);
    void repeat_calls(std::unique_lock<base::mutex>& lock, base::time_point now);
    loop::turn housekeeping(loop::event_loop& loop);
    loop::turn retire_on_loop(loop::event_loop& loop);
    void check_times(base::time_point now);
    void take_back(base::time_point now);
    void watch_output();
    base::time_point next_check(base::time_point now);
    void ask_for_housekeeping() noexcept { loop_.post(house_work_); }
    void output_blocked() noexcept override;
    bool peer_is_tenon() const noexcept override { return tenon_server_; }
    void stream_ended() noexcept override;
    void hold() noexcept override { starting_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept override { starting_.fetch_sub(1, std::memory_order_release); }
    void ask_for_flush() noexcept override { ask_for_housekeeping(); }
    loop::turn end();

    const std::shared_ptr<detail::runtime_core> runtime_;
    const transport::endpoint endpoint_;
    const std::string endpoint_text_;
    const client_options options_;
    decode_options decoding_;
    const std::shared_ptr<value_memory> value_memory_;

    const std::shared_ptr<note_receiver> notes_in_ = std::make_shared<note_receiver>(loop_);

    std::atomic<reader> reader_state_{nobody};
    std::atomic<std::uint32_t> async_calls_{0};  // under way
    std::atomic<std::uint32_t> starting_{0};     // threads inside start(), or with a hold()
    std::atomic<std::uint32_t> uses_{0};         // times the reading was laid down
    std::atomic<bool> long_hold_{false};         // the loop looks rarely: tell it of the end
    loop::adaptive_spin spin_;                   // a holder's
    base::unique_fd waiter_;                     // the epoll a holder sleeps in, if is_shared()
    bool wake_watched_ = false;                  // by waiter_
    error over_{errc::unavailable, "the connection was lost"};  // the reader's

    // Guarded by mutex_.
    link_state state_ = link_state::closed;
    std::vector<candidate> candidates_;  // addresses still to be tried
    std::optional<error> last_error_;
    base::time_point retry_at_{};
    std::chrono::milliseconds back_off_{0};
    base::time_point connect_deadline_ = base::never;
    base::list<outgoing_call> waiting_;        // blocking calls that neither read nor are done
    base::list<outgoing_call> timed_;          // asynchronous calls with a deadline
    base::list<stream_limit> timed_streams_;   // those with a deadline
    base::list<outgoing_call> due_;            // asynchronous calls to be delivered
    base::list<outgoing_call> repeating_;      // asynchronous calls to be sent again
    base::list<wire_stream> unopened_;         // wait for their first value, or for hello
    base::list<wire_stream> seeking_;          // wait for hello, too: see await_hello()
    base::list<wire_stream> lost_streams_;     // to be told why
    base::time_point earliest_ = base::never;  // not later than the first of those deadlines
    bool want_write_ = false;                  // the loop is to watch for room
    bool going_away_ = false;                  // the server takes no new requests
    bool tenon_server_ = false;                // it has said hello
    bool unread_ = false;                      // what it has not answered it has not read either
    bool resolving_ = false;
    bool retired_ = false;
    base::futex_word changes_{0};  // counts changes of state_; wait_ready() sleeps on it
    base::unique_fd wake_;         // ends a holder's poll()

    // The loop's.
    house_timer timer_{*this};
    std::uint32_t uses_seen_ = 0;
    base::time_point last_use_{};

    loop::member_work<&client_connection::housekeeping> house_work_{*this};
    loop::member_work<&client_connection::retire_on_loop> retire_work_{*this};
};

}  // namespace tenon::inline v0::rpc
