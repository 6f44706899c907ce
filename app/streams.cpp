#include "streams.hpp"

#include <fmt/format.h>

#include "commands.hpp"
#include "output.hpp"
#include "tenon/codec.hpp"

namespace cli {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

void stream_command::add_to(command_line& line, const std::string& about_text) {
    target.shared_memory = true;
    line.flag("--text", text, about_text);
    target.add_to(line, true);
}

stream_request::stream_request(const stream_command& command, const std::vector<std::string>& words,
                               interruption& interrupt)
    : command_(command),
      interrupt_(interrupt),
      name_(parse_route(words.at(0))),
      given_(read_arguments(std::span(words).subspan(1), command.target.codec)),
      to_(open_target(name_, command.target)) {
    if (command_.target.codec == tenon::codec::raw) given_.list = given_.encoded;
}

std::optional<int> stream_request::check() {
    if (command_.target.codec == tenon::codec::raw) return std::nullopt;
    const fit found = check_request(to_, name_, command_.target, given_, interrupt_, command_.name);
    is_unknown_ = found.is_unknown;
    return found.exit;
}

tenon::stream_options stream_request::options() const {
    tenon::stream_options o;
    o.codec = command_.target.codec;
    return o;
}

int stream_request::fail(tenon::error e, const std::string& hint) {
    if (interrupt_.happened()) return interruption::exit_code;
    if (e.origin().empty()) e.set_origin(name_.route());
    if (!hint.empty()) return report(e, hint, command_.target.json);
    const bool no_service = is_unknown_ && e.code() == tenon::errc::not_found;
    return report(e,
                  no_service ? advice_manifest(e, to_, name_, command_.target)
                             : advice(e, to_, command_.target, given_),
                  command_.target.json);
}

tenon::result<void> print_values(tenon::reader<tenon::value>& in, value_printer& to,
                                 std::uint64_t limit, milliseconds patience,
                                 const std::function<tenon::result<void>()>& check) {
    auto last = clock::now();
    while (limit == 0 || to.count() < limit) {
        std::optional<tenon::value> v;
        try {
            v = in.poll();  // what has come is printed at once, and in one go
        } catch (const tenon::failure& f) {
            to.finish(in.stats());
            return f.error();
        }
        if (!v && in.ended()) break;
        if (!v) {
            to.flush(in.stats());
            auto next = in.get_for(patience.count() > 0 ? std::min(patience, step) : step);
            if (!next && next.error().code() != tenon::errc::deadline) {
                to.finish(in.stats());
                return std::move(next).error();
            }
            if (!next && reader_has_gone()) break;
            if (!next && patience.count() > 0 && clock::now() - last >= patience) {
                to.finish(in.stats());
                return tenon::error(tenon::errc::deadline,
                                    fmt::format("nothing came for {} ms", patience.count()));
            }
            if (!next) continue;
            if (!*next) break;
            v = std::move(*next);
        }
        if (check && to.count() == 0)
            if (auto fine = check(); !fine) return fine;
        to.add(*v, in.stats());
        if (patience.count() > 0) last = clock::now();
    }
    to.finish(in.stats());
    return {};
}

std::optional<tenon::value> value_of_line(std::string_view line, std::uint64_t number,
                                          const stream_command& command, bool lenient) {
    if (command.target.codec == tenon::codec::raw) {
        const tenon::bytes_view all = tenon::as_bytes(line);
        return tenon::value(tenon::bytes(all.begin(), all.end()));
    }
    if (command.text) {
        if (auto v = tenon::value(line); tenon::encode(command.target.codec, v)) return v;
        throw usage_error(fmt::format("stdin, line {}: not UTF-8", number));
    }
    const std::size_t start = line.find_first_not_of(" \t\r");
    if (start == line.npos) return std::nullopt;
    auto v = tenon::parse_json(line);
    if (v) return *std::move(v);
    const bool looks_like_json = line.find_first_of("{[\"", start) == start;
    if (lenient && !looks_like_json) {
        tenon::value text(line.substr(start, line.find_last_not_of(" \t\r") + 1 - start));
        if (tenon::encode(command.target.codec, text)) return text;
    }
    throw usage_error(fmt::format("stdin, line {}: not JSON: {}", number, v.error().message()));
}

bool send_value(tenon::writer<tenon::value>& out, const tenon::value& v, interruption& interrupt) {
    for (;;) {
        const auto sent = out.send_for(v, step);
        if (sent) return true;
        if (sent.error().code() != tenon::errc::deadline || interrupt.happened()) return false;
    }
}

}  // namespace cli
