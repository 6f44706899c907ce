#pragma once
// stream_waiter: a thread or a coroutine that waits at an end of a stream, for a value or for room.
//
// It waits while it is in its end's list; whoever takes it out, under the end's mutex, decides how
// the wait came out and calls finish() without the mutex.

#include "base/clock.hpp"
#include "base/futex.hpp"
#include "base/intrusive.hpp"
#include "base/mutex.hpp"
#include "loop/resume.hpp"
#include "tenon/cancellation.hpp"

namespace tenon::inline v0::rpc {

class stream_waiter : public base::list_hook<>, public cancel_hook {
public:
    // First, by who is to wait. False: it is cancelled already, and must not wait.
    bool as_thread() noexcept;
    bool as_coroutine(std::coroutine_handle<> h, const call_scope* scope,
                      loop::event_loop* fallback) noexcept;
    /// The coroutine goes on over there at once.
    void hop(std::coroutine_handle<> h, const call_scope* scope, loop::event_loop& to) noexcept;
    bool is_cancelled() const noexcept { return cancellation_ && cancellation_->is_cancelled(); }
    /// Last, by who does not wait after all.
    void dismiss() noexcept;

    // With the end's mutex.
    template <class W>
    static void add(base::list<W>& to, W& w) noexcept {
        w.waits_ = true;
        to.push_back(w);
    }
    template <class W>
    static W& take_front(base::list<W>& from) noexcept {
        W& w = from.pop_front();
        w.waits_ = false;
        return w;
    }
    /// False: it does not wait; somebody else has taken it out, and will finish it.
    bool leave() noexcept;

    // Without it.
    /// Any thread, once, after it was taken out. The waiter may be gone afterwards.
    loop::turn finish() noexcept;
    template <class W>
    static loop::turn finish_all(base::list<W>& all) noexcept {
        loop::turn t = loop::turn::done;
        while (!all.empty())
            if (all.pop_front().finish() == loop::turn::lost) t = loop::turn::lost;
        return t;
    }
    /// The thread: sleeps until it is finished, or has left at the deadline. `m` is the end's mutex.
    void sleep(base::time_point until, base::mutex& m) noexcept;

protected:
    stream_waiter() noexcept = default;
    ~stream_waiter() = default;

private:
    bool hook_in(const call_scope* scope) noexcept;

    bool waits_ = false;  // in the list; not so in that of those to be finished
    bool is_thread_ = false;
    base::futex_word finished_{0};
    loop::resumer resumer_;
    tenon::cancellation* cancellation_ = nullptr;
};

}  // namespace tenon::inline v0::rpc
