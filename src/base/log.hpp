#pragma once
// The log of one runtime: a level and a sink. A line that is not wanted costs one relaxed load.
//
//     log.warning("{}: method {} occupied the loop for {} ms", peer, name, ms);
//
// Never throws and never allocates for lines that are off. Thread-safe.

#include <atomic>
#include <memory>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "base/mutex.hpp"
#include "tenon/log.hpp"

namespace tenon::inline v0::base {

class logger {
public:
    /// Warnings and errors to stderr, one line each, as "tenon: warning: …".
    logger() noexcept = default;
    logger(const logger&) = delete;
    logger& operator=(const logger&) = delete;

    /// Lines below `level` are dropped. An empty sink is stderr. A sink that was replaced may
    /// still be running on other threads; it is destroyed after its last line.
    void set_sink(log_level level, log_sink sink);

    /// Lines below it are dropped.
    log_level level() const noexcept { return level_.load(std::memory_order_relaxed); }
    void set_level(log_level level) noexcept { level_.store(level, std::memory_order_relaxed); }

    bool enabled(log_level level) const noexcept {
        return level >= level_.load(std::memory_order_relaxed);
    }
    void write(log_level level, std::string_view line) noexcept;

    template <class... Args>
    void debug(fmt::format_string<Args...> format, Args&&... args) noexcept {
        print(log_level::debug, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void info(fmt::format_string<Args...> format, Args&&... args) noexcept {
        print(log_level::info, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void warning(fmt::format_string<Args...> format, Args&&... args) noexcept {
        print(log_level::warning, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void error(fmt::format_string<Args...> format, Args&&... args) noexcept {
        print(log_level::error, format, std::forward<Args>(args)...);
    }

private:
    template <class... Args>
    void print(log_level level, fmt::format_string<Args...> format, Args&&... args) noexcept {
        if (enabled(level)) vprint(level, format, fmt::make_format_args(args...));
    }
    void vprint(log_level level, fmt::string_view format, fmt::format_args args) noexcept;

    std::atomic<log_level> level_{log_level::warning};
    mutex mutex_;  // guards sink_
    std::shared_ptr<const log_sink> sink_;
};

}  // namespace tenon::inline v0::base
