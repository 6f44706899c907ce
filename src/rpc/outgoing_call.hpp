#pragma once
// One call on its way to a server: what the connection needs to know to finish it.

#include <atomic>
#include <new>
#include <optional>

#include "base/buffer.hpp"
#include "base/clock.hpp"
#include "base/futex.hpp"
#include "base/intrusive.hpp"
#include "codec/codec.hpp"
#include "loop/loop.hpp"
#include "loop/resume.hpp"
#include "tenon/call.hpp"
#include "tenon/cancellation.hpp"
#include "wire/session.hpp"

namespace tenon::inline v0::rpc {

class async_call;
class outgoing_call;

/// Who carries a call and can give it up: a connection, or an in-process call.
class call_carrier {
public:
    /// Any thread, without a lock held: the call is to end as `cancelled`, if it still can.
    virtual void cancel(outgoing_call& call) noexcept = 0;
    /// The caller wants nothing of it any more. True: the call will not be delivered, nor touched
    /// again. False: deliver() is on its way.
    virtual bool abandon(async_call& call) noexcept = 0;

protected:
    ~call_carrier() = default;
};

class outgoing_call : public base::list_hook<>, public cancel_hook {
public:
    outgoing_call(bool blocking, void* result, std::optional<error>& failed) noexcept
        : is_blocking(blocking), result(result), failed(failed) {}

    const bool is_blocking;
    void* const result;
    std::optional<error>& failed;
    const shape* result_shape = nullptr;  // null: `result` is a tenon::bytes for the encoded result
    codec wire_codec = codec::msgpack;
    wire::stream_ref stream;
    base::time_point deadline = base::never;
    tenon::cancellation* cancellation = nullptr;
    call_carrier* owner = nullptr;
    priority urgency = priority::normal;
    bool was_open = false;  // the connection was up when the call was sent

    // For repeating an asynchronous call: what was sent, how often, and when to send it again.
    bool repeatable = false;
    bool is_to_be_repeated = false;
    unsigned attempts = 0;
    base::time_point repeat_at = base::never;
    base::byte_buffer metadata;
    base::byte_buffer payload;

    /// Reads the answer into the result, or makes it an error.
    void decode(coding::source from, const decode_options& options);
    /// The call reached its deadline, or was given up.
    static error expired();
    static error given_up();
    /// For a result that is not of the type the caller expects.
    static error misfit(const error& why);

    /// From here to unhook() the owner is told of a cancellation. False: cancelled already.
    bool hook(call_carrier& to) noexcept;
    void unhook() noexcept;
    void on_cancel() noexcept override { owner->cancel(*this); }
};

/// A call whose thread waits for it. Lives on that thread's stack.
class blocking_call final : public outgoing_call {
public:
    explicit blocking_call(void* result) noexcept : outgoing_call(true, result, error_) {}

    enum state : std::uint32_t {
        pending,
        sleeping,
        lead,  ///< the thread is to take over the reading of the connection
        done,
    };

    bool is_done() const noexcept { return word_.load(std::memory_order_acquire) == done; }

    /// By another thread, which does not touch the call afterwards. Gives the state before: after
    /// `lead` somebody else has to read.
    state set(state s) noexcept {
        // Release: what the setter wrote is visible to the thread that sees it.
        const auto before = static_cast<state>(word_.exchange(s, std::memory_order_acq_rel));
        if (before == sleeping) base::futex_wake(word_);
        return before;
    }
    /// The own thread: false if the call has ended instead.
    bool begin_to_lead() noexcept {
        std::uint32_t expected = lead;
        return word_.compare_exchange_strong(expected, pending, std::memory_order_acq_rel);
    }
    void set_own(state s) noexcept { word_.store(s, std::memory_order_relaxed); }

    /// Sleeps until set() or `until`; gives the state.
    state wait(base::time_point until) noexcept;

    tenon::result<void> outcome() && {
        if (error_) return *std::move(error_);
        return {};
    }

private:
    std::optional<error> error_;
    base::futex_word word_{pending};
};

/// The library's part of a call_state.
class async_call final : public outgoing_call {
public:
    async_call(detail::call_state& face, void* result, bool coroutine) noexcept
        : outgoing_call(false, result, face.failed), face_(face), is_coroutine_(coroutine) {}
    ~async_call() = default;

    static async_call& of(detail::call_state& face) noexcept {
        return *std::launder(reinterpret_cast<async_call*>(face.internal()));
    }

    /// Where a coroutine without a loop of its own goes on: the client's.
    loop::event_loop* fallback = nullptr;

    bool is_finished() const noexcept { return phase_.load(std::memory_order_acquire) == finished; }
    void begin() noexcept { phase_.store(running, std::memory_order_relaxed); }

    bool is_coroutine() const noexcept { return is_coroutine_; }

    /// Inside start(): the outcome is known.
    void finish_now() noexcept;
    /// Owner of `loop`, outside user code: tells the caller. The object may be gone afterwards.
    loop::turn deliver(loop::event_loop& loop) noexcept;
    bool suspend(std::coroutine_handle<> h, const call_scope* scope) noexcept;
    void abandon() noexcept;

private:
    // abandoning: the caller is about to tell the carrier, which must live that long; abandoned: it
    // has told it too late and waits for deliver() to end.
    enum phase : std::uint8_t { idle, running, waiting, finished, abandoning, abandoned };

    bool end(phase& before) noexcept;

    detail::call_state& face_;
    const bool is_coroutine_;
    std::atomic<phase> phase_{idle};
    loop::resumer resumer_;
};

}  // namespace tenon::inline v0::rpc
