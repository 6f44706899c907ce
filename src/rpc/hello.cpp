#include "rpc/hello.hpp"

#include <fmt/core.h>

#include "base/random.hpp"
#include "codec/codec.hpp"
#include "wire/metadata.hpp"

namespace tenon::inline v0::rpc {

bool has_hello(bytes_view metadata) noexcept {
    const auto read = wire::read_request_metadata(metadata, wire::metadata_format::composite);
    return read && !read->hello.empty();
}

void put_hello_entry(base::byte_buffer& to, std::string_view instance) {
    base::byte_buffer map;
    const value hello =
        value::object({{"version", value(wire_version)}, {"instance", value(instance)}});
    if (coding::encode_value(codec::msgpack, hello, map)) wire::put_hello(to, map.view());
}

void put_going_away_entry(base::byte_buffer& to) {
    base::byte_buffer map;
    const value status = value::object({{"going_away", value(true)}});
    if (coding::encode_value(codec::msgpack, status, map)) wire::put_status(to, map.view());
}

bool is_going_away(bytes_view metadata) noexcept {
    const auto read = wire::read_request_metadata(metadata, wire::metadata_format::composite);
    if (!read || read->status.empty()) return false;
    const auto status = coding::decode_value(codec::msgpack, read->status);
    const value* note = status ? status->find("going_away") : nullptr;
    return note && note->is_bool() && note->as_bool();
}

std::string make_instance_id() {
    return fmt::format("{:012x}", base::random_seed() & 0xffff'ffff'ffffULL);
}

}  // namespace tenon::inline v0::rpc
