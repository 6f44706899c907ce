// tenon control: what servers do beside their data; streams.

#include <fmt/format.h>

#include <map>
#include <tuple>

#include "commands.hpp"
#include "output.hpp"
#include "stats.hpp"
#include "table.hpp"
#include "watching.hpp"
#include "tenon/control.hpp"

namespace cli {

namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct streams_command {
    target_options target;
    name_pattern pattern;
    watching watch;
};

struct open_stream {
    std::string instance;
    tenon::stream_direction is;
    std::optional<double> rate;  // per second, since the look before
};

/// Rates of streams between one look and the next.
class stream_rates {
public:
    void compare(std::vector<open_stream>& all) {
        const auto now = clock::now();
        const double seconds = std::chrono::duration<double>(now - when_).count();
        std::map<key, std::uint64_t> next;
        for (open_stream& s : all) {
            const key k{s.instance, s.is.connection, s.is.stream, s.is.direction};
            const auto before = last_.find(k);
            if (before != last_.end() && before->second <= s.is.passed && seconds > 0)
                s.rate = static_cast<double>(s.is.passed - before->second) / seconds;
            next[k] = s.is.passed;
        }
        last_ = std::move(next);
        when_ = now;
    }

private:
    using key = std::tuple<std::string, std::uint64_t, std::uint32_t, std::string>;
    std::map<key, std::uint64_t> last_;
    clock::time_point when_ = clock::now();
};

std::string text_of(const std::vector<open_stream>& all, bool with_rates) {
    using side = table::side;
    std::vector<table::column> columns{
        {"INSTANCE"},  {"CONNECTION", side::right}, {"STREAM", side::right}, {"MEMBER"},
        {"DIRECTION"}, {"PASSED", side::right}};
    if (with_rates) columns.push_back({"PER SECOND", side::right});
    for (const char* name : {"LOST", "WAITING", "CREDIT", "POSITION"})
        columns.push_back({name, side::right});
    columns.push_back({"STATE"});
    table t(std::move(columns));
    for (const open_stream& s : all) {
        std::vector<std::string> row{s.instance,
                                     std::to_string(s.is.connection),
                                     std::to_string(s.is.stream),
                                     s.is.member,
                                     s.is.direction,
                                     std::to_string(s.is.passed)};
        if (with_rates) row.push_back(s.rate ? fmt::format("{:.0f}", *s.rate) : "-");
        row.push_back(std::to_string(s.is.lost));
        row.push_back(std::to_string(s.is.waiting));
        row.push_back(s.is.credit ? std::to_string(*s.is.credit) : "any");
        row.push_back(s.is.position != 0 ? std::to_string(s.is.position) : "-");
        row.emplace_back(s.is.paused ? "paused" : "open");
        t.add(std::move(row));
    }
    return t.text();
}

std::string json_of(const std::vector<open_stream>& all) {
    tenon::value::array list;
    for (const open_stream& s : all) {
        tenon::value v = tenon::value::object({{"instance", s.instance}});
        const tenon::value fields = tenon::value::from(s.is);
        for (const auto& [key, content] : fields.as_map()) v[key.as_string()] = content;
        if (s.rate) v["per_s"] = *s.rate;
        list.push_back(std::move(v));
    }
    return tenon::to_json(list) + "\n";
}

/// What the servers say; those that do not, reported. Nothing: interrupted.
std::optional<std::vector<open_stream>> look(std::vector<target>& servers, const streams_command& c,
                                             int& status, interruption& interrupt) {
    std::vector<open_stream> all;
    tenon::call_options how;
    how.cancel = &interrupt.cancellation();
    for (target& to : servers) {
        tenon::stub<tenon::control> server(to.client);
        const auto info = server.info.with(how).try_call();
        const auto list = server.streams.with(how).try_call(c.pattern.service);
        if (interrupt.happened()) return std::nullopt;
        if (!list || !info) {
            const tenon::error& e = info ? list.error() : info.error();
            status = report(e, advice(e, to, c.target), c.target.json);
            continue;
        }
        for (const tenon::stream_direction& d : *list)
            if (c.pattern.takes_member(member_of(d.member)))
                all.push_back({info->instance, d, std::nullopt});
    }
    return all;
}

int show_streams(const streams_command& c, interruption& interrupt) {
    std::vector<target> servers = find_servers(c.pattern, c.target);
    if (servers.empty()) {
        const tenon::error e =
            tenon::error(tenon::errc::unavailable, "nobody serves " + c.pattern.service)
                .set_may_have_run(false);
        return report(e, nobody_serves(c.pattern.service, c.target.instance), c.target.json);
    }
    stream_rates rates;
    for (bool first = true;; first = false) {
        int status = 0;
        auto all = look(servers, c, status, interrupt);
        if (!all) return interruption::exit_code;
        rates.compare(*all);
        std::string text;
        if (c.target.json) text = json_of(*all);
        else if (!all->empty() || c.watch.on) text = text_of(*all, c.watch.on);
        if (status == 0 || !all->empty()) c.watch.show(std::move(text), first, c.target.json);
        if (!c.watch.on || status != 0) return status;
        if (const auto over = c.watch.wait(interrupt)) return *over;
    }
}

}  // namespace

int control_streams(arguments args, interruption& interrupt) {
    streams_command c;
    c.target.timeout = milliseconds(5000);
    command_line line(
        "control streams", "[OPTION…] [PUBLISHER/SERVICE[.MEMBER]]",
        "Shows the streams that are open at the servers on this machine: for each\n"
        "direction how many values have passed, were lost, wait at the server, and may\n"
        "follow before the receiver grants more, its position, and whether it is paused.\n"
        "For the server's user and root. Names may have the wildcards * and ?.",
        R"(in: from the client to the server; out: from the server to the client.

Examples:
  tenon control streams
  tenon control streams example/echo --interval 2s
  tenon control streams --at unix:/run/demo/feed.sock --json
)");
    c.watch.add_to(line);
    c.target.add_to(line, false);
    const std::vector<std::string> words = line.parse(args);
    if (words.size() > 1)
        throw usage_error("control streams takes one name, got \"" + words[1] + "\", too");
    if (!words.empty()) c.pattern = parse_pattern(words[0]);
    return show_streams(c, interrupt);
}

}  // namespace cli
