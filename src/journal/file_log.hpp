#pragma once
// A log in a directory of files, which outlives the process.
//
// Records are appended to the newest of several segments; the oldest segments go when there is too
// much. What is appended is written in groups: the first thread that waits for its record, or the
// log's own, writes and syncs all records that are there, while the next ones gather.
//
//     sync_mode   a record is settled when      which survives the death of
//     none        the kernel has it             the process
//     interval    the kernel has it             the process; and of the system, but for the last
//                                               sync_interval
//     each        it is on the disk             the process, the system, and the power
//
// docs/design/journal.md has the format, and what happens to what was torn or damaged.

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/futex.hpp"
#include "base/intrusive.hpp"
#include "base/mutex.hpp"
#include "journal/page.hpp"
#include "journal/record_log.hpp"
#include "journal/segment.hpp"
#include "journal/sessions.hpp"
#include "journal/storage.hpp"
#include "tenon/journal.hpp"

namespace tenon::inline v0::journal {

using sync_mode = log_sync;

struct file_log_options {
    // What is kept, in whole segments; the newest always is. 0: no limit.
    std::uint64_t max_records = 0;  ///< at least that many are kept, and at most a segment more
    std::uint64_t max_bytes = std::uint64_t{1} << 30;  ///< of all files
    std::chrono::nanoseconds max_age{0};               ///< by up to a quarter older ones are kept
    /// A file that is that large gets no more records. Raised to a 256th of max_bytes.
    std::uint64_t segment_bytes = std::uint64_t{64} << 20;
    sync_mode sync = sync_mode::interval;
    std::chrono::milliseconds sync_interval{100};
    /// Larger records are refused.
    std::size_t max_record_bytes = std::size_t{64} << 20;
    /// Of appended records that are not yet settled. append() waits, post() refuses beyond it.
    std::size_t max_pending_bytes = std::size_t{8} << 20;
    /// Kept in memory for readers of the latest records.
    std::size_t memory_bytes = std::size_t{1} << 20;
    std::size_t max_sessions = 1024;  ///< whose highest number is remembered
    /// Without a thread of its own nothing that was posted is settled, and no interval ends, but by
    /// calls of append(), flush() and sync().
    bool own_thread = true;
};

/// What was not in order when a log was opened.
struct log_recovery {
    struct hole {
        position from;
        position to;
    };
    static constexpr std::size_t most_holes = 64;

    std::uint64_t torn_bytes = 0;    ///< at the end, never acknowledged as safe; cut off
    std::uint64_t lost_records = 0;  ///< damaged ones, in all holes
    std::vector<hole> holes;         ///< the first most_holes
    unsigned damaged_files = 0;      ///< set aside as NAME.damaged
    unsigned stale_files = 0;        ///< of which a later one had gone already; removed
    /// Acknowledged records may have been lost at the end, so positions count anew.
    bool epoch_changed = false;
};

struct file_log_stats {
    std::uint64_t segments;
    std::uint64_t bytes;          ///< of all files
    position synced;              ///< what is before it survives the death of the system
    std::uint64_t groups;         ///< written since the log was opened
    std::uint64_t failed_groups;  ///< not written
};

class file_log final : public record_log {
public:
    /// Opens the log in that directory, or makes one. Reads all of it.
    /// `conflict` if it is open already; `invalid` for options that cannot work.
    static result<std::unique_ptr<file_log>> open(const std::string& directory,
                                                  const file_log_options& options = {});
    static result<std::unique_ptr<file_log>> open(std::unique_ptr<storage> where,
                                                  const file_log_options& options = {});

    /// Settles what is under way and syncs it.
    ~file_log() override;

    const log_recovery& recovered() const noexcept { return recovered_; }
    file_log_stats stats() const;

    position first() const override;
    position next() const override;
    position position_at(timestamp time) override;
    result<void> flush() override;
    void trim(timestamp now) override;

    /// Waits until all that is appended is on the disk, whatever the mode.
    result<void> sync();

private:
    struct waiter;
    struct place {
        page_list::number page = 0;
        std::size_t offset = 0;
    };
    struct part {
        page_ref page;
        std::size_t from;
        std::size_t to;
    };
    /// What is written at once.
    struct group {
        position first = 0;
        position next = 0;
        std::size_t bytes = 0;
        timestamp first_time = 0;
        timestamp latest = 0;
        place end;
        std::vector<part> parts;
        std::vector<bytes_view> views;
        std::vector<stretch> stretches;
    };
    using lock_type = std::unique_lock<base::mutex>;

    file_log(std::unique_ptr<storage> where, const file_log_options& options);

    // Opening: file_log_open.cpp.
    result<void> recover();
    result<std::vector<prologue>> find_segments(bool& newest_damaged);
    void drop_stale(std::vector<std::uint64_t>& sequences);
    result<std::uint64_t> cut_torn(file& f, const prologue& p);
    result<void> recover_segment(file& f, const prologue& p, std::uint64_t size, position end);
    bool take_chunk(const chunk& c, segment& into, position end);
    void note_hole(position from, position to);
    result<void> begin(const prologue* newest, bool newest_damaged);

    // Appending: file_log.cpp.
    result<appended> put(const entry& e, bool once, bool wait) override;
    result<void> check(const entry& e, bool once) const;
    result<appended> find_duplicate(lock_type& lock, const tag& t, bool wait);
    void add_record(const entry& e, timestamp time, std::size_t size);
    result<void> wait_settled(lock_type& lock, position at);
    cursor::step refill(cursor& c) override;
    bool enter_memory(cursor& c) const;
    std::size_t segment_of(position at) const noexcept;
    std::optional<cursor::step> enter_file(cursor& c, lock_type& lock);

    // Writing, by one thread at a time, which has set writing_: file_log_write.cpp.
    void write_group(lock_type& lock);
    void cut_group();
    void seal_group();
    bool is_roll_due() const noexcept;
    result<void> write_records();
    result<void> start_segment(position base);
    result<void> sync_up_to(position up_to);
    void settle();
    void fail(const error& why);
    void take_turn(lock_type& lock);
    void end_turn();
    void wait_turn(lock_type& lock);
    void enlist(waiter& w);
    bool is_removable(timestamp now) const noexcept;
    void remove_old(timestamp now);
    void close();

    // The log's own thread.
    void run();
    void wake_thread() noexcept;

    const file_log_options options_;
    const std::unique_ptr<storage> storage_;
    const std::shared_ptr<page_pool> pool_;
    log_recovery recovered_;
    bool closed_ = false;   // the newest segment was closed in order
    bool is_open_ = false;  // opening was successful

    // Of whoever writes.
    group group_;
    std::uint64_t sequence_ = 0;  // of the newest segment
    bool must_roll_ = false;      // what is behind the last settled record is not known

    mutable base::mutex mutex_;  // guards what follows; what only the writer changes, it may read
    std::shared_ptr<file> active_;  // the newest segment's
    std::deque<std::shared_ptr<segment>> segments_;
    std::uint64_t bytes_ = 0;      // of all segments
    page_list memory_;             // the latest records: settled ones and those under way
    std::size_t memory_used_ = 0;  // of the settled ones
    place settled_;                // end of the settled ones in memory_
    position settled_next_ = 1;
    position next_ = 1;  // of the next record to be appended
    position synced_ = 1;
    std::size_t pending_ = 0;  // bytes appended and not settled
    session_table sessions_;
    std::optional<error> broken_;  // nothing can be appended any more
    bool writing_ = false;
    bool failing_ = false;  // positions are not given again until all know of the failure
    bool thread_sleeps_ = false;
    bool stop_ = false;
    std::optional<std::chrono::steady_clock::time_point> sync_due_;
    std::optional<std::chrono::steady_clock::time_point> trim_due_;
    base::list<waiter> waiters_;
    unsigned sleepers_ = 0;  // on turn_
    std::uint64_t groups_ = 0;
    std::uint64_t failed_groups_ = 0;

    base::futex_word turn_{0};  // counts groups; for those who wait
    base::futex_word work_{0};  // counts what the log's own thread is woken for
    std::thread thread_;
};

}  // namespace tenon::inline v0::journal
