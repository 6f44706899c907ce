// tenon stats: what servers have counted.

#include "stats.hpp"

#include <fmt/format.h>

#include "command_line.hpp"
#include "commands.hpp"
#include "instances.hpp"
#include "output.hpp"
#include "table.hpp"
#include "watching.hpp"
#include "tenon/control.hpp"

namespace cli {

namespace {

using std::chrono::milliseconds;

struct stats_command {
    target_options target;
    name_pattern pattern;
    bool connections = false;
    bool prometheus = false;
    watching watch;
};

std::string span_text(std::chrono::nanoseconds t, std::uint64_t count) {
    return count ? readable_time(static_cast<double>(t.count()) / 1000) : "-";
}

std::string rate_text(double per_second) {
    return per_second < 100 ? fmt::format("{:.1f}", per_second) : fmt::format("{:.0f}", per_second);
}

// --- methods ---

std::string method_table(const survey& s, const rates* before) {
    using side = table::side;
    std::vector<table::column> columns{{"METHOD"}};
    const bool several = s.servers.size() > 1;
    if (several) columns.push_back({"INSTANCE"});
    for (const char* name : {"CALLS", "ERRORS", "IN FLIGHT"})
        columns.push_back({name, side::right});
    if (before)
        for (const char* name : {"CALLS/S", "ERRORS/S"}) columns.push_back({name, side::right});
    for (const char* name : {"P50", "P90", "P99", "QUEUE P99"})
        columns.push_back({name, side::right});
    table t(std::move(columns));
    for (const counted& c : s.servers)
        for (const tenon::method_stats& m : c.stats.methods) {
            std::vector<std::string> row{m.route};
            if (several) row.push_back(c.stats.instance);
            for (const std::uint64_t n : {m.calls, m.errors, m.in_flight})
                row.push_back(std::to_string(n));
            if (before) {
                const auto r = before->of(c, m);
                row.push_back(r ? rate_text(r->calls) : "-");
                row.push_back(r ? rate_text(r->errors) : "-");
            }
            for (const auto time : {m.latency.p50, m.latency.p90, m.latency.p99})
                row.push_back(span_text(time, m.latency.count));
            row.push_back(span_text(m.queue_wait.p99, m.queue_wait.count));
            t.add(std::move(row));
        }
    return t.text();
}

tenon::value as_value(const survey& s, const rates* before) {
    tenon::value::array servers;
    for (const counted& c : s.servers) {
        tenon::value v = tenon::value::from(c.stats);
        if (before) {
            tenon::value::array& methods = v["methods"].as_array();
            for (std::size_t i = 0; i < methods.size(); ++i)
                if (const auto r = before->of(c, c.stats.methods[i])) {
                    methods[i]["calls_per_s"] = r->calls;
                    methods[i]["errors_per_s"] = r->errors;
                }
        }
        servers.push_back(std::move(v));
    }
    return servers;
}

std::string nothing(const stats_command& c) {
    return c.pattern.has_wildcards() ? "no service that matches " + c.pattern.service + " runs here"
                                     : "no instance of " + c.pattern.service + " runs here";
}

int report_nobody(const stats_command& c) {
    const tenon::error e =
        tenon::error(tenon::errc::unavailable, nothing(c)).set_may_have_run(false);
    return report(e, nobody_serves(c.pattern.service, c.target.instance), c.target.json);
}

int report_all(const survey& s, const stats_command& c) {
    int status = 0;
    for (const silence& from : s.errors) {
        const int code = report(from.why, advice(from.why, from.from, c.target), c.target.json);
        if (status == 0) status = code;
    }
    return status;
}

bool has_methods(const survey& s) {
    for (const counted& c : s.servers)
        if (!c.stats.methods.empty()) return true;
    return false;
}

/// Exit code if there is nothing to show.
std::optional<int> report_emptiness(const survey& s, const stats_command& c) {
    if (s.servers.empty()) return s.errors.empty() ? report_nobody(c) : report_all(s, c);
    if (has_methods(s) || c.pattern.has_wildcards() || c.pattern.service == "*")
        return std::nullopt;
    const std::string what =
        c.pattern.service + (c.pattern.member.empty() ? "" : "." + c.pattern.member);
    return report(
        tenon::error(tenon::errc::not_found, "no statistics of " + what).set_may_have_run(false),
        "check the spelling; a service published without control has none", c.target.json);
}

int show_methods(const stats_command& c, interruption& interrupt) {
    rates before;
    for (bool first = true;; first = false) {
        const survey s = ask_for_stats(find_servers(c.pattern, c.target), c.pattern, interrupt);
        if (interrupt.happened()) return interruption::exit_code;
        if (first)
            if (const auto exit = report_emptiness(s, c)) return *exit;
        const rates* const compared = c.watch.on ? &before : nullptr;
        c.watch.show(c.target.json ? tenon::to_json(as_value(s, compared)) + "\n"
                                   : method_table(s, compared),
                     first, c.target.json);
        if (!c.watch.on) return report_all(s, c);
        before.keep(s);
        if (const auto over = c.watch.wait(interrupt)) return *over;
    }
}

// --- connections ---

std::string peer_of(const tenon::connection_stats& c) {
    if (c.pid) return fmt::format("process {}, user {}", *c.pid, c.uid.value_or(0));
    return c.address;
}

std::string amount(std::uint64_t bytes) {
    if (bytes < 10'000) return std::to_string(bytes);
    if (bytes < 10'000'000) return fmt::format("{} K", bytes / 1000);
    return fmt::format("{} M", bytes / 1'000'000);
}

int show_connections(const stats_command& c, interruption& interrupt) {
    using side = table::side;
    table t({{"INSTANCE"},
             {"ID", side::right},
             {"TRANSPORT"},
             {"SCOPE"},
             {"PEER"},
             {"AGE", side::right},
             {"CALLS", side::right},
             {"IN FLIGHT", side::right},
             {"BYTES IN", side::right},
             {"BYTES OUT", side::right},
             {"UNSENT", side::right}});
    std::vector<target> servers = find_servers(c.pattern, c.target);
    if (servers.empty()) return report_nobody(c);
    tenon::value::array all;
    int status = 0;
    tenon::call_options how;
    how.cancel = &interrupt.cancellation();
    for (target& to : servers) {
        tenon::stub<tenon::control> server(to.client);
        const auto info = server.info.with(how).try_call();
        const auto list = server.connections.with(how).try_call();
        if (interrupt.happened()) return interruption::exit_code;
        if (!list || !info) {
            const tenon::error& e = list ? info.error() : list.error();
            status = report(e, advice(e, to, c.target), c.target.json);
            continue;
        }
        for (const tenon::connection_stats& one : *list) {
            tenon::value v = tenon::value::object({{"instance", info->instance}});
            const tenon::value fields = tenon::value::from(one);
            for (const auto& [key, content] : fields.as_map()) v[key.as_string()] = content;
            all.push_back(std::move(v));
            const auto age = std::chrono::duration_cast<std::chrono::seconds>(
                std::chrono::system_clock::now() - one.since);
            t.add({info->instance, std::to_string(one.id), one.transport, one.scope, peer_of(one),
                   readable_span(std::max(age, std::chrono::seconds(0))), std::to_string(one.calls),
                   std::to_string(one.in_flight), amount(one.bytes_in), amount(one.bytes_out),
                   amount(one.unsent)});
        }
    }
    if (c.target.json) write_out(tenon::to_json(all) + "\n");
    else if (!t.empty()) write_out(t.text());
    return status;
}

// --- metrics ---

int show_metrics(const stats_command& c, interruption& interrupt) {
    std::vector<target> servers = find_servers(c.pattern, c.target);
    if (servers.empty()) return report_nobody(c);
    if (servers.size() > 1)
        throw usage_error(
            fmt::format("--prometheus shows one server, and {} match; choose one by "
                        "--instance ID",
                        servers.size()));
    tenon::call_options how;
    how.cancel = &interrupt.cancellation();
    const auto text = tenon::stub<tenon::control>(servers[0].client).metrics.with(how).try_call();
    if (interrupt.happened()) return interruption::exit_code;
    if (!text)
        return report(text.error(), advice(text.error(), servers[0], c.target), c.target.json);
    write_out(c.target.json ? tenon::to_json(*text) + "\n" : printable_lines(*text));
    return 0;
}

void check(const stats_command& c) {
    if (c.connections + c.prometheus + c.watch.on > 1)
        throw usage_error("--connections, --prometheus and --watch exclude one another");
    if ((c.connections || c.prometheus) && !c.pattern.member.empty())
        throw usage_error("--connections and --prometheus are of whole servers, not of a method");
}

}  // namespace

int stats(arguments args, interruption& interrupt) {
    stats_command c;
    c.target.timeout = milliseconds(5000);
    command_line line(
        "stats", "[OPTION…] [PUBLISHER/SERVICE[.METHOD]]",
        "Shows what the methods of the services that run on this machine have counted\n"
        "since their servers started: calls, errors, calls under way, the time they took\n"
        "and how long they waited for a thread. Names may have the wildcards * and ?.",
        R"(Examples:
  tenon stats
  tenon stats example/echo --interval 2s
  tenon stats 'demo/*.get_*' --json
  tenon stats --connections --at unix:/run/demo/math.sock
  tenon stats example/echo --prometheus
)");
    c.watch.add_to(line);
    line.flag("--connections", c.connections, "the connections there are now");
    line.flag("--prometheus", c.prometheus, "the server's metrics as text for Prometheus");
    c.target.add_to(line, false);
    const std::vector<std::string> words = line.parse(args);
    if (words.size() > 1) throw usage_error("stats takes one name, got \"" + words[1] + "\", too");
    if (!words.empty()) c.pattern = parse_pattern(words[0]);
    check(c);
    if (c.connections) return show_connections(c, interrupt);
    return c.prometheus ? show_metrics(c, interrupt) : show_methods(c, interrupt);
}

}  // namespace cli
