// Recycled storage for coroutine frames and call states: per thread, by size class, bounded.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "tenon/task.hpp"

namespace tenon::inline v0::detail {
namespace {

constexpr std::size_t smallest = 128;
constexpr std::size_t classes = 6;  // 128 … 4096 bytes; larger ones are not kept
constexpr std::size_t kept_bytes = std::size_t(64) << 10;  // of each class

class frame_cache {
public:
    constexpr frame_cache() noexcept = default;
    ~frame_cache() {
        closed_ = true;
        for (cell*& head : heads_)
            while (head) ::operator delete(std::exchange(head, head->next));
    }

    void* take(std::size_t size_class) noexcept {
        cell* const c = heads_[size_class];
        if (!c) return nullptr;
        heads_[size_class] = c->next;
        --counts_[size_class];
        return c;
    }
    bool keep(void* frame, std::size_t size_class) noexcept {
        if (closed_ || counts_[size_class] >= (kept_bytes / smallest >> size_class)) return false;
        heads_[size_class] = ::new (frame) cell{heads_[size_class]};
        ++counts_[size_class];
        return true;
    }

private:
    struct cell {
        cell* next;
    };
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
