#pragma once
// The files of one instance in its service's directory: what they say, whether their server lives,
// and their removal if it does not.

#include <optional>
#include <string>
#include <string_view>

#include "naming/directory.hpp"
#include "tenon/discover.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0::naming {

inline constexpr std::string_view socket_extension = ".sock";
inline constexpr std::string_view lock_extension = ".lock";
inline constexpr std::string_view json_extension = ".json";
inline constexpr std::string_view new_extension = ".new";

/// Writes INSTANCE.json, complete from the first moment.
result<void> write_description(const open_directory& d, const std::string& instance,
                               const std::string& text, const sharing& with);

/// Reads it with limits on size and depth. Nothing if it is missing or is not what it should be.
std::optional<value> read_description(const open_directory& d, std::string_view instance);

/// The owner of INSTANCE.sock; nothing if that is missing or no socket.
std::optional<uid_t> owner_of(const open_directory& d, std::string_view instance);

enum class life : std::uint8_t { lives, dead, unknown };

/// By the lock: unknown to those who may not open it, and without one.
life look_at(const open_directory& d, std::string_view instance) noexcept;

/// Removes what a dead server has left, if it is dead and this user may.
void clean_up(const open_directory& d, std::string_view instance) noexcept;

}  // namespace tenon::inline v0::naming
