#include "codec/trouble.hpp"

namespace tenon::inline v0::coding {

bool trouble::record(errc code, std::string message) {
    if (happened_) return false;
    happened_ = true;
    code_ = code;
    message_ = std::move(message);
    return false;
}

bool trouble::invalid(std::string message) { return record(errc::invalid, std::move(message)); }
bool trouble::unsupported(std::string message) {
    return record(errc::unsupported, std::move(message));
}
bool trouble::expected(std::string_view what, std::string_view got) {
    std::string message = "expected ";
    message.append(what).append(", got ").append(got);
    return invalid(std::move(message));
}

bool trouble::in_member(std::string_view name) {
    if (!pathless_) path_.insert(0, name).insert(0, 1, '.');
    return false;
}
bool trouble::in_element(std::size_t index) {
    if (!pathless_) path_.insert(0, "[" + std::to_string(index) + "]");
    return false;
}
bool trouble::in_entry(std::string_view key) {
    if (!pathless_) path_.insert(0, "[" + quoted(key) + "]");
    return false;
}

error trouble::take() {
    std::string text;
    if (!path_.empty()) text.append(path_, path_[0] == '.' ? 1 : 0).append(": ");
    return error(code_, text.append(message_));
}

std::string quoted(std::string_view text) {
    constexpr std::size_t most = 64;
    std::size_t length = text.size();
    if (length > most) {
        length = most;
        while (length > 0 && (text[length] & 0xC0) == 0x80) --length;  // not within a character
    }
    std::string s = "\"";
    for (const char c : text.substr(0, length))
        s += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    return s.append(length < text.size() ? "…\"" : "\"");
}

}  // namespace tenon::inline v0::coding
