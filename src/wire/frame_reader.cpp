#include "wire/frame_reader.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "wire/endian.hpp"

namespace tenon::inline v0::wire {
namespace {

// Frames up to this size get their room at once; longer ones as their bytes arrive.
constexpr std::size_t trusted_size = std::size_t{448} * 1024;
// A frame of which that much has not arrived is given out in parts.
constexpr std::size_t long_rest = std::size_t{32} * 1024;
// An empty reader keeps storage up to this size for the next frames.
constexpr std::size_t kept_size = std::size_t{1024} * 1024;

}  // namespace

void frame_reader::move_to(std::size_t capacity) {
    base::byte_buffer bigger;
    bigger.reserve(capacity);
    bigger.resize(bigger.capacity());
    if (end_ != begin_) std::memcpy(bigger.data(), storage_.data() + begin_, end_ - begin_);
    storage_ = std::move(bigger);
    end_ -= begin_;
    begin_ = 0;
}

std::size_t frame_reader::missing() const noexcept {
    const std::size_t have = end_ - begin_;
    if (have < prefix_size || in_parts_) return 0;
    const std::size_t need = prefix_size + load_be24(storage_.data() + begin_);
    return need > have ? need - have : 0;
}

std::span<std::byte> frame_reader::space() {
    const std::size_t have = end_ - begin_;
    if (have == 0) {
        begin_ = end_ = 0;
        if (storage_.size() > kept_size) storage_.reset();
    }
    // Room for the rest of the frame that has begun, and the ordinary read-ahead behind it.
    std::size_t want = read_ahead_;
    if (error_.empty()) {
        const std::size_t rest = missing();
        want += have + rest <= trusted_size ? rest : std::min(rest, std::max(have, trusted_size));
    }
    if (storage_.size() - end_ < want - read_ahead_ / 2) {
        if (storage_.size() - have >= want) {
            std::memmove(storage_.data(), storage_.data() + begin_, have);
            begin_ = 0;
            end_ = have;
        } else {
            move_to(have + want);
        }
    }
    return {storage_.data() + end_, storage_.size() - end_};
}

std::optional<bytes_view> frame_reader::next() noexcept {
    const std::size_t have = end_ - begin_;
    if (have < prefix_size || in_parts_ || !error_.empty()) return std::nullopt;
    const std::byte* p = storage_.data() + begin_;
    const std::size_t size = load_be24(p);
    if (size < header_size) error_ = "frame shorter than its header";
    else if (size > limit_) error_ = "frame too long";
    if (!error_.empty() || have - prefix_size < size) return std::nullopt;
    begin_ += prefix_size + size;
    return bytes_view(p + prefix_size, size);
}

/// Its head is here, and much of it is not.
std::optional<frame> frame_reader::first_part() {
    const std::size_t have = end_ - begin_;
    const std::size_t rest = missing();
    if (whole_ || have < prefix_size + header_size || rest < long_rest || !error_.empty())
        return std::nullopt;
    const auto parsed = parse_frame({storage_.data() + begin_ + prefix_size, have - prefix_size});
    if (!parsed || !may_be_cut(parsed->type)) return std::nullopt;
    frame f = *parsed;
    if (f.type == frame_type::payload && !f.has(flag::next)) return std::nullopt;
    begin_ = end_;
    in_parts_ = true;
    part_rest_ = rest;
    part_ = frame();
    part_.type = frame_type::payload;
    part_.stream = f.stream;
    part_.flags = static_cast<std::uint16_t>(flag::next | (f.flags & flag::follows));
    if (f.type == frame_type::payload) {
        part_.flags |= f.flags & flag::complete;
        f.flags = static_cast<std::uint16_t>(f.flags & ~flag::complete);
    }
    f.flags |= flag::follows;
    return f;
}

std::optional<frame> frame_reader::next_part() {
    if (!in_parts_) return first_part();
    const std::size_t n = std::min(part_rest_, end_ - begin_);
    if (n == 0 && part_rest_ != 0) return std::nullopt;
    frame f = part_;
    f.data = {storage_.data() + begin_, n};
    begin_ += n;
    part_rest_ -= n;
    in_parts_ = part_rest_ != 0;
    if (in_parts_)
        f.flags = static_cast<std::uint16_t>((f.flags & ~flag::complete) | flag::follows);
    return f;
}

void frame_reader::release_if_empty() noexcept {
    if (begin_ != end_) return;
    storage_.reset();
    begin_ = end_ = 0;
}

base::byte_buffer frame_reader::detach() {
    base::byte_buffer taken = std::move(storage_);
    storage_ = base::byte_buffer();
    const std::size_t from = begin_;
    const std::size_t have = end_ - begin_;
    begin_ = 0;
    end_ = 0;
    if (have != 0) {
        storage_.reserve(std::max(have, read_ahead_));
        storage_.resize(storage_.capacity());
        std::memcpy(storage_.data(), taken.data() + from, have);
        end_ = have;
    }
    return taken;
}

}  // namespace tenon::inline v0::wire
