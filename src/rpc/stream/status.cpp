#include "rpc/stream/status.hpp"

#include <algorithm>

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
    if (!v || !v->is_integer()) return 0;
    const auto* const n = v->get_if<std::int64_t>();
    return n && *n < 0 ? 0 : v->as_uint64();
}

constexpr std::string_view start_names[] = {"", "earliest", "latest", "position", "time"};

void put_start(value& map, const stream_start& s) {
    map["from"] = value(start_names[static_cast<std::size_t>(s.where)]);
    put_number(map, "position", s.position);
    put_number(map, "epoch", s.epoch);
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(s.time.time_since_epoch());
    if (s.where == stream_start::at::time) map["time"] = value(std::int64_t{ns.count()});
}

void read_start(const value& map, stream_start& s) {
    const value* const from = map.find("from");
    if (!from || !from->is_string()) return;
    for (std::size_t i = 1; i < std::size(start_names); ++i)
        if (from->as_string() == start_names[i]) s.where = static_cast<stream_start::at>(i);
    s.position = number_of(map, "position");
    s.epoch = number_of(map, "epoch");
    if (const value* const t = map.find("time"); t && t->is_integer())
        s.time = std::chrono::system_clock::time_point(
            std::chrono::duration_cast<std::chrono::system_clock::duration>(
                std::chrono::nanoseconds(static_cast<std::int64_t>(number_of(map, "time")))));
}

}  // namespace

void put_stream_status(base::byte_buffer& to, const stream_status& s) {
    const bool starts = s.start.where != stream_start::at::unsaid;
    if (!s.note.says_something() && !s.failed && !s.open && !starts && !s.origin && s.seek == 0)
        return;
    value map{value::map()};
    put_number(map, "gap", s.note.gap);
    put_number(map, "position", s.note.position);
    put_number(map, "epoch", s.note.epoch);
    put_number(map, "seek", s.seek);
    if (s.open) map["open"] = value(true);
    if (starts) put_start(map, s.start);
    if (s.origin) {
        map["session"] = value(bytes(s.origin.session.begin(), s.origin.session.end()));
        put_number(map, "number", s.origin.number);
    }
    if (s.failed) {
        base::byte_buffer text;
        encode_error(*s.failed, true, text);
        map["code"] = value(std::uint64_t{base::numbers_of(s.failed->code()).rsocket});
        map["error"] = value(bytes(text.view().begin(), text.view().end()));
    }
    base::byte_buffer encoded;
    if (coding::encode_value(codec::msgpack, map, encoded)) wire::put_status(to, encoded.view());
}

void put_seek(base::byte_buffer& to, const stream_seek& s) {
    value map{value::map()};
    put_number(map, "seek", s.number);
    put_start(map, s.to);
    (void)coding::encode_value(codec::msgpack, map, to);
}

std::optional<stream_seek> read_seek(bytes_view data) {
    constexpr std::size_t longest = 1024;
    if (data.size() > longest) return std::nullopt;
    const auto map = coding::decode_value(codec::msgpack, data);
    if (!map || !map->is_map()) return std::nullopt;
    stream_seek s;
    s.number = static_cast<std::uint32_t>(number_of(*map, "seek"));
    read_start(*map, s.to);
    if (s.number == 0) return std::nullopt;
    return s;
}

stream_status read_stream_status(bytes_view metadata) {
    stream_status s;
    const auto read = wire::read_request_metadata(metadata, wire::metadata_format::composite);
    if (!read || read->status.empty()) return s;
    const auto map = coding::decode_value(codec::msgpack, read->status);
    if (!map || !map->is_map()) return s;
    s.note = {number_of(*map, "gap"), number_of(*map, "position"), number_of(*map, "epoch")};
    if (const value* open = map->find("open"); open && open->is_bool()) s.open = open->as_bool();
    s.seek = static_cast<std::uint32_t>(number_of(*map, "seek"));
    read_start(*map, s.start);
    if (const value* b = map->find("session");
        b && b->is_bytes() && b->as_bytes().size() == s.origin.session.size()) {
        std::copy(b->as_bytes().begin(), b->as_bytes().end(), s.origin.session.begin());
        s.origin.number = number_of(*map, "number");
    }
    if (const value* e = map->find("error"); e && e->is_bytes())
        s.failed = decode_error(static_cast<std::uint32_t>(number_of(*map, "code")), e->as_bytes());
    return s;
}

}  // namespace tenon::inline v0::rpc
