#pragma once
// log<T>: values in order, each at a position, kept in memory or in files: what a source replays
// and what a sink stores.
//
//     tenon::log<tick> ticks({.directory = "/var/lib/demo/ticks"});
//     feed.ticks = ticks;                       // a source: clients choose where to begin
//     feed.record = ticks;                      // a sink: values are acknowledged once they are safe
//     ticks.append({1, 99.5});
//
// A client that starts at a position gets every value from there on that is still kept; what is not
// is announced as a gap. Values of a sender that numbers them (tenon::delivery) are stored once,
// however often they come.

#include <cstdint>
#include <memory>
#include <utility>

#include "tenon/journal.hpp"
#include "tenon/stream.hpp"

namespace tenon::inline v0 {

class runtime;

namespace detail {

/// Reads on and on from a log.
class TENON_API log_cursor : public seek_listener {
public:
    enum class step : std::uint8_t { value, end };

    virtual ~log_cursor();
    /// Goes on elsewhere.
    virtual void seek(const stream_start& to) = 0;
    /// Decodes the next value into a live object; throws failure if the log cannot be read.
    virtual step next(void* to) = 0;
    virtual std::uint64_t position() const noexcept = 0;
    /// Gives a value when there may be more.
    virtual reader<bool>& news() = 0;
};

/// Stores what one stream brings.
class TENON_API log_intake {
public:
    virtual ~log_intake();
    /// False: too much is under way; wait for news. Throws failure if it cannot be stored.
    virtual bool store(const void* value) = 0;
    /// Whether all is stored; throws failure if something could not be.
    virtual bool is_settled() = 0;
    /// Gives a value when something has been stored.
    virtual reader<bool>& news() = 0;
};

class TENON_API log_core {
public:
    /// Throws failure: `conflict` if another process has it open, `invalid`, or why it cannot be
    /// read.
    static std::shared_ptr<log_core> open(const log_options& options, tenon::runtime* runtime,
                                          const value_ops& ops);
    virtual ~log_core();

    virtual result<std::uint64_t> append(const void* value) = 0;
    virtual std::shared_ptr<log_cursor> read(const stream_start& from) = 0;
    /// `from` must outlive it.
    virtual std::unique_ptr<log_intake> take_in(std::shared_ptr<inlet> from) = 0;
    virtual std::uint64_t epoch() const noexcept = 0;
    virtual std::uint64_t first() const = 0;
    virtual std::uint64_t next() const = 0;
};

}  // namespace detail

/// A handle; copies share the log. Thread-safe. Lives until the last copy, and the last stream it
/// serves, are gone.
template <class T>
class log {
public:
    /// Throws failure: `conflict` if it is open elsewhere, or why it cannot be read. `runtime`: whose
    /// loops those who wait for values go on; null: runtime::process().
    explicit log(const log_options& options = {}, tenon::runtime* runtime = nullptr)
        : core_(detail::log_core::open(options, runtime, detail::value_ops_of<T>)) {}

    /// Waits until the value is as safe as the options promise; its position, from 1.
    result<std::uint64_t> append(const T& value) { return core_->append(std::addressof(value)); }

    /// The oldest position kept, and the one after the newest.
    std::uint64_t first() const { return core_->first(); }
    std::uint64_t next() const { return core_->next(); }
    /// A number of this log; positions of another have nothing to do with its own.
    std::uint64_t epoch() const noexcept { return core_->epoch(); }

    /// As the implementation of a source: everything from where the client asked to begin, and on
    /// and on as values are appended.
    template <class... Args>
    task<void> operator()(writer<T> out, const Args&...) const {
        return replay(core_, std::move(out));
    }
    /// As that of a sink: stores each value and acknowledges it once it is safe.
    template <class... Args>
    task<void> operator()(reader<T> in, const Args&...) const {
        return store(core_, std::move(in));
    }

private:
    static task<void> replay(std::shared_ptr<detail::log_core> core, writer<T> out) {
        const std::shared_ptr<detail::log_cursor> at = core->read(out.start());
        out.core()->allow_seeking(at);
        announce(*core, out, out.start());
        T value{};
        for (;;) {
            if (const auto to = out.sought()) {
                announce(*core, out, *to);
                at->seek(*to);
            }
            if (at->next(std::addressof(value)) == detail::log_cursor::step::end) {
                (void)co_await at->news().next();
                continue;
            }
            out.place_next(at->position(), core->epoch());
            (void)co_await out.send_async(std::move(value));
        }
    }

    /// What the log does not hold any more from there on is a gap.
    static void announce(const detail::log_core& core, writer<T>& out, const stream_start& from) {
        const bool asks_here = from.epoch == 0 || from.epoch == core.epoch();
        if (from.where == stream_start::at::position && from.position != 0 && asks_here)
            out.place_next(from.position, core.epoch());
    }

    static task<void> store(std::shared_ptr<detail::log_core> core, reader<T> in) {
        const std::unique_ptr<detail::log_intake> into = core->take_in(in.core());
        while (auto value = co_await in.next())
            while (!into->store(std::addressof(*value))) (void)co_await into->news().next();
        while (!into->is_settled()) (void)co_await into->news().next();
    }

    std::shared_ptr<detail::log_core> core_;
};

}  // namespace tenon::inline v0
