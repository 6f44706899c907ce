#pragma once
// Pages: runs of memory that hold whole records, one behind the other. A page is a block, so what
// is read from it may be kept, and sent, without being copied.
//
// Bytes of a page are written once and never change while anybody but its log holds it; a page that
// nobody holds any more is used anew.

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/block.hpp"
#include "base/mutex.hpp"
#include "journal/record.hpp"

namespace tenon::inline v0::journal {

class page;
class page_pool;

/// One reference to a page, or none.
class page_ref {
public:
    page_ref() noexcept = default;
    /// Takes over a reference.
    explicit page_ref(page* p) noexcept : page_(p) {}
    page_ref(const page_ref& o) noexcept;
    page_ref(page_ref&& o) noexcept : page_(std::exchange(o.page_, nullptr)) {}
    page_ref& operator=(page_ref o) noexcept {
        std::swap(page_, o.page_);
        return *this;
    }
    ~page_ref();

    page* get() const noexcept { return page_; }
    page* operator->() const noexcept { return page_; }
    page& operator*() const noexcept { return *page_; }
    explicit operator bool() const noexcept { return page_ != nullptr; }

private:
    page* page_ = nullptr;
};

class page final : public base::block {
public:
    page(std::shared_ptr<page_pool> pool, std::byte* memory, std::size_t capacity) noexcept
        : block(memory::own, {memory, capacity}), pool_(std::move(pool)) {}

    std::byte* data() const noexcept { return room().data(); }
    std::size_t capacity() const noexcept { return room().size(); }
    std::size_t free() const noexcept { return capacity() - used; }

    // Guarded by whoever writes the page.
    std::size_t used = 0;
    position first = 0;    ///< of its first record
    timestamp latest = 0;  ///< at least the latest time of a record in it

private:
    friend class page_pool;
    void dispose() noexcept override;

    const std::shared_ptr<page_pool> pool_;
};

/// Keeps some pages of one size for reuse. Thread-safe.
class page_pool : public std::enable_shared_from_this<page_pool> {
public:
    page_pool(std::size_t page_size, std::size_t kept) : page_size_(page_size), kept_(kept) {
        free_.reserve(kept);
    }
    ~page_pool();

    std::size_t page_size() const noexcept { return page_size_; }

    /// A page with room for `size` bytes. Throws std::bad_alloc.
    page_ref take(std::size_t size);

    /// Keeps none any more: its log is gone.
    void close() noexcept;

private:
    friend class page;
    void give(page* p) noexcept;
    static void destroy(page* p) noexcept;

    const std::size_t page_size_;
    base::mutex mutex_;
    std::size_t kept_;         // guarded by mutex_
    std::vector<page*> free_;  // guarded by mutex_
};

/// Pages in the order of their positions; the first may go, others are added at the end. Each has a
/// number that it keeps.
class page_list {
public:
    using number = std::uint64_t;

    bool empty() const noexcept { return size_ == 0; }
    number begin_number() const noexcept { return begin_; }
    number end_number() const noexcept { return begin_ + size_; }
    const page_ref& at(number n) const noexcept { return ring_[n & (ring_.size() - 1)]; }
    page& front() const noexcept { return *at(begin_); }
    page& back() const noexcept { return *at(begin_ + size_ - 1); }

    void push_back(page_ref p);
    void pop_front() noexcept;
    void pop_back() noexcept;

    /// The page that holds `at`, if it is there at all; `at` is not before the first page's.
    number find(position at) const noexcept;

private:
    std::vector<page_ref> ring_;  // as long as a power of two
    number begin_ = 0;
    std::size_t size_ = 0;
};

inline page_ref::page_ref(const page_ref& o) noexcept : page_(o.page_) {
    if (page_ != nullptr) page_->add_ref();
}
inline page_ref::~page_ref() {
    if (page_ != nullptr) page_->release();
}

}  // namespace tenon::inline v0::journal
