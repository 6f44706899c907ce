#include "loop/thread.hpp"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace tenon::inline v0::loop {
namespace {

class signals_blocked {
public:
    signals_blocked() noexcept {
        sigset_t set;
        sigfillset(&set);
        for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT})
            sigdelset(&set, fault);
        pthread_sigmask(SIG_BLOCK, &set, &saved_);
    }
    ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &saved_, nullptr); }

private:
    sigset_t saved_;
};

constinit thread_local thread_state state;

}  // namespace

thread_state& this_thread() noexcept { return state; }

std::thread start_thread(const std::string& name, const void* group, std::function<void()> main) {
    const signals_blocked inherited;  // a new thread starts with its maker's mask
    constexpr std::size_t kernel_limit = 15;
    return std::thread([name = name.substr(0, kernel_limit), group, main = std::move(main)] {
        pthread_setname_np(pthread_self(), name.c_str());
        this_thread().group = group;
        main();
    });
}

}  // namespace tenon::inline v0::loop
