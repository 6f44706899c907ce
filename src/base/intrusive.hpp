#pragma once
// A doubly linked list whose links are inside the elements: nothing allocates, and an element
// leaves whatever list it is in by itself, in constant time, at the latest when it is destroyed.
//
// T derives publicly from list_hook<Tag>; one hook is in at most one list. Not thread-safe.

#include <cstddef>

namespace tenon::inline v0::base {

template <class Tag = void>
class list_hook {
public:
    list_hook() noexcept = default;
    list_hook(const list_hook&) = delete;
    list_hook& operator=(const list_hook&) = delete;
    ~list_hook() { unlink(); }

    bool linked() const noexcept { return next_ != nullptr; }

    /// Leaves its list; nothing if it is in none.
    void unlink() noexcept {
        if (!next_) return;
        prev_->next_ = next_;
        next_->prev_ = prev_;
        prev_ = next_ = nullptr;
    }

private:
    template <class T, class>
    friend class list;

    list_hook* prev_ = nullptr;
    list_hook* next_ = nullptr;
};

template <class T, class Tag = void>
class list {
    using hook = list_hook<Tag>;

public:
    list() noexcept { reset(); }
    list(const list&) = delete;
    list& operator=(const list&) = delete;
    /// The elements stay as they are, in no list.
    ~list() { clear(); }

    bool empty() const noexcept { return end_.next_ == &end_; }
    T& front() noexcept { return static_cast<T&>(*end_.next_); }

    /// The element must be in no list.
    void push_back(T& t) noexcept { insert_before(end_, t); }
    void push_front(T& t) noexcept { insert_before(*end_.next_, t); }

    T& pop_front() noexcept {
        T& t = front();
        static_cast<hook&>(t).unlink();
        return t;
    }
    void clear() noexcept {
        while (!empty()) end_.next_->unlink();
    }
    /// Moves all of `other` to the end of this list, in order and in constant time.
    void splice_back(list& other) noexcept {
        if (other.empty()) return;
        other.end_.next_->prev_ = end_.prev_;
        end_.prev_->next_ = other.end_.next_;
        other.end_.prev_->next_ = &end_;
        end_.prev_ = other.end_.prev_;
        other.reset();
    }

    /// Removing the element an iterator stands on invalidates that iterator only.
    class iterator {
    public:
        explicit iterator(hook* at) noexcept : at_(at) {}
        T& operator*() const noexcept { return static_cast<T&>(*at_); }
        iterator& operator++() noexcept { return at_ = at_->next_, *this; }
        bool operator==(const iterator&) const noexcept = default;

    private:
        hook* at_;
    };
    iterator begin() noexcept { return iterator(end_.next_); }
    iterator end() noexcept { return iterator(&end_); }

private:
    void reset() noexcept { end_.prev_ = end_.next_ = &end_; }
    static void insert_before(hook& where, hook& h) noexcept {
        h.prev_ = where.prev_;
        h.next_ = &where;
        where.prev_->next_ = &h;
        where.prev_ = &h;
    }

    hook end_;
};

}  // namespace tenon::inline v0::base
