#pragma once
// The threads that own loops, and those that stand by to take one over.
//
// A thread whose loop was taken over finishes the user code it is in and then stands by itself. A
// few standby threads are kept; the others end after some seconds without use. All threads block
// every signal and are named.

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/intrusive.hpp"
#include "base/mutex.hpp"
#include "loop/loop.hpp"

namespace tenon::inline v0::loop {

struct crew_options {
    /// Threads in all. When they are used up no loop is taken over any more.
    std::size_t max_threads = 256;
    /// Standby threads that are kept for good …
    std::size_t kept_idle = 2;
    /// … and how long the others wait for use.
    std::chrono::milliseconds idle_time{10'000};
    /// At most 15 characters.
    std::string name = "tenon-loop";
};

/// Thread-safe. Must be destroyed before its loops.
class crew {
public:
    explicit crew(crew_options options = {});
    crew(const crew&) = delete;
    crew& operator=(const crew&) = delete;
    /// stop(); aborts if called on one of its own threads.
    ~crew();

    /// Runs `loop` on a thread of the crew until stop(). `unavailable` if no thread can be made.
    result<void> start(event_loop& loop);

    /// Stops all loops and joins all threads, also those that still run user code. `conflict` if
    /// called on one of its own threads, and then nothing happens.
    result<void> stop();

    /// Whether the calling thread is one of the crew.
    bool in_crew() const noexcept;

    /// Threads alive, and those of them standing by.
    std::size_t threads() const noexcept;
    std::size_t idle() const noexcept;

private:
    friend class event_loop;
    friend class monitor;
    class member;

    /// Gives `loop` to a standby thread if it is still in the user code that `word` stands for.
    bool hand_over(event_loop& loop, std::uint64_t word) noexcept;

    member* reserve() noexcept;
    void give_back(member& m) noexcept;
    void main(member& m) noexcept;
    event_loop* stand_by(member& m) noexcept;
    void join_ended() noexcept;

    const crew_options options_;
    mutable base::mutex mutex_;  // guards all below
    base::list<member> idle_;
    base::list<member> ended_;
    std::size_t idle_count_ = 0;
    std::size_t ended_count_ = 0;
    std::vector<event_loop*> loops_;
    std::vector<std::unique_ptr<member>> members_;
    bool stopping_ = false;
};

}  // namespace tenon::inline v0::loop
