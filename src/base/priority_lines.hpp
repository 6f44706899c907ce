#pragma once
// priority_lines: elements that wait for their turn, first by priority, then in order of arrival.
//
// The higher go first, but a lower one that waits gets at least every `patience`-th turn. Links are
// inside the elements, as with base::list. Not thread-safe.

#include <array>
#include <cstddef>

#include "base/intrusive.hpp"
#include "tenon/priority.hpp"

namespace tenon::inline v0::base {

template <class T, class Tag = void>
class priority_lines {
public:
    static constexpr unsigned patience = 8;

    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    /// How many of this priority or a higher one.
    std::size_t size_from(priority p) const noexcept {
        std::size_t n = 0;
        for (auto i = static_cast<std::size_t>(p); i < count; ++i) n += lines_[i].size;
        return n;
    }

    /// The element must be in no list.
    void push_back(T& t, priority p) noexcept {
        line& l = lines_[static_cast<std::size_t>(p)];
        l.waiting.push_back(t);
        ++l.size;
        ++size_;
    }

    /// The one whose turn it is. Not if empty.
    T& pop_front() noexcept {
        const std::size_t turn = next();
        for (std::size_t i = 0; i < turn; ++i)
            if (lines_[i].size != 0) ++lines_[i].passed;
        line& l = lines_[turn];
        l.passed = 0;
        --l.size;
        --size_;
        return l.waiting.pop_front();
    }

    /// Calls f with the first of each line.
    template <class F>
    void for_each_first(F&& f) {
        for (line& l : lines_)
            if (l.size != 0) f(l.waiting.front());
    }

    /// Moves all to the end of `to`, the highest first.
    void drain_to(list<T, Tag>& to) noexcept {
        for (std::size_t i = count; i-- != 0;) {
            to.splice_back(lines_[i].waiting);
            lines_[i].size = 0;
            lines_[i].passed = 0;
        }
        size_ = 0;
    }

private:
    static constexpr std::size_t count = 3;
    struct line {
        list<T, Tag> waiting;
        std::size_t size = 0;
        unsigned passed = 0;  // turns of higher ones since the last of this
    };

    std::size_t next() const noexcept {
        std::size_t highest = count;
        for (std::size_t i = count; i-- != 0;) {
            if (lines_[i].size == 0) continue;
            if (lines_[i].passed + 1 >= patience) return i;
            if (highest == count) highest = i;
        }
        return highest;
    }

    std::array<line, count> lines_;
    std::size_t size_ = 0;
};

}  // namespace tenon::inline v0::base
