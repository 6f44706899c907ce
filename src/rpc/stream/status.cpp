#include "rpc/stream/status.hpp"

#include "base/error_codes.hpp"
#include "codec/codec.hpp"
#include "rpc/error_codec.hpp"
#include "wire/metadata.hpp"

namespace tenon::inline v0::rpc {

namespace {

void put_number(value& map, const char* key, std::uint64_t n) {
    if (n != 0) map[key] = value(n);
}

std::uint64_t number_of(const value& map, std::string_view key) {
    const value* v = map.find(key);
    return v && v->is_integer() && v->as_double() >= 0 ? v->as_uint64() : 0;
}

}  // namespace

void put_stream_status(base::byte_buffer& to, const stream_status& s) {
    if (!s.note.says_something() && !s.failed && !s.open) return;
    value map{value::map()};
    put_number(map, "gap", s.note.gap);
    put_number(map, "position", s.note.position);
    put_number(map, "epoch", s.note.epoch);
    if (s.open) map["open"] = value(true);
    if (s.failed) {
        base::byte_buffer text;
        encode_error(*s.failed, true, text);
        map["code"] = value(std::uint64_t{base::numbers_of(s.failed->code()).rsocket});
        map["error"] = value(bytes(text.view().begin(), text.view().end()));
    }
    base::byte_buffer encoded;
    if (coding::encode_value(codec::msgpack, map, encoded)) wire::put_status(to, encoded.view());
}

stream_status read_stream_status(bytes_view metadata) {
    stream_status s;
    const auto read = wire::read_request_metadata(metadata, wire::metadata_format::composite);
    if (!read || read->status.empty()) return s;
    const auto map = coding::decode_value(codec::msgpack, read->status);
    if (!map || !map->is_map()) return s;
    s.note = {number_of(*map, "gap"), number_of(*map, "position"), number_of(*map, "epoch")};
    if (const value* open = map->find("open"); open && open->is_bool()) s.open = open->as_bool();
    if (const value* e = map->find("error"); e && e->is_bytes())
        s.failed = decode_error(static_cast<std::uint32_t>(number_of(*map, "code")), e->as_bytes());
    return s;
}

}  // namespace tenon::inline v0::rpc
