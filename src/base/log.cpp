#include "base/log.hpp"

#include <unistd.h>

#include <array>
#include <mutex>
#include <string>

#include <fmt/format.h>

namespace tenon::inline v0 {

std::string_view to_string(log_level level) noexcept {
    constexpr std::array<std::string_view, 5> names{"debug", "info", "warning", "error", "off"};
    const auto i = static_cast<std::size_t>(level);
    return i < names.size() ? names[i] : "unknown";
}

namespace base {
namespace {

void write_stderr(log_level level, std::string_view line) {
    fmt::basic_memory_buffer<char, 512> text;
    fmt::format_to(fmt::appender(text), "tenon: {}: ", to_string(level));
    // One line each, whatever a message may quote.
    for (const char c : line) text.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    text.push_back('\n');
    // One write, so that lines of several threads and processes do not mix. A failure to log
    // cannot be reported anywhere.
    [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

void logger::set_sink(log_level level, log_sink sink) {
    auto next = sink ? std::make_shared<const log_sink>(std::move(sink)) : nullptr;
    {
        const std::lock_guard lock(mutex_);
        sink_.swap(next);
    }
    level_.store(level, std::memory_order_relaxed);
}

void logger::write(log_level level, std::string_view line) noexcept {
    if (!enabled(level) || level == log_level::off) return;
    try {
        std::shared_ptr<const log_sink> sink;
        {
            const std::lock_guard lock(mutex_);
            sink = sink_;
        }
        if (sink) (*sink)(level, line);
        else write_stderr(level, line);
    } catch (...) {
        // Logging must not disturb what it reports on.
    }
}

void logger::vprint(log_level level, fmt::string_view format, fmt::format_args args) noexcept {
    try {
        fmt::basic_memory_buffer<char, 512> text;
        fmt::vformat_to(fmt::appender(text), format, args);
        write(level, {text.data(), text.size()});
    } catch (...) {}
}

}  // namespace base
}  // namespace tenon::inline v0
