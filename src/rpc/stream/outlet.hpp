#pragma once
// stream_outlet: the sending end of one direction: what happens to values for which the receiver
// has no room (policy), and those who wait for some.
//
// Derived classes hand values over, to a session or to an inlet in this process.

#include <atomic>
#include <exception>
#include <optional>

#include "rpc/stream/queues.hpp"
#include "rpc/stream/waiter.hpp"

namespace tenon::inline v0::rpc {

class stream_outlet;

/// Somebody who waits for room.
class outlet_waiter final : public stream_waiter {
public:
    outlet_waiter() noexcept = default;
    void on_cancel() noexcept override;

    stream_outlet* out = nullptr;
    void* value = nullptr;
    bool movable = false;
    detail::departure outcome = detail::departure::full;
};

/// Of a server's stream: ends that an exception has let go of while the handler ran. They end with
/// what the handler fails with, if it does, and otherwise once it has answered.
class abandoned_ends {
public:
    enum end : unsigned { none = 0, in = 1, out = 2 };

    /// When a handle lets go. False: the end is to be ended as usual.
    bool note(end e) noexcept {
        if (std::uncaught_exceptions() == 0) return false;
        // seq_cst: either this sees that the handler has ended, or take() sees the end.
        ends_.fetch_or(e);
        return !is_over_.load() || (ends_.fetch_and(~unsigned{e}) & e) == 0;
    }
    /// The handler has answered or failed: what is left to be ended.
    unsigned take() noexcept {
        is_over_.store(true);
        return ends_.exchange(none);
    }

private:
    std::atomic<unsigned> ends_{none};
    std::atomic<bool> is_over_{false};
};

class stream_outlet : public detail::outlet {
public:
    stream_outlet(const detail::value_ops& ops, const detail::flow_settings& flow) noexcept;
    stream_outlet(const stream_outlet&) = delete;
    stream_outlet& operator=(const stream_outlet&) = delete;

    const detail::value_ops& ops() const noexcept { return ops_; }

    // detail::outlet
    detail::departure try_send(void* value, bool movable) override;
    detail::departure send(void* value, bool movable, base::time_point until) override;
    bool suspend(detail::stream_wait& w, void* value, bool movable, std::coroutine_handle<> h,
                 const call_scope* scope) override;
    void place_next(std::uint64_t position, std::uint64_t epoch) noexcept override;
    stream_start start() const noexcept override { return start_; }
    void allow_seeking(std::weak_ptr<detail::seek_listener> told) override;
    std::optional<stream_start> sought() noexcept override;
    std::uint64_t acknowledged() const noexcept override {
        return acknowledged_.load(std::memory_order_acquire);
    }
    bool wait_acknowledged(std::uint64_t number, base::time_point until) override;
    void finish() noexcept override;
    void fail(error e) noexcept override;
    error failure() override;
    bool is_open() noexcept override;
    stream_stats stats() override;
    detail::flow_settings flow() override;
    void set_flow(const detail::flow_settings& flow) override;

    /// Before the first value.
    void set_start(const stream_start& s) noexcept { start_ = s; }
    /// There may be room again: sends what waits. Any thread.
    loop::turn on_room();
    /// The receiver takes no more, or is gone: nothing can be sent from now on, and nothing is
    /// told.
    loop::turn on_closed(error why);

    /// Nothing is handed over while it is paused.
    loop::turn set_paused(bool paused);
    /// The receiver goes on elsewhere, for the number-th time.
    loop::turn on_seek(std::uint32_t number, const stream_start& to);
    /// The receiver has dealt with all values up to that number.
    void on_acknowledged(std::uint64_t number) noexcept;

    /// For a waiter that is given up.
    void leave(outlet_waiter& w) noexcept;

protected:
    ~stream_outlet() = default;

    // Called with this object's mutex held.
    /// `full`: no room, and on_room() will be called once there is.
    virtual detail::departure transmit(void* value, bool movable, const value_note& note) = 0;
    /// The end of this direction, with an error or without.
    virtual void transmit_end(const std::optional<error>& why, const value_note& last) = 0;
    virtual loop::event_loop* fallback() noexcept = 0;
    /// After transmit_end(), without the mutex; there may be more to be ended.
    virtual loop::turn after_end() noexcept { return loop::turn::done; }
    /// The receiver begins not to keep up: a value was dropped for lack of room. Without the mutex.
    virtual void lagging() noexcept {}
    /// In transmit(), which then returns `closed`: this value cannot be sent at all.
    void unfit(error why) { unfit_ = std::move(why); }
    /// In transmit(): the value is the first from where that seek led to; 0: it is not.
    std::uint32_t seek_to_tell() const noexcept { return seek_to_tell_; }

private:
    static std::uint32_t buffer_of(const detail::flow_settings& flow) noexcept;
    detail::departure offer(void* value, bool movable);
    detail::departure offer_or_wait(outlet_waiter& w);
    void tell_end(const value_note& last);
    detail::departure transmit_one(void* value, bool movable, value_note& note);
    void keep(void* value, bool movable);
    value_note next_note() const noexcept;
    void note_accepted() noexcept;
    bool replace_same_key(void* value, bool movable);
    void drop_front() noexcept;
    void drop_waiting() noexcept;
    void end_if_drained();
    detail::departure offer_while_sought();
    void refuse_seek();
    bool send_waiting(base::list<outlet_waiter>& done);
    void close(error why, base::list<outlet_waiter>& all);

    const detail::value_ops& ops_;
    stream_start start_;

    base::mutex mutex_;  // guards all below
    detail::flow_settings flow_;
    std::uint32_t buffer_;
    object_queue waiting_;               // values, by policy
    base::list<outlet_waiter> waiters_;  // their senders wait
    bool lags_ = false;                  // values were dropped since none waited …
    bool lag_told_ = false;              // … and lagging() was called
    std::uint64_t gap_ = 0;              // dropped behind all that waits
    std::uint64_t next_position_ = 0;    // of the next value; 0: the stream has no positions
    std::uint64_t next_epoch_ = 0;
    std::uint64_t told_position_ = 0;  // what the receiver takes the next one's to be
    std::uint64_t told_epoch_ = 0;
    std::optional<error> end_;  // fail() was called
    bool ending_ = false;       // finish() or fail() was called
    bool ended_ = false;        // … and the receiver has been told
    bool after_end_due_ = false;
    std::optional<error> closed_;  // nothing can be sent
    std::optional<error> unfit_;
    std::weak_ptr<detail::seek_listener> seek_told_;
    stream_start seek_to_;
    std::uint32_t seek_number_ = 0;
    std::uint32_t seek_to_tell_ = 0;
    bool paused_ = false;
    bool begun_ = false;                     // the first value has come
    bool may_seek_ = false;                  // allow_seeking() was called
    std::atomic<bool> seek_pending_{false};  // sought() has something to tell; written under mutex_
    stream_stats stats_;

    std::atomic<std::uint64_t> acknowledged_{0};
    base::futex_word acknowledgements_{0};  // counts them, and the end
};

}  // namespace tenon::inline v0::rpc
