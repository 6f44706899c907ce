// Argument lists. The rules are those of the header, which are those of docs/wire.md.

#include <algorithm>
#include <vector>

#include "codec/codec.hpp"
#include "codec/decoder.hpp"
#include "codec/encoder.hpp"
#include "codec/json_reader.hpp"
#include "codec/json_writer.hpp"
#include "codec/marshal.hpp"
#include "codec/msgpack_reader.hpp"
#include "codec/msgpack_writer.hpp"
#include "codec/raw.hpp"
#include "codec/value_reader.hpp"

namespace tenon::inline v0::coding {
namespace {

using parameters = std::span<const parameter>;

// In a map by name: the arguments given by position. No parameter can have this name.
constexpr std::string_view positional_key = "*";

template <class Writer>
result<void> write_arguments(parameters ps, std::span<const void* const> arguments,
                             base::byte_buffer& out) {
    trouble t;
    Writer w(out, t);
    encoder<Writer> e(w, t);
    typename Writer::scope s;
    w.begin_array(s, arguments.size());
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        w.element(s);
        if (!e.write(*ps[i].type, arguments[i])) return t.in_member(ps[i].name), t.take();
    }
    if (!w.end_array(s)) return t.take();
    w.commit();
    return {};
}

bool may_be_missing(const parameter& p) {
    return p.optional || p.default_value != nullptr || p.type->kind == kind::optional;
}

std::size_t find_parameter(parameters ps, const key& k, std::size_t& cursor) {
    if (k.is != token::string) return ps.size();
    for (std::size_t tries = 0; tries < ps.size(); ++tries) {
        const std::size_t i = cursor >= ps.size() ? 0 : cursor;
        cursor = i + 1;
        if (k.text == ps[i].name) return i;
    }
    return ps.size();
}

// Which arguments have come; without an allocation up to 64.
class seen_set {
public:
    explicit seen_set(std::size_t n) : more_(n > 64 ? n : 0) {}
    bool test(std::size_t i) const { return more_.empty() ? (few_ >> i & 1) != 0 : more_[i]; }
    void set(std::size_t i) {
        if (more_.empty()) few_ |= std::uint64_t{1} << i;
        else more_[i] = true;
    }

private:
    std::uint64_t few_ = 0;
    std::vector<bool> more_;
};

template <class Reader>
class argument_reader {
public:
    argument_reader(parameters ps, std::span<void* const> objects, bytes_view in,
                    const decode_options& options, base::byte_buffer* arena)
        : parameters_(ps),
          objects_(objects),
          seen_(ps.size()),
          r_(in, trouble_, options.max_depth),
          decoder_(r_, trouble_, options, arena) {}

    result<void> run() {
        if (read() && r_.finish() && fill_missing()) return {};
        return trouble_.take();
    }

private:
    bool read() {
        if (r_.at_end()) return true;
        const token t = r_.peek();
        if (t == token::bad) return false;
        if (t == token::array) return read_positional();
        if (t == token::map && is_by_name()) return read_by_name();
        if (trouble_.happened()) return false;
        if (parameters_.size() == 1) return read_one(0);
        if (parameters_.empty() && t == token::nil) return r_.nil();
        return decoder_.wrong("an array or a map of arguments", t);
    }

    bool read_one(std::size_t i) {
        seen_.set(i);
        const parameter& p = parameters_[i];
        return decoder_.read(*p.type, objects_[i]) || trouble_.in_member(p.name);
    }

    bool read_positional() {
        typename Reader::scope s;
        if (!r_.begin_array(s)) return false;
        for (std::size_t i = 0; r_.next(s); ++i) {
            if (i == parameters_.size())
                return trouble_.invalid("too many arguments: expected at most " +
                                        std::to_string(parameters_.size()));
            if (seen_.test(i)) return given_twice(parameters_[i].name);
            if (!read_one(i)) return false;
        }
        return !trouble_.happened();
    }

    // Only a one-parameter method needs to look at all keys first: the map may be its value.
    bool is_by_name() {
        if (parameters_.size() != 1) return true;
        Reader ahead = r_;
        decoder<Reader> skipper(ahead, trouble_, {}, nullptr);
        typename Reader::scope s;
        key k;
        if (!ahead.begin_map(s)) return false;
        while (ahead.next_key(s, k)) {
            if (k.is != token::string || k.text != parameters_[0].name) return false;
            if (!skipper.skip()) return false;
        }
        return !trouble_.happened();
    }

    bool read_by_name() {
        typename Reader::scope s;
        if (!r_.begin_map(s)) return false;
        key k;
        std::size_t cursor = 0;
        while (r_.next_key(s, k)) {
            if (k.is == token::string && k.text == positional_key && r_.peek() == token::array) {
                if (!read_positional()) return false;
                continue;
            }
            const std::size_t i = find_parameter(parameters_, k, cursor);
            if (i == parameters_.size())
                return trouble_.invalid("unknown argument " + quoted(k.readable()));
            if (seen_.test(i)) return given_twice(parameters_[i].name);
            if (!read_one(i)) return false;
        }
        return !trouble_.happened();
    }

    bool given_twice(std::string_view name) {
        return trouble_.invalid("argument " + quoted(name) + " given twice");
    }

    bool fill_missing() {
        for (std::size_t i = 0; i < parameters_.size(); ++i) {
            const parameter& p = parameters_[i];
            if (seen_.test(i)) continue;
            if (!may_be_missing(p)) return trouble_.invalid("missing argument " + quoted(p.name));
            if (p.default_value == nullptr) continue;
            value_reader r(*p.default_value, trouble_);
            const decode_options options;
            decoder<value_reader> d(r, trouble_, options, nullptr);
            if (!d.read(*p.type, objects_[i])) return trouble_.in_member(p.name);
        }
        return true;
    }

    parameters parameters_;
    std::span<void* const> objects_;
    seen_set seen_;
    trouble trouble_;
    Reader r_;
    decoder<Reader> decoder_;
};

bool carries_raw(const shape& s) {
    return s.kind == kind::string || s.kind == kind::string_view || s.kind == kind::bytes ||
           s.kind == kind::bytes_view || s.kind == kind::dynamic;
}

result<void> decode_raw_arguments(parameters ps, std::span<void* const> objects,
                                  const source& from) {
    if (ps.size() == 1 && carries_raw(*ps[0].type))
        return decode_raw(*ps[0].type, objects[0], from);
    if (!from.in.empty())
        return error(errc::unsupported, "raw carries one argument of bytes or a string only");
    return argument_reader<msgpack_reader>(ps, objects, from.in, {}, nullptr).run();
}

}  // namespace

std::optional<bytes_view> encoded_in_place(codec c, parameters ps,
                                           std::span<const void* const> arguments) noexcept {
    if (ps.size() != 1 || arguments.size() != 1) return std::nullopt;
    return encoded_in_place(c, *ps[0].type, arguments[0]);
}

result<void> encode_arguments(codec c, parameters ps, std::span<const void* const> arguments,
                              base::byte_buffer& out) {
    if (arguments.size() > ps.size())
        return error(errc::invalid,
                     "too many arguments: expected at most " + std::to_string(ps.size()));
    switch (c) {
        case codec::json: return write_arguments<json_writer>(ps, arguments, out);
        case codec::msgpack: return write_arguments<msgpack_writer>(ps, arguments, out);
        case codec::marshal: return encode_marshal(ps, arguments, out);
        case codec::raw: break;
    }
    if (arguments.empty()) return {};
    if (ps.size() == 1 && carries_raw(*ps[0].type))
        return encode_raw(*ps[0].type, arguments[0], out);
    return error(errc::unsupported, "raw carries one argument of bytes or a string only");
}

result<void> check_types(codec c, parameters types) {
    return c == codec::marshal ? check_marshal(types) : result<void>();
}

result<void> decode_arguments(codec c, parameters ps, std::span<void* const> objects,
                              const source& from, const decode_options& options,
                              base::byte_buffer* arena) {
    switch (c) {
        case codec::json:
            return argument_reader<json_reader>(ps, objects, from.in, options, arena).run();
        case codec::msgpack:
            return argument_reader<msgpack_reader>(ps, objects, from.in, options, arena).run();
        case codec::marshal: return decode_marshal(ps, objects, from, options);
        case codec::raw: break;
    }
    return decode_raw_arguments(ps, objects, from);
}

}  // namespace tenon::inline v0::coding
