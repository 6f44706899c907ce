#include "rpc/client_connection.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/random.hpp"
#include "rpc/error_codec.hpp"
#include "rpc/hello.hpp"
#include "wire/metadata.hpp"

namespace tenon::inline v0::rpc {

client_connection::client_connection(std::shared_ptr<detail::runtime_core> runtime,
                                     transport::endpoint to, const client_options& options)
    : connection(runtime->next_loop()),
      runtime_(std::move(runtime)),
      endpoint_(std::move(to)),
      endpoint_text_(transport::to_string(endpoint_)),
      options_(options),
      value_memory_(
          std::make_shared<value_memory>(options_.limits.stream_memory_per_connection, nullptr)),
      spin_(runtime_->spin()) {
    decoding_.max_depth = options_.limits.depth;
    longest_reference_ = options_.limits.message;
    runtime_->join(*this);
}

client_connection::~client_connection() { runtime_->leave(*this); }

// --- opening ---

void client_connection::changed(link_state s) noexcept {
    state_ = s;
    changes_.fetch_add(1, std::memory_order_release);
    base::futex_wake_all(changes_);
}

error client_connection::not_connected() const {
    error e = last_error_ ? *last_error_ : error(errc::unavailable, "not connected");
    const auto wait =
        std::chrono::duration_cast<std::chrono::milliseconds>(retry_at_ - runtime_->time().now());
    e.set_origin(endpoint_text_).set_may_have_run(false);
    if (wait.count() > 0) e.set_retry_after(wait);
    return e;
}

// Mutex held. True: there is a session to send on. `leading` is set if the caller became the
// reader; otherwise the loop is going to read.
bool client_connection::ensure_open(std::unique_lock<base::mutex>& lock, bool& leading,
                                    std::optional<error>& why) {
    if (state_ != link_state::closed) {
        leading = false;
        return true;
    }
    const bool wants_to_lead = std::exchange(leading, false);
    if (retired_ || runtime_->time().now() < retry_at_) {
        why = not_connected();
        return false;
    }
    start_session();
    dial(lock);
    if (state_ == link_state::closed) {
        why = not_connected();
        return false;
    }
    reader expected = laid_down;
    leading = wants_to_lead && reader_state_.compare_exchange_strong(expected, held);
    ask_for_housekeeping();
    return true;
}

// Mutex held. A server that does not know shared memory ends the connection when it is offered.
void client_connection::add_candidates(std::span<const transport::endpoint> found) {
    using transport::scheme;
    candidates_.clear();
    for (const transport::endpoint& at : found) {
        const bool insists = at.kind == scheme::shm;
        const bool offers =
            at.kind == scheme::unix_path && options_.shared_memory && !options_.resume;
        if (insists || offers) candidates_.push_back({at, true});
        if (!insists) candidates_.push_back({at, false});
    }
}

// Mutex held. Dials the next address until one is under way; afterwards the reading is laid down,
// or the state is closed.
void client_connection::try_candidates(std::unique_lock<base::mutex>& lock) {
    error last(errc::unavailable, "the host name has no address");
    if (session_->closed()) candidates_.clear();  // it did not wait any longer
    while (!candidates_.empty()) {
        const candidate next = candidates_.front();
        candidates_.erase(candidates_.begin());
        transport::connect_options o;
        o.shared_memory.allowed = next.may_share;
        o.shared_memory.link_limit = options_.limits.shared_memory_per_connection;
        o.shared_memory.largest_segment = options_.limits.message;
        auto opened = transport::open_link(next.at, o);
        if (!opened) {
            last = std::move(opened).error();
            continue;
        }
        close_link(lock);
        want_write_ = false;
        link_ = *std::move(opened);
        waiter_.reset();
        wake_watched_ = false;
        reader_ = wire::frame_reader();
        if (options_.resume) reader_.take_whole_frames();
        short_read_ = end_behind_ = hung_up_ = false;
        changed(link_state::connecting);
        reader_state_.store(laid_down);
        finish_connecting();
        return;
    }
    failed_to_connect(std::move(last));
}

bool client_connection::is_trusted(const transport::peer_identity& server) const noexcept {
    const auto& trusted = options_.owners;
    if (trusted.empty() || server.kind == transport::scheme::tcp) return true;
    return server.has_credentials &&
           std::find(trusted.begin(), trusted.end(), server.uid) != trusted.end();
}

// Mutex held, link_ set. Nothing happens while the attempt is undecided.
void client_connection::finish_connecting() {
    const transport::io_result r = link_->finish_connect();
    if (r.state == transport::io_state::would_block) {
        want_write_ = !link_->awaits_reply();
    } else if (r.state == transport::io_state::ok && !is_trusted(link_->peer())) {
        last_error_ = error(errc::denied, "the server's user is none of those that are trusted");
        broken_ = true;
    } else if (r.state == transport::io_state::ok) {
        connected_ = true;
        note_memory();
        back_off_ = std::chrono::milliseconds(0);
        last_error_.reset();
        if (session_->is_detached()) {
            session_->resume(runtime_->time().now());
            connect_deadline_ = base::add_time(runtime_->time().now(), options_.connect_timeout);
        }
        changed(link_state::open);
    } else {
        last_error_ = transport::connect_error(endpoint_, r.error);
        broken_ = true;
    }
}

// Mutex held, no reader. Ends all calls of the session, unless that waits for another attempt.
void client_connection::failed_to_connect(error why) {
    back_off_ = std::clamp(back_off_ * 2, options_.backoff_first, options_.backoff_last);
    const double jitter = 0.5 + 0.5 * base::thread_random().unit();
    retry_at_ =
        base::add_time(runtime_->time().now(),
                       std::chrono::duration_cast<std::chrono::nanoseconds>(back_off_ * jitter));
    last_error_ = std::move(why.set_origin(endpoint_text_).set_may_have_run(false));
    if (session_->is_detached() && !session_->closed()) return changed(link_state::waiting);
    end_calls(*last_error_);
    changed(link_state::closed);
}

// Mutex held.
void client_connection::end_calls(const error& why) {
    if (!session_) return;
    const bool reached = connected_ || session_->has_moved();
    session_->lost();
    for (;;) {
        const wire::event ev = session_->orphan();
        if (ev.kind == wire::event_kind::none) break;
        if (!ev.own || !ev.user) continue;
        if (is_stream(ev)) {
            lose_stream(*static_cast<wire_stream*>(ev.user), why);
            continue;
        }
        auto& call = *static_cast<outgoing_call*>(ev.user);
        call.failed = why;
        call.failed->set_may_have_run(ev.may_have_run && reached && !unread_);
        end_call(call);
    }
    while (!unopened_.empty()) lose_stream(unopened_.front(), why);
}

// Mutex held. Also those that were to be repeated.
void client_connection::end_all_calls(const error& why) {
    end_calls(why);
    while (!repeating_.empty()) {
        outgoing_call& call = repeating_.front();
        call.is_to_be_repeated = false;
        call.failed = why;
        async_calls_.fetch_add(1, std::memory_order_relaxed);
        end_call(call);
    }
}

// Reader, on a broken or ended link. Afterwards nobody reads, and anybody may open anew.
void client_connection::close(error why) {
    const bool on_loop = reader_state_.load() == looping;
    if (on_loop) loop_.remove(*this);
    std::unique_lock lock(mutex_);
    if (connected_ && may_go_on()) return go_on_elsewhere(lock);
    if (!connected_ && !candidates_.empty()) {
        broken_ = false;
        try_candidates(lock);
        ask_for_housekeeping();
        return;
    }
    if (last_error_) why = *last_error_;
    const bool was_open = connected_;
    if (was_open) {
        retry_at_ = {};
        last_error_ = why.set_origin(endpoint_text_);
        end_calls(why);
    }
    close_link(lock);
    waiter_.reset();
    reader_ = wire::frame_reader();
    reader_state_.store(nobody);
    if (was_open) changed(link_state::closed);
    else failed_to_connect(std::move(why));
    if (state_ == link_state::closed) session_.reset();
    if (!due_.empty()) ask_for_housekeeping();
}

loop::turn client_connection::end() {
    loop_.disarm(timer_);
    loop_.remove(*this);
    say_goodbye();
    {
        std::unique_lock lock(mutex_);
        end_all_calls(error(errc::cancelled, "the client has gone"));
        close_link(lock);
        state_ = link_state::closed;
    }
    if (deliver_due() == loop::turn::lost) return loop::turn::lost;
    runtime_->leave(*this);  // so that nobody else posts housekeeping any more
    if (!house_work_.posted()) delete this;
    return loop::turn::done;
}

// --- sending ---

bool client_connection::send(outgoing_call& call, const outgoing_request& request,
                             const base::block_ref& placed) {
    // From here on cancel() finds the call in the session; before, it did not.
    if (call.cancellation && call.cancellation->is_cancelled()) {
        call.failed = outgoing_call::given_up().set_may_have_run(false);
        return false;
    }
    std::array<std::byte, wire::reference_size> room;
    const wire::outgoing out = passed(placed, request.payload, room);
    auto sent = session_->request(wire::request_kind::response, request.metadata, out, &call, 1,
                                  false, call.urgency);
    if (!sent) {
        not_sent(out);
        call.failed = session_->closed() && last_error_ ? not_connected() : std::move(sent).error();
        return false;
    }
    call.stream = *sent;
    call.was_open = connected_;
    return true;
}

// Mutex held: the outcome of a call that is no longer in the session is passed on.
void client_connection::end_call(outgoing_call& call) {
    call.unlink();
    if (call.is_blocking) {
        // It was to read next, but will not begin to.
        const auto before = static_cast<blocking_call&>(call).set(blocking_call::done);
        if (before == blocking_call::lead && !pass_on()) ask_for_housekeeping();
        return;
    }
    async_calls_.fetch_sub(1, std::memory_order_relaxed);
    due_.push_back(call);
}

void client_connection::call(blocking_call& call, const outgoing_request& request) {
    if (auto e = runtime_->unusable()) {
        call.failed = std::move(e);
        return;
    }
    loop::event_loop::before_blocking();
    if (!call.hook(*this)) {
        call.failed = outgoing_call::given_up().set_may_have_run(false);
        return;
    }
    bool leading = true;
    const base::block_ref placed = place(request.payload);
    {
        std::unique_lock lock(mutex_);
        if (call.cancellation && !wake_) wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!ensure_open(lock, leading, call.failed) || !send(call, request, placed)) {
            lock.unlock();
            if (leading) lay_down();
            return call.unhook();
        }
    }
    flush();
    await(call, leading);
    call.unhook();
    if (request.payload.is_lent && request.payload.data.size() > wire::output_queue::copy_limit)
        reclaim(request.payload.data);
}

void client_connection::start(async_call& call, const outgoing_request& request) {
    // The outcome may be delivered, and the client let go of, before this function has ended.
    const inside until_the_end(starting_);
    call.fallback = &loop_;
    call.begin();
    bool processing = false;
    bool sent = false;
    bool sooner = false;
    bool leading = false;
    if (auto e = runtime_->unusable()) {
        call.failed = std::move(e);
        return call.finish_now();
    }
    if (!call.hook(*this)) {
        call.failed = outgoing_call::given_up().set_may_have_run(false);
        return call.finish_now();
    }
    const base::block_ref placed = place(request.payload);
    {
        std::unique_lock lock(mutex_);
        // seq_cst against lay_down(): either the leaving holder sees this call, or we see that the
        // reading is laid down.
        async_calls_.fetch_add(1, std::memory_order_seq_cst);
        sent = ensure_open(lock, leading, call.failed) && send(call, request, placed);
        if (!sent) async_calls_.fetch_sub(1, std::memory_order_relaxed);
        if (sent) sent_async(call, sooner);
        processing = processing_;
    }
    if (!sent && plan_repetition(call)) return ask_for_housekeeping();
    if (!sent) {
        call.unhook();
        return call.finish_now();
    }
    if (sooner || reader_state_.load(std::memory_order_seq_cst) == laid_down)
        ask_for_housekeeping();
    kick(processing);
}

std::optional<std::chrono::nanoseconds> repetition_delay(const client_options& options,
                                                         const error& e, unsigned attempt) {
    const bool transient = e.code() == errc::unavailable || e.code() == errc::overloaded;
    const bool allowed = options.retries < 0 || attempt < static_cast<unsigned>(options.retries);
    if (!transient || !allowed) return std::nullopt;
    const std::int64_t longest = std::min(options.backoff_last.count(),
                                          options.backoff_first.count() << std::min(attempt, 16U));
    const auto half = static_cast<std::uint64_t>(longest / 2);
    std::chrono::milliseconds wait(half + base::thread_random().below(half + 1));
    if (e.retry_after()) wait = std::max(wait, *e.retry_after() + std::chrono::milliseconds(1));
    return wait;
}

// The call has failed. True: it will be sent again, so nobody is told.
bool client_connection::plan_repetition(outgoing_call& call) {
    if (!call.repeatable || !call.failed || !runtime_->usable()) return false;
    const auto delay = repetition_delay(options_, *call.failed, call.attempts);
    const auto now = runtime_->time().now();
    if (!delay || (call.deadline != base::never && *delay >= call.deadline - now)) return false;
    const std::lock_guard lock(mutex_);
    if (retired_ || (call.cancellation && call.cancellation->is_cancelled())) return false;
    ++call.attempts;
    call.failed.reset();
    call.repeat_at = base::add_time(now, *delay);
    call.is_to_be_repeated = true;
    repeating_.push_back(call);
    return true;
}

// Mutex held. On the loop.
void client_connection::repeat_calls(std::unique_lock<base::mutex>& lock, base::time_point now) {
    for (auto at = repeating_.begin(); at != repeating_.end();) {
        auto& call = static_cast<async_call&>(*at);
        ++at;
        if (call.repeat_at > now) continue;
        call.unlink();
        call.is_to_be_repeated = false;
        async_calls_.fetch_add(1, std::memory_order_relaxed);
        bool leading = false;
        bool sooner = false;
        std::optional<error> why;
        if (ensure_open(lock, leading, why) &&
            send(call, {call.metadata.view(), call.payload.view()}))
            sent_async(call, sooner);
        else {
            if (why) call.failed = std::move(why);
            end_call(call);
        }
    }
}

result<void> client_connection::send(const outgoing_request& request) {
    if (auto e = runtime_->unusable()) return *std::move(e);
    bool processing;
    const base::block_ref placed = place(request.payload);
    {
        std::unique_lock lock(mutex_);
        std::optional<error> why;
        bool leading = false;
        std::array<std::byte, wire::reference_size> room;
        if (!ensure_open(lock, leading, why)) return *std::move(why);
        const wire::outgoing out = passed(placed, request.payload, room);
        auto sent = session_->request(wire::request_kind::fnf, request.metadata, out, nullptr);
        if (!sent) {
            not_sent(out);
            return std::move(sent).error();
        }
        processing = processing_;
    }
    kick(processing);
    return {};
}

void client_connection::sent_async(async_call& call, bool& sooner) {
    if (call.deadline == base::never) return;
    timed_.push_back(call);
    sooner = call.deadline < earliest_;
    earliest_ = std::min(earliest_, call.deadline);
}

void client_connection::cancel(outgoing_call& call) noexcept {
    bool processing;
    {
        const std::lock_guard lock(mutex_);
        const bool in_session = session_ && session_->user(call.stream) == &call;
        if (!in_session && !call.is_to_be_repeated) return;
        if (in_session) session_->cancel(call.stream);
        else async_calls_.fetch_add(1, std::memory_order_relaxed);  // end_call() takes it off
        call.is_to_be_repeated = false;
        call.failed = outgoing_call::given_up();
        const bool blocking = call.is_blocking;
        end_call(call);
        const std::uint64_t one = 1;
        if (blocking && wake_) (void)!::write(wake_.get(), &one, sizeof one);
        processing = processing_;
    }
    ask_for_housekeeping();
    kick(processing);
}

bool client_connection::abandon(async_call& call) noexcept {
    if (runtime_->is_forked()) return true;
    const std::lock_guard lock(mutex_);
    if (session_ && session_->user(call.stream) == &call) {
        session_->cancel(call.stream);
        async_calls_.fetch_sub(1, std::memory_order_relaxed);
    } else if (!call.linked()) {
        return false;
    }
    call.unlink();
    // Sends what is to be sent. With the mutex held: once it is free, a retired connection may go.
    ask_for_housekeeping();
    return true;
}

result<void> client_connection::send_note(bytes_view content) {
    if (auto e = runtime_->unusable()) return *std::move(e);
    std::optional<error> why;
    bool leading = false;
    bool opens;
    {
        std::unique_lock lock(mutex_);
        opens = state_ == link_state::closed;
        if (opens) ensure_open(lock, leading, why);
    }
    if (opens) flush();
    if (why) return *std::move(why);
    connection::send_note(content);
    return {};
}

result<void> client_connection::connect() {
    if (auto e = runtime_->unusable()) return *std::move(e);
    std::optional<error> why;
    bool leading = false;
    std::unique_lock lock(mutex_);
    if (state_ != link_state::closed) {
        // Nobody may have read the end of the connection yet.
        pollfd end{link_ ? link_->fd() : -1, POLLRDHUP, 0};
        if (!going_away_ && ::poll(&end, 1, 0) != 1) return {};
        return error(errc::unavailable, "the server is stopping")
            .set_origin(endpoint_text_)
            .set_may_have_run(false);
    }
    ensure_open(lock, leading, why);
    lock.unlock();
    flush();
    if (why) return *std::move(why);
    return {};
}

bool client_connection::is_serving() {
    const std::lock_guard lock(mutex_);
    return state_ == link_state::open && !going_away_ && session_ && !session_->closed() &&
           !session_->is_detached();
}

bool client_connection::is_leaving() {
    const std::lock_guard lock(mutex_);
    return state_ != link_state::closed && going_away_;
}

std::uint32_t client_connection::async_calls() {
    const std::lock_guard lock(mutex_);
    std::uint32_t n = async_calls_.load(std::memory_order_relaxed);
    if (!due_.empty() || !repeating_.empty()) ++n;
    return n;
}

bool client_connection::is_connected() {
    if (!runtime_->usable()) return false;
    const std::lock_guard lock(mutex_);
    return state_ == link_state::open;
}

result<void> client_connection::wait_ready(std::chrono::milliseconds timeout) {
    loop::event_loop::before_blocking();
    const auto limit = base::add_time(runtime_->time().now(), timeout);
    for (;;) {
        // Before any lock: in a forked child it may be held for ever.
        if (auto e = runtime_->unusable()) return *std::move(e);
        (void)connect();
        base::time_point until = limit;
        std::uint32_t seen;
        {
            const std::lock_guard lock(mutex_);
            if (state_ == link_state::open) return {};
            seen = changes_.load(std::memory_order_acquire);
            if (state_ == link_state::closed) until = std::min(until, retry_at_);
        }
        const auto now = runtime_->time().now();
        if (now >= limit) {
            const std::lock_guard lock(mutex_);
            return not_connected();
        }
        if (runtime_->is_external()) runtime_->loop(0).run_ready();
        base::futex_wait_for(changes_, seen,
                             runtime_->is_external() ? std::chrono::milliseconds(1) : until - now);
    }
}

}  // namespace tenon::inline v0::rpc
