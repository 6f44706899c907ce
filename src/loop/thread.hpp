#pragma once
// What the runtime knows about a thread of its own: what it runs for, and which loop it owns.

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "tenon/task.hpp"

namespace tenon::inline v0::loop {

class event_loop;
class worker_pool;

struct thread_state {
    event_loop* loop = nullptr;         // owned, or whose user code runs here
    std::uint64_t word = 0;             // the ticket while in user code, else 0
    const call_scope* scope = nullptr;  // of that user code
    const void* group = nullptr;        // the crew, pool or monitor that made the thread
    worker_pool* pool = nullptr;        // whose job runs here
    bool blocked = false;               // that job has told that it blocks
};

/// The calling thread's. Not to be kept across a coroutine's suspension.
thread_state& this_thread() noexcept;

/// Threads that count the same thing do so in parts, lest they all write to one cache line: which of
/// 16 is the calling thread's.
inline constexpr unsigned thread_parts = 16;
inline unsigned part_of_this_thread() noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(&this_thread());
    return static_cast<unsigned>(address / 64 * 0x9e37'79b9'7f4a'7c15U >> 60);
}

/// A thread with that name (cut at 15 characters) which blocks every signal except those that
/// report its own faults. Throws std::system_error.
std::thread start_thread(const std::string& name, const void* group, std::function<void()> main);

}  // namespace tenon::inline v0::loop
