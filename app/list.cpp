// tenon list: which services run, where.

#include <fmt/format.h>
#include <pwd.h>

#include <atomic>
#include <optional>

#include "command_line.hpp"
#include "instances.hpp"
#include "interruption.hpp"
#include "output.hpp"
#include "table.hpp"
#include "target.hpp"
#include "tenon/control.hpp"
#include "tenon/discover.hpp"

namespace cli {

namespace {

constexpr std::chrono::milliseconds default_timeout{5000};

struct list_command {
    target_options target;
    name_pattern pattern;
    bool verbose = false;
    bool watch = false;
};

// --- as text ---

std::string endpoints_of(const tenon::instance& i) {
    std::string text;
    for (const std::string& e : i.endpoints) text += (text.empty() ? "" : " ") + e;
    return text;
}

void print_table(const std::vector<listed>& all) {
    table t({{"SERVICE"}, {"VERSION"}, {"INSTANCE"}, {"SEEN"}, {"ENDPOINTS"}});
    for (const listed& l : all)
        t.add({l.is.publisher + "/" + l.is.service, l.is.version, l.is.id, seen_mask(l.is.seen),
               endpoints_of(l.is)});
    write_out(t.text());
}

std::string user_name(std::uint32_t uid) {
    const passwd* const p = ::getpwuid(uid);
    return p ? std::string(p->pw_name) : std::to_string(uid);
}

std::string details_of(const listed& l) {
    const tenon::instance& i = l.is;
    std::string text = bold(printable(i.publisher + "/" + i.service + " " + i.version)) + "\n";
    const auto line = [&](std::string_view what, std::string_view value) {
        if (!value.empty()) text += fmt::format("  {:<10} {}\n", what, printable(value));
    };
    line("instance", i.id);
    line("seen", fmt::format("{}  {}", seen_mask(i.seen), fmt::join(seen_names(i.seen), ", ")));
    if (i.pid > 0) line("process", std::to_string(i.pid));
    line("user", i.pid > 0 ? user_name(i.uid) : "");
    if (!i.started.empty()) {
        const auto up = uptime_of(i);
        line("started", i.started + (up ? ", " + readable_span(*up) + " ago" : ""));
    }
    line("hash", i.hash);
    for (const std::string& e : i.endpoints) line("endpoint", e);
    line("doc", l.doc);
    return text;
}

// --- as JSON ---

tenon::value as_value(const listed& l) {
    const tenon::instance& i = l.is;
    tenon::value::array endpoints(i.endpoints.begin(), i.endpoints.end());
    const auto names = seen_names(i.seen);
    tenon::value v =
        tenon::value::object({{"publisher", i.publisher},
                              {"service", i.service},
                              {"version", i.version},
                              {"instance", i.id},
                              {"seen", tenon::value::array(names.begin(), names.end())},
                              {"endpoints", std::move(endpoints)},
                              {"hash", i.hash.empty() ? tenon::value() : tenon::value(i.hash)},
                              {"pid", i.pid},
                              {"uid", i.uid},
                              {"started", i.started}});
    if (const auto up = uptime_of(i)) v["uptime"] = up->count();
    v["doc"] = l.doc;
    return v;
}

void print(const std::vector<listed>& all, const list_command& c) {
    if (c.target.json) {
        tenon::value::array lines;
        for (const listed& l : all) lines.push_back(as_value(l));
        write_out(tenon::to_json(lines) + "\n");
    } else if (c.verbose) {
        std::string text;
        for (const listed& l : all) text += (text.empty() ? "" : "\n") + details_of(l);
        write_out(text);
    } else if (!all.empty()) {
        print_table(all);
    }
}

// --- --watch ---

class watcher {
public:
    watcher(const list_command& c, interruption& interrupt) : command_(c), interrupt_(interrupt) {}

    int run() {
        const auto w = tenon::watch(command_.pattern.service,
                                    [this](tenon::presence p, const tenon::instance& i) {
                                        if (!wanted(i)) return;
                                        try {
                                            tell(p, i);
                                        } catch (const output_error& e) {
                                            if (!over_.exchange(true)) why_ = e.what();
                                            interrupt_.wake();
                                        }
                                    });
        while (!over_ && !interrupt_.happened() && !reader_has_gone())
            interrupt_.sleep_for(std::chrono::milliseconds(500));
        if (over_) throw output_error(why_);
        return interrupt_.happened() ? interruption::exit_code : 0;
    }

private:
    bool wanted(const tenon::instance& i) const {
        return command_.target.instance.empty() || command_.target.instance == i.id;
    }

    void tell(tenon::presence p, const tenon::instance& i) const {
        const bool came = p == tenon::presence::arrived;
        const listed l = look_closer(i, came && (command_.verbose || command_.target.json));
        if (command_.target.json) {
            tenon::value v = tenon::value::object({{"event", came ? "arrived" : "left"}});
            const tenon::value fields = as_value(l);
            for (const auto& [key, content] : fields.as_map()) v[key.as_string()] = content;
            return write_out(tenon::to_json(v) + "\n");
        }
        const std::string line = fmt::format("{} {}/{} {}  {}  {}", came ? '+' : '-', i.publisher,
                                             i.service, i.version, i.id, endpoints_of(i));
        write_out((came ? bold(printable(line)) : dim(printable(line))) + "\n");
    }

    const list_command& command_;
    interruption& interrupt_;
    std::atomic<bool> over_{false};
    std::string why_;  // before over_
};

int list_here(const list_command& c) {
    std::vector<listed> all;
    for (const tenon::instance& i : tenon::list(c.pattern.service))
        if (c.target.instance.empty() || c.target.instance == i.id)
            all.push_back(look_closer(i, c.verbose || c.target.json));
    print(all, c);
    if (all.empty() && !c.target.json)
        note(fmt::format("nothing that matches runs here; looked in {}",
                         fmt::join(tenon::name_directories(), ", ")));
    return 0;
}

int list_there(const list_command& c, const std::string& endpoint, interruption& interrupt) {
    target to = open_endpoint(endpoint, c.target);
    tenon::call_options how;
    how.cancel = &interrupt.cancellation();
    const auto found = ask_server(to, c.pattern.service, how);
    if (interrupt.happened()) return interruption::exit_code;
    if (!found) return report(found.error(), advice(found.error(), to, c.target), c.target.json);
    print(*found, c);
    return 0;
}

}  // namespace

int list(arguments args, interruption& interrupt) {
    list_command c;
    c.target.timeout = default_timeout;
    command_line line(
        "list", "[OPTION…] [PATTERN]",
        "Lists the services that run on this machine, or those of one server.\n"
        "In PATTERN, of PUBLISHER/SERVICE, * stands for any characters, ? for one.",
        R"(Seen from: p this process, o this machine, l other machines, w beyond routers.

Examples:
  tenon list
  tenon list 'demo/*' -v
  tenon list --watch --json
  tenon list --at tcp://127.0.0.1:5555
)");
    line.flag("-v,--verbose", c.verbose, "all that is known of each");
    line.flag("--watch", c.watch, "go on and tell what comes (+) and goes (-)");
    c.target.add_to(line, false);
    const std::vector<std::string> words = line.parse(args);
    if (words.size() > 1)
        throw usage_error("list takes one pattern, got \"" + words[1] + "\", too");
    if (!words.empty()) c.pattern = parse_pattern(words[0]);
    if (!c.pattern.member.empty())
        throw usage_error("list shows services; `tenon describe` shows their methods");
    const auto endpoint = c.target.endpoint();
    if (endpoint && c.watch) throw usage_error("--watch is for names, not for --at");
    if (endpoint) return list_there(c, *endpoint, interrupt);
    return c.watch ? watcher(c, interrupt).run() : list_here(c);
}

}  // namespace cli
