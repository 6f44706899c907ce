#pragma once
// byte_stream: a channel of bytes, blobs or text as a reader and writer of bytes without the borders
// of its values:
//
//     auto io = c.pipe().bytes();                     // duplex::bytes()
//     io.write(tenon::as_bytes("GET / HTTP/1.0\r\n\r\n"));
//     io.flush();
//     while (std::size_t n = io.read(buffer)) …

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "tenon/blob.hpp"
#include "tenon/duplex.hpp"

namespace tenon::inline v0 {

namespace detail {

template <class V>
bytes_view bytes_of(const V& v) noexcept {
    if constexpr (std::is_same_v<V, blob>) return v.view();
    else return {reinterpret_cast<const std::byte*>(v.data()), v.size()};
}
template <class V>
V from_bytes(bytes_view b) {
    if constexpr (std::is_same_v<V, blob>) {
        return blob(b);
    } else {
        static_assert(sizeof(typename V::value_type) == 1, "not a channel of bytes");
        const auto* const p = reinterpret_cast<const typename V::value_type*>(b.data());
        return V(p, p + b.size());
    }
}

}  // namespace detail

/// Movable. One thread may read while another one writes.
template <class In, class Out>
class byte_stream {
public:
    /// What is written goes out in values of at most `chunk` bytes.
    explicit byte_stream(duplex<In, Out> s, std::size_t chunk = std::size_t{16} << 10)
        : stream_(std::move(s)), chunk_(std::max<std::size_t>(chunk, 1)) {}
    byte_stream(byte_stream&&) = default;
    byte_stream& operator=(byte_stream&&) = default;

    /// Waits for at least one byte; gives how many came, 0 once the peer has ended (or if `to` is
    /// empty). Throws failure.
    std::size_t read(std::span<std::byte> to) {
        if (to.empty() || !fill()) return 0;
        const bytes_view left = rest();
        const std::size_t n = std::min(left.size(), to.size());
        std::memcpy(to.data(), left.data(), n);
        taken_ += n;
        return n;
    }
    /// Fills `to`. False if the peer has ended before the first byte of it; later: failure(data_loss).
    bool read_exactly(std::span<std::byte> to) {
        std::size_t n = 0;
        while (n < to.size()) {
            const std::size_t more = read(to.subspan(n));
            if (more == 0 && n == 0) return false;
            if (more == 0)
                detail::throw_stream_failure(error(errc::data_loss, "the stream ended too early"));
            n += more;
        }
        return true;
    }

    /// Keeps up to a chunk until flush(); waits for room as the stream's policy says. Throws failure.
    void write(bytes_view from) {
        while (!from.empty()) {
            const bytes_view part = from.first(std::min(from.size(), chunk_ - kept_.size()));
            kept_.insert(kept_.end(), part.begin(), part.end());
            from = from.subspan(part.size());
            if (kept_.size() == chunk_) flush();
        }
    }
    void flush() {
        if (kept_.empty()) return;
        stream_.send(detail::from_bytes<Out>(kept_));
        kept_.clear();
    }
    /// Flushes, and ends what this side sends.
    void finish() {
        flush();
        stream_.finish();
    }

    duplex<In, Out>& stream() noexcept { return stream_; }

private:
    bytes_view rest() const noexcept { return detail::bytes_of(came_).subspan(taken_); }
    bool fill() {
        while (rest().empty()) {
            taken_ = 0;
            auto next = stream_.get();
            came_ = next ? *std::move(next) : In();
            if (!next) return false;
        }
        return true;
    }

    duplex<In, Out> stream_;
    std::size_t chunk_;
    In came_{};
    std::size_t taken_ = 0;  // of came_
    bytes kept_;
};

}  // namespace tenon::inline v0
