#include "target.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "tenon/discover.hpp"

namespace cli {

namespace {

tenon::client_options client_options_of(const target_options& options) {
    tenon::client_options wanted;
    wanted.codec = options.codec;
    wanted.timeout = options.timeout;
    wanted.shared_memory = options.shared_memory;
    tenon::runtime::process().set_log_sink(tenon::log_level::off, {});
    return wanted;
}

std::string joined(const std::vector<std::string>& words, std::size_t most) {
    std::string text;
    for (std::size_t i = 0; i < std::min(most, words.size()); ++i)
        text += (i ? ", " : "") + words[i];
    if (words.size() > most) text += ", …";
    return text;
}

std::string instances_of(const std::string& service) {
    std::vector<std::string> ids;
    for (const tenon::instance& i : tenon::list(service)) ids.push_back(i.id);
    return joined(ids, 8);
}

std::string advice_unavailable(const target& to, const target_options& options) {
    if (to.by_name) return nobody_serves(to.text, options.instance);
    return std::string("start the server or correct --at; ") +
           (to.text.starts_with("unix:") ? "`ss -xl` lists the Unix sockets that are served here"
                                         : "`ss -tl` lists the ports that are served here");
}

bool is_instance(std::string_view id) {
    return id.size() == 12 && id.find_first_not_of("0123456789abcdef") == id.npos;
}

}  // namespace

void target_options::add_to(command_line& line, bool with_codec) {
    line.option("--at", "ENDPOINT",
                "at unix:/path, unix:@name, shm:/path or tcp://host:port, not by name",
                [this](const std::string& text) { at.push_back(text); });
    line.option("--instance", "ID", "this instance; `tenon list` shows them",
                [this](const std::string& text) {
                    if (!is_instance(text))
                        throw usage_error("--instance: expected 12 hex digits, got \"" + text +
                                          "\"; `tenon list` shows the instances");
                    instance = text;
                });
    line.duration("--timeout", "TIME", timeout,
                  "longest wait: 250 (milliseconds), 1.5s, 2m; 0: none");
    if (with_codec)
        line.choice("--codec", {"json", "msgpack", "raw"}, "json (default), msgpack or raw",
                    [this](const std::string& text) { codec = *tenon::codec_from_string(text); });
    line.flag("--json", json, "one line of JSON for programs, errors included");
}

std::optional<std::string> target_options::endpoint() const {
    if (at.size() > 1) throw usage_error("--at is given twice");
    if (!at.empty() && !instance.empty())
        throw usage_error("give either --at or --instance: an endpoint has one instance");
    if (at.empty()) return std::nullopt;
    return at[0];
}

target open_endpoint(const std::string& endpoint, const target_options& options) {
    if (endpoint.starts_with("inproc:"))
        throw usage_error("--at: " + endpoint +
                          " can be reached inside its own process only; let the server listen at "
                          "a unix: or tcp:// endpoint, too");
    try {
        return {endpoint, false, tenon::connect(endpoint, client_options_of(options))};
    } catch (const tenon::failure& f) {
        if (f.code() != tenon::errc::invalid) throw;
        throw usage_error("--at: " + std::string(f.error().message()));
    }
}

target open_target(const service_name& name, const target_options& options) {
    if (const auto endpoint = options.endpoint()) return open_endpoint(*endpoint, options);
    tenon::discover_options how;
    how.instance = options.instance;
    how.client = client_options_of(options);
    return {name.text(), true, tenon::discover(name.text(), how)};
}

std::vector<std::string> running_services() {
    std::vector<std::string> names;
    for (const tenon::instance& i : tenon::list()) names.push_back(i.publisher + "/" + i.service);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

std::string nobody_serves(const std::string& name, const std::string& instance) {
    const std::vector<std::string> running = running_services();
    const bool is_there = std::find(running.begin(), running.end(), name) != running.end();
    if (is_there && !instance.empty())
        return "instances of " + name + " that run: " + instances_of(name);
    if (is_there) return "it has come meanwhile; try again";
    const std::string looked = "looked in " + joined(tenon::name_directories(), 8);
    if (running.empty())
        return "no service runs here (" + looked + "); start one, or give --at ENDPOINT";
    const std::string_view meant = closest(name, running);
    if (!meant.empty()) return fmt::format("did you mean {}? ({})", meant, looked);
    return fmt::format("what runs here: {} ({})", joined(running, 5), looked);
}

std::string advice(const tenon::error& e, const target& to, const target_options& options) {
    switch (e.code()) {
        case tenon::errc::unavailable: return advice_unavailable(to, options);
        case tenon::errc::invalid:
            return "arguments go by position or by name (NAME=VALUE); `tenon help call` shows the "
                   "forms";
        case tenon::errc::deadline:
            return options.timeout.count() > 0 ? fmt::format("allow more than {} ms with --timeout",
                                                             options.timeout.count())
                                               : "the server's own limit; see its log";
        case tenon::errc::not_found:
            return "if the service runs here, check the spelling of PUBLISHER/SERVICE.METHOD";
        case tenon::errc::denied:
            if (std::any_of(options.at.begin(), options.at.end(),
                            [](const std::string& at) { return at.starts_with("tcp:"); }))
                return "over TCP nobody is known; call by name, or at a Unix socket of the server";
            return fmt::format(
                "you are user {}; the server admits its own user and root unless its "
                "options say more",
                ::getuid());
        case tenon::errc::overloaded: return "the call did not run; try again in a moment";
        case tenon::errc::unsupported:
            return "the server does not offer this: check the spelling, or try another --codec";
        case tenon::errc::internal: return "a defect of the service; its log may say more";
        case tenon::errc::data_loss:
            return "client and server may be of different versions; another --codec may do";
        case tenon::errc::failed:
        case tenon::errc::cancelled:
        case tenon::errc::conflict: break;
    }
    return {};
}

}  // namespace cli
