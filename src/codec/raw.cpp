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

std::optional<bytes_view> view_raw(const shape& s, const void* o) noexcept {
    switch (s.kind) {
        case kind::string: return as_bytes(*static_cast<const std::string*>(o));
        case kind::string_view: return as_bytes(*static_cast<const std::string_view*>(o));
        case kind::bytes: return s.bytes->view(o);
        case kind::bytes_view: return *static_cast<const bytes_view*>(o);
        default: return std::nullopt;
    }
}

result<void> encode_raw(const shape& s, const void* o, base::byte_buffer& out) {
    if (const auto view = view_raw(s, o)) return out.append(*view), result<void>();
    if (s.kind == kind::nothing) return {};
    if (s.kind != kind::dynamic) return refusal(s.name);
    const value& v = *static_cast<const value*>(o);
    if (v.is_string()) out.append(as_bytes(v.as_string()));
    else if (v.is_bytes()) out.append(v.as_bytes());
    else if (!v.is_nil()) return refusal(to_string(v.type()));
    return {};
}

result<void> decode_raw(const shape& s, void* o, const source& from) {
    const bytes_view in = from.in;
    switch (s.kind) {
        case kind::nothing: return error(errc::invalid, "expected no content");
        case kind::string: static_cast<std::string*>(o)->assign(as_text(in)); return {};
        case kind::string_view: *static_cast<std::string_view*>(o) = as_text(in); return {};
        case kind::bytes_view: *static_cast<bytes_view*>(o) = in; return {};
        case kind::dynamic: *static_cast<value*>(o) = bytes(in.begin(), in.end()); return {};
        case kind::bytes: break;
        default: return refusal(s.name);
    }
    if (s.bytes->is_blob && from.lies_in) {
        *static_cast<blob*>(o) = base::make_blob(base::block_ref::share(from.lies_in), in);
        return {};
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
