#include "instances.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <ctime>

#include "tenon/codec.hpp"
#include "tenon/control.hpp"

namespace cli {

namespace {

struct named_scope {
    tenon::scopes scope;
    char letter;
    const char* name;
};
constexpr named_scope scopes[]{{tenon::scope::process, 'p', "process"},
                               {tenon::scope::os, 'o', "os"},
                               {tenon::scope::lan, 'l', "lan"},
                               {tenon::scope::wan, 'w', "wan"}};

// Whoever may write in the runtime directory may have put anything there.
std::string read_small_file(const std::string& path) {
    constexpr std::size_t most = std::size_t{8} << 20;
    const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return {};
    std::string text;
    struct stat s {};
    if (::fstat(fd, &s) == 0 && S_ISREG(s.st_mode)) {
        std::array<char, 16'384> chunk;
        for (ssize_t n; (n = ::read(fd, chunk.data(), chunk.size())) > 0 && text.size() <= most;)
            text.append(chunk.data(), static_cast<std::size_t>(n));
    }
    ::close(fd);
    return text.size() > most ? std::string() : text;
}

std::string text_in(const tenon::value& v, std::initializer_list<std::string_view> path) {
    const tenon::value* at = &v;
    for (const std::string_view key : path)
        if (!(at = at->find(key))) return {};
    return at->is_string() ? at->as_string() : std::string();
}

std::string time_text(std::chrono::system_clock::time_point at) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(at);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    std::array<char, 64> text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace

tenon::value description_of(const tenon::instance& i) {
    constexpr std::string_view prefix = "unix:", suffix = ".sock";
    if (i.endpoints.empty()) return {};
    std::string_view path = i.endpoints.front();
    if (!path.starts_with(prefix) || !path.ends_with("/" + i.id + std::string(suffix))) return {};
    path.remove_prefix(prefix.size());
    path.remove_suffix(suffix.size());
    auto parsed = tenon::parse_json(read_small_file(std::string(path) + ".json"));
    return parsed ? *std::move(parsed) : tenon::value();
}

listed look_closer(const tenon::instance& i, bool closer) {
    listed l{i, {}};
    if (closer) l.doc = text_in(description_of(i), {"manifest", "purpose"});
    return l;
}

tenon::result<std::vector<listed>> ask_server(target& to, const std::string& pattern,
                                              const tenon::call_options& how) {
    tenon::stub<tenon::control> server(to.client);
    auto summaries = server.list.with(how).try_call(pattern);
    if (!summaries) return std::move(summaries).error();
    const auto info = server.info.with(how).try_call();
    std::vector<listed> all;
    for (const tenon::service_summary& s : *summaries) {
        listed& l = all.emplace_back();
        l.is.publisher = s.publisher;
        l.is.service = s.service;
        l.is.version = s.version;
        l.is.id = s.instance;
        l.doc = s.doc;
        for (const named_scope& n : scopes)
            for (const std::string& name : s.seen)
                if (name == n.name) l.is.seen = l.is.seen | n.scope;
        l.is.endpoints.push_back(to.text);
        if (!info) continue;
        l.is.pid = info->pid;
        l.is.uid = info->uid;
        l.is.started = time_text(info->started);
    }
    return all;
}

std::string seen_mask(tenon::scopes s) {
    std::string text;
    for (const named_scope& n : scopes) text += s.contains(n.scope) ? n.letter : '-';
    return text;
}

std::vector<std::string> seen_names(tenon::scopes s) {
    std::vector<std::string> names;
    for (const named_scope& n : scopes)
        if (s.contains(n.scope)) names.emplace_back(n.name);
    return names;
}

std::optional<std::chrono::seconds> uptime_of(const tenon::instance& i) {
    std::tm utc{};
    const char* const end = ::strptime(i.started.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
    if (!end) return std::nullopt;
    const std::time_t now = std::time(nullptr), then = ::timegm(&utc);
    return std::chrono::seconds(now > then ? now - then : 0);
}

std::string readable_span(std::chrono::seconds s) {
    constexpr std::int64_t minute = 60, hour = 3600, day = 86'400;
    const std::int64_t n = s.count();
    if (n < 2 * minute) return fmt::format("{} s", n);
    if (n < 2 * hour) return fmt::format("{} min", n / minute);
    if (n < 2 * day) return fmt::format("{} h", n / hour);
    return fmt::format("{} days", n / day);
}

}  // namespace cli
