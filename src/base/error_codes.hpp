#pragma once
// The one table that maps tenon::errc to the numbers of each wire and to exit codes.

#include <cstdint>
#include <optional>
#include <span>

#include "tenon/error.hpp"

namespace tenon::inline v0::base {

struct error_numbers {
    errc code;
    const char* name;
    std::uint32_t rsocket;  // ERROR frame code; 0x201 and up is RSocket's application range
    int http;
    int jsonrpc;
    int exit_code;  // of the tenon binary
};

/// All codes, in the order of errc.
std::span<const error_numbers> error_table() noexcept;

const error_numbers& numbers_of(errc code) noexcept;

/// Codes of a foreign peer that the table does not hold become `failed`, except RSocket's own
/// 0x001 to 0x1FF (setup and connection errors) which become `unavailable`, its 0x202 to 0x204
/// as listed, and its 0x201 (APPLICATION_ERROR), which is `failed`.
errc errc_from_rsocket(std::uint32_t code) noexcept;

}  // namespace tenon::inline v0::base
