#include "request.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace cli {

const char* const argument_help =
    R"(Arguments:
  JSON          42, true, null, '"text"', '[1,2]', '{"name":"Ann"}'
  any text      what is not JSON is a string
  NAME=VALUE    an argument by name; those without a name go by position
  @FILE         JSON from a file; -  JSON from stdin; either may be a VALUE, too
  To pass text that has one of these forms, quote it as JSON: '"@home"', '"a=b"', '"42"'.
  With --codec raw: no argument or one, the bytes of the word, of @FILE or of stdin.
)";

namespace {

bool is_identifier(std::string_view s) {
    return !s.empty() && s.size() <= 64 && !(s[0] >= '0' && s[0] <= '9') &&
           std::all_of(s.begin(), s.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                      c == '_';
           });
}

std::string read_all(int fd, const std::string& name) {
    const std::size_t most = tenon::limits{}.message;
    std::string all;
    for (std::size_t used = 0;;) {
        all.resize(std::max<std::size_t>(all.size(), used + 65'536));
        const ssize_t n = ::read(fd, all.data() + used, all.size() - used);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw usage_error(fmt::format("{}: {}", name, std::strerror(errno)));
        used += static_cast<std::size_t>(n);
        if (used > most)
            throw usage_error(
                fmt::format("{}: larger than a message may be ({} MiB)", name, most >> 20));
        if (n == 0) return all.resize(used), all;
        if (used == all.size()) all.resize(all.size() * 2);
    }
}

std::string read_file(const std::string& path) {
    if (path.empty()) throw usage_error("the name of a file is missing, as in @order.json");
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) throw usage_error(fmt::format("{}: {}", path, std::strerror(errno)));
    struct closer {
        int fd;
        ~closer() { ::close(fd); }
    } const owner{fd};
    return read_all(fd, path);
}

class argument_parser {
public:
    explicit argument_parser(call_arguments& to) : to_(to) {}

    tenon::value structured(std::span<const std::string> words) {
        tenon::value::array by_position;
        tenon::value::map by_name;
        for (const std::string& word : words) {
            const std::size_t equals = word.find('=');
            if (equals != word.npos && is_identifier(std::string_view(word).substr(0, equals)))
                add_named(by_name, word.substr(0, equals), word.substr(equals + 1));
            else by_position.push_back(read(word));
        }
        if (by_name.empty()) return by_position;
        // Both at once: the positional ones under "*", which is no parameter's name.
        if (!by_position.empty()) by_name.emplace(by_name.begin(), "*", std::move(by_position));
        return by_name;
    }

    std::string raw(std::span<const std::string> words) {
        if (words.size() > 1)
            throw usage_error(
                fmt::format("--codec raw takes one argument at most, got {}", words.size()));
        if (words.empty()) return {};
        const std::string& word = words[0];
        return is_source(word) ? contents(word) : word;
    }

private:
    static bool is_source(const std::string& word) { return word == "-" || word.starts_with('@'); }

    void add_named(tenon::value::map& to, const std::string& name, const std::string& word) {
        for (const auto& [known, unused] : to)
            if (known.as_string() == name)
                throw usage_error("argument \"" + name + "\" is given twice");
        to.emplace_back(tenon::value(name), read(word));
    }

    tenon::value read(const std::string& word) {
        if (is_source(word)) {
            auto v = tenon::parse_json(contents(word));
            if (!v)
                throw usage_error(
                    fmt::format("{}: not JSON: {}", source_name(word), v.error().message()));
            return *std::move(v);
        }
        if (auto v = tenon::parse_json(word)) return *std::move(v);
        if (!word.empty() && (word[0] == '{' || word[0] == '[' || word[0] == '"'))
            to_.doubtful.push_back(word);
        return word;
    }

    static std::string source_name(const std::string& word) {
        return word == "-" ? "stdin" : word.substr(1);
    }

    std::string contents(const std::string& word) {
        if (word != "-") return read_file(word.substr(1));
        if (std::exchange(stdin_read_, true))
            throw usage_error("- (stdin) can be used for one argument only");
        return read_all(STDIN_FILENO, "stdin");
    }

    call_arguments& to_;
    bool stdin_read_ = false;
};

}  // namespace

std::string read_source(const std::string& name) {
    return name == "-" ? read_all(STDIN_FILENO, "stdin") : read_file(name);
}

call_arguments read_arguments(std::span<const std::string> words, tenon::codec codec) {
    call_arguments out;
    argument_parser parser(out);
    if (codec == tenon::codec::raw) {
        const std::string content = parser.raw(words);
        const tenon::bytes_view view = tenon::as_bytes(content);
        out.encoded.assign(view.begin(), view.end());
        return out;
    }
    out.list = parser.structured(words);
    auto encoded = tenon::encode(codec, out.list);
    if (!encoded)
        throw usage_error(fmt::format("the arguments cannot be said in {}: {}",
                                      tenon::to_string(codec), encoded.error().message()));
    out.encoded = *std::move(encoded);
    return out;
}

tenon::result<tenon::value> decode_result(tenon::codec codec, const tenon::bytes& encoded) {
    if (codec == tenon::codec::raw) return tenon::value(encoded);
    if (encoded.empty()) return tenon::value();
    auto v = tenon::decode<tenon::value>(codec, encoded);
    if (v) return v;
    return tenon::error(tenon::errc::data_loss, "the result is no " +
                                                    std::string(tenon::to_string(codec)) + ": " +
                                                    std::string(v.error().message()));
}

std::string advice(const tenon::error& e, const target& to, const target_options& options,
                   const call_arguments& arguments) {
    if (e.code() == tenon::errc::invalid && !arguments.doubtful.empty())
        return fmt::format("{} is not JSON and was sent as a string", arguments.doubtful[0]);
    return advice(e, to, options);
}

}  // namespace cli
