// JSON into a value, a described struct and an argument list; what is read is written and read
// again, and must be the same.

#include <cstdlib>

#include "codec/codec.hpp"
#include "codec/test_types.hpp"

namespace {

using namespace tenon;

void require(bool holds) {
    if (!holds) std::abort();
}

void read_value(bytes_view in) {
    const auto read = coding::decode_value(codec::json, in);
    if (!read) return;
    const std::string text = to_json(*read);
    const auto again = parse_json(text);
    require(again && *again == *read);
    const auto pretty = parse_json(to_json(*read, true));
    require(pretty && *pretty == *read);

    base::byte_buffer packed;
    require(coding::encode_value(codec::msgpack, *read, packed).has_value());
    const auto unpacked = coding::decode_value(codec::msgpack, packed.view());
    require(unpacked && *unpacked == *read);

    base::byte_buffer across;
    require(coding::transcode(codec::json, as_bytes(text), codec::msgpack, across).has_value());
    require(as_text(across.view()) == as_text(packed.view()));
}

void read_struct(bytes_view in) {
    const auto read = decode<sample::everything>(codec::json, in);
    if (!read) return;
    const auto text = encode(codec::json, *read);
    require(text.has_value());
    const auto again = decode<sample::everything>(codec::json, *text);
    require(again.has_value() && *again == *read);
}

void read_arguments(bytes_view in) {
    const value seven = 7;
    const coding::parameter parameters[] = {{"tree", &shape_of<sample::tree>()},
                                            {"view", &shape_of<std::string_view>(), true},
                                            {"data", &shape_of<bytes_view>(), true},
                                            {"n", &shape_of<std::int8_t>(), false, &seven}};
    sample::tree tree;
    std::string_view view;
    bytes_view data;
    std::int8_t n = 0;
    void* const all[] = {&tree, &view, &data, &n};
    base::byte_buffer arena;
    const decode_options strict{.refuse_unknown_members = true, .refuse_duplicate_keys = true};
    (void)coding::decode_arguments(codec::json, parameters, all, in, strict, &arena);
    base::byte_buffer out;
    const void* const back[] = {&tree, &view, &data, &n};
    (void)coding::encode_arguments(codec::json, parameters, back, out);
    (void)coding::decode_arguments(codec::json, std::span(parameters).first(1),
                                   std::span(all).first(1), in, {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const bytes_view in(reinterpret_cast<const std::byte*>(data), size);
    read_value(in);
    read_struct(in);
    read_arguments(in);
    return 0;
}
