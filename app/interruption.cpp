#include "interruption.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

namespace cli {

namespace {

// SIGRTMIN ends the watcher.
sigset_t watched() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGRTMIN);
    return set;
}

}  // namespace

interruption::interruption() {
    const sigset_t set = watched();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    watcher_ = std::thread([this] { wait_for_signal(); });
}

interruption::~interruption() {
    {
        const std::lock_guard lock(mutex_);
        over_ = true;
    }
    changed_.notify_all();
    pthread_kill(watcher_.native_handle(), SIGRTMIN);
    watcher_.join();
}

void interruption::wait_for_signal() {
    const sigset_t set = watched();
    int signal = 0;
    sigwait(&set, &signal);
    if (signal != SIGINT) return;
    cancellation_.cancel();
    std::unique_lock lock(mutex_);
    changed_.notify_all();
    if (!changed_.wait_for(lock, std::chrono::milliseconds(500), [this] { return over_; }))
        _exit(exit_code);
}

void interruption::sleep_for(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [this] { return happened() || over_ || woken_; });
    woken_ = false;
}

void interruption::wake() {
    {
        const std::lock_guard lock(mutex_);
        woken_ = true;
    }
    changed_.notify_all();
}

}  // namespace cli
