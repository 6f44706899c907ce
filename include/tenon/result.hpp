#pragma once
// result<T>: a value or an error, shaped like std::expected<T, error>.
//
// Both error cultures from one type: test and use `*r` / `r.error()`, or call `.value()`, which
// throws tenon::failure.

#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "tenon/error.hpp"

namespace tenon::inline v0 {

template <class T>
class [[nodiscard]] result {
public:
    using value_type = T;

    result() requires std::is_default_constructible_v<T> : ok_(true) { ::new (&value_) T(); }
    result(tenon::error e) noexcept : ok_(false) { ::new (&error_) tenon::error(std::move(e)); }

    template <class U = T>
        requires(std::is_constructible_v<T, U&&> &&
                 !std::is_same_v<std::remove_cvref_t<U>, result> &&
                 !std::is_same_v<std::remove_cvref_t<U>, tenon::error>)
    result(U&& v) : ok_(true) { ::new (&value_) T(std::forward<U>(v)); }

    result(const result& o) : ok_(o.ok_) {
        if (ok_) ::new (&value_) T(o.value_);
        else ::new (&error_) tenon::error(o.error_);
    }
    result(result&& o) noexcept(std::is_nothrow_move_constructible_v<T>) : ok_(o.ok_) {
        if (ok_) ::new (&value_) T(std::move(o.value_));
        else ::new (&error_) tenon::error(std::move(o.error_));
    }
    result& operator=(result o) noexcept(std::is_nothrow_move_constructible_v<T>) {
        this->~result();
        ::new (this) result(std::move(o));
        return *this;
    }
    ~result() {
        if (ok_) value_.~T();
        else error_.~error();
    }

    bool has_value() const noexcept { return ok_; }
    explicit operator bool() const noexcept { return ok_; }

    /// The value; undefined if there is none.
    T& operator*() & noexcept { return value_; }
    const T& operator*() const& noexcept { return value_; }
    T&& operator*() && noexcept { return std::move(value_); }
    T* operator->() noexcept { return &value_; }
    const T* operator->() const noexcept { return &value_; }

    /// The value; throws tenon::failure if there is none.
    T& value() & { return check(), value_; }
    const T& value() const& { return check(), value_; }
    T&& value() && { return check(), std::move(value_); }

    template <class U>
    T value_or(U&& other) const& {
        return ok_ ? value_ : static_cast<T>(std::forward<U>(other));
    }

    /// The error; undefined if there is a value.
    const tenon::error& error() const& noexcept { return error_; }
    tenon::error&& error() && noexcept { return std::move(error_); }

private:
    void check() const {
        if (!ok_) throw failure(error_);
    }

    bool ok_;
    union {
        T value_;
        tenon::error error_;
    };
};

template <>
class [[nodiscard]] result<void> {
public:
    using value_type = void;

    result() noexcept = default;
    result(tenon::error e) : error_(std::move(e)) {}

    bool has_value() const noexcept { return !error_; }
    explicit operator bool() const noexcept { return !error_; }
    void value() const {
        if (error_) throw failure(*error_);
    }
    const tenon::error& error() const& noexcept { return *error_; }
    tenon::error&& error() && noexcept { return *std::move(error_); }

private:
    std::optional<tenon::error> error_;
};

}  // namespace tenon::inline v0

/// Ends the enclosing function with the error of `expr`, if it has one.
#define TENON_TRY(expr)                                          \
    do {                                                         \
        if (auto tenon_try_result_ = (expr); !tenon_try_result_) \
            return std::move(tenon_try_result_).error();         \
    } while (false)
