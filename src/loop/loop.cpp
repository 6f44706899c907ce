#include "loop/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>

#include "loop/crew.hpp"
#include "loop/monitor.hpp"
#include "loop/thread.hpp"
#include "loop/worker_pool.hpp"

namespace tenon::inline v0::loop {
namespace {

constexpr int most_events = 64;          // per epoll_wait
constexpr unsigned probes_per_poll = 8;  // rounds in a row without epoll before it is asked again
constexpr unsigned most_looked_at = 32;  // pollables whose memory is looked at in each round
constexpr int embedded_rounds = 16;      // of one run_ready()
constexpr std::uint32_t input = EPOLLIN | EPOLLRDHUP | EPOLLET;

constinit const spin_policy never_spin{false};

tenon::error system_error(const char* what) {
    return tenon::error(errc::unavailable, std::string(what) + ": " + std::strerror(errno));
}

}  // namespace

event_loop::event_loop(const loop_options& options)
    : time_(options.time ? *options.time : base::time_source::steady()),
      options_(options),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      now_(time_.now()),
      timers_(now_),
      spin_(options.spin ? *options.spin : never_spin) {
    if (!epoll_ || !event_) throw failure(system_error("event loop"));
    // Edge-triggered and never read: each write is an event of its own.
    epoll_event e{};
    e.events = EPOLLIN | EPOLLET;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, event_.get(), &e) != 0)
        throw failure(system_error("event loop"));
}

event_loop::~event_loop() = default;

// --- descriptors, work ---

result<void> event_loop::watch(pollable& p, int fd) {
    epoll_event e{};
    e.events = input;
    e.data.ptr = &p;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &e) != 0) return system_error("watch");
    p.fd_.store(fd, std::memory_order_relaxed);
    return {};
}

result<void> event_loop::watch_bell(pollable& p, int fd) {
    if (p.bell_.load(std::memory_order_relaxed) >= 0) return {};
    epoll_event e{};
    e.events = EPOLLIN | EPOLLET;
    e.data.ptr = &p;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &e) != 0) return system_error("watch");
    p.bell_.store(fd, std::memory_order_relaxed);
    return {};
}

void event_loop::keep_looking(pollable& p) noexcept {
    if (p.is_looked_at()) return;
    if (looked_at_count_ == most_looked_at) {
        pollable& oldest = looked_at_.pop_front();
        --looked_at_count_;
        if (!oldest.prepare_to_sleep()) make_ready(oldest, ready::read);
    }
    looked_at_.push_back(p);
    ++looked_at_count_;
}

result<void> event_loop::want_write(pollable& p) {
    epoll_event e{};
    e.events = input | EPOLLOUT;
    e.data.ptr = &p;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, p.fd_.load(std::memory_order_relaxed), &e) != 0)
        return system_error("want_write");
    p.wants_write_ = true;
    return {};
}

void event_loop::mute(pollable& p) noexcept {
    for (std::atomic<int>* watched : {&p.fd_, &p.bell_}) {
        if (const int fd = watched->load(std::memory_order_relaxed); fd >= 0)
            ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
        watched->store(-1, std::memory_order_relaxed);
    }
}

void event_loop::unwatch(pollable& p) noexcept {
    // Results of epoll_wait are moved to the ready list before anything else runs, so after this
    // nothing refers to the object any more.
    mute(p);
    p.flags_ = 0;
    p.wants_write_ = false;
    p.unlink();
    if (p.is_looked_at()) {
        p.base::list_hook<event_loop>::unlink();
        --looked_at_count_;
    }
    if (hot_ == &p) hot_ = nullptr;
}

void event_loop::remove(pollable& p) noexcept {
    unwatch(p);
    if (processing_ == &p) processing_ = nullptr;
}

void event_loop::make_ready(pollable& p, ready_flags flags) noexcept {
    p.flags_ |= flags;
    if (!p.linked()) ready_.push_back(p);
}

void event_loop::defer(work& w) noexcept {
    if (!w.linked()) deferred_.push_back(w);
}

void event_loop::post(work& w) noexcept {
    // Release for what the poster wrote before: whoever finds it posted already relies on run()
    // clearing the flag with acquire, after this.
    if (w.posted_.exchange(true, std::memory_order_acq_rel)) return;
    work* head = inbox_.load(std::memory_order_relaxed);
    do w.next_ = head;
    while (!inbox_.compare_exchange_weak(head, &w, std::memory_order_seq_cst,
                                         std::memory_order_relaxed));
    wake();
}

void event_loop::wake() noexcept {
    // seq_cst against sleep(): either it sees what was posted (or the stop) before it sleeps, or
    // we see that it sleeps.
    if (sleeping_.load(std::memory_order_seq_cst) &&
        sleeping_.exchange(false, std::memory_order_seq_cst))
        signal();
}

void event_loop::signal() noexcept {
    const int saved = errno;
    const std::uint64_t one = 1;
    // Cannot fail: the counter would overflow after 2^64 writes only.
    [[maybe_unused]] const ssize_t n = ::write(event_.get(), &one, sizeof one);
    errno = saved;
}

void event_loop::stop() noexcept {
    stop_.store(true, std::memory_order_seq_cst);
    wake();
}

loop_stats event_loop::stats() const noexcept {
    return {turns_.load(std::memory_order_relaxed), sleeps_.load(std::memory_order_relaxed),
            takeovers_.load(std::memory_order_relaxed)};
}

// --- running ---

event_loop::end event_loop::run() {
    thread_state& self = this_thread();
    self.loop = this;
    self.word = 0;
    owner_.store(::gettid(), std::memory_order_relaxed);
    if (processing_) go_on_after_take_over();
    while (!stop_.load(std::memory_order_seq_cst)) {
        if (run_lists() == turn::lost || wait() == turn::lost) return end::lost;
        collect();
    }
    self.loop = nullptr;
    return end::stopped;
}

void event_loop::run_ready() {
    thread_state& self = this_thread();
    const thread_state outer = self;
    self.loop = this;
    self.word = 0;
    sleeping_.store(false, std::memory_order_relaxed);
    int rounds = embedded_rounds;
    do {
        poll(0);
        collect();
        run_lists();  // cannot be lost: only a crew takes loops over
    } while (has_runnable() && --rounds > 0);
    stop_looking();
    // From here on post() has to make fd() readable; see wake().
    sleeping_.store(true, std::memory_order_seq_cst);
    if (has_runnable() || inbox_.load(std::memory_order_seq_cst)) wake();
    self = outer;
}

/// Everything that is due. On loss nothing more is touched; what is left is the new owner's.
turn event_loop::run_lists() {
    while (!due_.empty())
        if (due_.pop_front().on_timer(*this) == turn::lost) return turn::lost;
    while (!batch_.empty()) {
        active_ = true;
        work& w = batch_.pop_front();
        // Acquire: sees what those wrote who found it posted already.
        w.posted_.exchange(false, std::memory_order_acq_rel);
        const turn t = w.run(*this);
        if (t == turn::lost) return t;
        if (t == turn::again) defer(w);
    }
    while (!round_.empty()) {
        pollable& p = round_.pop_front();
        if (run_one(p, std::exchange(p.flags_, ready_flags(0))) == turn::lost) return turn::lost;
    }
    if (served_ > 1) hot_ = nullptr;
    flushing_.splice_back(deferred_);
    while (!flushing_.empty()) {
        work& w = flushing_.pop_front();
        const turn t = w.run(*this);
        if (t == turn::lost) return t;
        if (t == turn::again) defer(w);
    }
    return turn::done;
}

turn event_loop::run_one(pollable& p, ready_flags flags) {
    processing_ = &p;
    const turn t = p.on_ready(*this, flags);
    if (t == turn::lost) return t;
    const bool alive = processing_ == &p;  // else it was removed, and may be destroyed
    processing_ = nullptr;
    if (t == turn::nothing) return t;
    active_ = true;
    ++served_;
    if (alive && p.probe_ && !p.is_looked_at()) hot_ = &p;
    if (t == turn::again && alive) make_ready(p);
    return t;
}

bool event_loop::has_runnable() const noexcept {
    return !ready_.empty() || !round_.empty() || !batch_.empty() || !deferred_.empty() ||
           !due_.empty();
}

/// Finds the next things to do, and sleeps if there are none.
turn event_loop::wait() {
    const bool was_active = std::exchange(active_, false);
    served_ = 0;
    const bool busy = has_runnable();
    const bool news = look();
    if (busy || (news && ++probed_ >= probes_per_poll)) {
        probed_ = 0;
        poll(0);
    }
    if (busy || news) return turn::done;
    bool found = false;
    if (was_active && spin(found) == turn::lost) return turn::lost;
    if (!found) sleep();
    return turn::done;
}

turn event_loop::spin(bool& found) {
    if (!spin_.begin()) return turn::done;
    if (probed_ >= probes_per_poll) {
        probed_ = 0;
        poll(0);
        found = !ready_.empty();
    }
    const auto arrived = [this] {
        return inbox_.load(std::memory_order_relaxed) != nullptr ||
               stop_.load(std::memory_order_relaxed);
    };
    int tried = 0;
    for (bool ask_epoll = !hot_ && looked_at_.empty(); !found; ask_epoll = true) {
        for (tried = 0; tried < adaptive_spin::tries_per_round; ++tried) {
            if (hot_) {
                const turn t = run_one(*hot_, ready::probe);
                if (t == turn::lost) return t;  // spin_ is the new owner's
                found = t != turn::nothing;
            }
            found = found || look();
            if (!found && ask_epoll) {
                // Beside probing and looking, once per round is enough.
                ask_epoll = !hot_ && looked_at_.empty();
                poll(0);
                found = !ready_.empty();
            }
            found = found || arrived();
            if (found) {
                ++probed_;
                break;
            }
        }
        if (found || (options_.busy_elsewhere && options_.busy_elsewhere(options_.context)) ||
            spin_.over())
            break;
    }
    spin_.end(found ? tried : adaptive_spin::in_vain);
    return turn::done;
}

/// Makes those ready whose input has come through memory.
bool event_loop::look() noexcept {
    bool any = false;
    for (pollable& p : looked_at_) {
        if (p.linked() || !p.has_news()) continue;
        make_ready(p, ready::read);
        any = true;
    }
    return any;
}

/// From here on all input raises an event. False: some has come before.
bool event_loop::stop_looking() noexcept {
    bool none = true;
    while (!looked_at_.empty()) {
        pollable& p = looked_at_.pop_front();
        --looked_at_count_;
        if (p.prepare_to_sleep()) continue;
        make_ready(p, ready::read);
        none = false;
    }
    return none;
}

void event_loop::sleep() noexcept {
    if (inbox_.load(std::memory_order_relaxed) || !stop_looking()) return poll(0);
    const base::time_point next = timers_.next();
    int timeout = -1;
    if (next != base::never) {
        // Rounded up, or the loop would turn around in vain just before the time.
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - time_.now()).count();
        timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
    }
    sleeping_.store(true, std::memory_order_seq_cst);
    // What was posted before we said that we sleep rings no bell; see wake().
    if (inbox_.load(std::memory_order_seq_cst) || stop_.load(std::memory_order_seq_cst))
        timeout = 0;
    if (timeout != 0)
        sleeps_.store(sleeps_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    poll(timeout);
    sleeping_.store(false, std::memory_order_relaxed);
}

void event_loop::poll(int timeout_ms) noexcept {
    epoll_event events[most_events];
    const int n = ::epoll_wait(epoll_.get(), events, most_events, timeout_ms);
    for (int i = 0; i < n; ++i) {
        const epoll_event& e = events[i];
        if (!e.data.ptr) continue;  // woken: the inbox is looked at anyway
        pollable& p = *static_cast<pollable*>(e.data.ptr);
        ready_flags flags = 0;
        if (e.events & (EPOLLIN | EPOLLRDHUP)) flags |= ready::read;
        if (e.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) flags |= ready::end;
        if (e.events & (EPOLLHUP | EPOLLERR)) flags |= ready::read | ready::write | ready::hang_up;
        if (e.events & EPOLLOUT) flags |= ready::write;
        if (p.wants_write_ && (flags & ready::write)) {
            p.wants_write_ = false;
            epoll_event back{};
            back.events = input;
            back.data.ptr = &p;
            ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, p.fd_.load(std::memory_order_relaxed), &back);
        }
        make_ready(p, flags);
    }
}

/// Makes a round of what has arrived.
void event_loop::collect() noexcept {
    refresh_now();
    timers_.advance(now_, due_);
    collect_inbox();
    round_.splice_back(ready_);
    if (!active_ && !has_runnable()) return;
    // seq_cst: see monitor::notice(), which must come before any user code.
    turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
    if (monitor_) monitor_->notice();
}

void event_loop::collect_inbox() noexcept {
    if (!inbox_.load(std::memory_order_relaxed)) return;
    work* newest = inbox_.exchange(nullptr, std::memory_order_seq_cst);
    base::list<work> arrived;  // the inbox is last in, first out
    while (newest) {
        work& w = *newest;
        newest = w.next_;
        w.unlink();  // deferred as well: once is enough
        arrived.push_front(w);
    }
    batch_.splice_back(arrived);
}

// --- user code and take-over ---

ticket event_loop::enter(const void* what) noexcept {
    const std::uint64_t word = (ticket_.load(std::memory_order_relaxed) + 2) | user_bit;
    // Release: who reads this name also sees the end of the former bracket (monitor::look()).
    what_.store(what, std::memory_order_release);
    // Release: whoever takes the loop over sees everything the owner did before.
    ticket_.store(word, std::memory_order_release);
    this_thread().word = word;
    return ticket(word);
}

bool event_loop::leave(ticket t) noexcept {
    std::uint64_t expected = t.word_;
    const bool owns =
        ticket_.compare_exchange_strong(expected, t.word_ & ~user_bit, std::memory_order_acq_rel);
    thread_state& self = this_thread();
    self.word = 0;
    if (!owns) self.loop = nullptr;
    return owns;
}

/// Called by the crew once a thread is there to go on. Acquire pairs with enter().
bool event_loop::take(std::uint64_t word) noexcept {
    if (!ticket_.compare_exchange_strong(word, (word & ~user_bit) + 2, std::memory_order_acq_rel))
        return false;
    takeovers_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

/// On the new owner's thread: the pollable whose on_ready() called the user code that lost us.
void event_loop::go_on_after_take_over() {
    processing_->on_taken_over(*this);
    if (pollable* p = std::exchange(processing_, nullptr))
        make_ready(*p, ready::read | ready::write | ready::resumed);
}

void event_loop::before_blocking() noexcept {
    const thread_state& self = this_thread();
    if (self.pool) self.pool->note_blocked();
    if (!self.loop || self.word == 0) return;
    event_loop& loop = *self.loop;
    if (loop.crew_ && loop.ticket_.load(std::memory_order_relaxed) == self.word)
        loop.crew_->hand_over(loop, self.word);
}

event_loop* event_loop::current() noexcept {
    const thread_state& self = this_thread();
    if (!self.loop || self.word == 0) return self.loop;
    const bool lost = self.loop->ticket_.load(std::memory_order_relaxed) != self.word;
    return lost ? nullptr : self.loop;
}

bool event_loop::in_user_code() noexcept { return this_thread().word != 0; }

claim::claim(event_loop& loop) noexcept : loop_(loop) {
    thread_state& self = this_thread();
    if (self.loop != &loop) return;
    owns_ = true;
    if (self.word == 0) return;
    std::uint64_t expected = self.word;
    // Only this thread and a taker change the word while user code runs.
    owns_ = loop.ticket_.compare_exchange_strong(expected, expected & ~event_loop::user_bit,
                                                 std::memory_order_acq_rel);
    if (owns_) word_ = std::exchange(self.word, 0);
}

claim::~claim() {
    if (word_ == 0) return;
    // Release, as in enter(). The same word: the bracket is the same, and its age goes on.
    loop_.ticket_.store(word_, std::memory_order_release);
    this_thread().word = word_;
}

}  // namespace tenon::inline v0::loop
