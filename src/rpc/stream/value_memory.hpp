#pragma once
// value_memory: how many bytes of values that have come over one connection, and were not taken,
// are kept; and an inlet's part of it.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "wire/budget.hpp"

namespace tenon::inline v0::rpc {

/// Thread-safe.
class value_memory {
public:
    /// `all`: of all connections of a server; null on a client.
    value_memory(std::size_t limit, std::shared_ptr<wire::byte_budget> all) noexcept
        : own_(limit), all_(std::move(all)) {}

    /// False, and nothing is taken, if there is not as much.
    bool take(std::size_t n) noexcept {
        if (!take(own_, n)) return false;
        if (!all_ || take(*all_, n)) return true;
        give_back(own_, n);
        return false;
    }
    void give_back(std::size_t n) noexcept {
        give_back(own_, n);
        if (all_) give_back(*all_, n);
    }
    std::size_t used() const noexcept { return own_.used.load(std::memory_order_relaxed); }

private:
    // Relaxed: a count that orders nothing.
    static bool take(wire::byte_budget& b, std::size_t n) noexcept {
        if (b.used.fetch_add(n, std::memory_order_relaxed) + n <= b.limit) return true;
        give_back(b, n);
        return false;
    }
    static void give_back(wire::byte_budget& b, std::size_t n) noexcept {
        b.used.fetch_sub(n, std::memory_order_relaxed);
    }

    wire::byte_budget own_;
    const std::shared_ptr<wire::byte_budget> all_;
};

/// Of one inlet, whose mutex guards it. Counted in steps, and not at all what every stream may have,
/// so that streams of small values share nothing.
class value_memory_share {
public:
    static constexpr std::size_t step = std::size_t{64} << 10;

    value_memory_share() noexcept = default;
    value_memory_share(const value_memory_share&) = delete;
    value_memory_share& operator=(const value_memory_share&) = delete;
    ~value_memory_share() { shrink(0); }

    /// Before the first value. Null, as at first: not counted.
    void set(std::shared_ptr<value_memory> of) noexcept { of_ = std::move(of); }

    /// `bytes` are going to be kept. False: that is too much.
    bool reaches(std::size_t bytes) noexcept {
        if (bytes <= enough_ || !of_) [[likely]]
            return true;
        const std::size_t more = std::max(bytes - enough_, step);
        if (!of_->take(more)) return false;
        enough_ += more;
        return true;
    }
    /// So few are kept now.
    void fell_to(std::size_t bytes) noexcept {
        if (enough_ > step && bytes < enough_ / 4) [[unlikely]]
            shrink(bytes);
    }

private:
    void shrink(std::size_t bytes) noexcept {
        const std::size_t enough = std::max(bytes, step);
        if (enough >= enough_) return;
        of_->give_back(enough_ - enough);
        enough_ = enough;
    }

    std::shared_ptr<value_memory> of_;
    std::size_t enough_ = step;  // so much may be kept
};

}  // namespace tenon::inline v0::rpc
