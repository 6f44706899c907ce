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

bool trouble::too_deep() {
    invalid("nested too deep");
    return in_nothing();
}

namespace {

// `at` or a little before it, not within a UTF-8 character.
std::size_t cut(std::string_view text, std::size_t at) {
    if (at >= text.size()) return text.size();
    while (at > 0 && (text[at] & 0xC0) == 0x80) --at;
    return at;
}

}  // namespace

error trouble::take() {
    constexpr std::size_t end_kept = 100;
    std::string_view path = path_;
    if (path.starts_with('.')) path.remove_prefix(1);
    std::string text;
    if (path.size() <= 2 * end_kept + 4) {
        text = path;
    } else {
        text.append(path.substr(0, cut(path, end_kept))).append(" … ");
        text.append(path.substr(cut(path, path.size() - end_kept)));
    }
    if (!text.empty()) text.append(": ");
    return error(code_, text.append(message_));
}

std::string quoted(std::string_view text) {
    constexpr std::size_t most = 64;
    const std::size_t length = cut(text, most);
    std::string s = "\"";
    for (const char c : text.substr(0, length))
        s += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    return s.append(length < text.size() ? "…\"" : "\"");
}

}  // namespace tenon::inline v0::coding
