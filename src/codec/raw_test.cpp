#include "codec/raw.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "base/block.hpp"

namespace {

using tenon::blob;
using tenon::bytes;
using tenon::bytes_view;
using tenon::codec;
using tenon::shape_of;
namespace base = tenon::base;
namespace coding = tenon::coding;

base::block_ref block_of(std::string_view text) {
    base::byte_buffer b;
    b.append(tenon::as_bytes(text));
    return base::make_block(std::move(b));
}

/// Memory that another process could change.
class foreign_block final : public base::block {
public:
    explicit foreign_block(std::span<std::byte> room) : block(memory::borrowed, room) {}

private:
    void dispose() noexcept override { delete this; }
};

bytes_view front_of(const base::block_ref& b, std::size_t n) { return b->room().first(n); }

TEST(raw, a_blob_becomes_a_part_of_the_block_that_its_bytes_lie_in) {
    base::block_ref received = block_of("some bytes");
    const std::byte* const at = received->room().data();
    blob b;
    const coding::source from(bytes_view(at + 5, 5), received.get());
    ASSERT_TRUE(coding::decode_object(codec::raw, shape_of<blob>(), &b, from, {}));
    received.reset();
    EXPECT_EQ(b.data(), at + 5);
    EXPECT_EQ(tenon::as_text(b.view()), "bytes");
}

TEST(raw, without_a_block_a_blob_is_a_copy) {
    std::string text = "some bytes";
    blob b;
    ASSERT_TRUE(coding::decode_object(codec::raw, shape_of<blob>(), &b, tenon::as_bytes(text), {}));
    text.assign(text.size(), '-');
    EXPECT_EQ(tenon::as_text(b.view()), "some bytes");
}

TEST(raw, only_bytes_that_are_taken_as_they_are_may_change_while_they_are_read) {
    std::array<std::byte, 4> room{};
    const base::block_ref foreign(new foreign_block(room));
    const base::block_ref own = block_of("abcd");
    EXPECT_TRUE(coding::source(room, foreign.get()).may_change());
    EXPECT_FALSE(coding::source(front_of(own, 4), own.get()).may_change());
    EXPECT_FALSE(coding::source(room).may_change());

    EXPECT_TRUE(coding::reads_once(codec::raw, shape_of<blob>()));
    EXPECT_TRUE(coding::reads_once(codec::raw, shape_of<bytes>()));
    EXPECT_TRUE(coding::reads_once(codec::raw, shape_of<std::string>()));
    EXPECT_FALSE(coding::reads_once(codec::raw, shape_of<bytes_view>()));
    EXPECT_FALSE(coding::reads_once(codec::msgpack, shape_of<bytes>()));
}

TEST(raw, what_is_encoded_in_place_is_what_the_encoder_says) {
    const std::string text = "text";
    const bytes octets = {std::byte{1}, std::byte{2}};
    const std::array<std::byte, 3> fixed{};
    const blob b{bytes_view(octets)};
    const std::string_view view = text;
    const auto same = [](const tenon::shape& s, const void* o) {
        base::byte_buffer encoded;
        EXPECT_TRUE(coding::encode_object(codec::raw, s, o, encoded));
        const auto in_place = coding::encoded_in_place(codec::raw, s, o);
        return in_place && tenon::as_text(*in_place) == tenon::as_text(encoded.view());
    };
    EXPECT_TRUE(same(shape_of<std::string>(), &text));
    EXPECT_TRUE(same(shape_of<std::string_view>(), &view));
    EXPECT_TRUE(same(shape_of<bytes>(), &octets));
    EXPECT_TRUE(same(shape_of<std::array<std::byte, 3>>(), &fixed));
    EXPECT_TRUE(same(shape_of<blob>(), &b));
    EXPECT_FALSE(coding::encoded_in_place(codec::msgpack, shape_of<std::string>(), &text));
    const int number = 1;
    EXPECT_FALSE(coding::encoded_in_place(codec::raw, shape_of<int>(), &number));

    const coding::parameter parameters[] = {{"a", &shape_of<std::string>()},
                                            {"b", &shape_of<std::string>()}};
    const void* const arguments[] = {&text, &text};
    const auto one = coding::encoded_in_place(codec::raw, std::span(parameters).first(1),
                                              std::span(arguments).first(1));
    ASSERT_TRUE(one);
    EXPECT_EQ(tenon::as_text(*one), text);
    EXPECT_FALSE(coding::encoded_in_place(codec::raw, parameters, arguments));
}

TEST(raw, taken_bytes_keep_their_place_and_outlive_the_object) {
    blob taken;
    const std::byte* at = nullptr;
    {
        bytes octets(10'000, std::byte{7});
        at = octets.data();
        taken = coding::take_bytes(shape_of<bytes>(), &octets);
    }
    EXPECT_EQ(taken.data(), at);
    EXPECT_EQ(taken.size(), 10'000U);
    EXPECT_EQ(taken.view().back(), std::byte{7});
    {
        std::string text(10'000, 'x');
        at = tenon::as_bytes(text).data();
        taken = coding::take_bytes(shape_of<std::string>(), &text);
    }
    EXPECT_EQ(taken.data(), at);
    EXPECT_EQ(tenon::as_text(taken.view()), std::string(10'000, 'x'));
    std::string small = "small";
    EXPECT_EQ(tenon::as_text(coding::take_bytes(shape_of<std::string>(), &small).view()), "small");
    std::array<std::byte, 3> fixed{};
    EXPECT_TRUE(coding::take_bytes(shape_of<std::array<std::byte, 3>>(), &fixed).empty());
}

}  // namespace
