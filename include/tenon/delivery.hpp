#pragma once
// delivery<T>: values to a sink that acknowledges them, across broken connections.
//
//     auto out = tenon::deliver(feed.record);
//     out.send({1, 99.5});
//     out.finish();                                // returns once all have been acknowledged
//
// What is not yet acknowledged is kept, up to `buffer` values, and sent again when the connection
// has broken: every value arrives. Values are numbered within a random session, so that a sink that
// is a tenon::log stores each once.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <utility>

#include "tenon/stream.hpp"

namespace tenon::inline v0 {

namespace detail {
TENON_API stream_origin random_origin();
}  // namespace detail

/// For one producer at a time. Values are copied.
template <class T, class Reply = void>
class delivery {
public:
    using opener = std::function<reply_writer<T, Reply>(const open_options&)>;

    explicit delivery(opener open, std::size_t buffer = 1024)
        : open_(std::move(open)), buffer_(std::max<std::size_t>(buffer, 1)) {
        options_.origin = detail::random_origin();
        writer_ = open_(options_);
    }

    /// Blocks while the buffer is full of values that are not acknowledged. Throws failure if the
    /// receiver refuses; while it is away, send() waits for it.
    void send(const T& value) {
        forget_acknowledged();
        while (waiting_.size() >= buffer_) {
            wait_for(first_);
            forget_acknowledged();
        }
        waiting_.push_back(value);
        try {
            writer_.send(value);
        } catch (const failure& f) {
            reopen(f.error());
        }
    }

    /// Blocks until all values are acknowledged. False after the time.
    bool flush(std::chrono::nanoseconds limit = std::chrono::hours(24 * 365)) {
        const auto until = std::chrono::steady_clock::now() + limit;
        for (;;) {
            forget_acknowledged();
            if (waiting_.empty()) return true;
            if (std::chrono::steady_clock::now() >= until) return false;
            wait_for(first_ + waiting_.size() - 1);
        }
    }

    /// Blocks until all values are acknowledged, then ends the stream: the sink's reply.
    Reply finish() {
        for (;;) {
            flush();
            try {
                return writer_.get_reply();
            } catch (const failure& f) {
                reopen(f.error());  // the reply was lost on its way
            }
        }
    }

    /// Values sent and not yet known to be acknowledged.
    std::size_t unacknowledged() {
        forget_acknowledged();
        return waiting_.size();
    }
    /// How often it was opened again.
    unsigned reopened() const noexcept { return reopened_; }

private:
    static constexpr std::chrono::milliseconds shortest{10};
    static constexpr std::chrono::milliseconds longest{1000};

    void forget_acknowledged() {
        const std::uint64_t done = writer_.acknowledged();
        for (; !waiting_.empty() && first_ <= done; ++first_) waiting_.pop_front();
        if (done != 0) pause_ = shortest;
    }
    void wait_for(std::uint64_t number) {
        if (writer_.wait_acknowledged(number, longest) || writer_.is_open()) return;
        reopen(writer_.core()->failure());
    }
    void reopen(error why) {
        for (;;) {
            if (why.code() != errc::unavailable && why.code() != errc::overloaded)
                throw failure(std::move(why));
            std::this_thread::sleep_for(pause_);
            pause_ = std::min(2 * pause_, longest);
            ++reopened_;
            forget_acknowledged();
            options_.origin.number = first_;
            writer_ = open_(options_);
            try {
                for (const T& value : waiting_) writer_.send(value);
                return;
            } catch (const failure& f) {
                why = f.error();
            }
        }
    }

    opener open_;
    open_options options_;
    const std::size_t buffer_;
    reply_writer<T, Reply> writer_;
    std::deque<T> waiting_;    // not acknowledged
    std::uint64_t first_ = 1;  // number of the first of them
    unsigned reopened_ = 0;
    std::chrono::milliseconds pause_ = shortest;
};

namespace detail {
template <class Writer>
struct delivery_of;
template <class T, class Reply>
struct delivery_of<reply_writer<T, Reply>> {
    using type = delivery<T, Reply>;
};
}  // namespace detail

/// Delivers to a sink of a contract.
template <class Sink, class... Args>
auto deliver(const Sink& sink, Args... args) {
    using type = typename detail::delivery_of<decltype(sink(args...))>::type;
    return type([sink, args...](const open_options& o) { return sink.open_with(o, args...); });
}

}  // namespace tenon::inline v0
