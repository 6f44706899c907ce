#include "codec/codec.hpp"
#include "codec/decoder.hpp"
#include "codec/json_reader.hpp"
#include "codec/json_writer.hpp"
#include "codec/msgpack_reader.hpp"
#include "codec/msgpack_writer.hpp"

namespace tenon::inline v0::coding {
namespace {

template <class Reader, class Writer>
class transcoder {
public:
    transcoder(Reader& r, Writer& w, trouble& t) : r_(r), w_(w), trouble_(t) {}

    bool copy() {
        number n;
        std::string_view text;
        bytes_view content;
        timestamp t;
        bool flag = false;
        switch (r_.peek()) {
            case token::bad: return false;
            case token::nil: return r_.nil() && w_.nil();
            case token::boolean: return r_.boolean(flag) && w_.boolean(flag);
            case token::number: return r_.number(n) && write(n);
            case token::string: return r_.string(text, flag) && w_.string(text);
            case token::bytes: return r_.bytes(content, flag) && w_.bytes(content);
            case token::time: return r_.time(t) && w_.time(t);
            case token::extension: {
                value v;
                return r_.extension(v) && w_.tagged(v.as_tagged());
            }
            case token::array: return copy_array();
            case token::map: return copy_map();
        }
        return false;
    }

private:
    bool write(const number& n) {
        if (n.is == number::form::real) return w_.float64(n.d);
        return n.is == number::form::uint64 ? w_.uint64(n.u) : w_.int64(n.i);
    }

    bool copy_array() {
        typename Reader::scope from;
        typename Writer::scope to;
        if (!r_.begin_array(from) || !w_.begin_array(to, Writer::unknown)) return false;
        for (std::size_t i = 0; r_.next(from); ++i) {
            w_.element(to);
            if (!copy()) return trouble_.in_element(i);
        }
        return !trouble_.happened() && w_.end_array(to);
    }

    bool copy_map() {
        typename Reader::scope from;
        typename Writer::scope to;
        if (!r_.begin_map(from) || !w_.begin_map(to, Writer::unknown)) return false;
        key k;
        while (r_.next_key(from, k)) {
            const bool written =
                k.is == token::string ? w_.key(to, k.text) : w_.value_key(to, to_value(k));
            if (!written) return false;
            const std::string name = k.readable();
            if (!copy()) return trouble_.in_entry(name);
        }
        return !trouble_.happened() && w_.end_map(to);
    }

    Reader& r_;
    Writer& w_;
    trouble& trouble_;
};

template <class Reader, class Writer>
result<void> run(bytes_view in, base::byte_buffer& out, const decode_options& options) {
    trouble t;
    Reader r(in, t, options.max_depth);
    Writer w(out, t);
    if (!transcoder<Reader, Writer>(r, w, t).copy() || !r.finish()) return t.take();
    w.commit();
    return {};
}

}  // namespace

result<void> transcode(codec from, bytes_view in, codec to, base::byte_buffer& out,
                       const decode_options& options) {
    if (from == to && (from == codec::raw || from == codec::marshal))
        return out.append(in), result<void>();
    if (from == codec::marshal || to == codec::marshal)
        return error(errc::unsupported,
                     "marshal cannot be translated: only who knows the types can read it");
    if (from == codec::raw) {
        const bool is_text = to == codec::json && is_utf8(as_text(in));
        if (is_text) return encode_value(to, value(as_text(in)), out);
        return encode_object(to, shape_of<bytes_view>(), &in, out);
    }
    if (to == codec::raw) {
        const auto v = decode_value(from, in, options);
        if (!v) return v.error();
        return encode_value(to, *v, out);
    }
    if (from == codec::json)
        return to == codec::json ? run<json_reader, json_writer>(in, out, options)
                                 : run<json_reader, msgpack_writer>(in, out, options);
    return to == codec::json ? run<msgpack_reader, json_writer>(in, out, options)
                             : run<msgpack_reader, msgpack_writer>(in, out, options);
}

}  // namespace tenon::inline v0::coding
