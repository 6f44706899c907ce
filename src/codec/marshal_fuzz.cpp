// Memory images, with the right header or any, at any alignment, into objects, lists and an
// argument list; what is read is written and read again, and must be the same.

#include <cstdlib>
#include <cstring>

#include "base/block.hpp"
#include "codec/codec.hpp"
#include "tenon/loaned.hpp"
#include "tenon/struct.hpp"

namespace images {

enum class side : std::uint8_t { buy = 1, sell = 2 };
TENON_ENUM(side, buy, sell)

struct inner {
    std::uint8_t a = 0;
    std::uint32_t b = 0;
    bool flag = false;
    side which = side::buy;
};
TENON_STRUCT(inner, a, b, flag, which)

struct outer {
    inner several[3];
    std::tuple<std::int16_t, bool, double> mix;
    std::array<std::byte, 5> id{};
    std::chrono::milliseconds took{};
};
TENON_STRUCT(outer, several, mix, id, took)

}  // namespace images

namespace {

using namespace tenon;

constexpr std::size_t header_size = 16;

void require(bool holds) {
    if (!holds) std::abort();
}

/// Memory of exactly that size, so that a byte too many is noticed.
class message {
public:
    message(bytes_view header, bytes_view body, std::size_t shift)
        : room_(shift + header.size() + body.size()), shift_(shift) {
        if (!header.empty()) std::memcpy(room_.data() + shift, header.data(), header.size());
        if (!body.empty())
            std::memcpy(room_.data() + shift + header.size(), body.data(), body.size());
    }
    bytes_view view() const { return bytes_view(room_).subspan(shift_); }

private:
    bytes room_;
    std::size_t shift_;
};

template <class T>
void read_and_write(bytes_view in, std::size_t shift) {
    const bytes empty = encode(codec::marshal, T{}).value();
    const message whole({}, in, shift);
    (void)decode<T>(codec::marshal, whole.view());
    const message m(bytes_view(empty).first(header_size), in, shift);
    const auto read = decode<T>(codec::marshal, m.view());
    if (!read) return;
    const auto packed = encode(codec::marshal, *read);
    require(packed.has_value() && packed->size() == m.view().size());
    const auto again = decode<T>(codec::marshal, *packed);
    require(again.has_value());
    const auto twice = encode(codec::marshal, *again);
    require(twice.has_value() && *twice == *packed);
}

using trio = std::array<images::inner, 3>;

void read_in_place(bytes_view in) {
    blob b(bytes_view(encode(codec::marshal, trio()).value()).first(header_size));
    b.resize(header_size + in.size());
    if (!in.empty()) std::memcpy(b.edit().data() + header_size, in.data(), in.size());
    loaned<trio> object;
    if (coding::decode_object(codec::marshal, shape_of<loaned<trio>>(), &object,
                              {b.view(), b.block()}, {}))
        require(encode(codec::msgpack, *object).has_value());
}

void read_arguments(bytes_view in, std::size_t shift) {
    const coding::parameter parameters[] = {{"list", &shape_of<std::vector<images::inner>>()},
                                            {"text", &shape_of<std::string_view>()},
                                            {"bits", &shape_of<std::vector<bool>>()},
                                            {"data", &shape_of<bytes_view>()},
                                            {"one", &shape_of<images::outer>()}};
    std::vector<images::inner> list;
    std::string_view text;
    std::vector<bool> bits;
    bytes_view data;
    images::outer one;
    const void* const from[] = {&list, &text, &bits, &data, &one};
    void* const to[] = {&list, &text, &bits, &data, &one};
    base::byte_buffer header;
    require(coding::encode_arguments(codec::marshal, parameters, from, header).has_value());
    const message m(header.view().first(header_size), in, shift);
    base::byte_buffer out;
    if (coding::decode_arguments(codec::marshal, parameters, to, m.view(), {}))
        require(coding::encode_arguments(codec::marshal, parameters, from, out).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t shift = data[0] % 16;
    const bytes_view in(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
    read_and_write<images::outer>(in, shift);
    read_and_write<std::vector<images::inner>>(in, shift);
    read_and_write<std::vector<double>>(in, shift);
    read_and_write<std::vector<bool>>(in, shift);
    read_and_write<std::string>(in, shift);
    read_in_place(in);
    read_arguments(in, shift);
    return 0;
}
