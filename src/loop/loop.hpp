#pragma once
// The event loop: epoll, timers, an inbox for other threads, and the right to take it over.
//
// At any time one thread owns a loop. All of a loop's state is in the object and nothing is on the
// owner's stack, so ownership can pass to another thread while user code runs ("take-over"):
//
//   * Library code runs on the owner, outside any bracket, and may touch the loop and everything
//     that belongs to it (its pollables, timers, connections).
//   * User code (handlers, continuations, callbacks) runs inside a bracket: enter() … leave().
//     Inside it the loop may be taken over at any moment, so nothing of the loop may be touched;
//     `claim` takes the ownership back for a moment, post() always works.
//   * leave() returns false if the loop was taken over meanwhile. Then the caller returns
//     turn::lost at once, all the way up to run(), and touches neither the loop nor anything of it.
//
// "Owner" below means: on the thread that owns the loop, outside a bracket (or inside a claim), or
// while no thread runs the loop.

#include <atomic>
#include <cstdint>

#include "base/clock.hpp"
#include "base/intrusive.hpp"
#include "base/unique_fd.hpp"
#include "loop/spin.hpp"
#include "loop/timer_wheel.hpp"
#include "loop/work.hpp"
#include "tenon/result.hpp"

struct epoll_event;

namespace tenon::inline v0::loop {

class crew;
class monitor;

using ready_flags = std::uint8_t;
struct ready {
    static constexpr ready_flags read = 1;      ///< bytes, a connection, or the end of input
    static constexpr ready_flags write = 2;     ///< room for output
    static constexpr ready_flags hang_up = 4;   ///< both directions closed, or an error
    static constexpr ready_flags probe = 8;     ///< nobody said anything: try one read
    static constexpr ready_flags resumed = 16;  ///< turn::again, make_ready() or a take-over
    static constexpr ready_flags end = 32;      ///< behind what can be read is the end of input
};

/// An object with a descriptor (or none) that the loop calls when there is something to do.
/// Must be removed before it is destroyed and before its descriptor is closed.
class pollable : public base::list_hook<>, public base::list_hook<event_loop> {
public:
    using base::list_hook<>::linked;
    using base::list_hook<>::unlink;

    /// Owner. May remove and destroy any pollable, itself included (then it returns done or
    /// nothing). Edge-triggered: read until would-block, or return `again`.
    virtual turn on_ready(event_loop& loop, ready_flags flags) = 0;

    /// Owner, on the thread that has just taken the loop over from user code which was called from
    /// this object's on_ready(). That code still runs and may look at what it was given: detach it
    /// (the receive buffer) here. on_ready() follows with read, write and resumed, since the former
    /// call did not come to its end.
    virtual void on_taken_over(event_loop&) {}

    /// Owner, while the loop keeps looking at this object (event_loop::keep_looking), whose input
    /// comes through memory: whether there is some. Asked often.
    virtual bool has_news() noexcept { return false; }
    /// The same: from here on input raises an event. False: there is some already.
    virtual bool prepare_to_sleep() noexcept { return true; }

protected:
    /// `probe`: on_ready(ready::probe) is cheap and returns turn::nothing when there is no input;
    /// the loop then may poll this object in place of epoll while it spins.
    explicit pollable(bool probe = false) noexcept : probe_(probe) {}
    ~pollable() = default;

private:
    friend class event_loop;

    bool is_looked_at() const noexcept { return base::list_hook<event_loop>::linked(); }

    std::atomic<int> fd_{-1};  // relaxed: mute() may come at any time, and epoll then refuses
    std::atomic<int> bell_{-1};
    ready_flags flags_ = 0;
    const bool probe_;
    bool wants_write_ = false;
};

/// Returned by enter(), given to leave().
class [[nodiscard]] ticket {
    friend class event_loop;
    explicit ticket(std::uint64_t word) noexcept : word_(word) {}
    std::uint64_t word_;
};

/// Counters since construction; read by any thread, exact only when the loop rests.
struct loop_stats {
    std::uint64_t turns = 0;      ///< passes that found something to do
    std::uint64_t sleeps = 0;     ///< epoll_wait calls that were allowed to block
    std::uint64_t takeovers = 0;  ///< times the ownership passed from user code
};

struct loop_options {
    unsigned index = 0;                       ///< among the loops of a runtime
    const base::time_source* time = nullptr;  ///< null: the machine's
    const spin_policy* spin = nullptr;        ///< null: never spin
    /// Ends a spin early when it returns true: something else on this machine wants the CPU.
    /// Called on the owner, must be cheap.
    bool (*busy_elsewhere)(void* context) = nullptr;
    void* context = nullptr;
};

class event_loop {
public:
    enum class end : std::uint8_t { stopped, lost };

    /// Throws failure(unavailable) if there are no descriptors left.
    explicit event_loop(const loop_options& options = {});
    event_loop(const event_loop&) = delete;
    event_loop& operator=(const event_loop&) = delete;
    /// No thread may run it. Posted work that did not run is forgotten.
    ~event_loop();

    // --- descriptors, timers, work: owner only, except post() and wake() ---

    /// Watches `fd` for input and hang-up, edge-triggered, until remove(). The object is called
    /// once for what is ready already.
    result<void> watch(pollable& p, int fd);
    /// Until remove(): each event of a second descriptor counts as input, too. Nothing if there is
    /// one already.
    result<void> watch_bell(pollable& p, int fd);
    /// Asks p.has_news() in each round, until the loop sleeps, having called p.prepare_to_sleep().
    void keep_looking(pollable& p) noexcept;
    /// After a write would block: on_ready(ready::write) once, when there is room. Not watched all
    /// the time because a Unix socket reports room whenever its peer has read something, which
    /// would wake the loop a second time for every reply.
    result<void> want_write(pollable& p);
    /// Any thread that alone uses the descriptor: no more events, but those that have come.
    void mute(pollable& p) noexcept;
    /// Stops watching and forgets what was ready, also by make_ready(). Nothing if there is none.
    void unwatch(pollable& p) noexcept;  // an on_ready() under way is still resumed on take-over
    void remove(pollable& p) noexcept;   // not so: the object may be destroyed
    /// Calls on_ready() with `flags` in the next round. Needs no watch(), but remove().
    void make_ready(pollable& p, ready_flags flags = ready::resumed) noexcept;

    /// Moves the timer if it is armed. A time in the past is due at the next tick (1 ms).
    void arm(timer& t, base::time_point deadline) noexcept { timers_.arm(t, deadline); }
    void disarm(timer& t) noexcept { t.unlink(); }

    /// Runs `w` at the end of this round, after the pollables; queued already: nothing.
    void defer(work& w) noexcept;

    /// Any thread, also inside user code, without a lock. What the caller wrote before is visible
    /// to run(). Never refuses, also after stop().
    void post(work& w) noexcept;

    /// Any thread: makes a sleeping loop look around.
    void wake() noexcept;

    /// Any thread, a hint: the owner is at work and not in user code, so that what is posted now
    /// runs soon and wakes nobody.
    bool will_look_soon() const noexcept {
        return !sleeping_.load(std::memory_order_relaxed) &&
               !(ticket_.load(std::memory_order_relaxed) & user_bit);
    }

    /// The time at the start of this round (owner).
    base::time_point now() const noexcept { return now_; }
    /// The present time, from here on also for now() (owner).
    base::time_point refresh_now() noexcept { return now_ = time_.now(); }
    const base::time_source& time() const noexcept { return time_; }

    // --- running ---

    /// Owns the loop on this thread until stop() (or until it is lost, which only happens with a
    /// crew; the thread has then nothing more to do with the loop).
    end run();
    /// Any thread. run() returns when the present step is over; work left behind stays.
    void stop() noexcept;

    /// Embedding: a descriptor that is readable when run_ready() has something to do …
    int fd() const noexcept { return epoll_.get(); }
    /// … which does all there is to do now without waiting, and must be called by one thread at a
    /// time …
    void run_ready();
    /// … and when to call it at the latest even if fd() says nothing.
    base::time_point next_deadline() noexcept { return timers_.next(); }

    // --- user code ---

    /// Owner: begins user code. `what` names it to the monitor's report (a method); it must stay
    /// valid as long as the monitor runs.
    ticket enter(const void* what = nullptr) noexcept;
    /// Ends it. False: lost, see above.
    [[nodiscard]] bool leave(ticket t) noexcept;

    /// To be called before a thread blocks on something that a loop may have to do. If the thread
    /// is running user code of a loop, a standby thread takes that loop over, now (nothing happens
    /// if there is none left); a pool may have one thread more than usual.
    static void before_blocking() noexcept;

    /// The loop that this thread owns, or whose user code it runs and which it has not lost yet as
    /// far as it can tell; null if none.
    static event_loop* current() noexcept;
    bool in_loop_thread() const noexcept { return current() == this; }
    /// Whether the thread is inside a bracket of any loop (lost or not).
    static bool in_user_code() noexcept;

    /// Whether others wait for their turn. Owner.
    bool has_runnable() const noexcept;

    loop_stats stats() const noexcept;
    unsigned index() const noexcept { return options_.index; }

    // --- load; any thread, for choosing among loops ---

    /// What lives on this loop, such as a connection, counts itself here.
    void add_tenant() noexcept { tenants_.fetch_add(1, std::memory_order_relaxed); }
    void remove_tenant() noexcept { tenants_.fetch_sub(1, std::memory_order_relaxed); }
    unsigned tenants() const noexcept { return tenants_.load(std::memory_order_relaxed); }
    /// How much of the last tenths of a second it was not asleep, per mille; as the monitor sees it.
    unsigned busy() const noexcept { return busy_.load(std::memory_order_relaxed); }

private:
    friend class claim;
    friend class crew;
    friend class monitor;

    // ticket_ is (sequence << 1) | in-user-code. Every enter() has a new sequence number.
    static constexpr std::uint64_t user_bit = 1;

    bool take(std::uint64_t word) noexcept;
    void go_on_after_take_over();
    turn run_lists();
    turn run_one(pollable& p, ready_flags flags);
    turn wait();
    turn spin(bool& found);
    bool look() noexcept;
    bool stop_looking() noexcept;
    void sleep() noexcept;
    void poll(int timeout_ms) noexcept;
    void collect() noexcept;
    void collect_inbox() noexcept;
    void signal() noexcept;

    const base::time_source& time_;
    const loop_options options_;
    base::unique_fd epoll_;
    base::unique_fd event_;  // written to end an epoll_wait

    base::time_point now_;
    timer_wheel timers_;
    adaptive_spin spin_;

    base::list<pollable> ready_;  // to be called, in this order
    base::list<pollable> round_;  // the part of ready_ that belongs to this round
    base::list<timer> due_;
    base::list<work> batch_;  // taken from the inbox
    base::list<work> deferred_;
    base::list<work> flushing_;       // the part of deferred_ that belongs to this round
    pollable* processing_ = nullptr;  // whose on_ready() is on the owner's stack
    pollable* hot_ = nullptr;         // the only pollable that had something to do last time
    unsigned served_ = 0;             // pollables that had something to do in this round
    unsigned probed_ = 0;             // rounds in a row that came without asking epoll
    base::list<pollable, event_loop> looked_at_;
    unsigned looked_at_count_ = 0;
    bool active_ = false;  // this round ran something other than timers
    crew* crew_ = nullptr;
    monitor* monitor_ = nullptr;
    std::atomic<bool> stop_{false};
    std::atomic<int> owner_{0};  // thread id
    std::atomic<std::uint64_t> turns_{0};
    std::atomic<std::uint64_t> sleeps_{0};
    std::atomic<std::uint64_t> takeovers_{0};
    std::atomic<unsigned> tenants_{0};
    std::atomic<unsigned> busy_{0};
    std::atomic<const void*> what_{nullptr};
    alignas(64) std::atomic<std::uint64_t> ticket_{0};
    alignas(64) std::atomic<work*> inbox_{nullptr};
    std::atomic<bool> sleeping_{false};
};

/// Ownership for a moment, from inside user code: `if (claim own(loop)) …touch the loop… else
/// loop.post(…)`. False if the thread does not own the loop (another thread, or lost). On the owner
/// outside user code it is always true. Ends the claim, and not the bracket, when destroyed. Not to
/// be held while user code runs.
class claim {
public:
    explicit claim(event_loop& loop) noexcept;
    claim(const claim&) = delete;
    claim& operator=(const claim&) = delete;
    ~claim();

    explicit operator bool() const noexcept { return owns_; }

private:
    event_loop& loop_;
    bool owns_ = false;
    std::uint64_t word_ = 0;  // of the bracket that goes on after the claim; 0: none
};

}  // namespace tenon::inline v0::loop
