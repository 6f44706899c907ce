// Recycled storage for coroutine frames and call states: per thread, by size class, bounded.

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

#include "base/mutex.hpp"
#include "tenon/task.hpp"

namespace tenon::inline v0::detail {
namespace {

constexpr std::size_t smallest = 128;
constexpr std::size_t classes = 6;  // 128 … 4096 bytes; larger ones are not kept
constexpr std::size_t kept_bytes = std::size_t(64) << 10;  // per thread, of each class
constexpr std::size_t depot_batches = 64;                  // in the depot, of each class

struct cell {
    cell* next;
    cell* next_batch;  // of the first cell of a batch in the depot
};

constexpr std::uint32_t most_kept(std::size_t size_class) noexcept {
    return static_cast<std::uint32_t>(kept_bytes / smallest >> size_class);
}
constexpr std::uint32_t batch_size(std::size_t size_class) noexcept {
    return std::min<std::uint32_t>(16, most_kept(size_class) / 2);
}

/// Where threads that free more than they allocate leave batches for those that do the opposite, as
/// a caller and its loop do. What it holds at the end of the process is reachable and stays.
class depot {
public:
    bool put(cell* batch, std::size_t size_class) noexcept {
        const std::lock_guard lock(mutex_);
        if (counts_[size_class] >= depot_batches) return false;
        batch->next_batch = heads_[size_class];
        heads_[size_class] = batch;
        ++counts_[size_class];
        return true;
    }
    cell* take(std::size_t size_class) noexcept {
        // A hint without the lock: mostly there is nothing, and then it costs nothing.
        if (counts_[size_class].load(std::memory_order_relaxed) == 0) return nullptr;
        const std::lock_guard lock(mutex_);
        cell* const batch = heads_[size_class];
        if (!batch) return nullptr;
        heads_[size_class] = batch->next_batch;
        --counts_[size_class];
        return batch;
    }

private:
    base::mutex mutex_;
    std::array<cell*, classes> heads_{};
    std::array<std::atomic<std::uint32_t>, classes> counts_{};
};

constinit depot shared;

class frame_cache {
public:
    constexpr frame_cache() noexcept = default;
    ~frame_cache() {
        closed_ = true;
        for (cell* head : heads_) drop(head);
    }

    void* take(std::size_t size_class) noexcept {
        cell*& head = heads_[size_class];
        if (!head) {
            head = shared.take(size_class);
            if (!head) return nullptr;
            counts_[size_class] = batch_size(size_class);
        }
        --counts_[size_class];
        return std::exchange(head, head->next);
    }
    bool keep(void* frame, std::size_t size_class) noexcept {
        if (closed_) return false;
        if (counts_[size_class] >= most_kept(size_class)) pass_on(size_class);
        heads_[size_class] = ::new (frame) cell{heads_[size_class], nullptr};
        ++counts_[size_class];
        return true;
    }

private:
    static void drop(cell* list) noexcept {
        while (list) ::operator delete(std::exchange(list, list->next));
    }
    void pass_on(std::size_t size_class) noexcept {
        cell* const batch = heads_[size_class];
        cell* last = batch;
        for (std::uint32_t i = 1; i < batch_size(size_class); ++i) last = last->next;
        heads_[size_class] = std::exchange(last->next, nullptr);
        counts_[size_class] -= batch_size(size_class);
        if (!shared.put(batch, size_class)) drop(batch);
    }

    std::array<cell*, classes> heads_{};
    std::array<std::uint32_t, classes> counts_{};
    bool closed_ = false;  // frames may be freed later than this, while the thread ends
};

constinit thread_local frame_cache cache;

std::size_t class_of(std::size_t size) noexcept {
    return size <= smallest ? 0 : std::bit_width((size - 1) / smallest);
}

}  // namespace

void* frame_allocate(std::size_t size) {
    const std::size_t c = class_of(size);
    if (c >= classes) return ::operator new(size);
    if (void* const frame = cache.take(c)) return frame;
    return ::operator new(smallest << c);
}

void frame_free(void* frame, std::size_t size) noexcept {
    const std::size_t c = class_of(size);
    if (c >= classes || !cache.keep(frame, c)) ::operator delete(frame);
}

}  // namespace tenon::inline v0::detail
