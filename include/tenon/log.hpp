#pragma once
// What the runtime has to say to people, and where it goes. Lines never hold payloads or secrets.

#include <cstdint>
#include <functional>
#include <string_view>

#include "tenon/export.hpp"

namespace tenon::inline v0 {

enum class log_level : std::uint8_t { debug, info, warning, error, off };

/// "debug" to "off".
TENON_API std::string_view to_string(log_level level) noexcept;

/// Receives one line without its newline. Called from any thread, also from several at once, and
/// possibly while a connection waits: it should be quick. What it throws is ignored.
using log_sink = std::function<void(log_level, std::string_view line)>;

}  // namespace tenon::inline v0
