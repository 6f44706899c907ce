#include "loop/crew.hpp"

#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "base/futex.hpp"
#include "loop/thread.hpp"

namespace tenon::inline v0::loop {

/// A thread of the crew: running a loop, standing by (in idle_), reserved for a loop, or ended.
class crew::member : public base::list_hook<> {
public:
    /// Ends the wait of stand_by(): with a loop, or null to end the thread.
    void assign(event_loop* loop) noexcept {
        loop_ = loop;
        // Release: the thread sees loop_, and all that the loop's last owner did.
        assigned_.store(1, std::memory_order_release);
        base::futex_wake(assigned_);
    }
    bool assigned() const noexcept { return assigned_.load(std::memory_order_acquire) != 0; }
    void wait() noexcept { base::futex_wait(assigned_, 0); }
    bool wait_for(std::chrono::nanoseconds t) noexcept {
        return base::futex_wait_for(assigned_, 0, t);
    }
    event_loop* collect() noexcept {
        assigned_.store(0, std::memory_order_relaxed);
        return std::exchange(loop_, nullptr);
    }

    std::thread thread;

private:
    base::futex_word assigned_{0};
    event_loop* loop_ = nullptr;
};

crew::crew(crew_options options) : options_(std::move(options)) {}

crew::~crew() {
    if (!stop()) std::terminate();
}

bool crew::in_crew() const noexcept { return this_thread().group == this; }

result<void> crew::start(event_loop& loop) {
    member* const m = reserve();
    if (!m) return tenon::error(errc::unavailable, "no thread for an event loop");
    {
        const std::lock_guard lock(mutex_);
        loops_.push_back(&loop);
    }
    loop.crew_ = this;
    m->assign(&loop);
    return {};
}

result<void> crew::stop() {
    if (in_crew())
        return tenon::error(errc::conflict, "a loop's threads cannot be stopped from within");
    std::vector<std::unique_ptr<member>> members;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        for (event_loop* l : loops_) l->stop();
        while (!idle_.empty()) idle_.pop_front().assign(nullptr);
        idle_count_ = 0;
        ended_.clear();
        ended_count_ = 0;
        members.swap(members_);
    }
    for (const auto& m : members) m->thread.join();
    const std::lock_guard lock(mutex_);
    for (event_loop* l : loops_) l->crew_ = nullptr;
    loops_.clear();
    stopping_ = false;
    return {};
}

std::size_t crew::threads() const noexcept {
    const std::lock_guard lock(mutex_);
    return members_.size() - ended_count_;
}

std::size_t crew::idle() const noexcept {
    const std::lock_guard lock(mutex_);
    return idle_count_;
}

bool crew::hand_over(event_loop& loop, std::uint64_t word) noexcept {
    // First somebody to go on, then the loop: it must never be without an owner.
    member* const m = reserve();
    if (!m) return false;
    if (!loop.take(word)) return give_back(*m), false;
    m->assign(&loop);
    return true;
}

/// An idle thread, or a new one; null if there is none to be had.
crew::member* crew::reserve() noexcept {
    const std::lock_guard lock(mutex_);
    if (stopping_) return nullptr;
    if (!idle_.empty()) {
        --idle_count_;
        return &idle_.pop_front();
    }
    join_ended();
    if (members_.size() >= options_.max_threads) return nullptr;
    try {
        auto made = std::make_unique<member>();
        members_.reserve(members_.size() + 1);
        member& m = *made;
        m.thread = start_thread(options_.name, this, [this, &m] { main(m); });
        members_.push_back(std::move(made));
        return &m;
    } catch (...) {  // no memory, or the system's limit of threads
        return nullptr;
    }
}

/// A reserved thread that is not needed after all.
void crew::give_back(member& m) noexcept {
    const std::lock_guard lock(mutex_);
    if (stopping_) return m.assign(nullptr);
    idle_.push_front(m);
    ++idle_count_;
}

void crew::main(member& m) noexcept {
    while (event_loop* const loop = stand_by(m)) {
        loop->run();  // stopped, or lost to another member
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        idle_.push_front(m);
        ++idle_count_;
    }
}

/// Waits to be given a loop. Null: the thread is to end.
event_loop* crew::stand_by(member& m) noexcept {
    while (!m.assigned()) {
        bool surplus = false;
        {
            const std::lock_guard lock(mutex_);
            surplus = m.linked() && idle_count_ > options_.kept_idle;
        }
        if (!surplus) {
            m.wait();
            continue;
        }
        if (m.wait_for(options_.idle_time)) continue;
        const std::lock_guard lock(mutex_);
        if (!m.linked() || idle_count_ <= options_.kept_idle) continue;  // reserved meanwhile
        m.unlink();
        --idle_count_;
        ended_.push_back(m);
        ++ended_count_;
        return nullptr;
    }
    return m.collect();
}

/// Their threads have nothing left to do but return, so this does not wait for anything.
void crew::join_ended() noexcept {
    while (!ended_.empty()) {
        member& m = ended_.pop_front();
        --ended_count_;
        m.thread.join();
        std::erase_if(members_, [&m](const auto& p) { return p.get() == &m; });
    }
}

}  // namespace tenon::inline v0::loop
