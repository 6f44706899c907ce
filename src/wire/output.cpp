#include "wire/output.hpp"

#include <algorithm>
#include <new>

namespace tenon::inline v0::wire {

waiting_output& output_queue::waiting() {
    if (!waiting_)
        waiting_ = std::make_unique<waiting_output>(pool_, framing_, waiting_bytes_, next_mark_);
    return *waiting_;
}

std::uint64_t output_queue::add(const frame& f, outgoing payload, priority p) {
    if (waiting_bytes_ != 0 || line_.bytes() >= large_limit || waiting_output::is_large(f, payload))
        [[unlikely]]
        return waiting().add(f, payload, p);
    line_.add(f, payload);
    return plain_end_ = consumed_ + line_.bytes();
}

void output_queue::add_last(const frame& f) {
    if (waiting_) waiting_->commit_small(line_);
    outgoing payload(f.data);
    line_.add(f, payload);
    plain_end_ = consumed_ + line_.bytes();
}

void output_queue::add_of_link(const frame& f) {
    if (kept_) return kept_->add(f);
    add(f, priority::high);
}

void output_queue::add_raw(bytes_view frame_bytes) {
    if (kept_) return kept_->add(frame_bytes);
    line_.add(frame_bytes);
    plain_end_ = consumed_ + line_.bytes();
}

void output_queue::add_keepalive(std::uint16_t flags, bytes_view data) {
    if (kept_) return kept_->add_keepalive(flags, data);
    frame f;
    f.type = frame_type::keepalive;
    f.flags = flags;
    f.data = data;
    add(f, priority::high);
}

/// Gives what waits its place, as far as there is room in the line.
void output_queue::commit() {
    while (waiting_bytes_ != 0 && line_.bytes() < large_limit) {
        if (waiting_->commit(line_, plain_end_ > consumed_)) plain_end_ = consumed_ + line_.bytes();
    }
}

inline std::size_t output_queue::gather_line(std::span<segment> to, std::size_t most) {
    commit();
    std::size_t n = 0;
    std::size_t size = 0;
    for (; n < line_.chunks() && n < to.size() && size < most; ++n) {
        const output_line::chunk& c = line_[n];
        to[n] = {c.data, std::min(c.size, most - size)};
        size += to[n].size;
        if (framing_ == framing::messages && c.frame_end) {
            ++n;
            break;
        }
    }
    gathered_ = std::max(gathered_, consumed_ + size);
    return n;
}

std::size_t output_queue::gather(std::span<segment> to) {
    if (special_) [[unlikely]]
        return shut_ ? 0 : gather_kept(to);
    return gather_line(to, ~std::size_t{0});
}

std::size_t output_queue::gather_kept(std::span<segment> to) {
    if (kept_->goes_first()) return kept_->give(to);
    if (!kept_->is_open()) return 0;
    kept_->give_others();
    return gather_line(to, framing_ == framing::stream ? kept_->quota() : ~std::size_t{0});
}

void output_queue::take_back(bytes_view memory) noexcept {
    if (shut_) return;
    try {
        line_.take_back(memory);
        if (waiting_) waiting_->take_back(memory);
        if (kept_) kept_->take_back(memory);
    } catch (const std::bad_alloc&) {
        shut();
    }
}

std::size_t output_queue::release_if_empty() noexcept {
    if (line_.bytes() + waiting_bytes_ != 0) return 0;
    std::size_t n = line_.release_if_empty() + (waiting_ ? sizeof *waiting_ : 0);
    if (kept_) n += kept_->release_if_empty();
    if (waiting_) next_mark_ = waiting_->end();
    waiting_.reset();
    return n + pool_.release();
}

// --- resumption ---

void output_queue::keep(std::size_t limit) {
    kept_ = std::make_unique<kept_output>(pool_, framing_, limit);
    special_ = true;
}

void output_queue::consume_kept(std::size_t n) noexcept {
    try {
        consumed_ += kept_->consume(line_, n);
    } catch (const std::bad_alloc&) {
        shut();
    }
}

std::size_t output_queue::special_pending() const noexcept {
    if (shut_) return 0;
    return line_.bytes() + waiting_bytes_ + (kept_ ? kept_->pending() : 0);
}

bool output_queue::may_write() const noexcept {
    return kept_->goes_first() || (kept_->is_open() && line_.bytes() + waiting_bytes_ != 0);
}

bool output_queue::has_room() const noexcept {
    const retention& r = kept_->account;
    return (r.acknowledging() ? r.bytes() : 0) + pending() < r.limit();
}

bool output_queue::rewind(std::uint64_t position) noexcept {
    try {
        const auto more = kept_->rewind(position, line_);
        if (more) consumed_ -= static_cast<std::uint64_t>(*more);
        return more.has_value();
    } catch (const std::bad_alloc&) {
        shut();
        return false;
    }
}

}  // namespace tenon::inline v0::wire
