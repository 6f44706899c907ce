// A client's session: how it begins, and how it goes on when it loses its link. See
// docs/design/resume.md.

#include <algorithm>
#include <array>
#include <cstring>

#include "base/random.hpp"
#include "rpc/client_connection.hpp"
#include "rpc/hello.hpp"
#include "wire/metadata.hpp"

namespace tenon::inline v0::rpc {

namespace {

constexpr std::size_t least_retention = std::size_t{1} << 20;

wire::session_options session_options_of(const client_options& o) {
    wire::session_options s;
    s.message_limit = o.limits.message;
    s.reassembly_limit = o.limits.reassembly_per_connection;
    s.fragment_timeout = o.limits.stall_time;
    s.keepalive_interval = o.keepalive_interval;
    s.max_lifetime = o.keepalive_lifetime;
    if (o.resume) s.retention = std::max(o.limits.retention, least_retention);
    s.resume_time = o.limits.resume_time;
    return s;
}

/// Nobody must be able to guess it.
std::array<std::byte, 16> make_token() {
    const std::array<std::uint64_t, 2> random{base::random_seed(), base::random_seed()};
    std::array<std::byte, 16> token;
    static_assert(sizeof token == sizeof random);
    std::memcpy(token.data(), random.data(), token.size());
    return token;
}

}  // namespace

/// Looks a host name up on the pool.
class client_connection::resolve_job final : public loop::job {
public:
    explicit resolve_job(client_connection& c) noexcept : c_(c) {}

    void run() noexcept override {
        auto found = transport::resolve(c_.endpoint_);
        std::unique_lock lock(c_.mutex_);
        if (found && !c_.retired_) {
            c_.add_candidates(*found);
            c_.try_candidates(lock);
        } else if (!c_.retired_) {
            c_.failed_to_connect(std::move(found).error());
        }
        finish(lock);
    }
    void drop() noexcept override {
        std::unique_lock lock(c_.mutex_);
        c_.failed_to_connect(error(errc::unavailable, "the runtime has been stopped"));
        finish(lock);
    }

private:
    void finish(std::unique_lock<base::mutex>& lock) noexcept {
        c_.resolving_ = false;
        // Posted with the mutex held: once it is free, a retired connection may go away.
        c_.ask_for_housekeeping();
        lock.unlock();
        delete this;
    }

    client_connection& c_;
};

void client_connection::start_session() {
    going_away_ = tenon_server_ = unread_ = false;
    notes_in_->restart();
    if (notes_) notes_->restart(std::exchange(notes_sent_, 0));
    session_.emplace(wire::role::client, session_options_of(options_), runtime_->time().now());
    base::byte_buffer hello;
    put_hello_entry(hello, "");
    const auto token = make_token();
    const bytes_view name = options_.resume ? bytes_view(token) : bytes_view();
    session_->setup(wire::mime::composite, mime_type(options_.codec), hello.view(), {}, name)
        .value();
}

// Mutex held. Afterwards an attempt is under way, or has failed.
void client_connection::dial(std::unique_lock<base::mutex>& lock) {
    connect_deadline_ = base::add_time(runtime_->time().now(), options_.connect_timeout);
    if (transport::is_numeric(endpoint_) || endpoint_.kind != transport::scheme::tcp) {
        add_candidates({&endpoint_, 1});
        return try_candidates(lock);
    }
    auto* job = new resolve_job(*this);
    resolving_ = true;
    changed(link_state::resolving);
    if (runtime_->pool().submit(*job)) return;
    delete job;
    resolving_ = false;
    failed_to_connect(error(errc::overloaded, "no thread to look up the host name"));
}

bool client_connection::may_go_on() const noexcept {
    return session_->is_resumable() && !retired_ && !going_away_ && runtime_->usable();
}

// The reader, which is done with the link. Afterwards nobody reads, or the reading is laid down.
void client_connection::go_on_elsewhere(std::unique_lock<base::mutex>& lock) {
    close_link(lock);
    session_->detach(runtime_->time().now());
    waiter_.reset();
    reader_ = wire::frame_reader();
    reader_state_.store(nobody);
    retry_at_ = {};
    back_off_ = std::chrono::milliseconds(0);
    dial(lock);
    ask_for_housekeeping();
}

// The client goes: a server that knows does not wait for it.
void client_connection::say_goodbye() noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (!session_ || !connected_ || !session_->is_resumable() || session_->is_detached())
            return;
        session_->close(wire::error_code::connection_close, "the client has gone");
    }
    flush();
}

// Mutex held. False: the session has ended, and nobody reads.
bool client_connection::check_session(base::time_point now) {
    const bool moving = session_->is_detached();
    const wire::event_kind told = session_->tick(now).kind;
    if (told == wire::event_kind::closed) {
        last_error_ = error(errc::unavailable,
                            moving ? "the connection was lost and could not be resumed in time"
                                   : "the server did not answer the keep-alives");
        last_error_->set_origin(endpoint_text_);
        if (state_ == link_state::waiting) {
            end_calls(*last_error_);
            session_.reset();
            changed(link_state::closed);
            return false;
        }
    }
    if (told == wire::event_kind::closed || told == wire::event_kind::silent) {
        broken_ = true;
        if (link_) link_->shutdown();  // whoever reads finds out and closes
    }
    if (is_opening() && now >= connect_deadline_) {
        if (state_ == link_state::connecting)
            last_error_ = error(errc::unavailable, "connecting took too long");
        else link_->shutdown();  // RESUME was not answered
        broken_ = true;
        if (reader_state_.load() == idle_loop) loop_.make_ready(*this);
    }
    return true;
}

}  // namespace tenon::inline v0::rpc
