#include "codec/codec.hpp"

#include <algorithm>
#include <array>

#include "codec/decoder.hpp"
#include "codec/encoder.hpp"
#include "codec/json_reader.hpp"
#include "codec/json_writer.hpp"
#include "codec/marshal.hpp"
#include "codec/msgpack_reader.hpp"
#include "codec/msgpack_writer.hpp"
#include "codec/raw.hpp"
#include "codec/value_reader.hpp"
#include "codec/value_writer.hpp"

namespace tenon::inline v0 {

namespace {

struct codec_names {
    codec is;
    std::string_view name;
    std::string_view mime;
};
constexpr std::array<codec_names, 9> names{{
    {codec::raw, "raw", "application/octet-stream"},
    {codec::json, "json", "application/json"},
    {codec::msgpack, "msgpack", "application/x-msgpack"},
    {codec::marshal, "marshal", "application/vnd.tenon.marshal.v1"},
    // Aliases, for reading only.
    {codec::msgpack, "", "application/msgpack"},
    {codec::msgpack, "", "application/vnd.msgpack"},
    {codec::msgpack, "", "application/x.msgpack"},
    {codec::json, "", "text/json"},
    {codec::raw, "", "application/x-octet-stream"},
}};

}  // namespace

std::string_view to_string(codec c) noexcept {
    return names[std::min(static_cast<std::size_t>(c), names.size() - 1)].name;
}

std::string_view mime_type(codec c) noexcept {
    return names[std::min(static_cast<std::size_t>(c), names.size() - 1)].mime;
}

std::optional<codec> codec_from_string(std::string_view name) noexcept {
    for (const codec_names& n : names)
        if (!n.name.empty() && n.name == name) return n.is;
    return std::nullopt;
}

std::optional<codec> codec_from_mime_type(std::string_view mime) noexcept {
    mime = mime.substr(0, mime.find(';'));
    while (mime.ends_with(' ')) mime.remove_suffix(1);
    const auto same = [](char a, char b) {
        return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
    };
    for (const codec_names& n : names)
        if (std::equal(n.mime.begin(), n.mime.end(), mime.begin(), mime.end(), same)) return n.is;
    return std::nullopt;
}

namespace coding {
namespace {

template <class Writer>
result<void> write(const shape& s, const void* o, base::byte_buffer& out) {
    trouble t;
    Writer w(out, t);
    if (!encoder<Writer>(w, t).write(s, o)) return t.take();
    w.commit();
    return {};
}

template <class Reader>
result<void> read(const shape& s, void* o, bytes_view in, const decode_options& options,
                  base::byte_buffer* arena) {
    trouble t;
    Reader r(in, t, options.max_depth);
    if (!decoder<Reader>(r, t, options, arena).read(s, o) || !r.finish()) return t.take();
    return {};
}

}  // namespace

result<void> encode_object(codec c, const shape& s, const void* o, base::byte_buffer& out) {
    switch (c) {
        case codec::raw: return encode_raw(s, o, out);
        case codec::json: return write<json_writer>(s, o, out);
        case codec::msgpack: return write<msgpack_writer>(s, o, out);
        case codec::marshal: {
            const parameter one{nullptr, &s};
            return encode_marshal({&one, 1}, {&o, 1}, out);
        }
    }
    return error(errc::unsupported, "unknown codec");
}

result<void> decode_object(codec c, const shape& s, void* o, const source& from,
                           const decode_options& options, base::byte_buffer* arena) {
    if (from.in.empty() && s.kind == kind::nothing) return {};
    switch (c) {
        case codec::raw: return decode_raw(s, o, from);
        case codec::json: return read<json_reader>(s, o, from.in, options, arena);
        case codec::msgpack: return read<msgpack_reader>(s, o, from.in, options, arena);
        case codec::marshal: {
            const parameter one{nullptr, &s};
            return decode_marshal({&one, 1}, {&o, 1}, from, options);
        }
    }
    return error(errc::unsupported, "unknown codec");
}

bool reads_once(codec c, const shape& s) noexcept {
    if (c == codec::marshal) return s.kind != kind::string_view && s.kind != kind::bytes_view;
    return c == codec::raw && (s.kind == kind::string || s.kind == kind::bytes);
}

std::optional<bytes_view> encoded_in_place(codec c, const shape& s, const void* o) noexcept {
    if (c == codec::marshal) return view_marshal(s, o);
    return c == codec::raw ? view_raw(s, o) : std::nullopt;
}

blob take_bytes(const shape& s, void* o) {
    if (s.kind == kind::indirect) return std::move(s.indirect->message(o));
    if (s.kind == kind::bytes && s.bytes->is_blob) return std::move(*static_cast<blob*>(o));
    if (&s == &shape_of<bytes>()) return base::make_blob(std::move(*static_cast<bytes*>(o)));
    if (s.kind == kind::string) return base::make_blob(std::move(*static_cast<std::string*>(o)));
    return {};
}

result<void> encode_value(codec c, const value& v, base::byte_buffer& out) {
    return encode_object(c, shape_of<value>(), &v, out);
}

result<value> decode_value(codec c, bytes_view in, const decode_options& options) {
    value v;
    TENON_TRY(decode_object(c, shape_of<value>(), &v, in, options));
    return v;
}

}  // namespace coding

namespace detail {

result<bytes> encode_object(codec c, const shape& s, const void* o) {
    base::byte_buffer out;
    TENON_TRY(coding::encode_object(c, s, o, out));
    return bytes(out.view().begin(), out.view().end());
}

result<void> decode_object(codec c, const shape& s, void* o, bytes_view in,
                           const decode_options& options) {
    return coding::decode_object(c, s, o, in, options);
}

result<void> value_to_object(const value& from, const shape& s, void* o) {
    coding::trouble t;
    coding::value_reader r(from, t);
    const decode_options options;
    if (!coding::decoder<coding::value_reader>(r, t, options, nullptr).read(s, o)) return t.take();
    return {};
}

result<value> object_to_value(const shape& s, const void* o) {
    value v;
    coding::trouble t;
    coding::value_writer w(v, t);
    if (!coding::encoder<coding::value_writer>(w, t).write(s, o)) return t.take();
    return v;
}

}  // namespace detail

std::string to_json(const value& v, bool pretty) {
    base::byte_buffer out;
    coding::trouble t;
    coding::json_writer w(out, t, pretty);
    if (!coding::encoder<coding::json_writer>(w, t).write(v)) throw failure(t.take());
    w.commit();
    return std::string(as_text(out.view()));
}

result<value> parse_json(std::string_view text, const decode_options& options) {
    return coding::decode_value(codec::json, as_bytes(text), options);
}

}  // namespace tenon::inline v0
