#include "journal/sessions.hpp"

#include <algorithm>
#include <functional>
#include <string_view>

namespace tenon::inline v0::journal {

std::size_t session_table::hash::operator()(const session_id& s) const noexcept {
    return std::hash<std::string_view>()(as_text(s.bytes));
}

session_table::found session_table::find(const session_id& session) const noexcept {
    const auto it = by_session_.find(session);
    if (it == by_session_.end()) return {0, 0};
    return {it->second->highest, it->second->at};
}

void session_table::note(const tag& t, position at, position settled) {
    if (capacity_ == 0) return;
    const auto it = by_session_.find(t.session);
    if (it == by_session_.end()) {
        if (entries_.size() == capacity_) {
            by_session_.erase(entries_.front().session);
            entries_.pop_front();
        }
        entries_.push_back({t.session, t.number, at, 0});
        by_session_.emplace(t.session, std::prev(entries_.end()));
        return;
    }
    entry& e = *it->second;
    entries_.splice(entries_.end(), entries_, it->second);
    if (t.number <= e.highest) return;
    if (e.at < settled) e.settled = e.highest;
    e.highest = t.number;
    e.at = at;
}

void session_table::roll_back(position from) noexcept {
    for (auto it = entries_.begin(); it != entries_.end();) {
        if (it->at < from) {
            ++it;
        } else if (it->settled != 0) {
            it->highest = it->settled;
            it->at = 0;
            ++it;
        } else {
            by_session_.erase(it->session);
            it = entries_.erase(it);
        }
    }
}

std::vector<tag> session_table::settled_tags(position settled) const {
    std::vector<tag> tags;
    tags.reserve(entries_.size());
    for (const entry& e : entries_)
        if (const std::uint64_t number = e.at < settled ? e.highest : e.settled; number != 0)
            tags.push_back({e.session, number});
    return tags;
}

}  // namespace tenon::inline v0::journal
