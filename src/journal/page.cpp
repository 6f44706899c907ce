#include "journal/page.hpp"

#include <algorithm>
#include <mutex>

namespace tenon::inline v0::journal {

void page::dispose() noexcept { pool_->give(this); }

page_pool::~page_pool() { close(); }

page_ref page_pool::take(std::size_t size) {
    if (size <= page_size_) {
        const std::lock_guard lock(mutex_);
        if (!free_.empty()) {
            page* const p = free_.back();
            free_.pop_back();
            p->reset_refs();
            p->used = 0;
            p->first = 0;
            return page_ref(p);
        }
    }
    const std::size_t capacity = std::max(size, page_size_);
    auto memory = std::make_unique_for_overwrite<std::byte[]>(capacity);
    page_ref made(new page(shared_from_this(), memory.get(), capacity));
    (void)memory.release();
    return made;
}

void page_pool::give(page* p) noexcept {
    if (p->capacity() == page_size_) {
        const std::lock_guard lock(mutex_);
        if (free_.size() < kept_) {
            free_.push_back(p);  // its room is reserved
            return;
        }
    }
    destroy(p);
}

void page_pool::destroy(page* p) noexcept {
    std::byte* const memory = p->data();
    // The page may hold the last reference to this pool.
    delete p;
    delete[] memory;
}

void page_pool::close() noexcept {
    std::vector<page*> free;
    {
        const std::lock_guard lock(mutex_);
        kept_ = 0;
        free.swap(free_);
    }
    for (page* p : free) destroy(p);
}

void page_list::push_back(page_ref p) {
    if (size_ == ring_.size()) {
        std::vector<page_ref> wider(std::max<std::size_t>(ring_.size() * 2, 8));
        for (number n = begin_; n != end_number(); ++n)
            wider[n & (wider.size() - 1)] = std::move(ring_[n & (ring_.size() - 1)]);
        ring_.swap(wider);
    }
    ring_[end_number() & (ring_.size() - 1)] = std::move(p);
    ++size_;
}

void page_list::pop_front() noexcept {
    ring_[begin_ & (ring_.size() - 1)] = page_ref();
    ++begin_;
    --size_;
}

void page_list::pop_back() noexcept {
    --size_;
    ring_[end_number() & (ring_.size() - 1)] = page_ref();
}

page_list::number page_list::find(position wanted) const noexcept {
    number low = begin_;
    number high = end_number();
    while (high - low > 1) {
        const number middle = low + (high - low) / 2;
        if (at(middle)->first <= wanted) low = middle;
        else high = middle;
    }
    return low;
}

}  // namespace tenon::inline v0::journal
