#include "rpc/outgoing_call.hpp"

#include <sched.h>

namespace tenon::inline v0 {

namespace rpc {

void outgoing_call::decode(coding::source from, const decode_options& options) {
    if (!result_shape) {
        static_cast<bytes*>(result)->assign(from.in.begin(), from.in.end());
        return;
    }
    base::byte_buffer copy;
    if (from.may_change() && !coding::reads_once(wire_codec, *result_shape)) {
        copy.append(from.in);
        from = copy.view();
    }
    auto done = coding::decode_object(wire_codec, *result_shape, result, from, options);
    if (!done) failed = misfit(done.error());
}

error outgoing_call::misfit(const error& e) {
    return error(errc::data_loss,
                 "the answer is not what the contract says: " + std::string(e.message()));
}

error outgoing_call::expired() { return error(errc::deadline, "no answer in time"); }
error outgoing_call::given_up() { return error(errc::cancelled, "given up by the caller"); }

bool outgoing_call::hook(call_carrier& to) noexcept {
    owner = &to;
    return !cancellation || cancellation->add(*this);
}

void outgoing_call::unhook() noexcept {
    if (cancellation) cancellation->remove(*this);
}

blocking_call::state blocking_call::wait(base::time_point until) noexcept {
    for (;;) {
        std::uint32_t seen = pending;
        // Acquire: pairs with set().
        if (!word_.compare_exchange_strong(seen, sleeping, std::memory_order_acq_rel) &&
            seen != sleeping)
            return static_cast<state>(seen);
        const auto now = base::time_source::steady().now();
        if (now >= until) {
            seen = sleeping;
            word_.compare_exchange_strong(seen, pending, std::memory_order_acq_rel);
            return static_cast<state>(word_.load(std::memory_order_acquire));
        }
        if (until == base::never) base::futex_wait(word_, sleeping);
        else base::futex_wait_for(word_, sleeping, until - now);
    }
}

void async_call::finish_now() noexcept {
    phase_.store(finished, std::memory_order_release);
    if (!is_coroutine_) face_.finished();
}

// Sets `finished`. False: the call was abandoned.
bool async_call::end(phase& before) noexcept {
    for (;;) {
        if (before == abandoning) {  // a matter of instructions
            sched_yield();
            before = phase_.load(std::memory_order_acquire);
            continue;
        }
        const bool wanted = before != abandoned;
        // acq_rel: the coroutine that comes later sees the outcome; we see its handle.
        if (phase_.compare_exchange_weak(before, finished, std::memory_order_acq_rel,
                                         std::memory_order_acquire))
            return wanted;
    }
}

loop::turn async_call::deliver(loop::event_loop& loop) noexcept {
    unhook();
    if (is_coroutine_) {
        phase before = running;
        if (!end(before)) return loop::turn::done;
        // If the coroutine has not come yet the object may be gone by now.
        return before == waiting ? resumer_.fire() : loop::turn::done;
    }
    phase_.store(finished, std::memory_order_release);
    loop::ticket t = loop.enter();
    face_.finished();
    return loop.leave(t) ? loop::turn::done : loop::turn::lost;
}

bool async_call::suspend(std::coroutine_handle<> h, const call_scope* scope) noexcept {
    resumer_.arm(h, scope, fallback);
    phase expected = running;
    return phase_.compare_exchange_strong(expected, waiting, std::memory_order_acq_rel);
}

void async_call::abandon() noexcept {
    phase before = phase_.load(std::memory_order_acquire);
    do {
        if (before != running && before != waiting) return;
    } while (!phase_.compare_exchange_weak(before, abandoning, std::memory_order_acq_rel,
                                           std::memory_order_acquire));
    unhook();
    if (owner->abandon(*this)) return;
    // Release: who delivers may let the carrier go, which we do not touch any more.
    phase_.store(abandoned, std::memory_order_release);
    while (!is_finished()) sched_yield();
}

}  // namespace rpc

namespace detail {

call_state::call_state(void* result, use kind) noexcept {
    static_assert(sizeof(rpc::async_call) <= storage_size);
    ::new (storage_) rpc::async_call(*this, result, kind == use::coroutine);
}

call_state::~call_state() { rpc::async_call::of(*this).~async_call(); }

void call_state::abandon() noexcept { rpc::async_call::of(*this).abandon(); }

bool call_state::is_finished() const noexcept {
    return rpc::async_call::of(const_cast<call_state&>(*this)).is_finished();
}

bool call_state::suspend(std::coroutine_handle<> h, const call_scope* scope) noexcept {
    return rpc::async_call::of(*this).suspend(h, scope);
}

void call_state::finish() noexcept { rpc::async_call::of(*this).finish_now(); }

}  // namespace detail
}  // namespace tenon::inline v0
