// file_log: writing, syncing, letting go.

#include <algorithm>
#include <utility>

#include "journal/file_log.hpp"
#include "journal/file_log_waiter.hpp"

namespace tenon::inline v0::journal {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::seconds shortest_trim_period{10};

}  // namespace

/// Waits for the end of a group that another thread writes.
void file_log::wait_turn(lock_type& lock) {
    const std::uint32_t seen = turn_.load(std::memory_order_relaxed);
    ++sleepers_;
    lock.unlock();
    base::futex_wait(turn_, seen);
    lock.lock();
    --sleepers_;
}

/// Not beside wait_settled(), where g++ 12 would take it for a dangling pointer.
void file_log::enlist(waiter& w) { waiters_.push_back(w); }

/// Writes what is there, for all that wait. Gives the lock away meanwhile.
void file_log::write_group(lock_type& lock) {
    writing_ = true;
    cut_group();
    lock.unlock();
    seal_group();
    const result<void> done = write_records();
    group_.parts.clear();
    lock.lock();
    if (done) settle();
    else fail(done.error());
    lock.unlock();
    // While nobody else writes, so that groups are told of in order.
    if (done) {
        tell_settled();
        remove_old(group_.latest);
    } else {
        tell_failed(group_.first, done.error());
    }
    lock.lock();
    failing_ = false;
    end_turn();
}

void file_log::cut_group() {
    group& g = group_;
    g.parts.clear();
    g.first = settled_next_;
    g.bytes = 0;
    const std::uint64_t size = segments_.back()->size;
    const std::uint64_t room =
        size < options_.segment_bytes ? options_.segment_bytes - size : options_.segment_bytes;
    std::size_t from = settled_.offset;
    for (auto n = settled_.page; n != memory_.end_number(); ++n, from = 0) {
        const page_ref& p = memory_.at(n);
        if (from == p->used) continue;
        if (!g.parts.empty() && g.bytes + p->used - from > room) break;
        g.parts.push_back({p, from, p->used});
        g.bytes += p->used - from;
        g.end = {n, p->used};
    }
}

/// What is in the group is read by nobody else, nor written, as long as it is not settled.
void file_log::seal_group() {
    group& g = group_;
    g.views.clear();
    g.stretches.clear();
    g.next = g.first;
    const auto seed = static_cast<std::uint32_t>(epoch_);
    std::uint64_t bytes = 0;
    for (const part& p : g.parts) {
        std::byte* at = p.page->data() + p.from;
        std::byte* const end = p.page->data() + p.to;
        const bytes_view all(at, p.to - p.from);
        for (; at != end; at += stored_size_at(at)) seal_record(at, g.next++ - g.first, seed);
        const stretch s = measure(bytes, all);
        if (bytes == 0) g.first_time = g.latest = s.first_time;
        g.latest = std::max(g.latest, s.latest);
        g.views.push_back(all);
        g.stretches.push_back(s);
        bytes += all.size();
    }
}

bool file_log::is_roll_due() const noexcept {
    const segment& s = *segments_.back();
    if (must_roll_) return true;
    if (s.records == 0) return false;
    const auto quarter = options_.max_age.count() / 4;
    return s.size >= options_.segment_bytes ||
           (quarter != 0 && group_.latest - s.earliest > quarter);
}

result<void> file_log::write_records() {
    if (is_roll_due()) TENON_TRY(start_segment(group_.first));
    const std::uint64_t end = segments_.back()->size;
    if (auto written = active_->write(end, group_.views); !written) {
        // Any of it may be there. Should cutting it off fail, too, the next segment says that it
        // does not count.
        must_roll_ = true;
        (void)active_->truncate(end);
        return written;
    }
    if (options_.sync != sync_mode::each) return {};
    auto synced = sync_up_to(group_.next);
    if (!synced) (void)active_->truncate(end);
    return synced;
}

/// After a failed sync nobody knows what the disk has, and another one may say that all is well.
result<void> file_log::sync_up_to(position up_to) {
    std::shared_ptr<file> newest;
    std::vector<std::string> others;
    {
        const std::lock_guard lock(mutex_);
        newest = active_;
        for (std::size_t i = 0; i + 1 < segments_.size(); ++i)
            if (segments_[i + 1]->base > synced_)
                others.push_back(segment_name(segments_[i]->sequence));
    }
    result<void> done = newest ? newest->sync() : result<void>();
    for (std::size_t i = 0; done && i < others.size(); ++i) {
        const auto other = storage_->open(others[i], true);
        if (other) done = (*other)->sync();
        else if (other.error().code() != errc::not_found) done = other.error();
    }
    const std::lock_guard lock(mutex_);
    if (done) synced_ = std::max(synced_, up_to);
    else if (!broken_) broken_ = done.error();
    return done;
}

result<void> file_log::start_segment(position base) {
    if (options_.sync != sync_mode::none) TENON_TRY(sync_up_to(base));
    prologue p;
    p.epoch = epoch_;
    p.sequence = sequence_ + 1;
    p.base = base;
    p.boot = storage_->boot();
    p.synced_each = options_.sync == sync_mode::each;
    {
        const std::lock_guard lock(mutex_);
        p.sessions = sessions_.settled_tags(base);
    }
    const std::string name = segment_name(p.sequence);
    const std::string made = name + ".tmp";
    const bytes head = encode_prologue(p);
    const bytes_view all[] = {head};
    (void)storage_->remove(made);
    auto created = storage_->create(made);
    if (!created) return std::move(created).error();
    result<void> done = (*created)->write(0, all);
    if (done) done = (*created)->sync();
    if (done) {
        // From here on the name may be there after a crash, and what is behind `base` in the older
        // segment does not count.
        must_roll_ = true;
        done = storage_->rename(made, name);
        if (done) done = storage_->sync();
    }
    if (!done) {
        (void)storage_->remove(made);
        return done;
    }
    must_roll_ = false;
    sequence_ = p.sequence;
    const std::lock_guard lock(mutex_);
    segments_.push_back(std::make_shared<segment>(p, head.size()));
    bytes_ += head.size();
    active_ = *std::move(created);
    return {};
}

void file_log::settle() {
    group& g = group_;
    segment& s = *segments_.back();
    const std::uint64_t at = s.size;
    for (stretch& part : g.stretches) {
        part.offset += at;
        s.note(part);
    }
    bytes_ += g.bytes;
    pending_ -= g.bytes;
    memory_used_ += g.bytes;
    settled_ = g.end;
    settled_next_ = g.next;
    ++groups_;
    while (memory_used_ > options_.memory_bytes && memory_.begin_number() < settled_.page) {
        memory_used_ -= memory_.front().used;
        memory_.pop_front();
    }
    if (options_.sync == sync_mode::interval && !sync_due_) {
        sync_due_ = clock::now() + options_.sync_interval;
        wake_thread();
    }
}

/// Takes back everything that is not settled.
void file_log::fail(const error& why) {
    while (memory_.end_number() > settled_.page + 1) memory_.pop_back();
    if (memory_.end_number() == settled_.page + 1) {
        memory_.back().used = settled_.offset;
        if (settled_.offset == 0) memory_.pop_back();
    }
    pending_ = 0;
    next_ = settled_next_;
    sessions_.roll_back(settled_next_);
    ++failed_groups_;
    failing_ = true;
    for (waiter& w : waiters_) {
        w.done = true;
        w.failure = why;
    }
    waiters_.clear();
}

void file_log::take_turn(lock_type& lock) {
    while (writing_) wait_turn(lock);
    writing_ = true;
}

void file_log::end_turn() {
    writing_ = false;
    for (auto it = waiters_.begin(); it != waiters_.end();) {
        waiter& w = *it;
        ++it;
        if (w.at >= settled_next_) continue;
        w.done = true;
        w.unlink();
    }
    turn_.fetch_add(1, std::memory_order_relaxed);
    if (sleepers_ != 0) base::futex_wake_all(turn_);
    if (pending_ != 0 && waiters_.empty()) wake_thread();
}

bool file_log::is_removable(timestamp now) const noexcept {
    if (segments_.size() < 2) return false;
    const segment& oldest = *segments_.front();
    return oldest.records == 0 || (options_.max_bytes != 0 && bytes_ > options_.max_bytes) ||
           (options_.max_records != 0 &&
            settled_next_ - segments_[1]->base >= options_.max_records) ||
           (options_.max_age.count() != 0 && oldest.latest < now - options_.max_age.count());
}

void file_log::remove_old(timestamp now) {
    for (;;) {
        std::string name;
        {
            const std::lock_guard lock(mutex_);
            if (!is_removable(now)) return;
            name = segment_name(segments_.front()->sequence);
            bytes_ -= segments_.front()->size;
            segments_.pop_front();
        }
        // One that cannot be removed is found, and goes, when the log is opened.
        (void)storage_->remove(name);
    }
}

void file_log::trim(timestamp now) {
    lock_type lock(mutex_);
    take_turn(lock);
    const segment& newest = *segments_.back();
    const bool all_old = options_.max_age.count() != 0 && newest.records != 0 &&
                         newest.latest < now - options_.max_age.count();
    const position base = settled_next_;
    lock.unlock();
    // Should this fail, the next trimming or append tries again.
    if (all_old) (void)start_segment(base);
    remove_old(now);
    lock.lock();
    end_turn();
}

result<void> file_log::sync() {
    TENON_TRY(flush());
    position up_to;
    {
        const std::lock_guard lock(mutex_);
        if (broken_) return *broken_;
        up_to = settled_next_;
    }
    return sync_up_to(up_to);
}

/// A mark at the end says that nothing is missing there.
void file_log::close() {
    if (thread_.joinable()) {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
            wake_thread();
        }
        thread_.join();
    }
    if (!is_open_ || !sync()) return;
    const std::uint64_t end = segments_.back()->size;
    if (must_roll_ && !active_->truncate(end)) return;
    std::array<std::byte, record_header> mark;
    put_closed(mark.data(), settled_next_, now());
    seal_record(mark.data(), 0, static_cast<std::uint32_t>(epoch_));
    const bytes_view all[] = {mark};
    if (active_->write(end, all)) (void)active_->sync();
}

/// Called with the lock.
void file_log::wake_thread() noexcept {
    if (!thread_sleeps_) return;
    thread_sleeps_ = false;
    work_.fetch_add(1, std::memory_order_relaxed);
    base::futex_wake(work_);
}

void file_log::run() {
    const auto trim_period =
        std::max(clock::duration(options_.max_age) / 4, clock::duration(shortest_trim_period));
    lock_type lock(mutex_);
    if (options_.max_age.count() != 0) trim_due_ = clock::now() + trim_period;
    while (!stop_) {
        if (!writing_ && pending_ != 0) {
            write_group(lock);
            continue;
        }
        const auto time = clock::now();
        if (sync_due_ && time >= *sync_due_) {
            sync_due_.reset();
            const position up_to = settled_next_;
            lock.unlock();
            (void)sync_up_to(up_to);
            lock.lock();
            continue;
        }
        if (trim_due_ && time >= *trim_due_) {
            trim_due_ = time + trim_period;
            lock.unlock();
            trim(now());
            lock.lock();
            continue;
        }
        const std::uint32_t seen = work_.load(std::memory_order_relaxed);
        thread_sleeps_ = true;
        const auto due =
            sync_due_ && (!trim_due_ || *sync_due_ < *trim_due_) ? sync_due_ : trim_due_;
        lock.unlock();
        if (due) (void)base::futex_wait_for(work_, seen, *due - time);
        else base::futex_wait(work_, seen);
        lock.lock();
        thread_sleeps_ = false;
    }
}

}  // namespace tenon::inline v0::journal
