#include "rpc/error_codec.hpp"

#include <algorithm>
#include <string>

#include "base/error_codes.hpp"
#include "codec/codec.hpp"
#include "codec/text.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0::rpc {

namespace {

constexpr std::size_t max_text = 4096;

/// Messages may quote what a peer has sent, or what a handler's exception says.
std::string as_utf8(std::string_view s) {
    std::string text(s);
    if (coding::is_utf8(s)) return text;
    for (char& c : text)
        if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    return text;
}

std::string readable(bytes_view data) {
    return as_utf8(as_text(data.first(std::min(data.size(), max_text))));
}

std::string text_of(const value& map, std::string_view key) {
    const value* v = map.find(key);
    return v && v->is_string() ? v->as_string() : std::string();
}

}  // namespace

void encode_error(const error& e, bool to_tenon, base::byte_buffer& out) {
    if (!to_tenon) {
        const std::string name = e.name().empty() ? std::string() : std::string(e.name()) + ": ";
        out.append(as_bytes(as_utf8(name + std::string(e.message()))));
        return;
    }
    value map = value::object(
        {{"message", value(as_utf8(e.message()))}, {"may_have_run", value(e.may_have_run())}});
    if (!e.name().empty()) map["name"] = value(as_utf8(e.name()));
    if (!e.origin().empty()) map["origin"] = value(as_utf8(e.origin()));
    if (e.retry_after()) map["retry_after_ms"] = value(e.retry_after()->count());
    if (!e.details().empty()) map["details"] = value(bytes(e.details().begin(), e.details().end()));
    if (!coding::encode_value(codec::msgpack, map, out)) out.append(as_bytes(e.message()));
}

error decode_error(std::uint32_t code, bytes_view data) {
    const errc c = base::errc_from_rsocket(code);
    const bool looks_like_map = !data.empty() && (data[0] & std::byte{0xf0}) == std::byte{0x80};
    if (looks_like_map) {
        auto map = coding::decode_value(codec::msgpack, data);
        if (map && map->is_map()) {
            error e(c, text_of(*map, "message"));
            if (auto name = text_of(*map, "name"); !name.empty()) e.set_name(std::move(name));
            if (auto origin = text_of(*map, "origin"); !origin.empty())
                e.set_origin(std::move(origin));
            if (const value* run = map->find("may_have_run"); run && run->is_bool())
                e.set_may_have_run(run->as_bool());
            if (const value* ms = map->find("retry_after_ms"); ms && ms->is_integer())
                e.set_retry_after(std::chrono::milliseconds(ms->as_int64()));
            if (const value* d = map->find("details"); d && d->is_bytes())
                e.set_details(d->as_bytes());
            return e;
        }
    }
    return error(c, readable(data));
}

}  // namespace tenon::inline v0::rpc
