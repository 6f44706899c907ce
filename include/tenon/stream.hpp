#pragma once
// Streams: reader<T> takes values, writer<T> sends them, duplex<In, Out> does both. A server's
// handlers get them as arguments, its clients by calling a source, sink or channel; see
// tenon/stream_members.hpp for those.
//
//     for (const tick& t : m.ticks(5)) …                      // blocking
//     auto ticks = m.ticks(5);
//     while (auto t = co_await ticks.next()) …                // coroutine
//     ticks.on_value([](const tick& t) { return false; });    // handlers, on the client's loop
//     if (auto t = ticks.poll()) …                            // never waits
//
// All are handles: copies share the stream; thread-safe. A value is taken by one of those who ask.
// Credit goes back to the sender as values are taken, so what waits here never exceeds the window.

#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>

#include "tenon/duplex.hpp"
#include "tenon/reader.hpp"
#include "tenon/writer.hpp"

namespace tenon::inline v0 {

class value;  // tenon/value.hpp

/// The sending end of a sink, whose receiver replies once at the end: with a Reply, or void.
template <class T, class Reply = void>
class reply_writer : public writer<T> {
public:
    reply_writer() noexcept = default;
    explicit reply_writer(detail::stream_ends ends) noexcept
        : writer<T>(std::move(ends.out)), reply_(std::move(ends.in)) {}

    /// Ends, and waits until the receiver has dealt with all values: its reply. Throws failure.
    Reply get_reply() {
        this->finish();
        if constexpr (std::is_void_v<Reply>) {
            if (auto outcome = reply_.get_until(detail::time_point::max()); !outcome)
                detail::throw_stream_failure(std::move(outcome).error());
        } else {
            return checked(reply_.get()).value();
        }
    }
    /// The same with a limit: `deadline` once it is over, and then it can be asked for again.
    result<Reply> get_reply_for(std::chrono::nanoseconds limit) {
        this->finish();
        auto got = reply_.get_for(limit);
        if (!got) return std::move(got).error();
        if constexpr (std::is_void_v<Reply>) return {};
        else return checked(*std::move(got));
    }
    /// `co_await w.reply()`: the same.
    task<Reply> reply() {
        this->finish();
        if constexpr (std::is_void_v<Reply>) {
            (void)co_await reply_.next();
        } else {
            std::optional<Reply> got = co_await reply_.next();
            co_return checked(std::move(got)).value();
        }
    }

private:
    struct nothing {};
    using answer = std::conditional_t<std::is_void_v<Reply>, bool, Reply>;

    static result<answer> checked(std::optional<answer> got) {
        if (got) return *std::move(got);
        if constexpr (std::is_same_v<answer, value>) return answer();  // void is nil
        else return error(errc::data_loss, "the stream ended without a reply");
    }

    reader<answer> reply_;
};

}  // namespace tenon::inline v0
