#pragma once
// What `describe` may say of a source, sink or channel, besides documentation, defaults, errors and
// codec:
//
//     static void describe(tenon::description<feed>& d) {
//         d[&feed::ticks].doc("Prices.").latest(&tick::symbol);
//         d[&feed::samples].overflow(tenon::overflow::drop_old, 100).window(500);
//         d[&feed::chat].up().window(10).down().overflow(tenon::overflow::fail);
//     }
//
// It holds for the side that has this description: a sender goes by its own policy, a receiver
// grants its own window. Both have the same if they share the contract.

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "tenon/description.hpp"

namespace tenon::inline v0 {

namespace detail {

template <class Key, class T>
concept key_of = requires(const Key& key, const T& v) {
    { std::invoke(key, v) == std::invoke(key, v) } -> std::convertible_to<bool>;
};

/// What a pointer to a described member is called; null for other keys.
template <class T, class Key>
const char* name_of_key(const Key& key) {
    if constexpr (std::is_member_object_pointer_v<Key>) {
        const shape& s = shape_of<T>();
        if (s.kind != kind::structure) return nullptr;
        const T probe{};
        const auto offset = reinterpret_cast<const std::byte*>(std::addressof(probe.*key)) -
                            reinterpret_cast<const std::byte*>(std::addressof(probe));
        for (std::size_t i = 0; i < s.structure->count; ++i)
            if (s.structure->members[i].offset == static_cast<std::size_t>(offset))
                return s.structure->members[i].name;
    }
    return nullptr;
}

}  // namespace detail

/// One streaming member being described. Up is what the client sends, Down what the server sends;
/// void if that direction does not exist.
template <class Up, class Down>
class stream_description : public detail::describes<stream_description<Up, Down>> {
    using base = detail::describes<stream_description>;

public:
    explicit stream_description(detail::method_info& info) : base(&info) {}

    /// What follows is of one direction of a channel only.
    stream_description& up() requires(!std::is_void_v<Up> && !std::is_void_v<Down>) {
        return is_up_ = true, is_down_ = false, *this;
    }
    stream_description& down() requires(!std::is_void_v<Up> && !std::is_void_v<Down>) {
        return is_up_ = false, is_down_ = true, *this;
    }

    /// What becomes of values for which the receiver has no room. So many may wait at the sender
    /// before that happens; 0: 64, but none where the sender is to wait itself, or to fail.
    stream_description& overflow(tenon::overflow policy, std::uint32_t waiting = 0) {
        if (is_up_) set(this->info_->up, policy, waiting);
        if (is_down_) set(this->info_->down, policy, waiting);
        return *this;
    }

    /// A value takes the place of the one that waits and has the same key: a member of the values
    /// (&tick::symbol), or a function of a value.
    template <class Key>
    stream_description& latest(Key key, std::uint32_t waiting = 0) {
        constexpr bool up = detail::key_of<Key, Up>;
        constexpr bool down = detail::key_of<Key, Down>;
        static_assert(up || down,
                      "latest() takes a member of the stream's values, or a function of one, whose "
                      "results compare with ==");
        if constexpr (up)
            if (is_up_) set_key<Up>(this->info_->up, key, waiting);
        if constexpr (down)
            if (is_down_) set_key<Down>(this->info_->down, key, waiting);
        return *this;
    }

    /// So many values may be on their way to the receiver, or wait there; 0: the library chooses.
    stream_description& window(std::uint32_t values) {
        if (is_up_) this->info_->up.window = values;
        if (is_down_) this->info_->down.window = values;
        return *this;
    }

    // Not of streams.
    template <bool Yes = true>
    stream_description& idempotent(bool = Yes) {
        static_assert(!Yes, "a stream cannot be idempotent: it is not opened again by itself");
        return *this;
    }
    template <bool Yes = true>
    stream_description& serial(bool = Yes) {
        static_assert(!Yes, "a stream cannot be serial: the next one would wait until it ends");
        return *this;
    }

private:
    static void set(detail::flow_settings& f, tenon::overflow policy, std::uint32_t waiting) {
        f.overflow = policy;
        f.buffer = waiting;
        f.same_key = nullptr;
        f.key = nullptr;
    }
    template <class T, class Key>
    static void set_key(detail::flow_settings& f, const Key& key, std::uint32_t waiting) {
        set(f, tenon::overflow::latest, waiting);
        f.same_key = [key](const void* a, const void* b) -> bool {
            return std::invoke(key, *static_cast<const T*>(a)) ==
                   std::invoke(key, *static_cast<const T*>(b));
        };
        f.key = detail::name_of_key<T>(key);
    }

    bool is_up_ = !std::is_void_v<Up>;
    bool is_down_ = !std::is_void_v<Down>;
};

}  // namespace tenon::inline v0
