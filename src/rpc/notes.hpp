#pragma once
// What tenon/notes.hpp stands on. Bytes: docs/wire.md.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/buffer.hpp"
#include "base/mutex.hpp"
#include "loop/loop.hpp"
#include "tenon/notes.hpp"

namespace tenon::inline v0::rpc {

inline constexpr std::size_t longest_note = std::size_t{16} << 10;
inline constexpr std::size_t most_notes = 64;

/// As it travels: a number, from 1 in each session and direction, and the value.
struct numbered_note {
    std::uint64_t number = 0;
    base::byte_buffer content;
};

/// Errors: see send_note().
result<void> encode_note(const value& content, base::byte_buffer& to);
/// Appends a metadata entry.
void put_note_entry(base::byte_buffer& to, std::uint64_t number, bytes_view content);
/// The entry of pushed metadata; number 0: it has none.
struct note_entry {
    std::uint64_t number = 0;
    bytes_view content;
};
note_entry find_note(bytes_view metadata) noexcept;

/// Those that wait: the newest `most_notes`. Not thread-safe.
class note_line {
public:
    bool empty() const noexcept { return waiting_.empty(); }
    void push(std::uint64_t number, bytes_view content);
    numbered_note pop();
    /// Numbers begin anew behind `n`.
    void shift(std::uint64_t n) noexcept;

private:
    std::deque<numbered_note> waiting_;
};

/// Those that are to be sent; numbers them. Guarded by its owner's mutex.
class notes_to_send {
public:
    bool empty() const noexcept { return line_.empty(); }
    void push(bytes_view content) { line_.push(++last_, content); }
    numbered_note pop() { return line_.pop(); }
    /// Those that wait go to another session; what was dropped is still known.
    void restart(std::uint64_t sent) noexcept;
    std::uint64_t last() const noexcept { return last_; }

private:
    note_line line_;
    std::uint64_t last_ = 0;
};

/// Hands those that have come to whoever listens, one after the other, as user code of a loop.
/// Thread-safe.
class note_receiver : public std::enable_shared_from_this<note_receiver> {
public:
    using listener = std::function<void(const note&)>;

    /// `idle`, if there is one, is called after each time take() has said true.
    explicit note_receiver(loop::event_loop& loop, std::function<void()> idle = {})
        : loop_(loop), idle_(std::move(idle)) {}

    void add(listener f);
    bool has_listeners();
    /// Another session: numbers begin anew.
    void restart();
    /// True: this begins a round of telling. A number that has come before is not told again; 0 is
    /// the next one.
    bool take(std::uint64_t number, bytes_view content) noexcept;
    /// Nobody is told any more.
    void close() noexcept;

private:
    loop::turn tell(loop::event_loop& loop);
    bool next(note& n);

    loop::event_loop& loop_;
    const std::function<void()> idle_;

    base::mutex mutex_;  // guards all below
    std::shared_ptr<const std::vector<listener>> listeners_;
    note_line line_;
    std::uint64_t last_ = 0;  // that has come
    std::uint64_t told_ = 0;
    std::shared_ptr<note_receiver> busy_;  // itself, while it tells

    loop::member_work<&note_receiver::tell> work_{*this};
};

}  // namespace tenon::inline v0::rpc
