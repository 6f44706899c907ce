#include "codec/raw.hpp"

#include <cstring>
#include <string>

#include "tenon/value.hpp"

namespace tenon::inline v0::coding {
namespace {

error refusal(std::string_view what) {
    return error(errc::unsupported, "raw carries bytes or a string, not " + std::string(what));
}

}  // namespace

result<void> encode_raw(const shape& s, const void* o, base::byte_buffer& out) {
    switch (s.kind) {
        case kind::nothing: return {};
        case kind::string: out.append(as_bytes(*static_cast<const std::string*>(o))); return {};
        case kind::string_view:
            out.append(as_bytes(*static_cast<const std::string_view*>(o)));
            return {};
        case kind::bytes: out.append(s.bytes->view(o)); return {};
        case kind::bytes_view: out.append(*static_cast<const bytes_view*>(o)); return {};
        case kind::dynamic: break;
        default: return refusal(s.name);
    }
    const value& v = *static_cast<const value*>(o);
    if (v.is_string()) out.append(as_bytes(v.as_string()));
    else if (v.is_bytes()) out.append(v.as_bytes());
    else if (!v.is_nil()) return refusal(to_string(v.type()));
    return {};
}

result<void> decode_raw(const shape& s, void* o, bytes_view in) {
    switch (s.kind) {
        case kind::nothing: return error(errc::invalid, "expected no content");
        case kind::string: static_cast<std::string*>(o)->assign(as_text(in)); return {};
        case kind::string_view: *static_cast<std::string_view*>(o) = as_text(in); return {};
        case kind::bytes_view: *static_cast<bytes_view*>(o) = in; return {};
        case kind::dynamic: *static_cast<value*>(o) = bytes(in.begin(), in.end()); return {};
        case kind::bytes: break;
        default: return refusal(s.name);
    }
    if (&s == &shape_of<bytes>()) {  // spares filling the bytes with zeros first
        static_cast<bytes*>(o)->assign(in.begin(), in.end());
        return {};
    }
    const std::size_t expected = s.bytes->count;
    if (expected != 0 && expected != in.size())
        return error(errc::invalid, "expected " + std::to_string(expected) + " bytes, got " +
                                        std::to_string(in.size()));
    std::byte* at = s.bytes->resize(o, in.size());
    if (!in.empty()) std::memcpy(at, in.data(), in.size());
    return {};
}

}  // namespace tenon::inline v0::coding
