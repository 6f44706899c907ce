#pragma once
// Ctrl-C.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tenon/cancellation.hpp"

namespace cli {

/// While it lives, SIGINT cancels cancellation() instead of ending the process; if the process has
/// not ended half a second later, it ends with exit code 130. A process that was started with
/// SIGINT ignored goes on ignoring it. To be made before any other thread is started.
class interruption {
public:
    static constexpr int exit_code = 130;

    interruption();
    ~interruption();
    interruption(const interruption&) = delete;
    interruption& operator=(const interruption&) = delete;

    bool happened() const noexcept { return cancellation_.is_cancelled(); }
    /// For calls.
    tenon::cancellation& cancellation() noexcept { return cancellation_; }
    /// Sleeps; an interruption ends it early.
    void sleep_for(std::chrono::milliseconds time);
    /// Ends a sleep_for() that is under way.
    void wake();

private:
    void wait_for_signal();

    tenon::cancellation cancellation_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool over_ = false;
    bool woken_ = false;
    std::thread watcher_;
};

}  // namespace cli
