#include "manifests.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "instances.hpp"
#include "output.hpp"
#include "request.hpp"
#include "tenon/codec.hpp"

namespace cli {

namespace {

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& n : names) text += (text.empty() ? "" : ", ") + n;
    return text;
}

}  // namespace

tenon::result<tenon::manifest> ask_for_manifest(target& to, const service_name& name,
                                                std::chrono::milliseconds timeout,
                                                interruption& interrupt) {
    tenon::call_options how;
    how.timeout = timeout;
    how.cancel = &interrupt.cancellation();
    return to.client.manifest(name.text(), how);
}

found_manifest find_manifest(const std::string& word, const target_options& options,
                             interruption& interrupt) {
    if (!is_service_name(word)) {
        auto m = tenon::manifest::parse(read_source(word));
        if (m) return {*std::move(m), 0};
        const std::string file = word == "-" ? "stdin" : word;
        return {
            std::nullopt,
            report(tenon::error(m.error().code(), file + ": " + std::string(m.error().message()))
                       .set_may_have_run(false),
                   "it is no manifest; `tenon manifest show NAME` prints one", options.json)};
    }
    const service_name name = parse_service(word);
    target to = open_target(name, options);
    auto m = ask_for_manifest(to, name, options.timeout, interrupt);
    if (interrupt.happened()) return {std::nullopt, interruption::exit_code};
    if (m) return {*std::move(m), 0};
    std::string hint = advice_manifest(m.error(), to, name, options);
    if (::access(word.c_str(), F_OK) == 0) hint = "the file of that name goes as ./" + word;
    return {std::nullopt, report(m.error(), hint, options.json)};
}

found_manifest read_one_manifest(command_line& line, target_options& options, arguments args,
                                 interruption& interrupt) {
    options.timeout = manifest_timeout;
    options.add_to(line, false);
    const std::vector<std::string> words = line.parse(args);
    if (words.empty()) throw usage_error("of what? give PUBLISHER/SERVICE or FILE");
    if (words.size() > 1)
        throw usage_error("one name or file, please; got \"" + words[1] + "\", too");
    return find_manifest(words[0], options, interrupt);
}

fit check_request(target& to, const service_name& name, const target_options& options,
                  const call_arguments& given, interruption& interrupt,
                  const std::string& command) {
    // A manifest is good to have, but not needed.
    constexpr std::chrono::milliseconds patience{2000};
    const auto limit = options.timeout.count() > 0 ? std::min(options.timeout, patience) : patience;
    const auto m = ask_for_manifest(to, name, limit, interrupt);
    if (interrupt.happened()) return {interruption::exit_code};
    if (!m) return {std::nullopt, m.error().code() == tenon::errc::not_found};
    const tenon::value* const member = find_member(m->content(), name.member);
    const std::string_view wanted = member ? command_for(*member) : command;
    if (wanted != command) {
        const tenon::value* const kind = member->find("kind");
        tenon::error e(tenon::errc::unsupported,
                       fmt::format("it is a {}", kind ? kind->as_string() : "method"));
        e.set_origin(name.route()).set_may_have_run(false);
        return {report(e, fmt::format("`tenon {} {}`", wanted, name.route()), options.json)};
    }
    auto fits = command == "call" ? m->check_call(name.member, given.list, options.codec)
                                  : m->check_open(name.member, given.list, options.codec);
    if (fits) return {};
    tenon::error e = std::move(fits).error();
    e.set_origin(name.route()).set_may_have_run(false);
    const std::string hint = e.code() == tenon::errc::unsupported ? advice_member(*m, name)
                             : !given.doubtful.empty()            ? advice(e, to, options, given)
                                                                  : advice_arguments(*m, name);
    return {report(e, hint, options.json)};
}

std::vector<std::string> members_of(const tenon::manifest& m) {
    std::vector<std::string> names;
    for (const char* section : member_sections)
        if (const tenon::value* all = m.content().find(section); all && all->is_map())
            for (const auto& [name, unused] : all->as_map()) names.push_back(name.as_string());
    return names;
}

const tenon::value* find_member(const tenon::value& manifest, std::string_view name) {
    for (const char* section : member_sections)
        if (const tenon::value* all = manifest.find(section))
            if (const tenon::value* found = all->find(name)) return found;
    return nullptr;
}

std::string_view command_for(const tenon::value& member) {
    const tenon::value* const kind = member.find("kind");
    if (kind && *kind == tenon::value("source")) return "subscribe";
    if (kind && *kind == tenon::value("sink")) return "send";
    if (kind && *kind == tenon::value("channel")) return "chat";
    return "call";
}

std::vector<std::string> params_of(const tenon::value& member) {
    std::vector<std::string> names;
    if (const tenon::value* params = member.find("params"); params && params->is_array())
        for (const tenon::value& p : params->as_array())
            if (const tenon::value* name = p.find("name"); name && name->is_string())
                names.push_back(name->as_string());
    return names;
}

std::string advice_manifest(const tenon::error& e, target& to, const service_name& name,
                            const target_options& options) {
    if (e.code() == tenon::errc::not_found && !to.by_name) {
        tenon::call_options how;
        how.timeout = std::chrono::milliseconds(1000);
        if (const auto there = ask_server(to, "*", how); there && !there->empty()) {
            std::vector<std::string> names;
            for (const listed& l : *there) names.push_back(l.is.publisher + "/" + l.is.service);
            const std::string_view meant = closest(name.text(), names);
            return meant.empty() ? "what this server has: " + joined(names)
                                 : fmt::format("did you mean {}?", meant);
        }
    }
    if (e.code() == tenon::errc::unsupported || e.code() == tenon::errc::not_found)
        return "the server does not describe it; `tenon call` works without";
    return advice(e, to, options);
}

std::string advice_member(const tenon::manifest& m, const service_name& name) {
    const std::vector<std::string> members = members_of(m);
    const std::string_view meant = closest(name.member, members);
    if (!meant.empty()) return fmt::format("did you mean {}.{}?", name.text(), meant);
    return fmt::format("check the spelling; {} has {}", name.text(), joined(members));
}

std::string advice_arguments(const tenon::manifest& m, const service_name& name) {
    const tenon::value* member = find_member(m.content(), name.member);
    const std::vector<std::string> params =
        member ? params_of(*member) : std::vector<std::string>();
    if (params.empty()) return fmt::format("{} takes no arguments", name.route());
    return fmt::format("{} takes {}; `tenon describe {}` tells all", name.route(), joined(params),
                       name.route());
}

}  // namespace cli
