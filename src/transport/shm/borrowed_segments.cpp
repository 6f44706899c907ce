#include <unistd.h>

#include <bit>
#include <cerrno>
#include <new>

#include "transport/shm/segments.hpp"

namespace tenon::inline v0::transport::shm {

// One of the peer's segments: owned by the table, and by the block while a message is in it.
class borrowed_segment final : public base::block {
public:
    borrowed_segment(mapping map, std::shared_ptr<const memory_pair> memory,
                     std::size_t slot) noexcept
        : block(memory::borrowed, map.bytes()),
          map_(std::move(map)),
          memory_(std::move(memory)),
          slot_(slot),
          owner_(::getpid()) {}

    std::size_t size() const noexcept { return map_.size(); }

    base::block_ref borrow(std::uint32_t use) noexcept {
        use_ = use;
        owners_.fetch_add(1, std::memory_order_relaxed);
        reset_refs();
        return base::block_ref(this);
    }

    void drop_owner() noexcept {
        // acq_rel: whoever deletes has seen all that the other one did.
        if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

private:
    void dispose() noexcept override {
        // After a fork it is still the parent's.
        if (owner_ != ::getpid()) return;
        // Release: our reads are over before the peer writes there again; and this process' reader
        // sees all of this use's end before it lends the block out once more. From here on the
        // next use may begin, on another thread: it shares nothing with us but owners_.
        memory_->own_header().released[slot_].store(use_, std::memory_order_release);
        drop_owner();
    }

    const mapping map_;
    const std::shared_ptr<const memory_pair> memory_;
    const std::size_t slot_;
    const pid_t owner_;
    std::uint32_t use_ = 0;
    std::atomic<unsigned> owners_{1};
};

borrowed_segments::borrowed_segments(std::shared_ptr<const memory_pair> memory,
                                     const shared_memory_options& options) noexcept
    : memory_(std::move(memory)),
      largest_(std::bit_ceil(options.largest_segment)),
      limit_(options.link_limit) {}

borrowed_segments::~borrowed_segments() {
    for (slot& s : slots_)
        if (s.segment) s.segment->drop_owner();
}

int borrowed_segments::announce(std::uint32_t number, std::uint64_t size,
                                base::unique_fd fd) noexcept {
    slot& s = slots_[number % max_segment_slots];
    if (s.segment || size < smallest_segment || size > largest_ || !std::has_single_bit(size) ||
        size > limit_ - bytes_)
        return EPROTO;
    mapped_memory mapped = map_sealed(fd.get(), size);
    if (!mapped.map) return mapped.error;
    s.segment = new (std::nothrow)
        borrowed_segment(std::move(mapped.map), memory_, number % max_segment_slots);
    if (!s.segment) return ENOMEM;
    s.number = number;
    bytes_ += size;
    return 0;
}

bool borrowed_segments::is_out(std::size_t slot) const noexcept {
    // Acquire: see borrowed_segment::dispose.
    return memory_->own_header().released[slot].load(std::memory_order_acquire) != slots_[slot].use;
}

int borrowed_segments::forget(std::uint32_t number) noexcept {
    const std::size_t index = number % max_segment_slots;
    if (!knows(number) || is_out(index)) return EPROTO;
    slot& s = slots_[index];
    bytes_ -= s.segment->size();
    std::exchange(s.segment, nullptr)->drop_owner();
    return 0;
}

bool borrowed_segments::knows(std::uint32_t number) const noexcept {
    const slot& s = slots_[number % max_segment_slots];
    return s.segment && s.number == number;
}

base::block_ref borrowed_segments::borrow(const block_reference& r) noexcept {
    if (!knows(r.segment)) return {};
    const std::size_t index = r.segment % max_segment_slots;
    slot& s = slots_[index];
    if (r.use != s.use + 1 || is_out(index) || r.size > s.segment->size()) return {};
    s.use = r.use;
    return s.segment->borrow(r.use);
}

}  // namespace tenon::inline v0::transport::shm
