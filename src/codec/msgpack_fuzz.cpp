// MessagePack into a value, a described struct and an argument list; what is read is written and
// read again, and must be the same.

#include <cstdlib>

#include "codec/codec.hpp"
#include "codec/test_types.hpp"

namespace {

using namespace tenon;

void require(bool holds) {
    if (!holds) std::abort();
}

// NaN equals nothing, so bytes are compared.
template <class T>
void read_and_write(bytes_view in) {
    const auto read = decode<T>(codec::msgpack, in);
    if (!read) return;
    const auto packed = encode(codec::msgpack, *read);
    require(packed.has_value());
    const auto again = decode<T>(codec::msgpack, *packed);
    require(again.has_value());
    const auto twice = encode(codec::msgpack, *again);
    require(twice.has_value() && *twice == *packed);
}

void transcode_and_back(bytes_view in) {
    base::byte_buffer json;
    if (!coding::transcode(codec::msgpack, in, codec::json, json)) return;
    base::byte_buffer packed;
    require(coding::transcode(codec::json, json.view(), codec::msgpack, packed).has_value());
    base::byte_buffer again;
    require(coding::transcode(codec::msgpack, packed.view(), codec::json, again).has_value());
    require(as_text(json.view()) == as_text(again.view()));
}

void read_arguments(bytes_view in) {
    const value seven = 7;
    const coding::parameter parameters[] = {{"order", &shape_of<sample::order>()},
                                            {"view", &shape_of<std::string_view>(), true},
                                            {"data", &shape_of<bytes_view>(), true},
                                            {"n", &shape_of<std::int8_t>(), false, &seven}};
    sample::order order;
    std::string_view view;
    bytes_view data;
    std::int8_t n = 0;
    void* const all[] = {&order, &view, &data, &n};
    const decode_options strict{.refuse_unknown_members = true, .refuse_duplicate_keys = true};
    (void)coding::decode_arguments(codec::msgpack, parameters, all, in, strict);
    base::byte_buffer out;
    const void* const back[] = {&order, &view, &data, &n};
    (void)coding::encode_arguments(codec::msgpack, parameters, back, out);
    (void)coding::decode_arguments(codec::msgpack, std::span(parameters).first(1),
                                   std::span(all).first(1), in, {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const bytes_view in(reinterpret_cast<const std::byte*>(data), size);
    read_and_write<value>(in);
    read_and_write<sample::everything>(in);
    transcode_and_back(in);
    read_arguments(in);
    return 0;
}
