#pragma once
// subscription<T>: a source with positions, read on across broken connections.
//
//     auto ticks = tenon::follow(feed.ticks, tenon::stream_start::earliest(), 5);
//     while (auto t = ticks.get()) use(*t, ticks.position());
//
// When the connection breaks, the source is opened again behind the last value taken, after a pause
// that grows: nothing is lost or comes twice, as far as the source's log reaches back. What it does
// not hold any more is counted in lost().

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "tenon/stream.hpp"

namespace tenon::inline v0 {

/// For one consumer at a time.
template <class T>
class subscription {
public:
    /// Opens the stream, beginning there.
    using opener = std::function<reader<T>(const open_options&)>;

    subscription(opener open, const stream_start& start) : open_(std::move(open)) {
        options_.start = start;
        reader_ = open_(options_);
    }

    /// Blocks. Nothing once the source has ended; throws what it failed with, unless opening it
    /// again may help. Values without positions end with the connection.
    std::optional<T> get() {
        for (;;) {
            try {
                auto got = reader_.get();
                if (is_answer(got)) return taken(std::move(got));
            } catch (const failure& f) {
                if (!may_go_on(f.error())) throw;
            }
            if (!sought_) std::this_thread::sleep_for(pause_);
            reopen();
        }
    }

    /// `co_await s.next()`: the same.
    task<std::optional<T>> next() {
        for (;;) {
            try {
                std::optional<T> got = co_await reader_.next();
                if (is_answer(got)) co_return taken(std::move(got));
            } catch (const failure& f) {
                if (!may_go_on(f.error())) throw;
            }
            if (!sought_) (void)co_await sleep_for(pause_);
            reopen();
        }
    }

    /// Of the last value taken; 0 before the first, and of sources without positions.
    std::uint64_t position() const noexcept { return position_; }
    std::uint64_t epoch() const noexcept { return epoch_; }
    /// Values that the source dropped, or held no longer when it was opened again. If it came back
    /// with another log (see epoch()), it is not known how many.
    std::uint64_t lost() const { return lost_ + reader_.stats().lost; }
    /// How often it was opened again.
    unsigned reopened() const noexcept { return reopened_; }

    /// Goes on elsewhere: in the open stream, where its source can (reader::seek()), else in another
    /// one.
    void seek(const stream_start& to) {
        options_.start = to;
        position_ = 0;
        sought_ = reader_.seek(to).has_value();
        if (sought_) return;
        lost_ = lost();
        reader_ = open_(options_);
    }
    void stop() noexcept {
        sought_ = false;  // the end is what was asked for
        reader_.stop();
    }

private:
    static constexpr std::chrono::milliseconds shortest{10};
    static constexpr std::chrono::milliseconds longest{1000};

    // A source that had ended, or broken off, before it heard of the seek, or does not know seeking,
    // may have values there all the same.
    bool is_answer(const std::optional<T>& value) const noexcept { return value || !sought_; }
    std::optional<T> taken(std::optional<T> value) {
        if (!value) return value;
        sought_ = false;
        pause_ = shortest;
        const stream_stats s = reader_.stats();
        if (s.position == 0) return value;
        epoch_ = s.epoch;
        position_ = s.position;
        return value;
    }
    bool may_go_on(const error& e) const noexcept {
        if (sought_ && e.code() == errc::unsupported) return true;
        const bool begun = position_ != 0 || options_.start.where != stream_start::at::unsaid;
        return begun && (e.code() == errc::unavailable || e.code() == errc::overloaded);
    }
    void reopen() {
        sought_ = false;
        pause_ = std::min(2 * pause_, longest);
        ++reopened_;
        lost_ = lost();
        if (position_ != 0) options_.start = stream_start::at_position(position_ + 1, epoch_);
        reader_ = open_(options_);
    }

    opener open_;
    open_options options_;
    reader<T> reader_;
    std::uint64_t position_ = 0;
    std::uint64_t epoch_ = 0;
    std::uint64_t lost_ = 0;
    unsigned reopened_ = 0;
    bool sought_ = false;  // in the open stream, and nothing has come from there yet
    std::chrono::milliseconds pause_ = shortest;
};

/// Follows a source of a contract, which must outlive it, or be copied into a lambda of one's own.
template <class Source, class... Args>
auto follow(const Source& source, const stream_start& start, Args... args) {
    using value = typename decltype(source(args...))::value_type;
    return subscription<value>(
        [source, args...](const open_options& o) { return source.open_with(o, args...); }, start);
}

}  // namespace tenon::inline v0
