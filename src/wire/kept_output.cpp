#include "wire/kept_output.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "wire/endian.hpp"

namespace tenon::inline v0::wire {

void kept_output::add(const frame& f) { append_frame(next_, f, true); }

void kept_output::add(bytes_view frame_bytes) {
    store_be24(next_.extend(prefix_size), static_cast<std::uint32_t>(frame_bytes.size()));
    next_.append(frame_bytes);
}

void kept_output::add_keepalive(std::uint16_t flags, bytes_view data) {
    frame f;
    f.type = frame_type::keepalive;
    f.flags = flags;
    f.position = account.tell();
    f.data = data;
    add(f);
}

std::size_t kept_output::quota() const noexcept {
    if (account.unfinished() != 0 && (pending() != 0 || account.full()))
        return account.unfinished();
    if (!account.acknowledging()) return std::numeric_limits<std::size_t>::max();
    return account.room();
}

std::size_t kept_output::give(std::span<base::segment> to) noexcept {
    if (done_ == now_.size()) {
        now_.clear();
        std::swap(now_, next_);
        done_ = 0;
    }
    giving_ = true;
    const std::byte* const p = now_.data() + done_;
    to[0] = {p, now_.size() - done_};
    // A message is written in one piece.
    if (framing_ == framing::messages) to[0] = {p + prefix_size, load_be24(p)};
    return 1;
}

std::size_t kept_output::consume(output_line& from, std::size_t n) {
    if (giving_) {
        done_ += n + (framing_ == framing::messages ? prefix_size : 0);
        if (done_ == now_.size()) {
            now_.clear();
            done_ = 0;
        }
        return 0;
    }
    for (std::size_t left = n; left != 0;) {
        const output_line::chunk& c = from[0];
        const std::size_t part = std::min(left, c.size);
        account.wrote(c.data, part, c.frame_end && part == c.size);
        from.move_front(line_, part);
        left -= part;
    }
    if (account.may_drop()) line_.consume(account.drop());
    if (account.asks()) add_keepalive(flag::respond, {});
    return n;
}

bool kept_output::acknowledge(std::uint64_t position, std::size_t unwritten) noexcept {
    if (position > account.sent() + account.begun() + unwritten) return false;
    account.acknowledge(position);
    if (account.may_drop()) line_.consume(account.drop());
    return true;
}

void kept_output::detach() noexcept {
    open_ = giving_ = false;
    now_.clear();
    next_.clear();
    done_ = 0;
}

/// The next frame, or what is left of it, counts as written.
void kept_output::skip_frame(output_line& from) {
    do {
        const output_line::chunk& c = from[0];
        std::size_t n = c.size;
        if (framing_ == framing::stream) {
            const std::size_t rest = account.unfinished();
            n = std::min(n, rest != 0 ? rest : prefix_size + load_be24(c.data));
        }
        account.wrote(c.data, n, c.frame_end && n == c.size);
        from.move_front(line_, n);
    } while (account.unfinished() != 0);
}

// A client that comes back on two links may be heard in the wrong order: then this side has gone back
// farther than it needs to, and goes forward now.
std::optional<std::ptrdiff_t> kept_output::rewind(std::uint64_t position, output_line& to) {
    const std::size_t before = to.bytes();
    if (!reaches(position)) return std::nullopt;
    while (account.sent() < position && !to.empty()) skip_frame(to);
    std::size_t dropped = 0;
    if (!account.rewind(position, dropped)) return std::nullopt;
    line_.consume(dropped);
    to.put_in_front(line_);
    return static_cast<std::ptrdiff_t>(to.bytes()) - static_cast<std::ptrdiff_t>(before);
}

}  // namespace tenon::inline v0::wire
