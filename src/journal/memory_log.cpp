#include "journal/memory_log.hpp"

#include <algorithm>
#include <bit>
#include <mutex>

#include "base/random.hpp"
#include "journal/segment.hpp"

namespace tenon::inline v0::journal {
namespace {

constexpr std::size_t largest_page = std::size_t{64} << 10;
constexpr std::size_t smallest_page = std::size_t{4} << 10;
constexpr std::size_t pages_kept = 4;  // a log of steady size frees one before it needs the next

std::size_t page_size_for(std::size_t max_bytes) noexcept {
    return std::bit_floor(std::clamp(max_bytes / 8, smallest_page, largest_page));
}

}  // namespace

memory_log::memory_log(const memory_log_options& options)
    : record_log(base::random_seed()),
      options_(options),
      pool_(std::make_shared<page_pool>(page_size_for(options.max_bytes), pages_kept)),
      sessions_(options.max_sessions) {}

memory_log::~memory_log() { pool_->close(); }

position memory_log::first() const {
    const std::lock_guard lock(mutex_);
    return first_;
}

position memory_log::next() const {
    const std::lock_guard lock(mutex_);
    return next_;
}

std::byte* memory_log::room_for(std::size_t size, position at) {
    if (pages_.empty() || pages_.back().free() < size) {
        if (first_ == next_) {
            // Nothing is kept that a page would be there for.
            while (!pages_.empty()) pages_.pop_front();
            first_offset_ = 0;
        }
        pages_.push_back(pool_->take(size));
        pages_.back().first = at;
    }
    page& p = pages_.back();
    std::byte* const room = p.data() + p.used;
    p.used += size;
    return room;
}

result<appended> memory_log::put(const entry& e, bool once, bool) {
    const std::size_t size = stored_size(e.data.size(), e.tag.number != 0);
    if (e.data.size() > max_data_size || size > options_.max_bytes)
        return error(errc::invalid, "log: a record of " + std::to_string(e.data.size()) +
                                        " bytes is more than the log may hold");
    if (once && e.tag.number == 0)
        return error(errc::invalid, "log: numbers of a session begin with 1");
    const timestamp time = e.time != 0 ? e.time : now();
    position at;
    {
        const std::lock_guard lock(mutex_);
        if (once && e.tag.number <= sessions_.find(e.tag.session).number) return appended{0, true};
        at = next_;
        std::byte* const room = room_for(size, at);
        put_record(room, {at, time, e.tag, e.data});
        page& p = pages_.back();
        p.latest = room == p.data() ? time : std::max(p.latest, time);
        bytes_ += size;
        ++next_;
        if (e.tag.number != 0) sessions_.note(e.tag, at, next_);
        drop_old(time);
    }
    tell_settled();
    return appended{at, false};
}

bool memory_log::is_too_much(const record& oldest, timestamp now) const noexcept {
    return bytes_ > options_.max_bytes ||
           (options_.max_records != 0 && next_ - first_ > options_.max_records) ||
           (options_.max_age.count() != 0 && oldest.time < now - options_.max_age.count());
}

void memory_log::drop_old(timestamp now) noexcept {
    while (first_ != next_) {
        const page& p = pages_.front();
        const std::byte* const oldest = p.data() + first_offset_;
        if (!is_too_much(view_record(oldest), now)) return;
        const std::size_t size = stored_size_at(oldest);
        bytes_ -= size;
        ++first_;
        first_offset_ += size;
        // The last page is kept while it may be written to.
        if (first_offset_ == p.used && first_ != next_) {
            pages_.pop_front();
            first_offset_ = 0;
        }
    }
}

void memory_log::trim(timestamp now) {
    const std::lock_guard lock(mutex_);
    drop_old(now);
}

position memory_log::position_at(timestamp time) {
    const std::lock_guard lock(mutex_);
    if (first_ == next_) return next_;
    for (auto n = pages_.begin_number(); n != pages_.end_number(); ++n) {
        const page& p = *pages_.at(n);
        if (p.latest < time) continue;
        std::size_t offset = n == pages_.begin_number() ? first_offset_ : 0;
        while (offset < p.used) {
            const record r = view_record(p.data() + offset);
            if (r.time >= time) return r.at;
            offset += stored_size_at(p.data() + offset);
        }
    }
    return next_;
}

cursor::step memory_log::refill(cursor& c) {
    const std::lock_guard lock(mutex_);
    if (c.next_ >= next_) return cursor::step::end;
    if (c.next_ < first_) return c.report_gap(first_, cursor::reason::retention);
    const page_ref& p = pages_.at(pages_.find(c.next_));
    c.enter(p, p->used);
    return cursor::step::record;
}

}  // namespace tenon::inline v0::journal
