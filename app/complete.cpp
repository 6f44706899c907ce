// tenon complete: asked by the shells' completion; what could stand at the end of a command line.
//
// Output is a line for each candidate, its description behind a tab, and ":files PREFIX" where the
// names of files fit, behind PREFIX. A candidate that ends in '.', '/' or '=' wants to go on.

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <span>

#include "command_line.hpp"
#include "commands.hpp"
#include "instances.hpp"
#include "interruption.hpp"
#include "manifests.hpp"
#include "output.hpp"
#include "tenon/discover.hpp"

namespace cli {

namespace {

using std::chrono::milliseconds;

/// Time for everything: nobody wants to wait for a tab. Machines that are slow, or run under tools,
/// may set it.
milliseconds time_limit() {
    constexpr milliseconds usual{300};
    const char* const set = std::getenv("TENON_COMPLETION_LIMIT");
    if (!set) return usual;
    try {
        return std::clamp(parse_duration("", set), milliseconds(1), milliseconds(60'000));
    } catch (const usage_error&) {
        return usual;
    }
}

/// How much of it a server has for its answer.
milliseconds answer_time() { return time_limit() / 2; }

/// Words as a shell would make them; the last one may be unfinished, or empty.
std::vector<std::string> split_line(std::string_view line) {
    std::vector<std::string> words{""};
    char quote = 0;
    bool open = false;  // words.back() has begun
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (quote) {
            if (c == quote) quote = 0;
            else if (c == '\\' && quote == '"' && i + 1 < line.size()) words.back() += line[++i];
            else words.back() += c;
        } else if (c == ' ' || c == '\t' || c == '\n') {
            if (std::exchange(open, false)) words.emplace_back();
            continue;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '\\' && i + 1 < line.size()) {
            words.back() += line[++i];
        } else {
            words.back() += c;
        }
        open = true;
    }
    return words;
}

/// Whoever wrote a manifest may have put anything into it; the shells get plain names only.
bool is_plain(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               c == '_' || c == '-' || c == '.';
    });
}

class completion {
public:
    completion(std::vector<std::string> words, interruption& interrupt)
        : words_(std::move(words)), interrupt_(interrupt) {
        if (words_.empty()) words_.emplace_back();
        current_ = words_.back();
        words_.pop_back();
    }

    std::string run() {
        if (words_.empty()) {
            add_commands("");
            if (current_.starts_with('-')) add("--help"), add("--version");
        } else if (words_[0] == "help") {
            if (words_.size() == 1) add_commands("");
            else if (words_.size() == 2) add_commands(words_[1] + " ");
        } else if (const command* c = find_command(words_, name_size_)) {
            behind(*c);
        } else if (words_.size() == 1) {
            add_commands(words_[0] + " ");
        }
        return std::move(out_);
    }

private:
    void add(std::string_view candidate, std::string_view about = {}) {
        if (!candidate.starts_with(current_) || !seen_.emplace(candidate).second) return;
        out_ += candidate;
        const std::string text = printable(about.substr(0, about.find('\n')));
        if (!text.empty()) out_ += "\t" + text;
        out_ += '\n';
    }

    void add_files(std::string_view prefix) {
        if (current_.starts_with(prefix)) out_ += ":files " + std::string(prefix) + "\n";
    }

    /// The next word of those commands that begin with `so_far`.
    void add_commands(std::string_view so_far) {
        for (const command& c : all_commands()) {
            const std::string_view name = c.name;
            if (c.group == group::hidden || !name.starts_with(so_far)) continue;
            const std::string_view rest = name.substr(so_far.size());
            const std::size_t space = rest.find(' ');
            add(rest.substr(0, space), space == rest.npos ? c.summary : "");
        }
        if (so_far.empty()) add("help", "tell all about a command");
    }

    // --- options ---

    void behind(const command& c) {
        const std::vector<std::string> ask{ask_for_options};
        try {
            c.run(ask, interrupt_);
        } catch (const options_wanted& o) {
            options_ = o.options;
        }
        read_words();
        if (only_words_) return add_word(c);
        if (waiting_) return add_values(*waiting_, "");
        const std::size_t equals = current_.find('=');
        if (current_.starts_with("--") && equals != current_.npos) {
            if (const option_info* o = find_option(current_.substr(0, equals)))
                add_values(*o, current_.substr(0, equals + 1));
        } else if (current_.starts_with('-')) {
            for (const option_info& o : options_)
                for (const std::string& name : o.names)
                    if (name.size() > 2 || current_.size() == 2) add(name, o.help);
        } else {
            add_word(c);
        }
    }

    const option_info* find_option(std::string_view name) const {
        for (const option_info& o : options_)
            if (std::find(o.names.begin(), o.names.end(), name) != o.names.end()) return &o;
        return nullptr;
    }

    /// Tells options, their values and other words apart.
    void read_words() {
        for (std::size_t i = name_size_; i < words_.size(); ++i) {
            const std::string& w = words_[i];
            if (only_words_ || !w.starts_with('-') || w.size() == 1) {
                given_.push_back(w);
                continue;
            }
            if (w == "--") {
                only_words_ = true;
                continue;
            }
            const std::size_t equals = w.find('=');
            const option_info* const o = find_option(w.substr(0, equals));
            if (!o || o->placeholder.empty()) continue;
            if (equals != w.npos) take(*o, w.substr(equals + 1));
            else if (i + 1 < words_.size()) take(*o, words_[++i]);
            else waiting_ = o;
        }
    }

    void take(const option_info& o, const std::string& value) {
        if (o.names[0] == "--at") target_.at = {value};
        if (o.names[0] == "--instance") target_.instance = value;
    }

    void add_values(const option_info& o, const std::string& prefix) {
        for (const std::string& v : o.values) add(prefix + v);
        if (o.placeholder == "FILE") add_files(prefix);
        if (o.names[0] == "--instance") {
            const std::string pattern = given_.empty() ? "*" : parse_pattern(given_[0]).service;
            for (const tenon::instance& i : tenon::list(pattern))
                add(prefix + i.id, i.publisher + "/" + i.service);
        }
    }

    // --- names ---

    void add_word(const command& c) {
        word kind = given_.empty() ? c.first : c.rest;
        // With --at there is no name before the level.
        if (c.rest == word::log_level && !target_.at.empty()) kind = word::log_level;
        switch (kind) {
            case word::shell: add("bash"), add("zsh"); break;
            case word::log_level:
                for (const char* level : {"debug", "info", "warning", "error", "off"}) add(level);
                break;
            case word::service:
            case word::pattern: add_services(""); break;
            case word::service_or_file:
                add_services("");
                add_files("");
                break;
            case word::member: add_members(false, "method"); break;
            case word::source: add_members(false, "source"); break;
            case word::sink: add_members(false, "sink"); break;
            case word::channel: add_members(false, "channel"); break;
            case word::name:
            case word::member_pattern: add_members(true, ""); break;
            case word::argument: add_arguments(); break;
            case word::command:
            case word::none: break;
        }
    }

    std::vector<std::string> services() {
        std::vector<std::string> names;
        if (!target_.at.empty()) {
            target to = open_endpoint(target_.at[0], target_);
            tenon::call_options how;
            how.timeout = answer_time();
            if (const auto all = ask_server(to, "*", how))
                for (const listed& l : *all) names.push_back(l.is.publisher + "/" + l.is.service);
        } else {
            for (const tenon::instance& i : tenon::list())
                if (target_.instance.empty() || target_.instance == i.id)
                    names.push_back(i.publisher + "/" + i.service);
        }
        names.erase(std::unique(names.begin(), names.end()), names.end());
        return names;
    }

    void add_services(std::string_view end) {
        for (const std::string& name : services()) add(name + std::string(end));
    }

    /// Members of that kind (empty: of any), once it is clear of which service.
    void add_members(bool service_will_do, std::string_view wanted) {
        std::vector<std::string> fitting;
        for (const std::string& name : services())
            if ((name + ".").starts_with(current_) || current_.starts_with(name + "."))
                fitting.push_back(name);
        if (fitting.size() != 1) {
            for (const std::string& name : fitting) add(name + (service_will_do ? "" : "."));
            return;
        }
        if (service_will_do) add(fitting[0]);
        const tenon::value m = manifest_of(fitting[0]);
        for (const char* section : member_sections)
            if (const tenon::value* all = m.find(section); all && all->is_map())
                for (const auto& [name, member] : all->as_map())
                    if (name.is_string() && is_plain(name.as_string()) && is_kind(member, wanted))
                        add(fitting[0] + "." + name.as_string(), signature(member));
    }

    static bool is_kind(const tenon::value& member, std::string_view wanted) {
        const tenon::value* const kind = member.find("kind");
        return wanted.empty() || !kind || !kind->is_string() || kind->as_string() == wanted;
    }

    static std::string signature(const tenon::value& member) {
        std::string text;
        for (const std::string& p : params_of(member)) text += (text.empty() ? "" : ", ") + p;
        text = "(" + text + ")";
        const tenon::value* doc = member.find("doc");
        return doc && doc->is_string() ? text + " " + doc->as_string() : text;
    }

    void add_arguments() {
        const std::size_t equals = current_.find('=');
        const std::size_t value = equals == current_.npos ? 0 : equals + 1;
        if (current_.substr(value).starts_with('@'))
            return add_files(current_.substr(0, value + 1));
        const service_name name = parse_route(given_[0]);
        const tenon::value m = manifest_of(name.text());
        const tenon::value* const member = find_member(m, name.member);
        if (!member) return;
        // As in a call: those without a name go by position, from the first on.
        std::size_t by_position = 0;
        std::set<std::string, std::less<>> named;
        for (const std::string& word : std::span(given_).subspan(1)) {
            const std::size_t end = word.find('=');
            if (end != word.npos && is_plain(word.substr(0, end)))
                named.insert(word.substr(0, end));
            else ++by_position;
        }
        const std::vector<std::string> params = params_of(*member);
        for (std::size_t i = by_position; i < params.size(); ++i)
            if (is_plain(params[i]) && !named.contains(params[i])) add(params[i] + "=");
    }

    /// A map, or nil. From the file of an instance that runs, if it can be had there.
    tenon::value manifest_of(const std::string& service) {
        if (target_.at.empty())
            for (const tenon::instance& i : tenon::list(service)) {
                if (!target_.instance.empty() && target_.instance != i.id) continue;
                const tenon::value description = description_of(i);
                const tenon::value* const m = description.find("manifest");
                if (m && m->find("members")) return *m;
            }
        const service_name name = parse_service(service);
        target to = open_target(name, target_);
        const auto m = ask_for_manifest(to, name, answer_time(), interrupt_);
        return m ? m->content() : tenon::value();
    }

    std::vector<std::string> words_;
    interruption& interrupt_;
    std::string current_;
    std::size_t name_size_ = 0;  // words of the command's name
    std::vector<option_info> options_;
    const option_info* waiting_ = nullptr;  // for its value
    bool only_words_ = false;
    std::vector<std::string> given_;
    target_options target_;
    std::set<std::string, std::less<>> seen_;
    std::string out_;
};

// In place of whatever takes too long.
void give_up(int) { ::_exit(0); }

void limit_time() {
    struct sigaction action {};
    action.sa_handler = give_up;
    ::sigaction(SIGALRM, &action, nullptr);
    itimerval timer{};
    const milliseconds limit = time_limit();
    timer.it_value.tv_sec = limit.count() / 1000;
    timer.it_value.tv_usec = limit.count() % 1000 * 1000;
    ::setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace

int complete(arguments args, interruption& interrupt) {
    limit_time();
    std::vector<std::string> words;
    if (args.size() == 2 && args[0] == "--line") words = split_line(args[1]);
    else if (!args.empty() && args[0] == "--") words.assign(args.begin() + 1, args.end());
    else throw usage_error("complete is for `tenon completion`; --line TEXT or -- WORD…");
    if (!words.empty()) words.erase(words.begin());  // the program
    std::string out;
    try {
        out = completion(std::move(words), interrupt).run();
    } catch (const usage_error&) {  // what stands there already is wrong
    } catch (const tenon::failure&) {}
    write_out(out);
    return 0;
}

}  // namespace cli
