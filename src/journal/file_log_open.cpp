// file_log: what is found when it is opened.

#include <algorithm>
#include <utility>

#include "base/random.hpp"
#include "journal/file_log.hpp"

namespace tenon::inline v0::journal {
namespace {

constexpr std::size_t page_size = std::size_t{64} << 10;
constexpr std::size_t pages_kept = 32;
constexpr std::string_view made_suffix = ".tmp";
constexpr std::string_view damaged_suffix = ".damaged";

}  // namespace

file_log::file_log(std::unique_ptr<storage> where, const file_log_options& options)
    : record_log(0),
      options_(options),
      storage_(std::move(where)),
      pool_(std::make_shared<page_pool>(page_size, pages_kept)),
      sessions_(options.max_sessions) {}

result<void> file_log::recover() {
    bool newest_damaged = false;
    auto found = find_segments(newest_damaged);
    if (!found) return std::move(found).error();
    // What an earlier life of this log did, names and data, may still be on its way to the disk.
    TENON_TRY(storage_->sync());
    for (std::size_t i = 0; i < found->size(); ++i) {
        const prologue& p = (*found)[i];
        const bool is_newest = i + 1 == found->size();
        auto opened = storage_->open(segment_name(p.sequence), is_newest);
        if (!opened) return std::move(opened).error();
        std::shared_ptr<file> f = *std::move(opened);
        epoch_ = p.epoch;
        TENON_TRY(f->sync());
        auto size = is_newest ? cut_torn(*f, p) : f->size();
        if (!size) return std::move(size).error();
        TENON_TRY(recover_segment(*f, p, *size, is_newest ? max_position : (*found)[i + 1].base));
        if (is_newest) active_ = std::move(f);
    }
    return begin(found->empty() ? nullptr : &found->back(), newest_damaged);
}

/// The prologues of all segments, in order.
result<std::vector<prologue>> file_log::find_segments(bool& newest_damaged) {
    auto names = storage_->list();
    if (!names) return std::move(names).error();
    std::vector<std::uint64_t> sequences;
    for (const std::string& name : *names) {
        std::string_view stem = name;
        if (stem.ends_with(made_suffix)) {
            stem.remove_suffix(made_suffix.size());
            if (sequence_of(stem)) (void)storage_->remove(name);
            continue;
        }
        if (stem.ends_with(damaged_suffix)) stem.remove_suffix(damaged_suffix.size());
        if (const auto sequence = sequence_of(stem)) sequences.push_back(*sequence);
    }
    std::sort(sequences.begin(), sequences.end());
    sequences.erase(std::unique(sequences.begin(), sequences.end()), sequences.end());
    drop_stale(sequences);

    std::vector<prologue> found;
    for (const std::uint64_t sequence : sequences) {
        const std::string name = segment_name(sequence);
        if (std::find(names->begin(), names->end(), name) == names->end()) continue;
        auto opened = storage_->open(name, false);
        if (!opened) return std::move(opened).error();
        auto p = read_prologue(**opened);
        if (!p && p.error().code() != errc::data_loss) return std::move(p).error();
        newest_damaged =
            !p || p->sequence != sequence || (!found.empty() && p->base < found.back().base);
        if (!newest_damaged) {
            found.push_back(*std::move(p));
            continue;
        }
        ++recovered_.damaged_files;
        TENON_TRY(storage_->rename(name, name + std::string(damaged_suffix)));
    }
    if (!sequences.empty()) sequence_ = sequences.back();
    return found;
}

/// Segments go from the oldest on, so what is older than one that has gone should have gone, too.
void file_log::drop_stale(std::vector<std::uint64_t>& sequences) {
    if (sequences.empty()) return;
    std::size_t first = sequences.size() - 1;
    while (first > 0 && sequences[first - 1] + 1 == sequences[first]) --first;
    for (std::size_t i = 0; i < first; ++i)
        if (storage_->remove(segment_name(sequences[i]))) ++recovered_.stale_files;
    sequences.erase(sequences.begin(), sequences.begin() + static_cast<std::ptrdiff_t>(first));
}

/// Cuts off what the newest segment has at its end that is not whole or was not acknowledged;
/// gives its size then.
result<std::uint64_t> file_log::cut_torn(file& f, const prologue& p) {
    struct damage {
        std::uint64_t offset;
        position at;
    };
    std::vector<damage> damaged;
    const auto size = f.size();
    if (!size) return size;
    const std::uint64_t start = prologue_size(p);
    std::uint64_t end = start;
    position next = p.base;
    position acknowledged = 0;  // all before it, as a later record says
    while (end < *size) {
        auto c = load_chunk(f, end, *size, static_cast<std::uint32_t>(p.epoch), *pool_);
        if (!c) return std::move(c).error();
        if (!c->records) break;
        if (c->begin != end) damaged.push_back({end, next});
        for (std::size_t at = 0; at != c->records->used;) {
            const std::byte* const r = c->records->data() + at;
            const position own = view_record(r).at;
            closed_ = is_closed_mark(r);
            // What is missing in front of a mark is known from it alone, and it is going to go.
            if (closed_ && own > next) must_roll_ = true;
            next = std::max(next, closed_ ? own : own + 1);
            acknowledged = std::max(acknowledged, settled_before(r));
            at += stored_size_at(r);
        }
        end = c->end;
    }
    if (end != *size) closed_ = false;
    if (!closed_ && p.boot != storage_->boot()) {
        // The system has died. A damaged record may be one that the disk did not get, and those
        // behind it, too, unless one of them was written after it had been acknowledged.
        for (const damage& d : damaged)
            if (d.at >= acknowledged) {
                end = d.offset;
                break;
            }
        recovered_.epoch_changed = !p.synced_each;
    }
    if (end != *size) {
        recovered_.torn_bytes = *size - end;
        TENON_TRY(f.truncate(end));
        TENON_TRY(f.sync());
    }
    return end;
}

result<void> file_log::recover_segment(file& f, const prologue& p, std::uint64_t size,
                                       position end) {
    for (const tag& t : p.sessions) sessions_.note(t, 0, 1);
    const auto s = std::make_shared<segment>(p, prologue_size(p));
    if (segments_.empty()) next_ = p.base;
    note_hole(next_, p.base);
    while (s->size < size) {
        auto c = load_chunk(f, s->size, size, s->seed, *pool_);
        if (!c) return std::move(c).error();
        if (!c->records || !take_chunk(*c, *s, end)) break;
    }
    bytes_ += s->size;
    segments_.push_back(s);
    return {};
}

/// False if it has records that do not count, at `end` or behind it.
bool file_log::take_chunk(const chunk& c, segment& into, position end) {
    const std::byte* const begin = c.records->data();
    std::size_t at = 0;
    bool all = true;
    while (at != c.records->used) {
        const std::byte* const r = begin + at;
        const record found = view_record(r);
        if (is_closed_mark(r)) {
            note_hole(next_, std::min(found.at, end));
        } else {
            all = found.at < end;
            if (!all) break;
            if (found.at >= next_) {
                note_hole(next_, found.at);
                next_ = found.at + 1;
                if (found.tag.number != 0) sessions_.note(found.tag, 0, 1);
            }
        }
        at += stored_size_at(r);
    }
    into.note(measure(c.begin, {begin, at}));
    return all;
}

void file_log::note_hole(position from, position to) {
    if (from >= to) return;
    recovered_.lost_records += to - from;
    if (recovered_.holes.size() < log_recovery::most_holes) recovered_.holes.push_back({from, to});
    next_ = to;
}

/// Goes on in the newest segment, or in a new one if its head would not tell the truth any more.
result<void> file_log::begin(const prologue* newest, bool newest_damaged) {
    if (newest_damaged) recovered_.epoch_changed = true;
    if (newest == nullptr || recovered_.epoch_changed) epoch_ = base::random_seed();
    if (newest == nullptr) next_ = 1;
    settled_next_ = synced_ = next_;
    const bool goes_on = newest != nullptr && !recovered_.epoch_changed && !must_roll_ &&
                         newest->boot == storage_->boot() &&
                         newest->synced_each == (options_.sync == sync_mode::each);
    if (!goes_on) {
        must_roll_ = true;
        TENON_TRY(start_segment(next_));
    } else if (closed_) {
        // Else the mark might be what is left of records that follow it.
        segments_.back()->size -= record_header;
        bytes_ -= record_header;
        TENON_TRY(active_->truncate(segments_.back()->size));
        TENON_TRY(active_->sync());
    }
    remove_old(0);
    is_open_ = true;
    return {};
}

}  // namespace tenon::inline v0::journal
