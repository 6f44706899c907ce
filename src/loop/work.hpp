#pragma once
// What a loop runs at the request of its users, and how such a step ends.

#include <atomic>
#include <cstdint>

#include "base/intrusive.hpp"

namespace tenon::inline v0::loop {

class event_loop;

/// How a step on the loop ended.
enum class turn : std::uint8_t {
    done,     ///< nothing more to do now; the object may be gone
    nothing,  ///< as done, and there was nothing to do in the first place (a probe in vain)
    again,    ///< has more work: call again behind the others
    lost,     ///< the loop was taken over while user code ran; the caller must return it at once
};

/// Something to run once on the loop. One object is queued at most once at a time: queueing it
/// again before it has begun to run does nothing. It must not be destroyed while it is posted.
class work : public base::list_hook<> {
public:
    /// Owner. The object is free to be queued again or destroyed. `again` runs it once more in the
    /// next round.
    virtual turn run(event_loop& loop) = 0;

    /// Posted and not yet begun. A hint unless the caller knows of all posters.
    bool posted() const noexcept { return posted_.load(std::memory_order_relaxed); }

protected:
    work() noexcept = default;
    ~work() = default;

private:
    friend class event_loop;

    work* next_ = nullptr;  // in the inbox
    std::atomic<bool> posted_{false};
};

/// Calls `(owner.*Member)(loop)`: work as a data member.
template <auto Member>
class member_work;
template <class Owner, turn (Owner::*Member)(event_loop&)>
class member_work<Member> final : public work {
public:
    explicit member_work(Owner& owner) noexcept : owner_(owner) {}
    turn run(event_loop& loop) override { return (owner_.*Member)(loop); }

private:
    Owner& owner_;
};

}  // namespace tenon::inline v0::loop
