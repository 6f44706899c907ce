#include "journal/record.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include <zlib.h>

namespace tenon::inline v0::journal {
namespace {

constexpr std::uint16_t flag_tagged = 1;
constexpr std::uint16_t flag_closed = 2;
constexpr std::uint16_t mark = 0x4a54;

std::uint32_t checksum(const std::byte* at, std::size_t size, std::uint32_t seed) noexcept {
    constexpr std::size_t own = 4;
    return static_cast<std::uint32_t>(
        ::crc32_z(seed, reinterpret_cast<const unsigned char*>(at + own), size - own));
}

void put_header(std::byte* to, std::size_t size, position at, timestamp time,
                std::uint16_t flags) noexcept {
    store_le<std::uint32_t>(to, 0);
    store_le(to + 4, static_cast<std::uint32_t>(size));
    store_le(to + 8, at);
    store_le(to + 16, time);
    store_le<std::uint32_t>(to + 24, 0);
    store_le(to + 28, flags);
    store_le(to + 30, mark);
}

std::uint16_t flags_at(const std::byte* at) noexcept { return load_le<std::uint16_t>(at + 28); }

}  // namespace

timestamp now() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

void put_record(std::byte* to, const record& r) noexcept {
    const bool tagged = r.tag.number != 0;
    // The padding first, as part of the last word.
    store_le<std::uint64_t>(to + stored_size(r.data.size(), tagged) - 8, 0);
    put_header(to, r.data.size(), r.at, r.time, tagged ? flag_tagged : 0);
    to += record_header;
    if (tagged) {
        std::memcpy(to, r.tag.session.bytes.data(), r.tag.session.bytes.size());
        store_le(to + r.tag.session.bytes.size(), r.tag.number);
        to += tag_size;
    }
    if (!r.data.empty()) std::memcpy(to, r.data.data(), r.data.size());
}

void put_closed(std::byte* to, position next, timestamp time) noexcept {
    put_header(to, 0, next, time, flag_closed);
}

void seal_record(std::byte* at, std::uint64_t unsettled, std::uint32_t seed) noexcept {
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    store_le(at + 24, static_cast<std::uint32_t>(std::min(unsettled, most)));
    store_le(at, checksum(at, stored_size_at(at), seed));
}

record view_record(const std::byte* at) noexcept {
    record r;
    const std::size_t size = load_le<std::uint32_t>(at + 4);
    r.at = load_le<position>(at + 8);
    r.time = load_le<timestamp>(at + 16);
    const bool tagged = (flags_at(at) & flag_tagged) != 0;
    at += record_header;
    if (tagged) {
        std::memcpy(r.tag.session.bytes.data(), at, r.tag.session.bytes.size());
        r.tag.number = load_le<std::uint64_t>(at + r.tag.session.bytes.size());
        at += tag_size;
    }
    r.data = {at, size};
    return r;
}

std::size_t stored_size_at(const std::byte* at) noexcept {
    return stored_size(load_le<std::uint32_t>(at + 4), (flags_at(at) & flag_tagged) != 0);
}

bool is_closed_mark(const std::byte* at) noexcept { return (flags_at(at) & flag_closed) != 0; }

position settled_before(const std::byte* at) noexcept {
    const position own = load_le<position>(at + 8);
    const std::uint32_t unsettled = load_le<std::uint32_t>(at + 24);
    if (unsettled == std::numeric_limits<std::uint32_t>::max() || unsettled >= own) return 0;
    return own - unsettled;
}

record_check check_record(bytes_view in, std::uint32_t seed) noexcept {
    if (in.size() < record_header) return {record_state::incomplete, record_header};
    const std::byte* const at = in.data();
    const std::size_t size = load_le<std::uint32_t>(at + 4);
    const std::uint16_t flags = flags_at(at);
    const position own = load_le<position>(at + 8);
    const bool sane = load_le<std::uint16_t>(at + 30) == mark && size <= max_data_size &&
                      (flags == 0 || flags == flag_tagged || (flags == flag_closed && size == 0)) &&
                      own != 0 && own < max_position;
    if (!sane) return {record_state::damaged, 0};
    const std::size_t stored = stored_size(size, flags == flag_tagged);
    if (in.size() < stored) return {record_state::incomplete, stored};
    if (load_le<std::uint32_t>(at) != checksum(at, stored, seed)) return {record_state::damaged, 0};
    return {record_state::whole, stored};
}

}  // namespace tenon::inline v0::journal
