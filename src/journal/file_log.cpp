// file_log: appending and reading.

#include "journal/file_log.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "journal/file_log_waiter.hpp"

namespace tenon::inline v0::journal {

result<std::unique_ptr<file_log>> file_log::open(const std::string& directory,
                                                 const file_log_options& options) {
    auto where = open_directory(directory);
    if (!where) return std::move(where).error();
    return open(*std::move(where), options);
}

result<std::unique_ptr<file_log>> file_log::open(std::unique_ptr<storage> where,
                                                 const file_log_options& options) {
    if (options.segment_bytes == 0 || options.max_record_bytes > max_data_size ||
        options.max_age.count() < 0 || options.max_pending_bytes == 0 ||
        (options.sync == sync_mode::interval && options.sync_interval.count() <= 0))
        return error(errc::invalid, "log: options of " + where->path() + " cannot work");
    file_log_options effective = options;
    constexpr std::uint64_t most_segments = 256;
    effective.segment_bytes = std::max(options.segment_bytes, options.max_bytes / most_segments);
    std::unique_ptr<file_log> log(new file_log(std::move(where), effective));
    TENON_TRY(log->recover());
    if (options.own_thread) log->thread_ = std::thread([l = log.get()] { l->run(); });
    return log;
}

file_log::~file_log() {
    close();
    pool_->close();
}

file_log_stats file_log::stats() const {
    const std::lock_guard lock(mutex_);
    return {segments_.size(), bytes_, synced_, groups_, failed_groups_};
}

position file_log::first() const {
    const std::lock_guard lock(mutex_);
    return segments_.front()->base;
}

position file_log::next() const {
    const std::lock_guard lock(mutex_);
    return settled_next_;
}

position file_log::position_at(timestamp time) {
    std::optional<position> from;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& s : segments_)
            if ((from = s->search(time))) break;
        if (!from) return settled_next_;
    }
    cursor c = read(*from);
    for (;;) {
        switch (c.next()) {
            case cursor::step::record:
                if (c.get().time >= time) return c.get().at;
                break;
            case cursor::step::gap: break;
            case cursor::step::end:
            case cursor::step::failed: return c.at();
        }
    }
}

result<void> file_log::check(const entry& e, bool once) const {
    if (e.data.size() > options_.max_record_bytes)
        return error(errc::invalid, "log: a record of " + std::to_string(e.data.size()) +
                                        " bytes; the limit is " +
                                        std::to_string(options_.max_record_bytes));
    if (once && e.tag.number == 0)
        return error(errc::invalid, "log: numbers of a session begin with 1");
    return {};
}

/// A duplicate, or nothing of the kind: then `duplicate` is false.
result<appended> file_log::find_duplicate(lock_type& lock, const tag& t, bool wait) {
    const session_table::found found = sessions_.find(t.session);
    if (t.number > found.number) return appended{};
    if (found.at < settled_next_) return appended{0, true};
    if (!wait) return appended{found.at, true};
    TENON_TRY(wait_settled(lock, found.at));
    return appended{0, true};
}

result<appended> file_log::put(const entry& e, bool once, bool wait) {
    TENON_TRY(check(e, once));
    const std::size_t size = stored_size(e.data.size(), e.tag.number != 0);
    const timestamp time = e.time != 0 ? e.time : now();
    lock_type lock(mutex_);
    for (;;) {
        while (failing_) wait_turn(lock);
        if (broken_) return *broken_;
        if (once) {
            auto found = find_duplicate(lock, e.tag, wait);
            if (!found || found->duplicate) return found;
        }
        if (pending_ == 0 || pending_ + size <= options_.max_pending_bytes) break;
        if (!wait) return error(errc::overloaded, "log: too much waits to be written");
        // Should they fail, there is room, too.
        (void)wait_settled(lock, next_ - 1);
    }
    const position at = next_;
    try {
        add_record(e, time, size);
    } catch (const std::bad_alloc&) {
        return error(errc::overloaded, "log: out of memory");
    }
    if (wait) TENON_TRY(wait_settled(lock, at));
    else if (!writing_) wake_thread();
    return appended{at, false};
}

void file_log::add_record(const entry& e, timestamp time, std::size_t size) {
    if (memory_.empty() || memory_.back().free() < size) {
        memory_.push_back(pool_->take(size));
        memory_.back().first = next_;
    }
    if (e.tag.number != 0) sessions_.note(e.tag, next_, settled_next_);
    page& p = memory_.back();
    put_record(p.data() + p.used, {next_, time, e.tag, e.data});
    p.used += size;
    pending_ += size;
    ++next_;
}

result<void> file_log::wait_settled(lock_type& lock, position at) {
    waiter w(at);
    enlist(w);
    while (!w.done) {
        if (!writing_) write_group(lock);
        else wait_turn(lock);
    }
    if (w.failure) return *std::move(w.failure);
    return {};
}

result<void> file_log::flush() {
    lock_type lock(mutex_);
    if (next_ == settled_next_) return {};
    return wait_settled(lock, next_ - 1);
}

cursor::step file_log::refill(cursor& c) {
    lock_type lock(mutex_);
    for (;;) {
        if (c.next_ >= settled_next_) return cursor::step::end;
        if (const position oldest = segments_.front()->base; c.next_ < oldest)
            return c.report_gap(oldest, cursor::reason::retention);
        if (enter_memory(c)) return cursor::step::record;
        if (const auto step = enter_file(c, lock)) return *step;
    }
}

bool file_log::enter_memory(cursor& c) const {
    if (memory_.empty() || c.next_ < memory_.front().first) return false;
    const page_list::number n = memory_.find(c.next_);
    const page_ref& p = memory_.at(n);
    c.enter(p, n == settled_.page ? settled_.offset : p->used);
    c.segment_.reset();
    c.file_.reset();
    return true;
}

/// Index of the segment that has this position, if any has.
std::size_t file_log::segment_of(position at) const noexcept {
    const auto behind = std::upper_bound(segments_.begin(), segments_.end(), at,
                                         [](position p, const auto& s) { return p < s->base; });
    return static_cast<std::size_t>(behind - segments_.begin()) - 1;
}

/// Reads from a file, without the lock; nothing if the file has gone meanwhile.
std::optional<cursor::step> file_log::enter_file(cursor& c, lock_type& lock) {
    const std::size_t index = segment_of(c.next_);
    const std::shared_ptr<const segment> s = segments_[index];
    const position behind =
        index + 1 < segments_.size() ? segments_[index + 1]->base : settled_next_;
    const std::uint64_t limit = s->size;
    const bool goes_on = c.segment_ == s && c.file_;
    const std::uint64_t offset = goes_on ? c.file_offset_ : s->offset_of(c.next_);
    lock.unlock();
    if (!goes_on) {
        c.segment_ = s;
        auto opened = storage_->open(segment_name(s->sequence), false);
        if (!opened) {
            c.segment_.reset();
            lock.lock();
            if (segments_.front()->base > c.next_) return std::nullopt;
            c.error_ = std::move(opened).error();
            return cursor::step::failed;
        }
        c.file_ = *std::move(opened);
    }
    auto read = load_chunk(*c.file_, offset, limit, s->seed, *pool_);
    lock.lock();
    if (!read) {
        c.error_ = std::move(read).error();
        return cursor::step::failed;
    }
    c.file_offset_ = read->end;
    if (!read->records) return c.report_gap(behind, cursor::reason::damaged);
    c.page_ = std::move(read->records);
    c.offset_ = 0;
    c.end_ = c.page_->used;
    return cursor::step::record;
}

}  // namespace tenon::inline v0::journal
