#include "rpc/service_call.hpp"

#include <sched.h>

#include <cstring>
#include <exception>

#include "loop/resume.hpp"
#include "loop/thread.hpp"
#include "rpc/runtime_core.hpp"

namespace tenon::inline v0 {

namespace rpc {

namespace {

/// The handlers that run on this thread, the innermost first.
struct running_handler {
    const method_entry* method;
    const running_handler* outer;
};
thread_local const running_handler* innermost = nullptr;

}  // namespace

bool service_call::serving(const method_table& methods) noexcept {
    for (const running_handler* r = innermost; r; r = r->outer)
        if (methods.find(r->method->route(), {}) == r->method) return true;
    return false;
}

void service_call::dispatch(bool may_block) {
    counters_ = &method_->counters.of(local ? loop::part_of_this_thread() : scope.loop->index());
    weight_ =
        counters_->begin_call(local ? method_counters::local_bits : method_counters::remote_bits);
    if (weight_ != 0) [[unlikely]]
        begun_ = runtime_.time().now();
    if (!method_->handler())
        return fail(error(errc::unsupported, method_->route() + " is declared but not implemented")
                        .set_may_have_run(false));
    if (serial_gate* gate = method_->gate()) {
        service_call& kept = keep();
        if (!kept.own_arguments()) return kept.release();
        kept.in_gate_ = true;
        if (gate->enter(kept)) kept.submit_to_pool();
        return;
    }
    if (!method_->on_pool() || may_block) return serve();
    service_call& kept = keep();
    if (kept.own_arguments()) kept.submit_to_pool();
    else kept.release();
}

void service_call::serve() noexcept {
    const loop::scope_guard scoped(&scope);
    const running_handler here{method_, innermost};
    innermost = &here;
    method_->handler()->serve(*this);
    innermost = here.outer;
}

void service_call::submit_to_pool() {
    if (runtime_.pool().submit(*this)) return;
    error e(errc::overloaded, "the pool's queue is full");
    fail(std::move(e.set_may_have_run(false)));
    release();
}

void service_call::run() noexcept {
    if (deadline != base::never && runtime_.time().now() >= deadline) {
        error e(errc::deadline, "the deadline passed while the call waited for a thread");
        fail(std::move(e.set_may_have_run(false)));
    } else if (cancel.is_cancelled()) {
        error e(errc::cancelled, "given up while the call waited for a thread");
        fail(std::move(e.set_may_have_run(false)));
    } else {
        counters_->queue_wait.add(runtime_.time().now() - begun_, 1);
        serve();
    }
    release();
}

void service_call::drop() noexcept {
    error e(errc::unavailable, "the service is stopping");
    fail(std::move(e.set_may_have_run(false)));
    release();
}

void service_call::own_input() {
    if (!lies_in) {
        storage.append(data);
        data = storage.view();
    }
    trace_storage = trace;
    trace = trace_storage;
}

service_call& service_call::keep() {
    if (is_kept()) {
        add_ref();
        return *this;
    }
    auto* kept = new service_call(runtime_, *method_, *path_, *peer_);
    kept->refs_.store(1, std::memory_order_relaxed);
    kept->counters_ = counters_;
    kept->wire_codec = wire_codec;
    kept->local = local;
    kept->decoding = decoding;
    kept->trace_storage = trace;
    kept->trace = kept->trace_storage;
    kept->scope = scope;
    kept->scope.cancel = &kept->cancel;
    kept->deadline = deadline;
    kept->urgency = urgency;
    kept->stream = stream;
    kept->wants_answer = wants_answer;
    kept->caller_waits = caller_waits;
    kept->ends = std::move(ends);
    kept->begun_ = weight_ != 0 ? begun_ : runtime_.time().now();
    kept->weight_ = 1;
    counters_->in_flight.fetch_add(1, std::memory_order_relaxed);
    if (storage.empty() && !lies_in) {
        kept->storage.append(data);
        kept->data = kept->storage.view();
    } else {
        kept->storage = std::move(storage);
        kept->lies_in = std::move(lies_in);
        kept->data = data;
    }
    data = {};
    path_->keep(*this, *kept);
    answered_ = true;
    return *kept;
}

void service_call::wait_for_pins() const noexcept {
    while (pins_.load(std::memory_order_acquire) != 0) sched_yield();  // hooks are short
}

void service_call::release() noexcept {
    // acq_rel: the last owner sees what the others wrote.
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    if (in_gate_)
        if (service_call* next = method_->gate()->next()) next->submit_to_pool();
    if (!answered_) counters_->in_flight.fetch_sub(1, std::memory_order_relaxed);
    forget_arguments();
    path_->release(*this);
    delete this;
}

void service_call::forget_arguments() noexcept {
#ifndef NDEBUG
    if (!method_->has_views() || data.empty() || (lies_in && lies_in->is_shared())) return;
    std::memset(const_cast<std::byte*>(data.data()), 0xDD, data.size());
    if (!arena.empty()) std::memset(arena.data(), 0xDD, arena.size());
#endif
}

bool service_call::decode(void* const* objects) noexcept {
    try {
        if (local) return decode_local(objects);
        const std::span<const coding::parameter> parameters = method_->parameters();
        coding::source from(data, lies_in.get());
        if (from.may_change() &&
            !(parameters.size() == 1 && coding::reads_once(wire_codec, *parameters[0].type))) {
            storage.append(data);
            from = data = storage.view();
            lies_in.reset();
        }
        auto done = coding::decode_arguments(wire_codec, parameters, {objects, parameters.size()},
                                             from, *decoding, &arena);
        if (done) return true;
        fail(std::move(done).error().set_may_have_run(false));
    } catch (...) {
        fail(detail::current_error());
    }
    return false;
}

bool service_call::own_arguments() noexcept {
    if (!local || caller_waits) return true;
    try {
        auto done = coding::encode_arguments(codec::msgpack, method_->parameters(),
                                             {local->items, local->count}, storage);
        if (!done) return fail(std::move(done).error()), false;
    } catch (...) {
        return fail(detail::current_error()), false;
    }
    wire_codec = codec::msgpack;
    data = storage.view();
    local = nullptr;
    return true;
}

bool service_call::decode_local(void* const* objects) {
    for (std::uint32_t i = 0; i < local->count; ++i) {
        const detail::transfer& t = *method_->signature().transfers[i];
        const bool movable = (local->movable >> i) & 1U;
        if (t.move && (movable || !t.copy)) t.move(objects[i], local->items[i]);
        else t.copy(objects[i], local->items[i]);
    }
    return true;
}

// Before the answer goes out, so that who has it finds the call counted.
void service_call::settle() noexcept {
    counters_->latency.add(runtime_.time().now() - begun_, weight_);
    if (is_kept()) counters_->in_flight.fetch_sub(1, std::memory_order_relaxed);
}

void service_call::answer(void* result) noexcept {
    if (answered_) return;
    answered_ = true;
    if (weight_ != 0) [[unlikely]]
        settle();
    try {
        path_->answer(*this, result);
    } catch (...) {
        const error e = detail::current_error();
        counters_->count_error(e.code());
        path_->fail(*this, e);
    }
}

void service_call::fail(error e) noexcept {
    if (answered_) return;
    answered_ = true;
    if (weight_ != 0) settle();
    counters_->count_error(e.code());
    if (e.origin().empty()) e.set_origin(method_->route());
    path_->fail(*this, e);
}

}  // namespace rpc

std::string_view context::route() const noexcept {
    return rpc::service_call::of(*this).method().route();
}

const peer_info& context::peer() const noexcept { return rpc::service_call::of(*this).peer_of(); }

std::optional<std::chrono::steady_clock::time_point> context::deadline() const noexcept {
    const auto at = rpc::service_call::of(*this).deadline;
    if (at == base::never) return std::nullopt;
    return at;
}

bool context::cancelled() const noexcept {
    const auto& call = rpc::service_call::of(*this);
    return call.cancel.is_cancelled() ||
           (call.deadline != base::never && std::chrono::steady_clock::now() >= call.deadline);
}

tenon::cancellation& context::cancellation() noexcept {
    return rpc::service_call::of(*this).cancel;
}

blob context::loan(std::size_t size) { return rpc::service_call::of(*this).loan(size); }

tenon::priority context::priority() const noexcept { return rpc::service_call::of(*this).urgency; }

std::string_view context::trace() const noexcept { return rpc::service_call::of(*this).trace; }

namespace detail {

handler::~handler() = default;

bool decode_arguments(context& c, void* const* objects) noexcept {
    return rpc::service_call::of(c).decode(objects);
}

void reply(context& c, void* result) noexcept { rpc::service_call::of(c).answer(result); }

void reply_error(context& c, error e) noexcept { rpc::service_call::of(c).fail(std::move(e)); }

error current_error() noexcept {
    try {
        throw;
    } catch (const failure& f) {
        return f.error();
    } catch (const std::exception& e) {
        return error(errc::internal, e.what());
    } catch (...) {
        return error(errc::internal, "exception of unknown type");
    }
}

error current_error(const context& c) noexcept {
    error found(errc::internal);
    for (const declared_error& e : rpc::service_call::of(c).method().info().errors)
        if (e.caught(found)) return found;
    return current_error();
}

context& keep(context& c) {
    auto& kept = rpc::service_call::of(c).keep();
    // What the coroutine calls before it first suspends inherits from the call that lasts.
    loop::this_thread().scope = &kept.scope;
    return kept;
}

void release(context& kept) noexcept { rpc::service_call::of(kept).release(); }

stream_ends accept_stream(context& c) {
    const auto ends = std::move(rpc::service_call::of(c).ends);
    return ends ? std::move(*ends) : stream_ends();
}

const call_scope& scope_of(context& c) noexcept { return rpc::service_call::of(c).scope; }

}  // namespace detail
}  // namespace tenon::inline v0
