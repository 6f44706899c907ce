#pragma once
// One record: what a log keeps, and its bytes, which are the same in memory and in files.
//
// All numbers are little-endian, a record begins at a multiple of 8 bytes and is padded with zeros:
//
//      0  u32  checksum: CRC-32 of zlib over everything behind it, begun with the log's seed
//      4  u32  size of the data
//      8  u64  position
//     16  i64  time, nanoseconds since 1970
//     24  u32  unsettled: how many positions before this one were not acknowledged to their
//              appenders when this record was written; 0xFFFFFFFF for that many or more
//     28  u16  flags: 1 tagged, 2 closed (not a record, see file_log)
//     30  u16  mark, 0x4A54
//     32       if tagged: 16 bytes session, u64 number
//              the data

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tenon/bytes.hpp"

namespace tenon::inline v0::journal {

/// Records of a log are numbered 1, 2, 3 …; 0 is none.
using position = std::uint64_t;

/// Greater ones are taken for damage.
inline constexpr position max_position = position{1} << 62;

/// Nanoseconds since 1970, as the system clock tells; need not grow.
using timestamp = std::int64_t;

timestamp now() noexcept;

struct session_id {
    std::array<std::byte, 16> bytes{};
    bool operator==(const session_id&) const noexcept = default;
};

/// Whose record it is, so that one that comes twice is recognised.
struct tag {
    session_id session;
    std::uint64_t number = 0;  ///< counts up in each session, from 1; 0: the record has no tag
    bool operator==(const tag&) const noexcept = default;
};

/// A record as it is read. `data` lies in a block of memory; see cursor.
struct record {
    position at = 0;
    timestamp time = 0;
    journal::tag tag;
    bytes_view data;
};

inline constexpr std::size_t record_header = 32;
inline constexpr std::size_t tag_size = 24;
inline constexpr std::size_t max_data_size = 0x7fff'0000;

template <class T>
T load_le(const std::byte* p) noexcept {
    static_assert(std::endian::native == std::endian::little ||
                  std::endian::native == std::endian::big);
    std::array<std::byte, sizeof(T)> raw;
    std::memcpy(raw.data(), p, sizeof(T));
    if constexpr (std::endian::native == std::endian::big)
        for (std::size_t i = 0; i < sizeof(T) / 2; ++i) std::swap(raw[i], raw[sizeof(T) - 1 - i]);
    return std::bit_cast<T>(raw);
}

template <class T>
void store_le(std::byte* p, T v) noexcept {
    auto raw = std::bit_cast<std::array<std::byte, sizeof(T)>>(v);
    if constexpr (std::endian::native == std::endian::big)
        for (std::size_t i = 0; i < sizeof(T) / 2; ++i) std::swap(raw[i], raw[sizeof(T) - 1 - i]);
    std::memcpy(p, raw.data(), sizeof(T));
}

/// The bytes a record takes, padding included.
constexpr std::size_t stored_size(std::size_t data_size, bool tagged) noexcept {
    return (record_header + (tagged ? tag_size : 0) + data_size + 7) & ~std::size_t{7};
}

/// Writes a record of stored_size() bytes, all but its checksum and what it says of others.
void put_record(std::byte* to, const record& r) noexcept;
/// The mark of a log that was closed in order; record_header bytes.
void put_closed(std::byte* to, position next, timestamp time) noexcept;
/// The rest, for one that goes into a file.
void seal_record(std::byte* at, std::uint64_t unsettled, std::uint32_t seed) noexcept;

/// Looking at a record that is known to be whole.
record view_record(const std::byte* at) noexcept;
std::size_t stored_size_at(const std::byte* at) noexcept;
bool is_closed_mark(const std::byte* at) noexcept;
/// Everything before this position was acknowledged when the record was written.
position settled_before(const std::byte* at) noexcept;

enum class record_state {
    whole,
    incomplete,  ///< may be whole, if more bytes follow
    damaged,
};

struct record_check {
    record_state state;
    std::size_t size;  ///< bytes that it takes; incomplete: that are needed to tell more
};

/// Looks at bytes that may be a record, followed by others.
record_check check_record(bytes_view in, std::uint32_t seed) noexcept;

}  // namespace tenon::inline v0::journal
