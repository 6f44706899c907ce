// tenon::loaned: read where the message lies, built where it goes, and a T to every other codec.

#include "tenon/loaned.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "base/block.hpp"
#include "codec/codec.hpp"
#include "tenon/struct.hpp"

namespace frames {

struct frame {
    std::uint64_t seq = 7;
    std::array<float, 6> samples{};
    bool operator==(const frame&) const = default;
};
TENON_STRUCT(frame, seq, samples)

struct padded {
    std::uint8_t a = 0;
    std::uint32_t b = 0;
};
TENON_STRUCT(padded, a, b)

struct checked {
    bool flag = false;
};
TENON_STRUCT(checked, flag)

}  // namespace frames

namespace {

using frames::checked;
using frames::frame;
using frames::padded;
using tenon::blob;
using tenon::bytes;
using tenon::bytes_view;
using tenon::codec;
using tenon::loaned;
using tenon::shape_of;
namespace base = tenon::base;
namespace coding = tenon::coding;

/// Memory as another process's would be.
class foreign_block final : public base::block {
public:
    explicit foreign_block(std::span<std::byte> room) : block(memory::borrowed, room) {}
    bool is_held() const { return !gone_; }

private:
    void dispose() noexcept override { gone_ = true; }
    bool gone_ = false;
};

blob message_of(const auto& object) {
    return blob(bytes_view(tenon::encode(codec::marshal, object).value()));
}

template <class T>
tenon::result<void> read(loaned<T>& into, const coding::source& from) {
    return coding::decode_object(codec::marshal, shape_of<loaned<T>>(), &into, from, {});
}

TEST(loaned, an_empty_one_reads_as_the_default) {
    loaned<frame> f;
    EXPECT_TRUE(f.empty());
    EXPECT_EQ(f->seq, 7u);
    EXPECT_EQ(f.edit().seq, 7u);
    EXPECT_FALSE(f.empty());
    f.edit().seq = 8;
    loaned<frame> copy = f;
    loaned<frame> moved = std::move(f);
    copy.edit().seq = 9;
    EXPECT_EQ(moved->seq, 8u);
    EXPECT_TRUE(f.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(loaned, is_an_object_like_any_other_to_every_codec) {
    const frame plain{3, {1, 2}};
    const loaned<frame> held(plain);
    for (const codec c : {codec::json, codec::msgpack, codec::marshal}) {
        const bytes packed = tenon::encode(c, held).value();
        EXPECT_EQ(packed, tenon::encode(c, plain).value());
        EXPECT_EQ(*tenon::decode<loaned<frame>>(c, packed).value(), plain);
        EXPECT_EQ(tenon::decode<frame>(c, packed).value(), plain);
    }
    EXPECT_EQ(tenon::encode(codec::json, loaned<frame>()).value(),
              tenon::encode(codec::json, frame()).value());
    EXPECT_NE(tenon::layout_hash(shape_of<loaned<frame>>()), tenon::layout_hash(shape_of<frame>()));
    EXPECT_FALSE(tenon::encode(codec::marshal, std::vector<loaned<frame>>()));
}

TEST(loaned, is_read_where_the_message_lies) {
    const frame plain{3, {1, 2}};
    const blob message = message_of(plain);
    loaned<frame> got;
    ASSERT_TRUE(read(got, {message.view(), message.block()}));
    EXPECT_EQ(static_cast<const void*>(&*got), message.data() + 16);
    EXPECT_EQ(*got, plain);

    // What belongs to another process is only copied to be changed.
    alignas(16) std::byte memory[loaned<frame>::size];
    std::memcpy(memory, message.data(), sizeof memory);
    foreign_block foreign(memory);
    ASSERT_TRUE(read(got, {memory, &foreign}));
    foreign.release();
    EXPECT_TRUE(foreign.is_held());
    EXPECT_EQ(static_cast<const void*>(&*got), memory + 16);
    EXPECT_TRUE(got.is_shared());
    got.edit().seq = 4;
    EXPECT_FALSE(got.is_shared());
    EXPECT_FALSE(foreign.is_held());
    EXPECT_EQ(std::memcmp(memory, message.data(), sizeof memory), 0);
}

TEST(loaned, what_could_become_no_object_is_copied) {
    const bytes good = tenon::encode(codec::marshal, checked{true}).value();
    alignas(16) std::byte memory[loaned<checked>::size];
    std::memcpy(memory, good.data(), sizeof memory);
    foreign_block foreign(memory);
    loaned<checked> got;
    ASSERT_TRUE(read(got, {memory, &foreign}));
    memory[16] = std::byte{2};
    EXPECT_TRUE(got->flag);
    EXPECT_FALSE(got.is_shared());
    const auto refused = read(got, {memory, &foreign});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "flag: expected boolean, got 2");
    const blob own{bytes_view(memory)};
    EXPECT_FALSE(read(got, {own.view(), own.block()}));
    EXPECT_FALSE(got->flag);
    foreign.release();
}

TEST(loaned, a_message_that_is_not_aligned_or_of_another_size_is_no_place) {
    const blob message = message_of(frame());
    blob shifted(message.size() + 1);
    std::memcpy(shifted.edit().data() + 1, message.data(), message.size());
    loaned<frame> got;
    ASSERT_TRUE(read(got, {shifted.view().subspan(1), shifted.block()}));
    EXPECT_NE(static_cast<const void*>(&*got), shifted.data() + 17);
    EXPECT_EQ(*got, frame());
    EXPECT_FALSE(read(got, {message.view().first(message.size() - 1), message.block()}));
    EXPECT_FALSE(read(got, {shifted.view(), shifted.block()}));
}

TEST(loaned, is_sent_as_it_lies) {
    blob room(4096);
    const std::byte* const memory = room.data();
    loaned<frame> f(std::move(room));
    EXPECT_EQ(f->seq, 7u);
    f.edit().seq = 9;
    const auto in_place = coding::encoded_in_place(codec::marshal, shape_of<loaned<frame>>(), &f);
    ASSERT_TRUE(in_place);
    EXPECT_EQ(in_place->data(), memory);
    const bytes packed = tenon::encode(codec::marshal, frame{9, {}}).value();
    EXPECT_TRUE(std::equal(in_place->begin(), in_place->end(), packed.begin(), packed.end()));
    EXPECT_FALSE(coding::encoded_in_place(codec::msgpack, shape_of<loaned<frame>>(), &f));

    const blob taken = coding::take_bytes(shape_of<loaned<frame>>(), &f);
    EXPECT_EQ(taken.data(), memory);
    EXPECT_TRUE(f.empty());
    EXPECT_FALSE(coding::encoded_in_place(codec::marshal, shape_of<loaned<frame>>(), &f));

    // Too little room is made larger.
    const loaned<frame> small{blob(3)};
    EXPECT_EQ(small->seq, 7u);
    // Padding is not shown, and what is no object is not sent.
    const loaned<padded> p{padded()};
    EXPECT_FALSE(coding::encoded_in_place(codec::marshal, shape_of<loaned<padded>>(), &p));
}

}  // namespace
