#pragma once
// server_connection: reads requests, runs their handlers or sends them where they run, and writes
// the answers.
//
// Counted: the server's list of open connections holds one share, every kept call one, and a call
// whose thread lost the loop one.

#include <atomic>
#include <string>
#include <vector>

#include "base/intrusive.hpp"
#include "rpc/connection.hpp"
#include "rpc/service_call.hpp"
#include "wire/metadata.hpp"

namespace tenon::inline v0::rpc {

class server_core;

class server_connection final : public connection,
                                public reply_path,
                                public tenon::session,
                                public base::list_hook<server_core> {
public:
    /// `refusal`, if not empty, is told to the peer instead of serving it.
    server_connection(std::shared_ptr<server_core> server, std::uint64_t id, loop::event_loop& loop,
                      std::unique_ptr<transport::link> link, std::string refusal);
    ~server_connection();

    /// Any thread: begin to serve.
    void open() noexcept { post(begin); }
    /// Any thread: refuse new requests, close when those in flight are answered; or close now.
    void drain() noexcept { post(drain_calls); }
    void abort() noexcept { post(close_now); }

    /// What connections are counted by: the user, or the remote address.
    static std::string key_of(const transport::peer_identity& p);
    void hold() noexcept override { refs_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept override;
    /// Any thread.
    connection_stats stats();
    /// Appends those that are open. Any thread, without locks.
    void list_streams(std::vector<stream_direction>& to);
    /// An open one, with a share; null: there is none. Any thread.
    wire_stream* share_stream(std::uint32_t id) noexcept;

    // A session that can be resumed: docs/design/resume.md. Any thread.

    /// What SETUP named it, and who may resume it; do not change any more.
    bytes_view resume_token() const noexcept { return as_bytes(resume_token_); }
    const std::string& peer_key() const noexcept { return peer_key_; }
    result<void> may_resume(const wire::resume_fields& client);
    /// The client has come back on this link, and said this.
    void adopt(std::unique_ptr<transport::link> link, const wire::resume_fields& client);

    // reply_path
    void answer(service_call& call, void* result) override;
    void fail(service_call& call, const error& e) override;
    void keep(service_call& from, service_call& kept) override;
    void release(service_call& kept) noexcept override;
    scopes from() const noexcept override { return from_; }
    tenon::session& session_of() noexcept override { return *this; }
    blob loan(std::size_t size) override { return connection::loan(size); }

    // session
    const peer_info& peer() const noexcept override { return peer_; }
    std::uint64_t id() const noexcept override { return id_; }
    result<void> note(const value& content) override;

    const std::shared_ptr<server_core>& server() const noexcept { return server_; }

private:
    /// What a request's whole metadata says, where that is the same for every call of a method.
    struct cached_request {
        std::uint32_t hash = 0;
        std::string metadata;
        method_entry* method = nullptr;
        codec wire_codec{};
        priority urgency{};
    };
    class deadline_timer final : public loop::timer {
    public:
        explicit deadline_timer(server_connection& c) noexcept : c_(c) {}
        loop::turn on_timer(loop::event_loop&) override { return c_.on_deadline(); }

    private:
        server_connection& c_;
    };

    loop::turn on_ready(loop::event_loop& loop, loop::ready_flags flags) override;
    bool has_news() noexcept override { return link_->has_news(); }
    bool prepare_to_sleep() noexcept override { return link_->prepare_to_sleep(); }
    void on_taken_over(loop::event_loop& loop) override;
    void output_blocked() noexcept override { post(watch_output); }
    void output_moved() noexcept override { post(read_again); }

    loop::turn serve(bool& did_something);
    bool is_full();
    void tell_slow() noexcept;
    void take_note(bytes_view metadata);
    void note_unfinished();
    bool check_unfinished(base::time_point now);
    loop::turn receive(const wire::frame& f);
    loop::turn on_setup(const wire::frame& f);
    void begin_session(const wire::frame& f);
    loop::turn tell_connected();
    void tell_disconnected();
    loop::turn tell_disconnected_on_loop(loop::event_loop&);
    void tell_opened(wire_stream& stream, service_call& call);
    void prepare_reader() noexcept;
    bool enlist(bytes_view token);
    void on_resume(const wire::frame& f);
    bool lose_link();
    void take_link();
    // Mutex held. A peer that has yet to acknowledge what it got must be listened to.
    bool is_over_limit() const noexcept {
        const wire::output_queue& out = session_->out();
        return out.exceeds(unsent_limit_) && !out.empty();
    }
    loop::turn on_request(wire::event& ev);
    void fill(service_call& call, wire::event& ev, const wire::request_metadata& meta,
              codec wire_codec);
    loop::turn open_stream(wire::event& ev, method_entry& method,
                           const wire::request_metadata& meta, codec wire_codec);
    bool peer_is_tenon() const noexcept override { return tenon_peer_; }
    void stream_ended() noexcept override {}
    void ask_for_flush() noexcept override { post(write_out); }
    loop::turn on_cancel(service_call& call);
    static service_call* share_in(void* user) noexcept;
    const cached_request* find_cached(bytes_view metadata, std::uint32_t hash) const noexcept;
    void remember(bytes_view metadata, std::uint32_t hash, method_entry& method, codec c,
                  priority p);
    result<method_entry*> understand(const wire::event& ev, wire::request_metadata& meta,
                                     codec& wire_codec);
    void refuse(const wire::event& ev, const error& e);
    std::vector<wire_stream*> expire(base::time_point now);
    loop::turn tell_expired(const std::vector<wire_stream*>& ended);
    loop::turn on_deadline();
    enum errand : unsigned {
        begin = 1,
        read_again = 2,
        watch_output = 4,
        drain_calls = 8,
        close_now = 16,
        look_later = 32,
        write_out = 64,
        change_link = 128
    };
    void post(errand e) noexcept;
    loop::turn run_errands(loop::event_loop&);
    void drain_step();
    void refuse_requests();
    bool owes_reading() const noexcept;
    void arm();  // mutex held
    void note_use();
    void rest(base::time_point now);  // mutex held
    void rest_later() noexcept;
    void end_session();  // mutex held
    bool discard_input();
    loop::turn close();
    void send_answer(bool processing);
    bool answered_in_place(service_call& call) noexcept;
    bool is_in_place(const service_call& call) const noexcept {
        return in_place_.load(std::memory_order_relaxed) == &call;
    }
    void set_in_place(service_call* call) noexcept {
        in_place_.store(call, std::memory_order_relaxed);
    }

    const std::shared_ptr<server_core> server_;
    const std::uint64_t id_;
    const std::chrono::system_clock::time_point since_ = std::chrono::system_clock::now();
    const std::string peer_address_;
    const std::string peer_key_;
    peer_info peer_;  // refers to peer_address_; changes before the first request only
    const std::size_t unsent_limit_;
    const bool from_network_;
    const scopes from_;
    std::atomic<std::uint32_t> refs_{1};
    std::atomic<std::uint64_t> calls_{0};  // written by the loop, so without a read-modify-write

    // The loop's.
    std::vector<cached_request> cached_;
    wire::metadata_format format_ = wire::metadata_format::unknown;
    std::optional<codec> codec_;  // SETUP's data type; nothing: one that is not known
    deadline_timer timer_{*this};
    std::shared_ptr<note_receiver> notes_in_;  // null: nobody listens
    bool ending_ = false;   // the session is over: get rid of the output, then close
    bool closing_ = false;  // close() is due
    bool full_ = false;     // too much output: no more frames until is_full() says otherwise
    bool stalled_ = false;  // … and not reading
    base::time_point slow_told_at_{};  // to watchers
    bool draining_ = false;
    std::shared_ptr<value_memory> value_memory_;  // made for the first stream
    bool has_told_ = false;     // that it has connected, and not that it has disconnected
    bool detached_ = false;     // the session goes on without a link
    std::string resume_token_;  // empty: it cannot
    std::size_t discarded_ = 0;
    bool unfinished_ = false;              // part of a frame has come …
    base::time_point unfinished_since_{};  // … and when the last of it
    bool used_ = false;                    // since the last look whether it rests
    base::time_point rest_at_ = base::never;
    std::atomic<bool> rest_planned_{false};  // rest_at_ is set; a hint for other threads

    // Guarded by mutex_.
    bool tenon_peer_ = false;
    std::unique_ptr<transport::link> next_link_;  // the client has come back on it …
    wire::resume_fields came_back_with_;          // … with this, but for the token
    std::uint64_t resumed_ = 0;                   // times it did
    // The call whose handler runs in on_ready() and looks into the receive buffer. Set by the owner
    // before it enters user code; cleared under the mutex, because a take-over looks at it there.
    // Atomic because a thread that lost the loop compares it while the new owner sets it; relaxed,
    // because what it says about one's own call is ordered by the mutex.
    std::atomic<service_call*> in_place_{nullptr};

    // What other threads want done on the loop; whoever sets the first bit posts, with a share.
    std::atomic<unsigned> errands_{0};
    loop::member_work<&server_connection::run_errands> errand_work_{*this};
    loop::member_work<&server_connection::tell_disconnected_on_loop> disconnected_work_{*this};
};

}  // namespace tenon::inline v0::rpc
