#pragma once
// Names as one types them: "publisher/service" and "publisher/service.member". A member's name may
// have dots of its own: the service ends at the first one behind the slash.

#include <string>
#include <string_view>
#include <vector>

namespace cli {

struct service_name {
    std::string publisher;
    std::string service;
    std::string member;  ///< may be empty

    /// "publisher/service"
    std::string text() const { return publisher + "/" + service; }
    /// "publisher/service.member"
    std::string route() const { return member.empty() ? text() : text() + "." + member; }
};

/// "publisher/service.method". Throws usage_error.
service_name parse_route(const std::string& text);
/// "publisher/service". Throws usage_error.
service_name parse_service(const std::string& text);
/// Either of them. Throws usage_error.
service_name parse_name(const std::string& text);
/// Whether it has the form of a name; a file would have to be given as "./demo/math".
bool is_service_name(const std::string& text);

/// What `list` and `stats` look for; both parts may have the wildcards `*` and `?`.
struct name_pattern {
    std::string service = "*";  ///< of "publisher/service"
    std::string member;         ///< empty: all

    bool takes_member(std::string_view name) const;
    bool has_wildcards() const;
};

/// "demo/*", "demo/math.pl*", and "demo" for all of a publisher. Throws usage_error for characters
/// that no name has.
name_pattern parse_pattern(const std::string& text);

bool matches(const std::string& pattern, const std::string& text);

/// The part of "publisher/service.member" behind the first dot behind the slash.
std::string_view member_of(std::string_view route);

}  // namespace cli
