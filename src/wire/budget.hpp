#pragma once
// A number of bytes that several sessions share, and one session's part of it.

#include <atomic>
#include <cstddef>
#include <utility>

namespace tenon::inline v0::wire {

/// Thread-safe. Must outlive the shares in it.
struct byte_budget {
    explicit byte_budget(std::size_t most) noexcept : limit(most) {}
    const std::size_t limit;
    std::atomic<std::size_t> used{0};
};

/// What one session has taken; given back at the latest by the destructor. Not thread-safe.
class budget_share {
public:
    /// Null: counts only.
    explicit budget_share(byte_budget* of = nullptr) noexcept : budget_(of) {}
    budget_share(budget_share&& o) noexcept
        : budget_(o.budget_), taken_(std::exchange(o.taken_, 0)) {}
    budget_share& operator=(budget_share&& o) noexcept {
        give_back(taken_);
        budget_ = o.budget_;
        taken_ = std::exchange(o.taken_, 0);
        return *this;
    }
    ~budget_share() { give_back(taken_); }

    std::size_t taken() const noexcept { return taken_; }

    /// False, and nothing is taken, if that would be more than there is.
    bool take(std::size_t n) noexcept {
        // Relaxed: a count that orders nothing.
        if (budget_ && budget_->used.fetch_add(n, std::memory_order_relaxed) + n > budget_->limit) {
            budget_->used.fetch_sub(n, std::memory_order_relaxed);
            return false;
        }
        taken_ += n;
        return true;
    }
    void give_back(std::size_t n) noexcept {
        if (budget_) budget_->used.fetch_sub(n, std::memory_order_relaxed);
        taken_ -= n;
    }

private:
    byte_budget* budget_;
    std::size_t taken_ = 0;
};

}  // namespace tenon::inline v0::wire
