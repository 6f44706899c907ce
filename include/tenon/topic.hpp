#pragma once
// topic<T>: gives each value to everybody who has subscribed: to the clients of a source, and to
// readers in this process. The publisher never waits for any of them.
//
//     tenon::topic<tick> ticks;
//     server.publish<feed>().ticks = ticks;       // a source without arguments; or, with:
//     f.ticks = [ticks](tenon::writer<tick> out, const std::string& symbol) mutable {
//         ticks.add(std::move(out)); …
//     };
//     tenon::reader<tick> here = ticks.subscribe();
//     ticks.publish(tick{…});
//
// For a subscriber that does not keep up values wait, up to `buffer`; then its policy drops some,
// which it learns as a gap (stream_stats::lost), or ends its stream. The others notice nothing.

#include <memory>
#include <type_traits>
#include <utility>

#include "tenon/queue.hpp"

namespace tenon::inline v0 {

/// What happens to values for which a subscriber has no room.
struct topic_options {
    /// Not `block`.
    overflow policy = overflow::drop_old;
    /// So many values wait for one subscriber, besides those that are on their way to it.
    std::uint32_t buffer = 64;
    /// Which values replace one another, for overflow::latest; null: all. See latest_by().
    bool (*same_key)(const void*, const void*) = nullptr;
};

struct topic_stats {
    std::size_t subscribers = 0;
    std::uint64_t published = 0;
    std::uint64_t lost = 0;  ///< counted once for each subscriber that did not get a value
};

namespace detail {

template <auto Member>
struct member_key;
template <class T, class K, K T::*Member>
struct member_key<Member> {
    static bool same(const void* a, const void* b) {
        return static_cast<const T*>(a)->*Member == static_cast<const T*>(b)->*Member;
    }
};

/// The type-erased topic.
class TENON_API fan_out {
public:
    static std::shared_ptr<fan_out> make(const topic_options& options);

    /// Null: as the outlet says, unless that is to block.
    virtual void add(std::shared_ptr<outlet> to, const topic_options* options) = 0;
    /// Reads the object.
    virtual void publish(const void* value) = 0;
    virtual void close(std::optional<error> why) = 0;
    virtual topic_stats stats() = 0;
    virtual const topic_options& options() const noexcept = 0;

protected:
    ~fan_out();
};

[[nodiscard]] TENON_API flow_settings flow_of(const topic_options& options, std::uint32_t window);

}  // namespace detail

/// Options for state, of which only the newest counts: topic_options o = latest_by<&tick::symbol>();
template <auto Member>
topic_options latest_by(std::uint32_t buffer = 64) {
    return {overflow::latest, buffer, &detail::member_key<Member>::same};
}

/// A handle: copies share the topic. Thread-safe; all subscribers get the values in one order.
template <class T>
class topic {
    static_assert(std::is_copy_constructible_v<T>, "values of a topic are copied");

public:
    using value_type = T;

    /// `options`: of subscribers that have none of their own. Throws failure(invalid) for `block`.
    explicit topic(const topic_options& options = {}) : core_(detail::fan_out::make(options)) {}

    void publish(const T& v) const { core_->publish(std::addressof(v)); }

    /// A client that has opened a source. Its policy is that of the source's description, or the
    /// topic's if that is to block. The topic keeps the writer until the client goes.
    void add(writer<T> out) const { core_->add(out.core(), nullptr); }
    void add(writer<T> out, const topic_options& options) const {
        core_->add(out.core(), &options);
    }
    /// So that a topic can be assigned to a source without arguments.
    void operator()(writer<T> out) const { add(std::move(out)); }

    /// A subscriber in this process. The topic keeps it until the last copy of the reader goes.
    reader<T> subscribe() const { return subscribe(core_->options()); }
    reader<T> subscribe(const topic_options& options, runtime* of = nullptr) const {
        // A window of one, so that what waits is subject to the policy.
        auto ends =
            detail::pipe::make_ends(detail::object_ops_of<T>, detail::flow_of(options, 1), of);
        core_->add(std::move(ends.out), &options);
        return reader<T>(std::move(ends.in));
    }

    /// Ends all streams once they are empty, and those of later subscribers at once; nothing can be
    /// published any more.
    void close() const { core_->close({}); }
    void fail(error why) const { core_->close(std::move(why)); }

    topic_stats stats() const { return core_->stats(); }

private:
    std::shared_ptr<detail::fan_out> core_;
};

}  // namespace tenon::inline v0
