#include "rpc/stream/local_stream.hpp"

#include "rpc/direct_client.hpp"
#include "rpc/server_core.hpp"
#include "rpc/stream/direction.hpp"

namespace tenon::inline v0::rpc {

using detail::member_kind;

namespace {

/// A sender goes by its own policy, a receiver by its own window.
detail::flow_settings flow_between(detail::flow_settings sender, std::uint32_t window) {
    sender.window = window;
    return sender;
}

class local_stream final : public reply_path, public served_stream, public cancel_hook {
    /// Of who has opened it.
    class opener_hook final : public cancel_hook {
    public:
        explicit opener_hook(local_stream& s) noexcept : s_(s) {}
        void on_cancel() noexcept override { s_.give_up(outgoing_call::given_up()); }

    private:
        local_stream& s_;
    };
    /// Of a source's receiver, which so gives the call up.
    class stop_hook final : public cancel_hook {
    public:
        explicit stop_hook(local_stream& s) noexcept : s_(s) {}
        void on_cancel() noexcept override { s_.cancel_call(); }

    private:
        local_stream& s_;
    };

public:
    local_stream(const direct_client& client, std::shared_ptr<server_core> server,
                 method_entry& method, bool same_types, const detail::stream_types& types,
                 const detail::flow_settings& client_flow, const local_request& rq,
                 loop::event_loop& loop)
        : server_(std::move(server)),
          open_(method.open_streams),
          session_(client.session()),
          loop_(loop),
          route_(method.route()),
          kind_(types.kind),
          up_(*types.up, *method.signature().stream->up, same_types,
              flow_between(client_flow, method.info().up.window), rq.wire_codec,
              server_->decoding(), loop, server_->runtime().spin()),
          down_(*method.signature().stream->down, *types.down, same_types,
                flow_between(method.info().down, client_flow.window), rq.wire_codec, {}, loop,
                server_->runtime().spin()) {
        open_.fetch_add(1, std::memory_order_relaxed);
    }

    void prepare(const stream_start& start, const stream_origin& origin) noexcept {
        down_.out.set_start(start);
        up_.in.set_origin(origin);
        if (kind_ != member_kind::source) return;
        down_.let_seek();
        down_.tell_stop(stop_hook_);
    }
    /// Until the client's last handle has gone.
    void limit(base::time_point deadline, cancellation* cancel) {
        if (cancel) {
            opener_ = cancel;
            if (!cancel->add(opener_hook_)) opener_hook_.on_cancel();
        }
        if (deadline == base::never) return;
        deadline_ = deadline;
        down_.set_deadline(deadline);
        add_ref();
        server_->runtime().post(loop_, watch_time_);
    }
    void serve(service_call& call) {
        call.ends = std::make_unique<detail::stream_ends>(
            ends(kind_ == member_kind::source ? nullptr : &up_.in,
                 kind_ == member_kind::sink ? nullptr : &down_.out, true));
        watched_ = server_->stopping().add(*this);
        if (!watched_) down_.shut(error(errc::unavailable, "the server is stopping"));
        else serve_told(call);
        call.ends.reset();
        if (!kept_) server_->end_call();
    }
    detail::stream_ends client_ends() {
        return ends(&down_.in, kind_ == member_kind::source ? nullptr : &up_.out, false);
    }
    void release() noexcept {
        // acq_rel: the last owner sees what the others did.
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        server_->stopping().remove(*this);
        delete this;
    }

    // reply_path
    void answer(service_call&, void* result) override {
        const unsigned left = abandoned_.take();
        if (kind_ != member_kind::sink) {
            if (left & abandoned_ends::out) down_.out.finish();
            if (left & abandoned_ends::in) up_.in.stop();
            return;
        }
        if (down_.in.ops().size != 0 && down_.out.ops().size != 0)
            (void)down_.out.try_send(result, true);
        down_.end_in({}, {});
        (void)up_.out.on_closed(direction::stopped_error());
    }
    void fail(service_call&, const error& e) override {
        (void)abandoned_.take();
        down_.shut(e);
        up_.shut(e);
    }
    void keep(service_call&, service_call& kept) override {
        add_ref();
        kept_ = true;
        const std::lock_guard lock(mutex_);
        call_ = &kept;
        if (given_up_) kept.cancel.cancel();
    }
    void release(service_call& kept) noexcept override {
        kept.ends.reset();
        {
            const std::lock_guard lock(mutex_);
            call_ = nullptr;
        }
        server_->end_call();
        release();
    }
    scopes from() const noexcept override { return scope::process; }
    tenon::session& session_of() noexcept override { return *session_; }
    served_stream* stream_of() noexcept override { return this; }

    // served_stream
    std::string_view route() const noexcept override { return route_; }
    tenon::session& session() noexcept override { return *session_; }

    // The server stops.
    void on_cancel() noexcept override {
        give_up(error(errc::unavailable, "the server is stopping"));
        tell_closed();
    }

private:
    ~local_stream() { open_.fetch_sub(1, std::memory_order_relaxed); }

    // The server's users are told first.
    void serve_told(service_call& call) {
        const server_callbacks& told = server_->to_be_told();
        // Until they have been told of the end, too, the server does not stop.
        if (!(told.opened.empty() && told.closed.empty()) && server_->begin_call()) {
            has_told_ = true;
            server_->tell(told.opened, static_cast<served_stream&>(*this));
        }
        call.dispatch(false);
    }

    // One side has let go of its ends, or the server stops: once.
    void tell_closed() noexcept {
        if (!has_told_.exchange(false)) return;
        add_ref();
        server_->runtime().post(loop_, closed_work_);
    }
    loop::turn tell_closed_on_loop(loop::event_loop& loop) {
        const loop::ticket ticket = loop.enter();
        server_->tell(server_->to_be_told().closed, static_cast<served_stream&>(*this));
        const bool lost = !loop.leave(ticket);
        server_->end_call();
        release();
        return lost ? loop::turn::lost : loop::turn::done;
    }
    void handle_gone(bool of_server) noexcept {
        // acq_rel: as release().
        if (handles_[of_server].fetch_sub(1, std::memory_order_acq_rel) == 1) {
            tell_closed();
            if (!of_server) end_limit();
        }
        release();
    }

    // Nobody can want to give it up any more.
    void end_limit() noexcept {
        if (opener_) opener_->remove(opener_hook_);
        if (deadline_ == base::never) return;
        unwatched_.store(true);
        add_ref();
        server_->runtime().post(loop_, unwatch_time_);
    }
    // The timer is armed while the client has handles, or until unwatch_time() has run.
    loop::turn watch_time(loop::event_loop& loop) {
        if (!unwatched_.load()) loop.arm(timer_, deadline_);
        release();
        return loop::turn::done;
    }
    loop::turn unwatch_time(loop::event_loop& loop) {
        loop.disarm(timer_);
        release();
        return loop::turn::done;
    }
    loop::turn on_deadline(loop::event_loop& loop) {
        add_ref();
        const loop::ticket ticket = loop.enter();
        give_up(outgoing_call::expired());
        const bool lost = !loop.leave(ticket);
        release();
        return lost ? loop::turn::lost : loop::turn::done;
    }

    void add_ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }

    detail::stream_ends ends(stream_inlet* in, stream_outlet* out, bool of_server) {
        detail::stream_ends e;
        if (in) {
            add_ref();
            handles_[of_server].fetch_add(1, std::memory_order_relaxed);
            e.in = std::shared_ptr<detail::inlet>(in, [this, in, of_server](detail::inlet*) {
                if (!of_server || !abandoned_.note(abandoned_ends::in)) in->stop();
                if (!of_server && kind_ == member_kind::source) cancel_call();
                handle_gone(of_server);
            });
        }
        if (out) {
            add_ref();
            handles_[of_server].fetch_add(1, std::memory_order_relaxed);
            e.out = std::shared_ptr<detail::outlet>(out, [this, out, of_server](detail::outlet*) {
                if (of_server && abandoned_.note(abandoned_ends::out)) {
                    // ends with the handler
                } else if (of_server) {
                    out->finish();
                } else if (out->is_open()) {
                    give_up(error(errc::cancelled, "given up by the client"));
                }
                handle_gone(of_server);
            });
        }
        return e;
    }

    void give_up(const error& why) noexcept {
        up_.shut(why);
        down_.shut(why);
        cancel_call();
    }
    void cancel_call() noexcept {
        service_call* call = nullptr;
        {
            const std::lock_guard lock(mutex_);
            given_up_ = true;
            if (call_ && call_->try_add_ref()) call = call_;
        }
        if (!call) return;
        call->cancel.cancel();
        call->release();
    }

    const std::shared_ptr<server_core> server_;
    std::atomic<std::uint64_t>& open_;  // of the member, which the server has
    const std::shared_ptr<local_session> session_;
    loop::event_loop& loop_;
    const std::string_view route_;
    const member_kind kind_;
    direction up_;
    direction down_;
    std::atomic<std::uint32_t> refs_{1};
    abandoned_ends abandoned_;
    std::atomic<std::uint32_t> handles_[2]{};  // of the client, and of the server
    std::atomic<bool> has_told_{false};        // users, that it is open
    loop::member_work<&local_stream::tell_closed_on_loop> closed_work_{*this};
    opener_hook opener_hook_{*this};
    stop_hook stop_hook_{*this};
    cancellation* opener_ = nullptr;
    base::time_point deadline_ = base::never;
    std::atomic<bool> unwatched_{false};
    loop::member_timer<&local_stream::on_deadline> timer_{*this};
    loop::member_work<&local_stream::watch_time> watch_time_{*this};
    loop::member_work<&local_stream::unwatch_time> unwatch_time_{*this};
    bool watched_ = false;
    bool kept_ = false;  // the opening thread's

    base::mutex mutex_;  // guards all below
    service_call* call_ = nullptr;
    bool given_up_ = false;
};

std::optional<error> refused_at_once(const local_request& rq, base::time_point now) {
    std::optional<error> why;
    if (rq.cancel && rq.cancel->is_cancelled()) why = outgoing_call::given_up();
    else if (rq.deadline != base::never && rq.deadline <= now) why = outgoing_call::expired();
    if (why) why->set_may_have_run(false);
    return why;
}

}  // namespace

result<detail::stream_ends> open_local_stream(direct_client& client, const local_method& m,
                                              const local_request& rq,
                                              const detail::stream_types& types,
                                              const detail::flow_settings& flow,
                                              const stream_start& start,
                                              const stream_origin& origin) {
    const detail::stream_types* const served = m.method->signature().stream;
    if (!served || served->kind != types.kind) {
        m.server->end_call();
        return m.method->misused();
    }
    if (auto why = refused_at_once(rq, client.runtime().time().now()))
        return m.server->end_call(), *std::move(why);
    loop::event_loop& loop = client.runtime().loop(0);
    auto* const s =
        new local_stream(client, m.server, *m.method, m.same_types, types, flow, rq, loop);
    s->prepare(start, origin);
    detail::stream_ends ends = s->client_ends();
    s->limit(rq.deadline, rq.cancel);
    {
        service_call call(client.runtime(), *m.method, *s, local_session::this_process);
        fill_local_call(call, rq, *m.server, loop);
        s->serve(call);
    }
    s->release();
    return ends;
}

}  // namespace tenon::inline v0::rpc

namespace tenon::inline v0::detail {

stream_ends failed_stream(const stream_types& types, error why) {
    struct both {
        both(const stream_types& t, detail::runtime_core& r)
            : up(*t.up, *t.up, true, {}, codec::raw, {}, r.loop(0), r.spin()),
              down(*t.down, *t.down, true, {}, codec::raw, {}, r.loop(0), r.spin()) {}
        rpc::direction up, down;
    };
    const auto ends = std::make_shared<both>(types, *runtime::process().shared_core());
    ends->up.shut(why);
    ends->down.shut(why);
    stream_ends e;
    e.in = std::shared_ptr<inlet>(ends, &ends->down.in);
    if (types.kind != member_kind::source) e.out = std::shared_ptr<outlet>(ends, &ends->up.out);
    return e;
}

}  // namespace tenon::inline v0::detail
