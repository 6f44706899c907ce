#include "output.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "tenon/codec.hpp"

namespace cli {

namespace {

// With nowhere to complain there is nothing to do about it.
void complain(std::string_view text) noexcept { static_cast<void>(write_to(STDERR_FILENO, text)); }

bool wants_colour(int fd) {
    const char* no = std::getenv("NO_COLOR");
    return (!no || !*no) && is_steerable(fd);
}

std::string painted(int fd, const char* colour, std::string_view text) {
    if (!wants_colour(fd)) return std::string(text);
    return fmt::format("\x1b[{}m{}\x1b[0m", colour, text);
}

// A line of its own for each line of a message.
std::string indented(std::string_view text) {
    std::string out;
    for (std::size_t end; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1))
        out += printable(text.substr(0, end)) + "\n  ";
    return out + printable(text);
}

std::string to_line(const tenon::value& v) {
    try {
        return tenon::to_json(v);
    } catch (const tenon::failure&) {
        return {};  // not to be said in JSON
    }
}

tenon::value text_value(std::string_view text) {
    const tenon::value v(text);
    return to_line(v).empty() ? tenon::value(printable("(not UTF-8)")) : v;
}

tenon::value details_of(const tenon::error& e) {
    if (e.details().empty()) return {};
    auto data = tenon::decode<tenon::value>(tenon::codec::msgpack, e.details());
    return data && !to_line(*data).empty() ? *std::move(data) : tenon::value();
}

void report_json(tenon::value fields) {
    tenon::value line;
    line["error"] = std::move(fields);
    complain(to_line(line) + "\n");
}

void report_text(std::string_view message, std::string_view data, std::string_view hint) {
    std::string text = painted(STDERR_FILENO, "1;31", "error:") + " " + indented(message) + "\n";
    if (!data.empty()) text += fmt::format("  data: {}\n", data);
    if (!hint.empty())
        text += painted(STDERR_FILENO, "1", "  hint:") + fmt::format(" {}\n", printable(hint));
    complain(text);
}

}  // namespace

bool write_to(int fd, std::string_view text) noexcept {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

void write_out(std::string_view text) {
    if (!write_to(STDOUT_FILENO, text))
        throw output_error(fmt::format("cannot write to stdout: {}", std::strerror(errno)));
}

bool is_steerable(int fd) {
    const char* terminal = std::getenv("TERM");
    return terminal && std::strcmp(terminal, "dumb") != 0 && ::isatty(fd);
}

bool reader_has_gone() {
    pollfd p{STDOUT_FILENO, 0, 0};
    return ::poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLNVAL)) != 0;
}

void note(std::string_view text) { complain(printable(text) + "\n"); }

int report(const tenon::error& e, std::string_view hint, bool json) {
    const int exit = tenon::exit_code(e.code());
    const tenon::value data = details_of(e);
    if (!json) {
        report_text(e.to_string(), data.is_nil() ? "" : to_line(data), hint);
        return exit;
    }
    tenon::value fields = tenon::value::object({{"code", tenon::to_string(e.code())},
                                                {"message", text_value(e.message())},
                                                {"exit", exit},
                                                {"may_have_run", e.may_have_run()}});
    if (!e.name().empty()) fields["name"] = text_value(e.name());
    if (!e.origin().empty()) fields["origin"] = text_value(e.origin());
    if (e.retry_after()) fields["retry_after_ms"] = e.retry_after()->count();
    if (!data.is_nil()) fields["data"] = data;
    if (!hint.empty()) fields["hint"] = hint;
    report_json(std::move(fields));
    return exit;
}

int report(std::string_view code, std::string_view message, std::string_view hint, int exit,
           bool json) {
    if (!json) {
        report_text(message, {}, hint);
        return exit;
    }
    tenon::value fields =
        tenon::value::object({{"code", code}, {"message", text_value(message)}, {"exit", exit}});
    if (!hint.empty()) fields["hint"] = hint;
    report_json(std::move(fields));
    return exit;
}

std::string printable(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
        if (c < 0x20 || c == 0x7f) out += fmt::format("\\x{:02x}", c);
        // U+0080 to U+009F control terminals, too.
        else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
            out += fmt::format("\\x{:02x}", next), ++i;
        else out += text[i];
    }
    return out;
}

std::string printable_lines(std::string_view text) {
    std::string out;
    for (std::size_t end; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1))
        out += printable(text.substr(0, end)) + "\n";
    return out + printable(text);
}

std::string bold(std::string_view text) { return painted(STDOUT_FILENO, "1", text); }
std::string dim(std::string_view text) { return painted(STDOUT_FILENO, "2", text); }

std::string readable_time(double us) {
    if (us < 1'000) return fmt::format("{:.1f} us", us);
    if (us < 1'000'000) return fmt::format("{:.2f} ms", us / 1'000);
    return fmt::format("{:.2f} s", us / 1'000'000);
}

}  // namespace cli
