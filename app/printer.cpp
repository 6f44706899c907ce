#include "printer.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "output.hpp"

namespace cli {

namespace {

constexpr std::size_t enough = std::size_t{64} << 10;
constexpr std::chrono::milliseconds between_looks{500};

tenon::value as_text(const tenon::value& v) {
    return v.is_bytes() ? tenon::value(tenon::as_text(v.as_bytes())) : v;
}

std::string rate_text(std::uint64_t all, std::uint64_t n, std::chrono::nanoseconds time) {
    const double seconds = std::chrono::duration<double>(time).count();
    const double rate = seconds > 0 ? static_cast<double>(n) / seconds : 0;
    return fmt::format("{} values  {:.{}f}/s", all, rate, rate < 100 ? 1 : 0);
}

}  // namespace

value_printer::value_printer(const line_format& format)
    : format_(format),
      out_is_terminal_(::isatty(STDOUT_FILENO) != 0),
      shows_rate_(!format.json && is_steerable(STDERR_FILENO)) {}

value_printer::~value_printer() { clear_rate(); }

void value_printer::add(const tenon::value& v, const tenon::stream_stats& stats) {
    ++count_;
    if (format_.json) {
        tenon::value line = tenon::value::object({{"value", v}});
        if (stats.position != 0) line["position"] = stats.position;
        if (stats.lost != lost_) line["gap"] = stats.lost - lost_;
        lost_ = stats.lost;
        buffer_ += tenon::to_json(line);
    } else if (format_.raw && v.is_bytes()) {
        buffer_ += tenon::as_text(v.as_bytes());
    } else if (format_.text && (v.is_string() || v.is_bytes())) {
        const std::string text = as_text(v).as_string();
        buffer_ += out_is_terminal_ ? printable(text) : text;
    } else {
        buffer_ += tenon::to_json(v);
    }
    if (format_.json || !format_.raw) buffer_ += '\n';
    if (buffer_.size() >= enough) flush(stats);
}

void value_printer::write() {
    if (buffer_.empty()) return;
    if (out_is_terminal_) clear_rate();
    write_out(buffer_);
    buffer_.clear();
}

void value_printer::flush(const tenon::stream_stats& stats) {
    write();
    if (!format_.json && stats.lost != lost_) {
        clear_rate();
        note(fmt::format("{} values were lost", stats.lost - lost_));
        lost_ = stats.lost;
    }
    show_rate();
}

void value_printer::finish(const tenon::stream_stats& stats) {
    if (format_.json && stats.lost != lost_)
        buffer_ += fmt::format("{{\"gap\":{}}}\n", stats.lost - lost_);
    flush(stats);
    clear_rate();
    // Below the values themselves it would only be one more line.
    if (shows_rate_ && !out_is_terminal_) {
        const auto time = clock::now() - started_;
        note(fmt::format("{} in {:.1f} s", rate_text(count_, count_, time),
                         std::chrono::duration<double>(time).count()));
    }
}

// --- the rate ---

// The line with it stands below the values, on whose terminal it is.
void value_printer::show_rate() {
    if (!shows_rate_) return;
    const auto now = clock::now();
    if (now - shown_at_ >= between_looks) {
        clear_rate();
        const std::uint64_t n = count_ - std::exchange(count_then_, count_);
        rate_ = rate_text(count_, n, now - std::exchange(shown_at_, now));
    }
    if (rate_.empty() || std::exchange(is_shown_, true)) return;
    static_cast<void>(write_to(STDERR_FILENO, rate_));
}

void value_printer::clear_rate() {
    if (!std::exchange(is_shown_, false)) return;
    static_cast<void>(write_to(STDERR_FILENO, "\r\x1b[K"));
}

}  // namespace cli
