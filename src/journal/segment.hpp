#pragma once
// A segment: one file of a file_log. It begins with a prologue and goes on with records.
//
//      0  8    "TENONLOG"
//      8  u32  version, 1
//     12  u32  checksum: CRC-32 of zlib over the whole prologue, these four bytes as zeros
//     16  u64  epoch of the log; its low 32 bits begin the checksums of the records
//     24  u64  sequence number of the segment
//     32  u64  base: no record in it has a lower position; those before it that have this one or a
//              higher one were never acknowledged, and do not count
//     40  16   boot id of the system that made it
//     56  u32  number of sessions
//     60  u32  flags: 1 if nothing is acknowledged before it is on the disk
//     64  24 each  the sessions and their highest numbers so far
//
// A prologue is on the disk before the file gets its name, so one that is damaged was not torn.
// Files are named by their sequence number, twelve digits and ".log". All numbers are little-endian.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/page.hpp"
#include "journal/record.hpp"
#include "journal/storage.hpp"

namespace tenon::inline v0::journal {

struct prologue {
    std::uint64_t epoch = 0;
    std::uint64_t sequence = 0;
    position base = 1;
    boot_id boot{};
    bool synced_each = false;
    std::vector<tag> sessions;  // longest unused first
};

bytes encode_prologue(const prologue& p);
std::size_t prologue_size(const prologue& p) noexcept;
/// `data_loss` if it is not one.
result<prologue> read_prologue(file& f);

std::string segment_name(std::uint64_t sequence);
/// Nothing if it is not the name of a segment.
std::optional<std::uint64_t> sequence_of(std::string_view name) noexcept;

/// Records that follow each other in a file.
struct stretch {
    std::uint64_t offset;
    std::uint64_t bytes;
    position first;
    std::uint64_t records;
    timestamp first_time;
    timestamp latest;  ///< the latest time of all
};

/// What they are, by looking at each.
stretch measure(std::uint64_t offset, bytes_view whole_records) noexcept;

/// What is known of a segment without reading it. Guarded by the log once it is in use.
class segment {
public:
    segment(const prologue& p, std::uint64_t start)
        : sequence(p.sequence),
          base(p.base),
          seed(static_cast<std::uint32_t>(p.epoch)),
          start(start),
          size(start) {}

    /// These are behind all others.
    void note(const stretch& s);

    /// From where to read to come upon `at`, if it is there.
    std::uint64_t offset_of(position at) const noexcept;
    /// A position at or before the first record of that time or later; nothing if there is none.
    std::optional<position> search(timestamp time) const noexcept;

    const std::uint64_t sequence;
    const position base;
    const std::uint32_t seed;
    const std::uint64_t start;  ///< behind the prologue
    std::uint64_t size;         ///< of what counts
    std::uint64_t records = 0;
    timestamp earliest = 0;  ///< of its first record
    timestamp latest = 0;    ///< the latest of all its records

private:
    struct mark {
        std::uint64_t offset;
        position first;
        timestamp latest;  // of the records up to the next mark
    };
    std::vector<mark> marks_;  // one for each 64 to 128 KiB
};

/// Whole records from a file, or none if nothing but damage is left.
struct chunk {
    page_ref records;
    std::uint64_t begin = 0;  ///< where they begin; greater than asked for behind damage
    std::uint64_t end = 0;    ///< where to read on
};

/// Reads the next records from `offset` on, not beyond `limit`, passing over what is damaged.
result<chunk> load_chunk(file& f, std::uint64_t offset, std::uint64_t limit, std::uint32_t seed,
                         page_pool& pool);

}  // namespace tenon::inline v0::journal
