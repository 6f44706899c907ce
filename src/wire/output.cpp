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

void output_queue::add_raw(bytes_view frame_bytes) {
    line_.add(frame_bytes);
    plain_end_ = consumed_ + line_.bytes();
}

std::size_t output_queue::gather(std::span<segment> to) {
    if (shut_) return 0;
    while (waiting_bytes_ != 0 &&
           line_.bytes() < (waiting_->is_mixed() ? large_limit : fragment_limit)) {
        if (waiting_->commit(line_, plain_end_ > consumed_)) plain_end_ = consumed_ + line_.bytes();
    }
    std::size_t n = 0;
    std::uint64_t size = 0;
    for (; n < line_.chunks() && n < to.size(); ++n) {
        const output_line::chunk& c = line_[n];
        to[n] = {c.data, c.size};
        size += c.size;
        if (framing_ == framing::messages && c.frame_end) {
            ++n;
            break;
        }
    }
    gathered_ = std::max(gathered_, consumed_ + size);
    return n;
}

void output_queue::take_back(bytes_view memory) noexcept {
    if (shut_) return;
    try {
        line_.take_back(memory);
        if (waiting_) waiting_->take_back(memory);
    } catch (const std::bad_alloc&) {
        shut();
    }
}

std::size_t output_queue::release_if_empty() noexcept {
    if (line_.bytes() + waiting_bytes_ != 0) return 0;
    const std::size_t n = line_.release_if_empty() + (waiting_ ? sizeof *waiting_ : 0);
    if (waiting_) next_mark_ = waiting_->end();
    waiting_.reset();
    pool_.release();
    return n;
}

}  // namespace tenon::inline v0::wire
