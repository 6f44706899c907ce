#include "command_line.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace cli {

namespace {

class help_format final : public CLI::Formatter {
public:
    explicit help_format(std::string usage) : usage_(std::move(usage)) { column_width(24); }

    std::string make_usage(const CLI::App*, std::string) const override { return usage_; }
    std::string make_option_opts(const CLI::Option* o) const override {
        return o->get_type_size() == 0 ? "" : " " + o->get_type_name();
    }

private:
    const std::string usage_;
};

bool looks_like_option(const std::string& word) {
    return word.size() > 1 && word[0] == '-' && !(word[1] >= '0' && word[1] <= '9');
}

std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t changed = diagonal + (a[i] != b[j] ? 1 : 0);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, diagonal + 1, row[j] + 1});
        }
    }
    return row.back();
}

}  // namespace

struct command_line::parser {
    CLI::App app;
    std::vector<option_info> options{{{"-h", "--help"}, {}, {}, "this text"}};

    void add(const std::string& names, const std::string& placeholder, const std::string& help) {
        option_info& o = options.emplace_back();
        const std::size_t comma = names.find(',');
        o.names.push_back(names.substr(0, comma));
        if (comma != names.npos) o.names.push_back(names.substr(comma + 1));
        o.placeholder = placeholder;
        o.help = help;
    }
};

command_line::command_line(const std::string& name, const std::string& usage,
                           const std::string& about, const std::string& more)
    : parser_(std::make_unique<parser>()) {
    CLI::App& app = parser_->app;
    app.description(about + "\n");
    app.formatter(std::make_shared<help_format>("Usage: tenon " + name + " " + usage + "\n"));
    app.set_help_flag("-h,--help", "this text");
    app.footer(more);
    // The words are taken from what is left over: as declared positionals they would be split at
    // commas within brackets.
    app.allow_extras();
}

command_line::~command_line() = default;

void command_line::flag(const std::string& name, bool& to, const std::string& help) {
    parser_->app.add_flag_callback(
        name, [&to] { to = true; }, help);
    parser_->add(name, {}, help);
}

void command_line::option(const std::string& name, const std::string& placeholder,
                          const std::string& help, std::function<void(const std::string&)> take) {
    const auto each = [take = std::move(take)](const CLI::results_t& values) {
        for (const std::string& v : values) take(v);
        return true;
    };
    parser_->app.add_option(name, each, help)
        ->type_name(placeholder)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    parser_->add(name, placeholder, help);
}

void command_line::choice(const std::string& name, const std::vector<std::string>& values,
                          const std::string& help, std::function<void(const std::string&)> take) {
    option(name, "NAME", help, [=, take = std::move(take)](const std::string& text) {
        if (std::find(values.begin(), values.end(), text) != values.end()) return take(text);
        std::string known;
        for (std::size_t i = 0; i < values.size(); ++i)
            known += (i == 0 ? "" : i + 1 == values.size() ? " or " : ", ") + values[i];
        throw usage_error(name + ": expected " + known + ", got \"" + text + "\"");
    });
    parser_->options.back().values = values;
}

void command_line::number(const std::string& name, std::uint64_t least, std::uint64_t most,
                          std::uint64_t& to, const std::string& help) {
    option(name, "N", help, [=, &to](const std::string& text) {
        const char* end = text.data() + text.size();
        const auto [at, problem] = std::from_chars(text.data(), end, to);
        if (problem != std::errc() || at != end || to < least || to > most)
            throw usage_error(name + ": expected a whole number from " + std::to_string(least) +
                              " to " + std::to_string(most) + ", got \"" + text + "\"");
    });
}

void command_line::duration(const std::string& name, const std::string& placeholder,
                            std::chrono::milliseconds& to, const std::string& help) {
    option(name, placeholder, help,
           [name, &to](const std::string& text) { to = parse_duration(name, text); });
}

std::vector<std::string> command_line::parse(arguments args) {
    if (args.size() == 1 && args[0] == ask_for_options) throw options_wanted{parser_->options};
    std::vector<std::string> reversed(args.rbegin(), args.rend());
    try {
        parser_->app.parse(std::move(reversed));
    } catch (const CLI::CallForHelp&) {
        throw help_wanted{parser_->app.help()};
    } catch (const CLI::ParseError& e) {
        throw usage_error(e.what());
    }
    std::vector<std::string> words;
    bool only_words = false;
    for (std::string& word : parser_->app.remaining()) {
        if (!only_words && word == "--") {
            only_words = true;
            continue;
        }
        if (!only_words && looks_like_option(word)) unknown(word);
        words.push_back(std::move(word));
    }
    return words;
}

void command_line::unknown(const std::string& option) const {
    const std::string name = option.substr(0, option.find('='));
    std::vector<std::string> known;
    for (const option_info& o : parser_->options)
        known.insert(known.end(), o.names.begin(), o.names.end());
    const std::string_view meant = closest(name, known);
    throw usage_error("unknown option " + name +
                      (meant.empty() ? "; a word that begins with '-' goes behind \"--\""
                                     : "; did you mean " + std::string(meant) + "?"));
}

std::chrono::milliseconds parse_duration(const std::string& what, std::string_view text) {
    double number = 0;
    const char* end = text.data() + text.size();
    const auto [at, problem] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
    const std::string_view unit(at, static_cast<std::size_t>(end - at));
    const double factor = unit.empty() || unit == "ms" ? 1
                          : unit == "s"                ? 1'000
                          : unit == "m"                ? 60'000
                          : unit == "h"                ? 3'600'000
                                                       : 0;
    const double ms = std::ceil(number * factor);
    if (problem != std::errc() || factor == 0 || !(ms >= 0 && ms <= INT32_MAX))
        throw usage_error(what +
                          ": expected a time such as 250 (milliseconds), 1.5s, 2m or 1h, got \"" +
                          std::string(text) + "\"");
    return std::chrono::milliseconds(static_cast<std::int64_t>(ms));
}

std::string_view closest(std::string_view word, const std::vector<std::string>& candidates) {
    std::string_view best;
    std::size_t least = 3;
    for (const std::string& c : candidates)
        if (const std::size_t d = distance(word, c); d < least) best = c, least = d;
    return best;
}

}  // namespace cli
