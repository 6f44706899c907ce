#include "base/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace tenon::inline v0::base {
namespace {

// The kernel's layout for this system call, independent of the width of the C library's time_t.
struct kernel_timespec {
    long seconds;
    long nanoseconds;
};

long futex(futex_word& word, int operation, std::uint32_t value,
           const kernel_timespec* timeout) noexcept {
    static_assert(sizeof(futex_word) == 4);
    return ::syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, timeout, nullptr, 0);
}

}  // namespace

void futex_wait(futex_word& word, std::uint32_t expected) noexcept {
    const int saved = errno;
    futex(word, FUTEX_WAIT, expected, nullptr);
    errno = saved;
}

bool futex_wait_for(futex_word& word, std::uint32_t expected,
                    std::chrono::nanoseconds timeout) noexcept {
    if (timeout.count() <= 0) return false;
    constexpr std::int64_t second = 1'000'000'000;
    const std::int64_t whole = timeout.count() / second;
    const kernel_timespec t{whole < INT_MAX ? static_cast<long>(whole) : INT_MAX,
                            static_cast<long>(timeout.count() % second)};
    const int saved = errno;
    const bool timed_out = futex(word, FUTEX_WAIT, expected, &t) != 0 && errno == ETIMEDOUT;
    errno = saved;
    return !timed_out;
}

void futex_wake(futex_word& word, int count) noexcept {
    const int saved = errno;
    futex(word, FUTEX_WAKE, static_cast<std::uint32_t>(count), nullptr);
    errno = saved;
}

void futex_wake_all(futex_word& word) noexcept { futex_wake(word, INT_MAX); }

}  // namespace tenon::inline v0::base
