#pragma once
// The core of streams: what the templates of tenon/stream.hpp stand on. Users need `overflow` and
// stream_stats only.

#include <array>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "tenon/error.hpp"
#include "tenon/handler.hpp"
#include "tenon/options.hpp"
#include "tenon/result.hpp"
#include "tenon/shape.hpp"
#include "tenon/task.hpp"

namespace tenon::inline v0 {

/// What one end of one direction of a stream has done. Dropped values are counted on both sides, if
/// the other is Tenon's.
struct stream_stats {
    std::uint64_t passed = 0;    ///< values sent, or taken by the receiver
    std::uint64_t lost = 0;      ///< values dropped on the way
    std::uint64_t position = 0;  ///< of the last value passed; 0: the stream has no positions
    std::uint64_t epoch = 0;     ///< of the log that the position is from
    std::size_t waiting = 0;     ///< values in the queue of this end
};

/// Where a stream with positions begins. Sources without a log take no notice of it.
struct stream_start {
    enum class at : std::uint8_t {
        unsaid,    ///< as the source likes; a log: with what comes
        earliest,  ///< with the oldest value there is
        latest,    ///< with what comes
        position,  ///< with the value at `position`, or the first after it
        time,      ///< with the first value not older than `time`
    };
    at where = at::unsaid;
    std::uint64_t position = 0;
    std::uint64_t epoch = 0;  ///< of the log that `position` is from; 0: any
    std::chrono::system_clock::time_point time{};

    static stream_start earliest() noexcept { return {at::earliest, 0, 0, {}}; }
    static stream_start latest() noexcept { return {at::latest, 0, 0, {}}; }
    static stream_start at_position(std::uint64_t p, std::uint64_t epoch = 0) noexcept {
        return {at::position, p, epoch, {}};
    }
    static stream_start since(std::chrono::system_clock::time_point t) noexcept {
        return {at::time, 0, 0, t};
    }
};

/// Whose values a stream brings, for receivers that store each once: values of one session are
/// numbered through all streams that bring them.
struct stream_origin {
    std::array<std::byte, 16> session{};  ///< random; all zero: none
    std::uint64_t number = 1;             ///< of the stream's first value
    explicit operator bool() const noexcept { return session != decltype(session){}; }
};

/// How one stream is opened.
struct open_options : call_options {
    stream_start start{};
    std::uint32_t window = 0;  ///< values on their way to here at most; 0: as declared
    stream_origin origin{};    ///< of what is sent
};

namespace detail {

/// How objects of a type are kept in queues.
struct value_ops {
    const shape* type;  // null: never encoded
    std::size_t size;
    std::size_t align;
    bool is_flat;                                 // without memory of its own
    void (*move)(void* to, void* from) noexcept;  // constructs `to`, and destroys `from`
    void (*take)(void* to, void* from) noexcept;  // construct `to` from a value that …
    void (*copy)(void* to, const void* from);     // … may be moved from, or not; may be null
    void (*assign)(void* to, void* from);         // to a live object; `from` is moved from
    void (*destroy)(void*) noexcept;
};

/// Of objects that need not be described, and never leave the process.
template <class T>
constexpr value_ops make_object_ops() {
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "values of streams are moved, which must not throw");
    static_assert(std::is_default_constructible_v<T>, "values of streams are made, then filled");
    static_assert(!std::is_same_v<T, std::string_view> && !std::is_same_v<T, bytes_view>,
                  "values of streams outlive what they came in: use std::string or tenon::bytes "
                  "instead of a view");
    value_ops o{};
    o.size = sizeof(T);
    o.align = alignof(T);
    o.is_flat = std::is_trivially_copyable_v<T>;
    o.move = [](void* to, void* from) noexcept {
        ::new (to) T(std::move(*static_cast<T*>(from)));
        static_cast<T*>(from)->~T();
    };
    o.take = [](void* to, void* from) noexcept { ::new (to) T(std::move(*static_cast<T*>(from))); };
    if constexpr (std::is_copy_constructible_v<T>)
        o.copy = [](void* to, const void* from) { ::new (to) T(*static_cast<const T*>(from)); };
    o.assign = [](void* to, void* from) {
        *static_cast<T*>(to) = std::move(*static_cast<T*>(from));
    };
    o.destroy = [](void* v) noexcept { static_cast<T*>(v)->~T(); };
    return o;
}
template <class T>
inline constexpr value_ops object_ops_of = make_object_ops<T>();

template <class T>
constexpr value_ops make_value_ops() {
    value_ops o = make_object_ops<T>();
    o.type = &shape_of<T>();
    return o;
}
/// Of nothing: a direction without values.
template <>
constexpr value_ops make_value_ops<void>() {
    value_ops o{};
    o.type = &shape_of<void>();
    return o;
}
template <class T>
inline constexpr value_ops value_ops_of = make_value_ops<T>();

using time_point = std::chrono::steady_clock::time_point;

/// How taking a value came out.
enum class arrival : std::uint8_t {
    value,     ///< there is one
    none,      ///< not yet
    ended,     ///< there will be none: see failure()
    given_up,  ///< whoever waited has been cancelled
};
/// How handing over a value came out.
enum class departure : std::uint8_t {
    sent,
    dropped,   ///< as the policy says
    full,      ///< there is no room yet; the value is untouched
    closed,    ///< the receiver takes no more: see failure()
    given_up,  ///< whoever waited has been cancelled
};

/// One coroutine that waits for a value, or for room. The library keeps in it what it needs.
class stream_wait {
public:
    stream_wait() noexcept {}
    stream_wait(const stream_wait&) = delete;
    stream_wait& operator=(const stream_wait&) = delete;
    ~stream_wait() {
        if (destroy_) destroy_(storage_);
    }

    // For the library.
    template <class W>
    W& make() noexcept {
        static_assert(sizeof(W) <= storage_size);
        destroy_ = [](void* w) noexcept { static_cast<W*>(w)->~W(); };
        return *::new (storage_) W;
    }
    template <class W>
    W& get() noexcept {
        return *std::launder(reinterpret_cast<W*>(storage_));
    }

private:
    static constexpr std::size_t storage_size = 192;
    void (*destroy_)(void*) noexcept = nullptr;
    alignas(std::max_align_t) std::byte storage_[storage_size];
};

/// The receiving end of one direction. Thread-safe; objects are live and of the direction's type.
class TENON_API inlet {
public:
    /// Never waits.
    virtual arrival poll(void* to) = 0;
    /// Blocks; `none` after `until`.
    virtual arrival wait(void* to, time_point until) = 0;
    /// After poll() has said `none`. False: has come out at once, as outcome_of() says. True: the
    /// coroutine is resumed once it has; this thread must not touch `w` any more.
    virtual bool suspend(stream_wait& w, void* to, std::coroutine_handle<> h,
                         const call_scope* scope) = 0;
    static arrival outcome_of(stream_wait& w) noexcept;
    /// The coroutine goes on in user code of the loop that belongs to the stream.
    virtual void hop(stream_wait& w, std::coroutine_handle<> h, const call_scope* scope) = 0;
    /// Why no more values come; nothing: the sender has ended, or it has not.
    virtual std::optional<error> failure() = 0;
    /// Whose values come, and the number of the first.
    virtual stream_origin origin() const noexcept = 0;
    /// Tells the sender that all values up to that number have been dealt with.
    virtual void acknowledge(std::uint64_t number) noexcept = 0;
    /// The next n values are dropped as they come.
    virtual void skip(std::uint64_t n) = 0;
    /// Goes on elsewhere: what comes from before is dropped. See reader::seek().
    virtual result<void> seek(const stream_start& to) = 0;
    /// No more values are wanted; those that wait are dropped.
    virtual void stop() noexcept = 0;
    virtual stream_stats stats() = 0;

protected:
    ~inlet();
};

/// Told, by any thread, that outlet::sought() has something to tell.
class TENON_API seek_listener {
public:
    virtual void on_seek() noexcept = 0;

protected:
    ~seek_listener();
};

/// The sending end of one direction. Thread-safe.
class TENON_API outlet {
public:
    /// Never waits. `movable`: the value may be moved from, which it is unless it is `full`.
    virtual departure try_send(void* value, bool movable) = 0;
    /// Blocks while it is full; `full` after `until`.
    virtual departure send(void* value, bool movable, time_point until) = 0;
    /// As inlet::suspend(); the value must stay until the coroutine is resumed.
    virtual bool suspend(stream_wait& w, void* value, bool movable, std::coroutine_handle<> h,
                         const call_scope* scope) = 0;
    static departure outcome_of(stream_wait& w) noexcept;
    /// The next value is at this position of a log; those behind it follow one by one. What is
    /// passed over counts as lost.
    virtual void place_next(std::uint64_t position, std::uint64_t epoch) noexcept = 0;
    /// Where the receiver asked to begin.
    virtual stream_start start() const noexcept = 0;
    /// Before the first value; see writer::allow_seeking().
    virtual void allow_seeking(std::weak_ptr<seek_listener> told) = 0;
    virtual std::optional<stream_start> sought() noexcept = 0;
    /// The number up to which the receiver has acknowledged.
    virtual std::uint64_t acknowledged() const noexcept = 0;
    /// Blocks until it has acknowledged so many. False: after `until`, or it never will.
    virtual bool wait_acknowledged(std::uint64_t number, time_point until) = 0;
    /// No more values follow; those that wait are still sent.
    virtual void finish() noexcept = 0;
    virtual void fail(error e) noexcept = 0;
    /// Why it is closed.
    virtual error failure() = 0;
    virtual bool is_open() noexcept = 0;
    virtual stream_stats stats() = 0;
    /// What happens to values for which there is no room; to be changed before the first value.
    virtual flow_settings flow() = 0;
    virtual void set_flow(const flow_settings& flow) = 0;

protected:
    ~outlet();
};

/// The ends of a stream that one side has; null where a direction does not exist. Whoever lets go
/// of the last copy of one gives up that direction: an inlet is stopped; an outlet is finished by
/// the server, and cancelled by the client.
struct stream_ends {
    std::shared_ptr<inlet> in;
    std::shared_ptr<outlet> out;
};

[[noreturn]] TENON_API void throw_stream_failure(error e);
TENON_API error no_stream();
TENON_API error given_up();

/// A client's ends of a stream that could not be opened.
TENON_API stream_ends failed_stream(const stream_types& types, error why);

/// Of the call being served, which must be one of a stream.
TENON_API stream_ends accept_stream(context&);

}  // namespace detail
}  // namespace tenon::inline v0
