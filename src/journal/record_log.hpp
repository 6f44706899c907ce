#pragma once
// A log: records in order, each at a position, the oldest of which go when there are too many. What
// replayed streams read from, and acknowledged values are stored in.
//
//     auto at = log.append({.data = bytes});       // 1, 2, 3 …
//     auto c = log.read(log.first());
//     while (c.next() == cursor::step::record) use(c.get());
//
// A record is *settled* once it is as safe as the log promises (memory_log: at once; file_log: as
// its sync mode says). Readers see settled records only, so nothing that anybody has seen is taken
// back by a failure.
//
// Logs are thread-safe. Nothing but append(), append_once() and flush() waits for a disk to write;
// reading may wait for one to read, unless the record is among the latest. A log outlives its
// cursors and listeners.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/intrusive.hpp"
#include "base/mutex.hpp"
#include "journal/page.hpp"
#include "journal/record.hpp"
#include "journal/storage.hpp"
#include "tenon/result.hpp"

namespace tenon::inline v0::journal {

class record_log;
class segment;

/// What is appended. The data is copied.
struct entry {
    bytes_view data;
    timestamp time = 0;  ///< 0: now()
    journal::tag tag{};
};

struct appended {
    /// Where the record is. Of a duplicate: the value is safe once this position is settled; 0 if
    /// it is already.
    position at = 0;
    bool duplicate = false;
};

/// Told of what becomes of appended records. Called on whichever thread settled them, one call at
/// a time and in order; must only pass the news on. It may read the log, but not append, nor add or
/// remove listeners.
class listener : public base::list_hook<> {
public:
    /// Everything before `next` is settled.
    virtual void on_settled(position next) noexcept = 0;
    /// Records from `from` on that were appended and not yet settled are not going to be; their
    /// positions will be given to others.
    virtual void on_failed(position from, const error& why) noexcept;

protected:
    ~listener() = default;
};

/// Reads forward from some place. Appending and trimming may go on meanwhile. Not thread-safe
/// itself. Costs the memory of at most one page (64 KiB, or the size of one larger record).
class cursor {
public:
    enum class step {
        record,  ///< get() has the next one
        gap,     ///< lost() tells what is not there; the next step goes on behind it
        end,     ///< nothing more at present
        failed,  ///< failure() says why; the next step tries the same place again
    };
    enum class reason {
        retention,  ///< older than what is kept
        damaged,
    };
    struct gap {
        position from;
        position to;  ///< the first that may be there again
        reason why;
    };

    step next();

    /// After step::record. The data is valid until the next step, or for as long as a reference to
    /// block() is held.
    const record& get() const noexcept { return record_; }
    base::block* block() const noexcept { return page_.get(); }

    const gap& lost() const noexcept { return gap_; }
    const error& failure() const noexcept { return *error_; }

    /// The position that the next step is for.
    position at() const noexcept { return next_; }
    /// Goes there, forward or back; positions not yet there are waited for (step::end).
    void seek(position to) noexcept;
    /// Gives memory and files back until the next step.
    void release() noexcept;

private:
    friend class record_log;
    friend class memory_log;
    friend class file_log;
    cursor(record_log& log, position from) noexcept : log_(&log), next_(from) {}

    step report_gap(position to, reason why) noexcept;
    void enter(const page_ref& p, std::size_t end) noexcept;

    record_log* log_;
    position next_;
    page_ref page_;
    std::size_t offset_ = 0;  // of the next record in the page
    std::size_t end_ = 0;     // of what may be read of it
    record record_;
    gap gap_{};
    std::optional<error> error_;
    // Where a page read from a file came from, and what follows it.
    std::shared_ptr<const segment> segment_;
    std::shared_ptr<file> file_;
    std::uint64_t file_offset_ = 0;
};

class record_log {
public:
    record_log(const record_log&) = delete;
    record_log& operator=(const record_log&) = delete;
    virtual ~record_log() = default;

    /// A random number; positions of different epochs have nothing to do with each other. Of a
    /// memory_log it is new each time, of a file_log it is kept.
    std::uint64_t epoch() const noexcept { return epoch_; }

    /// The oldest position that is kept; next() if there is none.
    virtual position first() const = 0;
    /// Behind the last settled record.
    virtual position next() const = 0;
    /// The first record kept whose time is `time` or later; next() if there is none.
    virtual position position_at(timestamp time) = 0;

    /// Appends and waits until the record is settled. `invalid`: too large, or a number that is 0
    /// for append_once(); others as the log says. A record that is not appended leaves no trace.
    result<position> append(const entry& e);
    /// The same without waiting: listeners are told when it is settled, or that it failed.
    /// `overloaded` if too much is under way.
    result<position> post(const entry& e);

    /// Appends a tagged record, unless one of its session with that number or a higher one is
    /// there or on its way. Numbers of the sessions that were last appended for are remembered,
    /// 1,024 unless told otherwise, also when their records have gone.
    result<appended> append_once(const entry& e);
    result<appended> post_once(const entry& e);

    /// Waits until everything appended so far is settled, or fails with what it failed of.
    virtual result<void> flush() = 0;

    /// Lets go what is too old by now; happens at appends, too.
    virtual void trim(timestamp now) = 0;

    /// Reads from a position, which may have gone already or not yet be there; 0 is first().
    cursor read(position from) noexcept;

    void add_listener(listener& l) noexcept;
    /// Afterwards none of its functions runs any more.
    void remove_listener(listener& l) noexcept;

protected:
    explicit record_log(std::uint64_t epoch) noexcept : epoch_(epoch) {}

    virtual result<appended> put(const entry& e, bool once, bool wait) = 0;
    /// Gives the cursor records from its position on, or says why there are none.
    virtual cursor::step refill(cursor& c) = 0;

    /// Says next(), which only grows.
    void tell_settled() noexcept;
    void tell_failed(position from, const error& why) noexcept;

    std::uint64_t epoch_;

private:
    friend class cursor;

    base::mutex listeners_mutex_;
    base::list<listener> listeners_;  // guarded by listeners_mutex_
};

}  // namespace tenon::inline v0::journal
