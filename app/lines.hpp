#pragma once
// Lines of stdin for commands that also have to look after something else.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "interruption.hpp"

namespace cli {

class line_reader {
public:
    /// `is_over` is asked every now and then while there is no input.
    line_reader(interruption& interrupt, std::function<bool()> is_over);
    ~line_reader();
    line_reader(const line_reader&) = delete;
    line_reader& operator=(const line_reader&) = delete;

    /// The next line without its end, until the next call. Nothing: there are no more, or it is
    /// over, or interrupted. A last line may lack its end. Throws usage_error.
    std::optional<std::string_view> next();
    /// Of the line that next() gave, from 1 on.
    std::uint64_t number() const noexcept { return number_; }

private:
    bool wait_for_input();
    bool read_more();

    std::function<bool()> is_over_;
    int wake_;  // an eventfd: readable once there was an interruption
    class waker;
    waker* const waker_;
    std::string buffer_;
    std::size_t begin_ = 0;     // of what next() has not given
    std::size_t searched_ = 0;  // no line ends before
    bool ended_ = false;
    std::uint64_t number_ = 0;
};

}  // namespace cli
