#pragma once
// stream_inlet: the receiving end of one direction: the bounded queue of values that have come and
// were not taken, and those who wait for one.
//
// Values are fed encoded (from a connection) or as objects (in process). One that somebody waits
// for is handed to the waiter and never queued. What was taken is told to the feeder in batches,
// which grants as much anew, so that there are never more than `window` values here. Where values
// may be of any size few are granted at first, and more once they have shown to be small.

#include <algorithm>
#include <atomic>
#include <optional>

#include "codec/codec.hpp"
#include "loop/spin.hpp"
#include "rpc/stream/queues.hpp"
#include "rpc/stream/value_memory.hpp"
#include "rpc/stream/waiter.hpp"

namespace tenon::inline v0::rpc {

class stream_inlet;

/// Where an inlet's values come from. Called without its mutex, by any thread.
class stream_feeder {
public:
    /// n values were taken: as many may follow.
    virtual void consumed(std::uint32_t n) noexcept = 0;
    /// No more values are wanted.
    virtual void stopped() noexcept = 0;
    /// The receiver has dealt with all values up to that number.
    virtual void acknowledged(std::uint64_t number) noexcept = 0;
    /// Why the receiver cannot go on elsewhere.
    virtual std::optional<error> cannot_seek() = 0;
    /// It does, for the number-th time.
    virtual void seek(std::uint32_t number, const stream_start& to) noexcept = 0;
    /// Where a coroutine without a loop of its own goes on.
    virtual loop::event_loop* fallback() noexcept = 0;

protected:
    ~stream_feeder() = default;
};

/// Somebody who waits for a value.
class inlet_waiter final : public stream_waiter {
public:
    inlet_waiter() noexcept = default;
    void on_cancel() noexcept override;

    stream_inlet* in = nullptr;
    void* to = nullptr;
    detail::arrival outcome = detail::arrival::none;
};

class stream_inlet final : public detail::inlet {
public:
    /// `first`: what is granted before anything is known of the values.
    stream_inlet(const detail::value_ops& ops, std::uint32_t window, std::uint32_t first,
                 stream_feeder& feeder, const loop::spin_policy& spin) noexcept
        : ops_(ops),
          window_(window),
          feeder_(feeder),
          granted_(std::min(first, window)),
          objects_(ops),
          spin_(spin) {}
    stream_inlet(const stream_inlet&) = delete;
    stream_inlet& operator=(const stream_inlet&) = delete;
    ~stream_inlet() = default;

    const detail::value_ops& ops() const noexcept { return ops_; }
    /// What is granted before the first value is taken.
    std::uint32_t first_grant() const noexcept { return granted_; }
    /// Before the first value; of encoded ones.
    void set_codec(codec c, const decode_options& options) noexcept {
        codec_ = c;
        decoding_ = options;
    }
    void set_origin(const stream_origin& o) noexcept { origin_ = o; }
    /// Before the first value: encoded ones come over a connection, which grants, and does not ask
    /// for room. `of`: where memory for them comes from; the stream fails when there is no more.
    void set_connected(std::shared_ptr<value_memory> of) noexcept {
        is_connected_ = true;
        memory_.set(std::move(of));
    }
    /// Before the first value: the feeder is told of every value that is taken, at once.
    void tell_at_once() noexcept { at_once_ = true; }
    /// Values that may come at once are not to be much more than that.
    static constexpr std::size_t wanted_bytes = std::size_t{1} << 20;

    // Feeding. Any thread, one at a time; `turn::lost` if a coroutine that was resumed lost the
    // loop.
    /// A value that cannot be decoded ends the stream, and the feeder is told to stop; or `misfit` is
    /// set instead of that.
    loop::turn push(const coding::source& data, base::block_ref owner, const value_note& note,
                    bool* misfit = nullptr);
    /// False: there is no room.
    bool push_object(void* value, bool movable, const value_note& note, loop::turn& t);
    /// No more values come. The first end counts.
    loop::turn end(std::optional<error> why, const value_note& last = {});
    /// What comes now is from where the number-th seek led to.
    void reached(std::uint32_t number) noexcept;
    /// What comes now is of before a seek.
    bool is_stale();
    bool has_room();
    bool is_stopped();

    // detail::inlet
    detail::arrival poll(void* to) override;
    detail::arrival wait(void* to, base::time_point until) override;
    bool suspend(detail::stream_wait& w, void* to, std::coroutine_handle<> h,
                 const call_scope* scope) override;
    void hop(detail::stream_wait& w, std::coroutine_handle<> h, const call_scope* scope) override;
    std::optional<error> failure() override;
    stream_origin origin() const noexcept override { return origin_; }
    void acknowledge(std::uint64_t number) noexcept override { feeder_.acknowledged(number); }
    void skip(std::uint64_t n) override;
    result<void> seek(const stream_start& to) override;
    void stop() noexcept override;
    stream_stats stats() override;

    /// For a waiter that is given up.
    void leave(inlet_waiter& w) noexcept;

private:
    /// What is to be told to the feeder, without the mutex.
    struct news {
        std::uint32_t grant = 0;
        bool misfit = false;  // a value was not what it should be, so that no more are wanted
    };

    class takers;  // holds taking_
    class whole;   // both

    // taking_ or mutex_, whichever guards where the value comes from.
    detail::arrival take_encoded(encoded_queue& from, void* to, news& n);
    bool decode(const coding::source& from, void* to);
    // Both held.
    detail::arrival take(void* to, news& n);
    detail::arrival take_or_wait(inlet_waiter& w, news& n);
    void set_apart() noexcept;
    void clear() noexcept;
    // mutex_ held.
    void end_at_misfit();
    bool is_over() const noexcept { return ended_ || stopped_; }
    bool is_skipped(const value_note& n, std::size_t size) noexcept;
    void note_taken(const value_note& n, std::size_t size) noexcept;
    std::uint32_t due_grant(bool waits) noexcept;
    void take_waiters(base::list<inlet_waiter>& to) noexcept;

    // Neither.
    detail::arrival try_take(void* to, bool grant_all);
    void tell(const news& n) noexcept;
    loop::turn fail_here(error e);

    const detail::value_ops& ops_;
    const std::uint32_t window_;
    bool at_once_ = false;
    bool is_connected_ = false;
    stream_feeder& feeder_;
    codec codec_ = codec::msgpack;
    decode_options decoding_;
    stream_origin origin_;

    // Takers hold taking_, and have encoded values set apart in a row, so that they meet the feeder
    // once for many values. mutex_ comes second, and guards the rest. What is noted of values taken
    // may be changed with mutex_ alone while nothing is set apart: as long as somebody waits, values
    // are skipped, or a seek is under way.
    base::mutex taking_;
    encoded_queue apart_;          // the oldest values
    std::optional<error> misfit_;  // why a value could not be decoded
    std::uint32_t taken_ = 0;      // since the last grant
    std::uint32_t granted_;        // values that may be on their way or here
    std::uint64_t bytes_ = 0;      // of all encoded values that were taken
    stream_stats stats_;

    alignas(64) base::mutex mutex_;  // takers and the feeder do not share a cache line
    encoded_queue encoded_;
    std::size_t apart_bytes_ = 0;  // of those that were set apart at once
    value_memory_share memory_;    // of both
    object_queue objects_;
    base::list<inlet_waiter> waiters_;
    std::optional<error> failure_;
    std::atomic<bool> ended_{false};  // set with mutex_
    bool stopped_ = false;
    std::uint32_t sought_ = 0;   // seeks, and …
    std::uint32_t reached_ = 0;  // … the one that values come of; another: they are dropped
    std::uint64_t skip_ = 0;     // so many of the values to come are dropped
    std::uint64_t lost_at_end_ = 0;

    loop::adaptive_spin spin_;  // of one blocking waiter at a time
    std::atomic<bool> spinning_{false};
    std::atomic<std::uint64_t> news_{0};  // changes with every push; for who spins
};

}  // namespace tenon::inline v0::rpc
