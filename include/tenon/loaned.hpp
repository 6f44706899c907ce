#pragma once
// loaned: one object that lies in the message it travels in.
//
// With codec `marshal`, where a method's only parameter or its result is a loaned<T>, the sender
// builds the object in the message and the receiver reads it there; over shared memory nobody copies
// it:
//
//     struct frame { std::uint64_t seq = 0; std::array<float, 65536> samples{}; };
//     TENON_STRUCT(frame, seq, samples)
//     tenon::method<void(tenon::loaned<frame>)> show;           // description: .codec(codec::marshal)
//
//     tenon::loaned<frame> f(c.show.loan(tenon::loaned<frame>::size));
//     f.edit().seq = 7;                                         // built in place
//     c.show(std::move(f));                                     // the handler reads f->seq in place
//
// With every other codec it is a T like any other. A T with padding is read in place, but copied on
// its way out, so that nobody sees what the padding held.

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "tenon/blob.hpp"
#include "tenon/export.hpp"
#include "tenon/shape.hpp"

namespace tenon::inline v0 {

namespace detail {
/// Makes room for a message of one such object; gives the object's place, all 0.
TENON_API std::byte* begin_message(blob& message, const shape& element);
}  // namespace detail

/// One owner, movable; a copy has memory of its own. Not thread-safe, but may be passed from thread
/// to thread, and outlives the connection it came over. An empty one reads as T().
template <class T>
class loaned {
    static_assert(std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T>,
                  "what lies in a message is trivially copyable, and has a default");
    static_assert(alignof(T) <= 16, "messages are aligned to 16 bytes");

    static constexpr std::size_t place = 16;

public:
    using value_type = T;

    /// Of the whole message: the room to ask for.
    static constexpr std::size_t size = place + sizeof(T);

    loaned() noexcept = default;
    explicit loaned(const T& object) { edit() = object; }
    /// T() in that memory, which is made larger if it is too small.
    explicit loaned(blob room) : message_(std::move(room)) { make(); }

    /// Valid until the object is changed, moved from or destroyed. What was received over shared
    /// memory belongs to the sender, which can change it at any time if it is malicious: copy what
    /// must not change between being checked and being used. (A T with bools or enums is copied
    /// before you see it.)
    const T& operator*() const noexcept { return message_.empty() ? none : *at(message_.data()); }
    const T* operator->() const noexcept { return std::addressof(**this); }

    /// The object, for writing; an empty one becomes T(). What was received over shared memory is
    /// copied to memory of its own first.
    T& edit() { return message_.empty() ? *make() : *const_cast<T*>(at(message_.edit().data())); }

    bool empty() const noexcept { return message_.empty(); }
    /// Whether other processes see this memory.
    bool is_shared() const noexcept { return message_.is_shared(); }

    // For the library: what the object lies in.
    blob& message() noexcept { return message_; }

private:
    static const T* at(const std::byte* message) noexcept {
        return std::launder(reinterpret_cast<const T*>(message + place));
    }
    T* make() { return ::new (detail::begin_message(message_, shape_of<T>())) T(); }

    inline static T none{};  // not const, so that zeros take no room in the program

    blob message_;
};

namespace detail {

template <class T>
inline constexpr indirect_ops loaned_ops_v{
    .element = &shape_v<T>,
    .get = [](const void* o) -> const void* { return std::addressof(*as<loaned<T>>(o)); },
    .edit = [](void* o) -> void* { return std::addressof(as<loaned<T>>(o).edit()); },
    .message = [](void* o) -> blob& { return as<loaned<T>>(o).message(); }};
template <class T>
inline constexpr bool is_indirect<loaned<T>> = true;
template <class T>
inline constexpr const indirect_ops* indirect_v<loaned<T>> = &loaned_ops_v<T>;

}  // namespace detail
}  // namespace tenon::inline v0
