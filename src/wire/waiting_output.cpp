#include "wire/waiting_output.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "wire/endian.hpp"

namespace tenon::inline v0::wire {

waiting_output::waiting_output(storage_pool& pool, framing f, std::size_t& bytes,
                               std::uint64_t first)
    : pool_(pool), bytes_(bytes), tiers_{{{pool, f, first}, {pool, f, first}, {pool, f, first}}} {}

waiting_output::~waiting_output() { drop_all(); }

// --- adding ---

std::uint64_t waiting_output::add(const frame& f, outgoing& payload, priority p) {
    const auto index = static_cast<std::size_t>(p);
    tier& t = tiers_[index];
    if (lane* l = lanes_ != 0 && f.stream != 0 ? find_lane(f.stream) : nullptr) {
        // Credit is not about what this side sends, but the peer has to know the stream.
        if (f.type != frame_type::request_n || is_request(l->messages.front().head.type)) {
            wait_in(*l, f, payload);
            return cut_later;
        }
    }
    if (is_large(f, payload)) {
        lane& l = *t.lanes.emplace_back(std::make_unique<lane>());
        ++lanes_;
        l.stream = f.stream;
        l.behind = t.added;
        wait_in(l, f, payload);
        return cut_later;
    }
    const std::size_t before = t.line.bytes();
    t.line.add(f, payload);
    const std::size_t size = t.line.bytes() - before;
    t.added += size;
    bytes_ += size;
    return mark_bit | std::uint64_t{index} << mark_shift | t.added;
}

waiting_output::lane* waiting_output::find_lane(std::uint32_t stream) const noexcept {
    for (const tier& t : tiers_)
        for (const auto& l : t.lanes)
            if (l->stream == stream) return l.get();
    return nullptr;
}

void waiting_output::wait_in(lane& l, const frame& f, outgoing& payload) {
    const std::size_t size = head_size(f) + f.metadata.size() + payload.data.size();
    if (payload.data.size() <= output_line::copy_limit && !l.messages.empty()) {
        base::byte_buffer& after = l.messages.back().after;
        std::byte* p =
            store_be24(after.extend(prefix_size + size), static_cast<std::uint32_t>(size));
        p = write_head(p, f);
        for (const bytes_view part : {f.metadata, payload.data}) {
            if (!part.empty()) std::memcpy(p, part.data(), part.size());
            p += part.size();
        }
        bytes_ += prefix_size + size;
        return;
    }
    message& m = l.messages.emplace_back();
    m.head = f;
    m.metadata.append(f.metadata);
    m.head.metadata = m.metadata.view();
    m.head.data = {};
    m.owner = pool_.take(payload);
    m.rest = payload.data;
    bytes_ += m.metadata.size() + m.rest.size();
}

// --- choosing ---

bool waiting_output::has(std::size_t level) const noexcept {
    const tier& t = tiers_[tier_of(level)];
    if (level % 2 == 0) return !t.line.empty();
    return !t.lanes.empty() && t.moved >= t.lanes.front()->behind;
}

std::size_t waiting_output::largest() const noexcept {
    std::size_t most = 0;
    for (const tier& t : tiers_)
        for (const auto& l : t.lanes)
            for (const message& m : l->messages) most = std::max(most, m.rest.size());
    return most;
}

/// Whether more than one level waits.
bool waiting_output::is_mixed() const noexcept {
    std::size_t n = 0;
    for (std::size_t i = 0; i < levels; ++i) n += has(i) ? 1 : 0;
    return n > 1;
}

/// Something waits, so that there is one: what cannot be cut yet waits for a line.
std::size_t waiting_output::next_level() const noexcept {
    std::size_t highest = levels;
    for (std::size_t i = 0; i < levels; ++i) {
        if (!has(i)) continue;
        if (passed_[i] >= patience) return i;
        highest = std::min(highest, i);
    }
    return highest;
}

/// The level had a turn of n bytes.
void waiting_output::count(std::size_t level, std::size_t n) noexcept {
    passed_[level] = 0;
    for (std::size_t i = level + 1; i < levels; ++i) passed_[i] = has(i) ? passed_[i] + n : 0;
}

bool waiting_output::commit(output_line& line, bool others) {
    const std::size_t level = next_level();
    tier& t = tiers_[tier_of(level)];
    const bool small = level % 2 == 0;
    const std::size_t limit = others || lanes_ > 1 || is_mixed() ? large_limit : fragment_limit;
    count(level, small ? move_line(t, line, large_limit) : cut_next(t, line, limit));
    return small;
}

void waiting_output::commit_small(output_line& line) {
    for (std::size_t i = tiers; i-- != 0;)
        while (!tiers_[i].line.empty()) move_line(tiers_[i], line, tiers_[i].line.bytes());
}

std::size_t waiting_output::move_line(tier& t, output_line& line, std::size_t quota) {
    const std::size_t n = t.line.move_to(line, quota);
    t.moved += n;
    bytes_ -= n;
    return n;
}

/// The lane whose turn it is, now in rotation.
std::size_t waiting_output::next_lane(tier& t) noexcept {
    const bool one_more = t.open == 0 || open_ < lanes_at_once;
    const std::size_t among = std::min(t.lanes.size(), t.open + (one_more ? 1 : 0));
    std::size_t index = 0;
    do {
        if (t.turn >= among) t.turn = 0;
        index = t.turn++;
    } while (t.moved < t.lanes[index]->behind);  // false for the first one
    if (!std::exchange(t.lanes[index]->open, true)) {
        ++t.open;
        ++open_;
    }
    return index;
}

/// One frame of the lane whose turn it is.
std::size_t waiting_output::cut_next(tier& t, output_line& line, std::size_t limit) {
    const std::size_t index = next_lane(t);
    message& m = t.lanes[index]->messages.front();
    if (!may_be_cut(m.head.type)) limit = max_frame_size;
    frame f = m.head;
    if (m.begun) {
        f.type = frame_type::payload;
        f.flags = flag::next;
        f.has_metadata = false;
        f.metadata = {};
    }
    const std::size_t head = head_size(f) + f.metadata.size();
    const std::size_t room = head < limit ? limit - head : 0;
    const std::size_t part = std::min(m.rest.size(), room);
    const bool is_last = part == m.rest.size();
    f.flags = static_cast<std::uint16_t>(f.flags & ~(flag::follows | flag::complete));
    if (!is_last) f.flags |= flag::follows;
    else f.flags |= m.head.flags & flag::complete;
    line.add(f, m.owner, m.rest.first(part));
    bytes_ -= part + f.metadata.size();
    m.rest = m.rest.subspan(part);
    m.begun = true;
    if (is_last) finish_front(t, index, line);
    return head + part;
}

/// The first message of a lane has been cut to its end: brings on what waited behind it.
void waiting_output::finish_front(tier& t, std::size_t index, output_line& line) {
    lane& l = *t.lanes[index];
    message done = std::move(l.messages.front());
    l.messages.pop_front();
    pool_.unref(std::exchange(done.owner, nullptr));
    bytes_view after = done.after.view();
    bytes_ -= after.size();
    while (!after.empty()) {
        const std::size_t size = load_be24(after.data());
        line.add(after.subspan(prefix_size, size));
        after = after.subspan(prefix_size + size);
    }
    if (l.messages.empty()) erase(t, index);
}

// --- taking out ---

void waiting_output::erase(tier& t, std::size_t index) noexcept {
    if (t.lanes[index]->open) {
        --t.open;
        --open_;
    }
    t.lanes.erase(t.lanes.begin() + static_cast<std::ptrdiff_t>(index));
    if (t.turn > index) --t.turn;
    --lanes_;
}

void waiting_output::forget(message& m) noexcept {
    bytes_ -= (m.begun ? 0 : m.metadata.size()) + m.rest.size() + m.after.size();
    pool_.unref(m.owner);
}

waiting_output::dropped waiting_output::drop(std::uint32_t stream, bool* begun) noexcept {
    for (tier& t : tiers_) {
        for (std::size_t i = 0; i < t.lanes.size(); ++i) {
            lane& l = *t.lanes[i];
            if (l.stream != stream) continue;
            *begun = l.messages.front().begun;
            const bool request = is_request(l.messages.front().head.type);
            for (message& m : l.messages) forget(m);
            erase(t, i);
            return request ? dropped::request : dropped::rest;
        }
    }
    return dropped::nothing;
}

void waiting_output::drop_all() noexcept {
    bool begun = false;
    for (tier& t : tiers_)
        while (!t.lanes.empty()) drop(t.lanes.back()->stream, &begun);
}

void waiting_output::take_back(bytes_view memory) {
    for (tier& t : tiers_) {
        t.line.take_back(memory);
        for (auto& l : t.lanes)
            for (message& m : l->messages) pool_.own(m.owner, m.rest, memory);
    }
}

bool waiting_output::waits(std::uint32_t stream) const noexcept {
    const lane* l = find_lane(stream);
    return l != nullptr && is_request(l->messages.front().head.type);
}

std::uint64_t waiting_output::end() const noexcept {
    return std::max({tiers_[0].added, tiers_[1].added, tiers_[2].added});
}

bool waiting_output::is_placed(std::uint64_t mark, std::uint32_t stream) const noexcept {
    if (mark == cut_later) return !waits(stream);
    const std::uint64_t rest = mark & ~mark_bit;
    const std::uint64_t end = rest & ((std::uint64_t{1} << mark_shift) - 1);
    return tiers_[rest >> mark_shift].moved >= end;
}

}  // namespace tenon::inline v0::wire
