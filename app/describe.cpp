// tenon describe: what a service offers.

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "command_line.hpp"
#include "commands.hpp"
#include "manifests.hpp"
#include "output.hpp"

namespace cli {

namespace {

std::size_t terminal_width() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return std::clamp<std::size_t>(size.ws_col, 40, 120);
}

/// The names of shapes that `v` may speak of.
void collect_words(const tenon::value& v, std::vector<std::string>& words) {
    if (v.is_string()) words.push_back(v.as_string());
    if (v.is_array())
        for (const tenon::value& e : v.as_array()) collect_words(e, words);
    if (v.is_map())
        for (const auto& [key, content] : v.as_map()) collect_words(content, words);
}

/// Whether `name` stands in `text` as a word, as in "list of item".
bool mentions(std::string_view text, std::string_view name) {
    const auto is_part = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               c == '_' || c == '-' || c == '.' || c == ':';
    };
    for (std::size_t at = 0; (at = text.find(name, at)) != text.npos; at += name.size()) {
        const std::size_t end = at + name.size();
        if ((at == 0 || !is_part(text[at - 1])) && (end == text.size() || !is_part(text[end])))
            return true;
    }
    return false;
}

/// The shapes that a member needs, and those that they need.
tenon::value shapes_for(const tenon::value& member, const tenon::value& shapes) {
    std::vector<std::string> words;
    collect_words(member, words);
    std::set<std::string, std::less<>> needed;
    for (std::size_t i = 0; i < words.size(); ++i)
        for (const auto& [name, shape] : shapes.as_map())
            if (mentions(words[i], name.as_string()) && needed.insert(name.as_string()).second)
                collect_words(shape, words);
    tenon::value::map kept = shapes.as_map();
    std::erase_if(kept,
                  [&](const auto& entry) { return !needed.contains(entry.first.as_string()); });
    return kept;
}

/// The manifest of a service that has this one member only.
tenon::result<tenon::manifest> only(const tenon::manifest& m, const std::string& member) {
    tenon::value content = m.content();
    for (const char* section : member_sections) {
        tenon::value* all = content.find(section);
        if (!all || !all->is_map()) continue;
        std::erase_if(all->as_map(),
                      [&](const auto& entry) { return entry.first.as_string() != member; });
    }
    // The schema wants one; it would speak of all members.
    const tenon::value anything = tenon::value::object({{"value", "any"}});
    content["interfaces"] =
        tenon::value::object({{"methods", tenon::value::object({{"purpose", ""},
                                                                {"type", "send+recv"},
                                                                {"to_server", anything},
                                                                {"to_client", anything}})}});
    content["purpose"] = "";
    if (const tenon::value* shapes = content.find("shapes"); shapes && shapes->is_map())
        content["shapes"] = shapes_for(*find_member(m.content(), member), *shapes);
    return tenon::manifest::from(std::move(content));
}

/// "tenon call demo/math.plus a=… b=…"
std::string example_of(const service_name& name, const tenon::value& member,
                       const std::string& more) {
    std::string line = "tenon " + std::string(command_for(member)) + " " + more + name.route();
    for (const std::string& p : params_of(member)) line += " " + p + "=…";
    return line;
}

int show(const tenon::manifest& m, const service_name& name, const target_options& options) {
    const std::string more = options.at.empty() ? "" : "--at " + options.at[0] + " ";
    if (name.member.empty()) {
        write_out(options.json ? m.to_json() + "\n" : to_text(m, terminal_width()));
        return 0;
    }
    const tenon::value* const member = find_member(m.content(), name.member);
    if (!member) {
        const tenon::error e = tenon::error(tenon::errc::unsupported,
                                            name.text() + " has no member \"" + name.member + "\"")
                                   .set_may_have_run(false);
        return report(e, advice_member(m, name), options.json);
    }
    if (options.json) return write_out(tenon::to_json(*member) + "\n"), 0;
    const auto page = only(m, name.member);
    if (!page) return report(page.error(), {}, false);
    write_out(to_text(*page, terminal_width()) + "\nExample:\n  " +
              printable(example_of(name, *member, more)) + "\n");
    return 0;
}

}  // namespace

int describe(arguments args, interruption& interrupt) {
    target_options options;
    options.timeout = std::chrono::milliseconds(5000);
    command_line line(
        "describe", "[OPTION…] PUBLISHER/SERVICE[.METHOD]",
        "Shows what a service offers, as it says itself: its methods with parameters,\n"
        "results and errors, its types and its documentation.",
        R"(With --json: the manifest, or the part of it that is about the method.

Examples:
  tenon describe example/echo
  tenon describe example/echo.plus
  tenon describe demo/math --at tcp://127.0.0.1:5555 --json
)");
    options.add_to(line, false);
    const std::vector<std::string> words = line.parse(args);
    if (words.empty())
        throw usage_error("which service? give PUBLISHER/SERVICE, as in example/echo");
    if (words.size() > 1)
        throw usage_error("describe takes one name, got \"" + words[1] + "\", too");
    const service_name name = parse_name(words[0]);
    target to = open_target(name, options);
    const auto m = ask_for_manifest(to, name, options.timeout, interrupt);
    if (interrupt.happened()) return interruption::exit_code;
    if (!m) return report(m.error(), advice_manifest(m.error(), to, name, options), options.json);
    return show(*m, name, options);
}

}  // namespace cli
