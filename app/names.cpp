#include "names.hpp"

#include <fnmatch.h>

#include <algorithm>

#include "command_line.hpp"

namespace cli {

namespace {

bool is_part(std::string_view s, std::string_view others) {
    return !s.empty() && s.size() <= 64 && std::all_of(s.begin(), s.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               c == '_' || c == '-' || others.find(c) != others.npos;
    });
}

service_name split(std::string_view text) {
    service_name n;
    const std::size_t slash = std::min(text.find('/'), text.size());
    n.publisher = text.substr(0, slash);
    const std::string_view rest = text.substr(std::min(slash + 1, text.size()));
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    n.service = rest.substr(0, dot);
    n.member = rest.substr(std::min(dot + 1, rest.size()));
    return n;
}

bool is_service(const service_name& n) {
    return is_part(n.publisher, ".") && is_part(n.service, "");
}

bool is_member(std::string_view name) {
    return is_part(name, ".") && name.front() != '.' && name.back() != '.';
}

}  // namespace

service_name parse_route(const std::string& text) {
    service_name n = split(text);
    if (is_service(n) && is_member(n.member)) return n;
    throw usage_error("\"" + text +
                      "\" is no method; expected PUBLISHER/SERVICE.METHOD, as in "
                      "example/echo.plus");
}

service_name parse_service(const std::string& text) {
    service_name n = split(text);
    if (is_service(n) && n.route().size() == text.size() && n.member.empty()) return n;
    throw usage_error("\"" + text +
                      "\" is no service; expected PUBLISHER/SERVICE, as in example/echo");
}

service_name parse_name(const std::string& text) {
    service_name n = split(text);
    if (is_service(n) && n.route().size() == text.size() &&
        (n.member.empty() || is_member(n.member)))
        return n;
    throw usage_error(
        "\"" + text +
        "\" is no service; expected PUBLISHER/SERVICE[.METHOD], as in example/echo or "
        "example/echo.plus");
}

bool is_service_name(const std::string& text) {
    const service_name n = split(text);
    return is_service(n) && n.member.empty() && n.route().size() == text.size();
}

bool name_pattern::takes_member(std::string_view name) const {
    return member.empty() || matches(member, std::string(name));
}

bool name_pattern::has_wildcards() const {
    return (service + member).find_first_of("*?") != std::string::npos;
}

name_pattern parse_pattern(const std::string& text) {
    name_pattern p;
    const bool whole = text == "*" || text.empty();
    if (whole) return p;
    const service_name n = split(text);
    const auto fits = [](std::string_view part, std::string_view others) {
        return part.empty() || is_part(part, others);
    };
    if (!fits(n.publisher, ".*?") || !fits(n.service, "*?") || !fits(n.member, ".*?") ||
        n.publisher.empty())
        throw usage_error("\"" + text +
                          "\" is no pattern of names; expected the likes of 'demo/*' or demo/math");
    p.service = n.publisher + "/" + (n.service.empty() ? "*" : n.service);
    p.member = n.member;
    return p;
}

bool matches(const std::string& pattern, const std::string& text) {
    return ::fnmatch(pattern.c_str(), text.c_str(), FNM_NOESCAPE) == 0;
}

std::string_view member_of(std::string_view route) {
    const std::size_t slash = route.find('/');
    const std::size_t dot = slash == route.npos ? route.npos : route.find('.', slash);
    return dot == route.npos ? std::string_view() : route.substr(dot + 1);
}

}  // namespace cli
