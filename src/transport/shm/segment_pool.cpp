#include <unistd.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>

#include "transport/shm/message.hpp"
#include "transport/shm/segments.hpp"

namespace tenon::inline v0::transport::shm {

// One of our segments. The block's references are the users'; when the last one goes, the
// pool gets it back.
class lent_segment final : public base::block {
public:
    lent_segment(mapping map, std::uint32_t number) noexcept
        : block(memory::lent_out, map.bytes()), number(number), map_(std::move(map)) {}
    ~lent_segment() = default;

    /// The pool lives while a block of it does.
    void lend(std::shared_ptr<segment_pool> from) noexcept {
        lent = true;
        pool = std::move(from);
        reset_refs();
    }

    const std::uint32_t number;
    // Under the pool's mutex.
    bool lent = false;
    bool passed = false;
    base::time_point used_at{};
    // While lent.
    std::shared_ptr<segment_pool> pool;

private:
    void dispose() noexcept override {
        // Outlives this segment, which take_back() may destroy.
        const std::shared_ptr<segment_pool> keep = std::move(pool);
        keep->take_back(*this);
    }

    mapping map_;
};

segment_pool::segment_pool(std::shared_ptr<const memory_pair> memory, int socket,
                           const shared_memory_options& options)
    : memory_(std::move(memory)), options_(options), owner_(::getpid()), socket_(socket) {}

segment_pool::~segment_pool() {
    for (slot& s : slots_)
        if (s.segment) destroy(s);
}

std::size_t segment_pool::slot_of(const lent_segment& s) const noexcept {
    return s.number % max_segment_slots;
}

bool segment_pool::is_free(const slot& s) const noexcept {
    if (!s.segment || s.segment->lent) return false;
    if (!s.segment->passed) return true;
    // Acquire: the peer's reads of the last use are over before we write the next one.
    const std::size_t index = slot_of(*s.segment);
    return memory_->peer_header().released[index].load(std::memory_order_acquire) == s.use;
}

// The free segment of exactly this size that was used last: its pages are the warmest.
segment_pool::slot* segment_pool::find_free(std::size_t size) noexcept {
    slot* best = nullptr;
    for (slot& s : slots_)
        if (s.segment && s.segment->room().size() == size && is_free(s) &&
            (!best || s.segment->used_at > best->segment->used_at))
            best = &s;
    return best;
}

// An empty slot, and the bytes to fill it; what lies idle goes, the oldest first.
segment_pool::slot* segment_pool::make_room_for(std::size_t size) noexcept {
    for (;;) {
        slot* empty = nullptr;
        slot* idle = nullptr;
        for (slot& s : slots_) {
            if (!s.segment) empty = empty ? empty : &s;
            else if (is_free(s) && (!idle || s.segment->used_at < idle->segment->used_at))
                idle = &s;
        }
        if (empty && bytes_ + size <= options_.link_limit) {
            wire::byte_budget* const budget = options_.budget.get();
            // Relaxed: a count that orders nothing.
            if (!budget ||
                budget->used.fetch_add(size, std::memory_order_relaxed) + size <= budget->limit)
                return empty;
            budget->used.fetch_sub(size, std::memory_order_relaxed);
        }
        if (!idle || !forget(*idle)) return nullptr;
    }
}

segment_pool::slot* segment_pool::make(std::size_t size) {
    if (size > options_.link_limit) return nullptr;
    slot* const s = make_room_for(size);
    if (!s) return nullptr;
    bytes_ += size;
    const auto give_back = [&]() -> slot* {
        bytes_ -= size;
        if (options_.budget) options_.budget->used.fetch_sub(size, std::memory_order_relaxed);
        return nullptr;
    };
    sealed_memory memory = make_sealed(size);
    if (!memory.map) return give_back();
    const auto index = static_cast<std::uint32_t>(s - slots_.data());
    const std::uint32_t number = s->made * static_cast<std::uint32_t>(max_segment_slots) + index;
    auto* const segment = new (std::nothrow) lent_segment(std::move(memory.map), number);
    if (!segment) return give_back();
    std::unique_ptr<lent_segment> owner(segment);
    const int fd = memory.fd.get();
    // The socket is full, or the peer takes no more descriptors: another time.
    if (send_message(socket_, {message_type::segment, number, size}, {&fd, 1}) != 0)
        return give_back();
    ++s->made;
    s->segment = std::move(owner);
    return s;
}

base::block_ref segment_pool::lend(std::size_t size) noexcept {
    if (size > options_.largest_segment || owner_ != ::getpid()) return {};
    const std::size_t wanted = std::bit_ceil(std::max(size, smallest_segment));
    if (wanted > options_.largest_segment) return {};
    const std::lock_guard lock(mutex_);
    if (socket_ < 0) return {};
    slot* s = find_free(wanted);
    if (!s) s = make(wanted);
    if (!s) return {};
    s->segment->passed = false;
    s->segment->lend(shared_from_this());
    return base::block_ref(s->segment.get());
}

std::optional<block_reference> segment_pool::pass(base::block& b, std::size_t size) noexcept {
    if (b.kind() != base::block::memory::lent_out || size > b.room().size()) return std::nullopt;
    const std::lock_guard lock(mutex_);
    if (socket_ < 0) return std::nullopt;
    for (slot& s : slots_) {
        if (s.segment.get() != &b) continue;
        // Once for each loan: the release table tells of one use at a time.
        if (!s.segment->lent || s.segment->passed) return std::nullopt;
        s.segment->passed = true;
        return block_reference{s.segment->number, ++s.use, size};
    }
    return std::nullopt;
}

void segment_pool::recall(const block_reference& r) noexcept {
    const std::lock_guard lock(mutex_);
    slot& s = slots_[r.segment % max_segment_slots];
    if (!s.segment || s.segment->number != r.segment || s.use != r.use || !s.segment->passed)
        return;
    // The peer knows nothing of this use: the number is for the next one.
    s.segment->passed = false;
    --s.use;
}

void segment_pool::take_back(lent_segment& segment) noexcept {
    // After a fork this is the parent's affair.
    if (owner_ != ::getpid()) return;
    const std::lock_guard lock(mutex_);
    segment.lent = false;
    segment.used_at = base::time_source::steady().now();
    if (socket_ < 0) destroy(slots_[slot_of(segment)]);
}

void segment_pool::trim() noexcept {
    const base::time_point now = base::time_source::steady().now();
    const std::lock_guard lock(mutex_);
    if (socket_ < 0) return;
    for (slot& s : slots_)
        if (is_free(s) && now - s.segment->used_at >= options_.idle_after && !forget(s)) return;
}

// False: the peer cannot be told now.
bool segment_pool::forget(slot& s) noexcept {
    if (send_message(socket_, {message_type::forget, s.segment->number, 0}, {}) != 0) return false;
    destroy(s);
    return true;
}

void segment_pool::destroy(slot& s) noexcept {
    const std::size_t size = s.segment->room().size();
    s.segment.reset();
    bytes_ -= size;
    if (options_.budget) options_.budget->used.fetch_sub(size, std::memory_order_relaxed);
}

void segment_pool::detach() noexcept {
    const std::lock_guard lock(mutex_);
    socket_ = -1;
    for (slot& s : slots_)
        if (s.segment && !s.segment->lent) destroy(s);
}

}  // namespace tenon::inline v0::transport::shm
