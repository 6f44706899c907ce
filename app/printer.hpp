#pragma once
// Values of streams on stdout, a line each, with how many and how fast on stderr if that is a
// terminal.

#include <chrono>
#include <cstdint>
#include <string>

#include "tenon/codec.hpp"
#include "tenon/stream_core.hpp"
#include "tenon/value.hpp"

namespace cli {

/// How values look.
struct line_format {
    bool json = false;  ///< {"value": …, "position": …, "gap": …}
    bool text = false;  ///< strings as they are
    bool raw = false;   ///< bytes as they are, without line ends
};

class value_printer {
public:
    explicit value_printer(const line_format& format);
    ~value_printer();
    value_printer(const value_printer&) = delete;
    value_printer& operator=(const value_printer&) = delete;

    /// `stats` as they are after the value. Written once there is much of it; throws output_error.
    void add(const tenon::value& v, const tenon::stream_stats& stats);
    /// Writes what there is, and says what was lost.
    void flush(const tenon::stream_stats& stats);
    /// The same at the end of the stream.
    void finish(const tenon::stream_stats& stats);
    std::uint64_t count() const noexcept { return count_; }

private:
    using clock = std::chrono::steady_clock;

    void write();
    void show_rate();
    void clear_rate();

    const line_format format_;
    const bool out_is_terminal_;
    const bool shows_rate_;
    std::string buffer_;
    std::uint64_t count_ = 0;
    std::uint64_t lost_ = 0;  // as told so far
    const clock::time_point started_ = clock::now();
    clock::time_point shown_at_ = started_;
    std::uint64_t count_then_ = 0;
    std::string rate_;       // the last line on stderr …
    bool is_shown_ = false;  // … if it is there now
};

}  // namespace cli
