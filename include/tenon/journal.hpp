#pragma once
// What a log keeps and how safe it is: of sources that can be replayed, of values that are
// acknowledged. docs/design/journal.md tells what survives what.

#include <chrono>
#include <cstdint>
#include <string>

namespace tenon::inline v0 {

/// When a record of a log in files counts as stored, and what it survives from then on.
enum class log_sync : std::uint8_t {
    none,      ///< once the kernel has it: the death of the process
    interval,  ///< the same; and that of the system, but for the last log_options::sync_interval
    each,      ///< once it is on the disk: the death of process and system, and loss of power
};

/// What is kept. The oldest records go as soon as any limit is passed; 0 is no limit.
struct log_options {
    /// Where the files are; made if it is not there, in a directory that is. One log at a time
    /// uses it, others get `conflict`. Empty: in memory only.
    std::string directory{};
    /// In memory exactly, in files rounded up to a segment.
    std::uint64_t max_records = 0;
    /// With 32 to 63 bytes for each record, 24 more for those that are acknowledged.
    std::uint64_t max_bytes = std::uint64_t{64} << 20;
    /// In files, records that are up to a quarter older are kept.
    std::chrono::nanoseconds max_age{0};

    // For logs in files.

    /// Size from which on a file gets no more records; they are removed as a whole.
    std::uint64_t segment_bytes = std::uint64_t{8} << 20;
    log_sync sync = log_sync::interval;
    std::chrono::milliseconds sync_interval{100};
};

}  // namespace tenon::inline v0
