#include "tenon/error.hpp"

#include <array>
#include <cstddef>

#include "base/error_codes.hpp"

namespace tenon::inline v0 {

namespace base {
namespace {

constexpr std::array<error_numbers, 12> table{{
    {errc::failed, "failed", 0x201, 422, -32000, 20},
    {errc::overloaded, "overloaded", 0x202, 429, -32001, 13},
    {errc::cancelled, "cancelled", 0x203, 499, -32002, 10},
    {errc::invalid, "invalid", 0x204, 400, -32602, 15},
    {errc::deadline, "deadline", 0x301, 504, -32003, 11},
    {errc::unavailable, "unavailable", 0x302, 503, -32004, 12},
    {errc::not_found, "not_found", 0x303, 404, -32601, 14},
    {errc::denied, "denied", 0x304, 403, -32005, 16},
    {errc::conflict, "conflict", 0x305, 409, -32006, 17},
    {errc::unsupported, "unsupported", 0x306, 501, -32007, 18},
    {errc::internal, "internal", 0x307, 500, -32603, 19},
    {errc::data_loss, "data_loss", 0x308, 500, -32008, 21},
}};

constexpr std::uint32_t rsocket_rejected_setup_range_end = 0x200;

}  // namespace

std::span<const error_numbers> error_table() noexcept { return table; }

const error_numbers& numbers_of(errc code) noexcept {
    for (const error_numbers& n : table)
        if (n.code == code) return n;
    return table[static_cast<std::size_t>(errc::internal) - 1];
}

errc errc_from_rsocket(std::uint32_t code) noexcept {
    if (code < rsocket_rejected_setup_range_end) return errc::unavailable;
    for (const error_numbers& n : table)
        if (n.rsocket == code) return n.code;
    return errc::failed;
}

}  // namespace base

std::string_view to_string(errc code) noexcept {
    for (const auto& n : base::error_table())
        if (n.code == code) return n.name;
    return "unknown";
}

std::optional<errc> errc_from_string(std::string_view name) noexcept {
    for (const auto& n : base::error_table())
        if (name == n.name) return n.code;
    return std::nullopt;
}

int exit_code(errc code) noexcept { return base::numbers_of(code).exit_code; }

struct error::text {
    std::string message;
    std::string name;
    std::string origin;
    bytes details;
    std::optional<std::chrono::milliseconds> retry_after;
};

error::error(errc code, std::string message) : code_(code) {
    // Codes that are only reported before anything started; the others may follow an effect.
    may_have_run_ = code != errc::overloaded && code != errc::not_found && code != errc::denied;
    if (!message.empty()) {
        text_ = std::make_shared<text>();
        text_->message = std::move(message);
    }
}

error::text& error::own() {
    if (!text_) text_ = std::make_shared<text>();
    else if (text_.use_count() > 1) text_ = std::make_shared<text>(*text_);
    return *text_;
}

std::string_view error::message() const noexcept {
    return text_ && !text_->message.empty() ? std::string_view(text_->message)
                                            : tenon::to_string(code_);
}
std::string_view error::name() const noexcept {
    return text_ ? std::string_view(text_->name) : std::string_view();
}
std::string_view error::origin() const noexcept {
    return text_ ? std::string_view(text_->origin) : std::string_view();
}
std::optional<std::chrono::milliseconds> error::retry_after() const noexcept {
    return text_ ? text_->retry_after : std::nullopt;
}
bytes_view error::details() const noexcept {
    return text_ ? bytes_view(text_->details) : bytes_view();
}

error& error::set_name(std::string name) { return own().name = std::move(name), *this; }
error& error::set_origin(std::string origin) { return own().origin = std::move(origin), *this; }
error& error::set_details(bytes msgpack) { return own().details = std::move(msgpack), *this; }
error& error::set_retry_after(std::chrono::milliseconds delay) {
    return own().retry_after = delay, *this;
}
error& error::set_may_have_run(bool value) noexcept { return may_have_run_ = value, *this; }

std::string error::to_string() const {
    std::string s(tenon::to_string(code_));
    if (!name().empty()) s.append(" (").append(name()).append(")");
    if (text_ && !text_->message.empty()) s.append(": ").append(text_->message);
    if (!origin().empty()) s.append(" [").append(origin()).append("]");
    return s;
}

failure::failure(tenon::error e)
    : error_(std::move(e)), what_(std::make_shared<const std::string>(error_.to_string())) {}

}  // namespace tenon::inline v0
