#include "rpc/local_call.hpp"

#include <sched.h>

#include <mutex>

#include "codec/codec.hpp"
#include "rpc/direct_client.hpp"
#include "rpc/server_core.hpp"

namespace tenon::inline v0::rpc {

const peer_info local_session::this_process{"inproc", {}, false, -1, 0, 0};

namespace {

bool same_types(const detail::signature& a, const detail::signature& b) {
    if (&a == &b) return true;
    if (a.param_count != b.param_count || layout_hash(*a.result) != layout_hash(*b.result))
        return false;
    for (std::uint32_t i = 0; i < a.param_count; ++i)
        if (layout_hash(*a.params[i]) != layout_hash(*b.params[i])) return false;
    if (!a.stream || !b.stream) return a.stream == b.stream;
    return layout_hash(*a.stream->up->type) == layout_hash(*b.stream->up->type) &&
           layout_hash(*a.stream->down->type) == layout_hash(*b.stream->down->type);
}

/// Passes a result of the method's type on. Throws failure.
void store(const local_result& out, service_call& call, void* result) {
    const detail::signature& s = call.method().signature();
    if (out.typed) {
        if (result && s.result_transfer.move) s.result_transfer.move(out.object, result);
        return;
    }
    base::byte_buffer encoded;
    coding::encode_object(call.wire_codec, *s.result, result, encoded).value();
    if (!out.decoded_as) {
        static_cast<bytes*>(out.object)->assign(encoded.view().begin(), encoded.view().end());
        return;
    }
    auto done =
        coding::decode_object(call.wire_codec, *out.decoded_as, out.object, encoded.view(), {});
    if (!done) throw failure(outgoing_call::misfit(done.error()));
}

bool is_over(base::time_point deadline) {
    return deadline != base::never && base::time_source::steady().now() >= deadline;
}

/// What a caller that waits is told: that a call is cancelled because its server stops is not its doing.
error as_told(server_core& server, const error& e) {
    if (e.code() != errc::cancelled || !server.stopping().is_cancelled()) return e;
    error why(errc::unavailable, "the server is stopping");
    return why.set_may_have_run(e.may_have_run()).set_origin(std::string(e.origin()));
}

/// Cancels the served call when the caller's cancellation says so. The call may be kept elsewhere
/// and end at any time, so the pointer is guarded; a call on a stack, or that is ending, is not forgotten
/// while another thread cancels it.
class cancel_link final : public cancel_hook {
public:
    /// A call that takes the place of a cancelled one is cancelled as well.
    void set(service_call* call) noexcept {
        const bool late = replace(call);
        if (late && call) call->cancel.cancel();
    }
    void on_cancel() noexcept override {
        service_call* call;
        bool kept;
        {
            const std::lock_guard lock(mutex_);
            cancelled_ = true;
            call = call_;
            if (!call) return;
            kept = call->try_add_ref();
            if (!kept) canceller_ = this_thread_mark();
        }
        call->cancel.cancel();
        if (kept) return call->release();
        const std::lock_guard lock(mutex_);
        canceller_ = nullptr;
    }

private:
    bool replace(service_call* call) noexcept {
        for (;; sched_yield()) {
            const std::lock_guard lock(mutex_);
            if (canceller_ && canceller_ != this_thread_mark()) continue;
            call_ = call;
            return cancelled_;
        }
    }
    // Differs between threads that live at the same time.
    static const void* this_thread_mark() noexcept {
        constinit thread_local const char mark = 0;
        return &mark;
    }

    base::mutex mutex_;
    service_call* call_ = nullptr;
    const void* canceller_ = nullptr;  // of a call without a share
    bool cancelled_ = false;
};

/// Cancels a kept call when its server stops.
class stop_link final : public cancel_hook {
public:
    explicit stop_link(cancel_link& link) noexcept : link_(link) {}

    void begin(server_core& server) noexcept {
        server_ = &server;
        if (!server.stopping().add(*this)) link_.on_cancel();
    }
    /// Waits until on_cancel() has returned.
    void end() noexcept {
        if (server_) server_->stopping().remove(*this);
    }
    void on_cancel() noexcept override { link_.on_cancel(); }

private:
    cancel_link& link_;
    server_core* server_ = nullptr;
};

/// The path of a call whose caller waits; lies on the caller's stack, so the caller waits until a
/// kept call has been released, not only answered.
class waiting_path final : public reply_path {
public:
    waiting_path(server_core& server, tenon::session& session, const local_result& out,
                 cancellation* cancel)
        : server_(server), session_(session), out_(out), cancel_(cancel) {}

    result<void> run(service_call& call, base::time_point deadline) {
        link_.set(&call);
        if (is_over(deadline)) return outgoing_call::expired().set_may_have_run(false);
        if (cancel_ && !cancel_->add(link_))
            return outgoing_call::given_up().set_may_have_run(false);
        call.dispatch(!loop::event_loop::in_user_code());
        if (kept_) wait(deadline);
        stop_.end();
        if (cancel_) cancel_->remove(link_);
        if (failed_) return *std::move(failed_);
        return {};
    }

    void answer(service_call& call, void* result) override { store(out_, call, result); }
    void fail(service_call&, const error& e) override {
        const bool given_up = cancel_ && cancel_->is_cancelled();
        failed_ = given_up ? e : as_told(server_, e);
    }
    void keep(service_call&, service_call& kept) override {
        kept_ = true;
        link_.set(&kept);
        stop_.begin(server_);
    }
    void release(service_call&) noexcept override {
        link_.set(nullptr);
        waiter_.set(blocking_call::done);
    }
    scopes from() const noexcept override { return scope::process; }
    tenon::session& session_of() noexcept override { return session_; }

private:
    void wait(base::time_point deadline) {
        loop::event_loop::before_blocking();
        if (waiter_.wait(deadline) == blocking_call::done) return;
        link_.on_cancel();
        waiter_.wait(base::never);
    }

    server_core& server_;
    tenon::session& session_;
    const local_result& out_;
    cancellation* const cancel_;
    cancel_link link_;
    stop_link stop_{link_};
    std::optional<error> failed_;
    bool kept_ = false;
    blocking_call waiter_{nullptr};
};

/// An asynchronous call in process. Counted: the caller, each kept call, a queued delivery and the
/// wait for the deadline have a share.
class flight final : public reply_path, public call_carrier, public loop::work {
public:
    flight(direct_client& client, std::shared_ptr<server_core> server, loop::event_loop& loop,
           const local_result& out, async_call& call)
        : runtime_(client.shared_runtime()),
          session_(client.session()),
          server_(std::move(server)),
          loop_(loop),
          out_(out),
          call_(&call) {}

    static void* operator new(std::size_t size) { return detail::frame_allocate(size); }
    static void operator delete(void* p, std::size_t size) noexcept { detail::frame_free(p, size); }

    void start(service_call& served) {
        async_call& call = *call_;
        link_.set(&served);
        call.fallback = &loop_;
        call.begin();
        const bool late = is_over(served.deadline);
        if (late || !call.hook(*this)) {
            call_ = nullptr;
            call.failed = late ? outgoing_call::expired() : outgoing_call::given_up();
            call.failed->set_may_have_run(false);
            server_->end_call();
            call.finish_now();
            return unref();
        }
        starting_ = true;
        const base::time_point deadline = served.deadline;
        served.dispatch(false);
        if (!kept_) end_served_call();
        bool answered;
        const bool now = call.is_coroutine();
        {
            const std::lock_guard lock(mutex_);
            starting_ = false;
            answered = answered_;
            if (answered && now) call_ = nullptr;
        }
        if (answered && now) {
            call.unhook();
            call.finish_now();
        } else if (answered) {
            post();
        } else if (deadline != base::never) {
            deadline_ = deadline;
            refs_.fetch_add(1, std::memory_order_relaxed);
            runtime_->post(loop_, watch_deadline_);
        }
        unref();
    }

    void answer(service_call& served, void* result) override {
        bool due;
        {
            const std::lock_guard lock(mutex_);
            if (call_) store(out_, served, result);
            due = finish();
        }
        if (due) post();
    }
    void fail(service_call&, const error& e) override {
        bool due;
        {
            const std::lock_guard lock(mutex_);
            if (call_) call_->failed = as_told(*server_, e);
            due = finish();
        }
        if (due) post();
    }
    void keep(service_call&, service_call& kept) override {
        refs_.fetch_add(1, std::memory_order_relaxed);
        kept_ = true;
        link_.set(&kept);
        stop_.begin(*server_);
    }
    void release(service_call&) noexcept override {
        stop_.end();
        end_served_call();
        unref();
    }
    scopes from() const noexcept override { return scope::process; }
    tenon::session& session_of() noexcept override { return *session_; }

    // The caller's side.
    void cancel(outgoing_call&) noexcept override { link_.on_cancel(); }
    bool abandon(async_call&) noexcept override {
        if (runtime_->is_forked()) return true;
        {
            const std::lock_guard lock(mutex_);
            if (!std::exchange(call_, nullptr)) return false;
            refs_.fetch_add(1, std::memory_order_relaxed);
        }
        link_.on_cancel();
        unref();
        return true;
    }

    loop::turn run(loop::event_loop& loop) override {
        async_call* call;
        {
            const std::lock_guard lock(mutex_);
            call = std::exchange(call_, nullptr);
        }
        forget_deadline();
        const loop::turn t = call ? call->deliver(loop) : loop::turn::done;
        unref();
        return t;
    }

private:
    ~flight() = default;

    // The server may stop from now on, even in the caller's callback.
    void end_served_call() noexcept {
        link_.set(nullptr);
        server_->end_call();
    }

    loop::turn arm_deadline(loop::event_loop& loop) {
        bool wanted;
        {
            const std::lock_guard lock(mutex_);
            wanted = call_ != nullptr;
        }
        if (wanted) loop.arm(timer_, deadline_);
        else unref();
        return loop::turn::done;
    }
    // On the loop.
    void forget_deadline() noexcept {
        if (!timer_.armed()) return;
        loop_.disarm(timer_);
        unref();
    }
    // The caller gets its outcome now, and the handler is asked to end.
    loop::turn on_deadline(loop::event_loop& loop) {
        async_call* call;
        {
            const std::lock_guard lock(mutex_);
            call = std::exchange(call_, nullptr);
        }
        loop::turn t = loop::turn::done;
        if (call) {
            call->failed = outgoing_call::expired();
            loop::ticket ticket = loop.enter();
            link_.on_cancel();
            if (loop.leave(ticket)) {
                t = call->deliver(loop);
            } else {  // then the outcome goes the way of an answer
                t = loop::turn::lost;
                {
                    const std::lock_guard lock(mutex_);
                    call_ = call;
                }
                post();
            }
        }
        unref();
        return t;
    }

    // Mutex held. True: to be posted; else start() does what is left to do.
    bool finish() noexcept {
        answered_ = true;
        return !starting_;
    }
    // Without the mutex, by an owner of a share.
    void post() {
        refs_.fetch_add(1, std::memory_order_relaxed);
        runtime_->post(loop_, *this);
    }
    void unref() noexcept {
        // acq_rel: the last one sees what the others did.
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    const std::shared_ptr<detail::runtime_core> runtime_;
    const std::shared_ptr<local_session> session_;
    const std::shared_ptr<server_core> server_;
    loop::event_loop& loop_;
    const local_result out_;
    std::atomic<std::uint32_t> refs_{1};
    cancel_link link_;
    stop_link stop_{link_};
    base::time_point deadline_ = base::never;  // set before watch_deadline_ is posted
    loop::member_work<&flight::arm_deadline> watch_deadline_{*this};
    loop::member_timer<&flight::on_deadline> timer_{*this};
    base::mutex mutex_;  // guards all below
    async_call* call_;
    bool starting_ = false;
    bool answered_ = false;
    bool kept_ = false;  // the starting thread's
};

}  // namespace

void fill_local_call(service_call& call, const local_request& rq, const server_core& server,
                     loop::event_loop& loop) {
    static constexpr decode_options lenient{};
    call.local = rq.typed;
    call.wire_codec = rq.wire_codec;
    call.data = rq.encoded;
    call.decoding = rq.typed ? &lenient : &server.decoding();
    call.deadline = rq.deadline;
    call.urgency = rq.urgency.value_or(call.method().urgency());
    call.scope = {&loop, rq.deadline, &call.cancel, nullptr};
}

result<const local_method*> local_resolver::begin(const direct_client& client,
                                                  std::string_view route,
                                                  const detail::signature* types, bool is_stream) {
    if (auto e = client.runtime().unusable()) return *std::move(e);
    if (const local_method* known = current_.load(std::memory_order_acquire))
        if (known->server->begin_call()) return known;
    const std::lock_guard lock(mutex_);
    // Another thread may have found it meanwhile.
    if (const local_method* known = current_.load(std::memory_order_relaxed))
        if (known->server->begin_call()) return known;
    auto server = client.local_server();
    if (!server || !server->begin_call())
        return error(errc::unavailable, "nobody serves " + client.endpoint())
            .set_may_have_run(false);
    method_entry* method = server->methods().find(route, scope::process);
    if (!method) {
        error e = server->methods().missing(route, scope::process);
        server->end_call();
        return e.set_may_have_run(false);
    }
    if (is_stream != (method->signature().stream != nullptr)) {
        server->end_call();
        return method->misused();
    }
    const bool same = types && same_types(*types, method->signature());
    const local_method& found = all_.emplace_back(local_method{std::move(server), method, same});
    current_.store(&found, std::memory_order_release);
    return &found;
}

result<void> call_local(direct_client& client, const local_method& m, const local_request& rq,
                        const local_result& out) {
    waiting_path path(*m.server, *client.session(), out, rq.cancel);
    service_call call(client.runtime(), *m.method, path, local_session::this_process);
    fill_local_call(call, rq, *m.server, client.runtime().loop(0));
    call.caller_waits = true;
    auto outcome = path.run(call, rq.deadline);
    m.server->end_call();
    return outcome;
}

void start_local(direct_client& client, const local_method& m, const local_request& rq,
                 const local_result& out, async_call& call) {
    loop::event_loop& loop = client.runtime().loop(0);
    auto* f = new flight(client, m.server, loop, out, call);
    call.cancellation = rq.cancel;
    service_call served(client.runtime(), *m.method, *f, local_session::this_process);
    fill_local_call(served, rq, *m.server, loop);
    f->start(served);
}

}  // namespace tenon::inline v0::rpc
