// The codec marshal: what it carries, what it refuses, and that nobody can make it read or tell
// what lies outside the objects.

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <random>
#include <tuple>

#include "codec/codec.hpp"
#include "codec/test_types.hpp"

namespace flat {

enum class side : std::uint8_t { buy = 1, sell = 2 };
TENON_ENUM(side, buy, sell)

struct point {
    double x = 0;
    double y = 0;
    bool operator==(const point&) const = default;
};
TENON_STRUCT(point, x, y)

/// With padding behind `seq` and `good`.
struct sample {
    std::uint8_t seq = 0;
    point at;
    bool good = false;
    std::array<float, 3> level{};
    side which = side::buy;
    std::array<std::byte, 5> id{};
    std::chrono::system_clock::time_point when;
    std::chrono::milliseconds took{};
    bool operator==(const sample&) const = default;
};
TENON_STRUCT(sample, seq, at, good, level, which, id, when, took)

struct nested {
    sample pair[2];
    std::tuple<std::int8_t, double, std::int16_t> mix;
    bool operator==(const nested& o) const {
        return pair[0] == o.pair[0] && pair[1] == o.pair[1] && mix == o.mix;
    }
};
TENON_STRUCT(nested, pair, mix)

/// One member is nobody else's business.
struct guarded {
    int shown = 0;
    int* hidden = nullptr;
    int last = 0;
};
TENON_STRUCT(guarded, shown, last)

struct named {
    int id = 0;
    std::string name;
};
TENON_STRUCT(named, id, name)

}  // namespace flat

// The same names with another layout.
namespace changed {

struct point {
    double y = 0;
    double x = 0;
};
TENON_STRUCT(point, y, x)

}  // namespace changed

namespace {

using flat::nested;
using flat::sample;
using tenon::bytes;
using tenon::bytes_view;
using tenon::codec;
using tenon::decode;
using tenon::encode;
using tenon::errc;
using tenon::shape_of;
using tenon::coding::parameter;

constexpr std::size_t header_size = 16;

class random_samples {
public:
    explicit random_samples(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t below(std::uint64_t n) { return engine_() % n; }
    double real() {
        const double d = std::bit_cast<double>(engine_());
        return d == d ? d : 0.5;
    }
    sample next() {
        sample s;
        s.seq = static_cast<std::uint8_t>(engine_());
        s.at = {real(), real()};
        s.good = below(2) == 0;
        s.level = {1.5f, static_cast<float>(below(1000)), -0.0f};
        s.which = below(2) == 0 ? flat::side::buy : flat::side::sell;
        for (std::byte& b : s.id) b = static_cast<std::byte>(engine_());
        s.when += std::chrono::system_clock::duration(static_cast<std::int64_t>(engine_() >> 2));
        s.took = std::chrono::milliseconds(static_cast<std::int64_t>(engine_()));
        return s;
    }

private:
    std::mt19937_64 engine_;
};

template <class T>
void expect_round_trip(const T& object) {
    const auto packed = encode(codec::marshal, object);
    ASSERT_TRUE(packed) << packed.error().to_string();
    const auto back = decode<T>(codec::marshal, *packed);
    ASSERT_TRUE(back) << back.error().to_string();
    EXPECT_TRUE(*back == object);
    // Every shorter message is refused, and so is a longer one.
    for (std::size_t n = 0; n < packed->size(); n += n < 100 ? 1 : 97)
        EXPECT_FALSE(decode<T>(codec::marshal, bytes_view(*packed).first(n))) << n;
    bytes longer = *packed;
    longer.push_back({});
    EXPECT_FALSE(decode<T>(codec::marshal, longer));
}

template <class T>
void expect_refused(std::string_view naming, errc code = errc::unsupported) {
    const auto packed = encode(codec::marshal, T());
    ASSERT_FALSE(packed);
    EXPECT_EQ(packed.error().code(), code);
    EXPECT_NE(packed.error().message().find(naming), std::string_view::npos)
        << packed.error().message();
    const auto read = decode<T>(codec::marshal, bytes(64));
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), code);
    const parameter one{"what", &shape_of<T>()};
    const auto fit = tenon::coding::check_types(codec::marshal, {&one, 1});
    ASSERT_FALSE(fit);
    EXPECT_EQ(fit.error().code(), code);
    EXPECT_NE(fit.error().message().find("what"), std::string_view::npos) << fit.error().message();
}

TEST(marshal, objects_survive) {
    expect_round_trip(42);
    expect_round_trip(true);
    expect_round_trip(-0.25);
    expect_round_trip(flat::side::sell);
    expect_round_trip(std::array<std::byte, 3>{std::byte{1}, std::byte{2}});
    expect_round_trip(std::array<std::int16_t, 5>{1, -2, 3});
    expect_round_trip(std::pair<std::uint8_t, double>{7, 1.5});
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        random_samples random(seed);
        expect_round_trip(random.next());
        expect_round_trip(nested{{random.next(), random.next()}, {-1, 0.5, 300}});
    }
}

TEST(marshal, sequences_survive) {
    expect_round_trip(std::string());
    expect_round_trip(std::string("text of some length"));
    expect_round_trip(bytes(1000, std::byte{7}));
    expect_round_trip(std::vector<double>());
    expect_round_trip(std::vector<double>(1000, 0.1));
    expect_round_trip(std::vector<bool>{true, false, true});
    expect_round_trip(std::vector<std::array<std::uint8_t, 3>>(5));
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        random_samples random(seed);
        std::vector<sample> all;
        for (auto n = random.below(20); n > 0; --n) all.push_back(random.next());
        expect_round_trip(all);
    }
}

TEST(marshal, nothing_is_no_byte) {
    tenon::base::byte_buffer out;
    ASSERT_TRUE(tenon::coding::encode_object(codec::marshal, shape_of<void>(), nullptr, out));
    EXPECT_EQ(out.size(), 0u);
    ASSERT_TRUE(tenon::coding::decode_object(codec::marshal, shape_of<void>(), nullptr, {}, {}));
    EXPECT_FALSE(tenon::coding::decode_object(codec::marshal, shape_of<void>(), nullptr,
                                              bytes_view(bytes(1)), {}));
    ASSERT_TRUE(tenon::coding::encode_arguments(codec::marshal, {}, {}, out));
    EXPECT_EQ(out.size(), 0u);
}

TEST(marshal, arguments_lie_one_after_another_where_they_can_be_read_in_place) {
    const std::vector<parameter> parameters{{"flag", &shape_of<bool>()},
                                            {"list", &shape_of<std::vector<double>>()},
                                            {"text", &shape_of<std::string_view>()},
                                            {"at", &shape_of<flat::point>()}};
    const bool flag = true;
    const std::vector<double> list{1, 2, 3};
    const std::string_view text = "abc";
    const flat::point at{1, 2};
    const void* from[] = {&flag, &list, &text, &at};
    tenon::base::byte_buffer out;
    out.append(tenon::as_bytes("before"));  // positions count from the start of the message
    ASSERT_TRUE(tenon::coding::encode_arguments(codec::marshal, parameters, from, out));
    const bytes_view message = out.view().subspan(6);
    double first = 0;
    std::memcpy(&first, message.data() + 32, sizeof first);  // 16 + 1, 24 + 8
    EXPECT_EQ(first, 1.0);
    EXPECT_EQ(message.size(), 72u + 16);  // count at 56, text at 64, point at 72

    bool flag2 = false;
    std::vector<double> list2{9, 9, 9, 9};
    std::string_view text2;
    flat::point at2;
    void* to[] = {&flag2, &list2, &text2, &at2};
    ASSERT_TRUE(tenon::coding::decode_arguments(codec::marshal, parameters, to, message, {}));
    EXPECT_TRUE(flag2 && list2 == list && text2 == text && at2 == at);
    EXPECT_TRUE(text2.data() > reinterpret_cast<const char*>(message.data()));  // not copied

    const auto some =
        tenon::coding::encode_arguments(codec::marshal, parameters, std::span(from).first(3), out);
    ASSERT_FALSE(some);
    EXPECT_EQ(some.error().message(), "marshal takes all 4 arguments, got 3");
    const auto fewer = tenon::coding::decode_arguments(
        codec::marshal, std::span(parameters).first(1), std::span(to).first(1), message, {});
    ASSERT_FALSE(fewer);
    EXPECT_EQ(fewer.error().code(), errc::invalid);
}

TEST(marshal, what_has_no_fixed_image_is_refused_by_name) {
    expect_refused<flat::named>("name: marshal cannot carry a string");
    expect_refused<std::optional<int>>("optional");
    expect_refused<std::map<std::string, int>>("map");
    expect_refused<std::variant<int, bool>>("variant");
    expect_refused<tenon::value>("value");
    expect_refused<std::vector<std::string>>("string");
    expect_refused<std::vector<std::vector<int>>>("array");
    expect_refused<std::array<std::string, 2>>("string");
    expect_refused<std::tuple<int, std::string>>("[1]: marshal cannot carry a string");
}

TEST(marshal, padding_tells_nothing) {
    const std::size_t pair_at = shape_of<nested>().structure->members[0].offset;
    alignas(nested) std::byte room[sizeof(nested)];
    std::memset(room, 0xEE, sizeof room);
    auto* const object = ::new (room) nested;
    random_samples random(1);
    object->pair[0] = random.next();
    std::memset(room + pair_at + 1, 0xEE, 7);  // behind seq
    const bytes message = encode(codec::marshal, *object).value();
    for (std::size_t i = 0; i < 7; ++i)
        EXPECT_EQ(message[header_size + pair_at + 1 + i], std::byte{0});
    std::vector<sample> several(2);
    std::memset(reinterpret_cast<std::byte*>(&several[1]) + 1, 0xEE, 7);
    const bytes list = encode(codec::marshal, several).value();
    const bytes plain = encode(codec::marshal, std::vector<sample>(2)).value();
    EXPECT_EQ(list, plain);
}

TEST(marshal, members_that_are_not_described_stay_as_they_are) {
    int secret = 7;
    const flat::guarded in{1, &secret, 2};
    bytes message = encode(codec::marshal, in).value();
    int* leaked = &secret;
    std::memcpy(&leaked, message.data() + header_size + offsetof(flat::guarded, hidden),
                sizeof leaked);
    EXPECT_EQ(leaked, nullptr);
    std::memset(message.data() + header_size + offsetof(flat::guarded, hidden), 0x41,
                sizeof leaked);
    flat::guarded out{0, &secret, 0};
    ASSERT_TRUE(tenon::coding::decode_object(codec::marshal, shape_of<flat::guarded>(), &out,
                                             bytes_view(message), {}));
    EXPECT_EQ(out.hidden, &secret);
    EXPECT_EQ(out.shown + out.last, 3);
}

TEST(marshal, what_is_no_object_is_refused) {
    const bytes good = encode(codec::marshal, random_samples(1).next()).value();
    bytes bad = good;
    bad[header_size + offsetof(sample, good)] = std::byte{2};
    auto read = decode<sample>(codec::marshal, bad);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().message(), "good: expected boolean, got 2");
    bad = good;
    bad[header_size + offsetof(sample, which)] = std::byte{3};
    read = decode<sample>(codec::marshal, bad);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().message(), "which: expected one of buy, sell, got 3");
    // The object is one again.
    sample s;
    bad[header_size + offsetof(sample, good)] = std::byte{0xFF};
    ASSERT_FALSE(
        tenon::coding::decode_object(codec::marshal, shape_of<sample>(), &s, bytes_view(bad), {}));
    EXPECT_FALSE(s.good);

    sample unlisted;
    unlisted.which = static_cast<flat::side>(9);
    EXPECT_EQ(encode(codec::marshal, std::vector<sample>{sample(), unlisted}).error().message(),
              "[1].which: expected one of buy, sell, got 9");
}

TEST(marshal, another_layout_is_refused) {
    const bytes message = encode(codec::marshal, flat::point{1, 2}).value();
    const auto read = decode<changed::point>(codec::marshal, message);
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().message().find("lays these types out differently"),
              std::string_view::npos);
    EXPECT_FALSE((decode<std::array<double, 2>>(codec::marshal, message)));
    EXPECT_FALSE(decode<float>(codec::marshal, encode(codec::marshal, 1.0).value()));
    EXPECT_FALSE(decode<unsigned>(codec::marshal, encode(codec::marshal, 1).value()));
    // Units, even long ones.
    EXPECT_FALSE(decode<std::chrono::hours>(
        codec::marshal, encode(codec::marshal, std::chrono::minutes(1)).value()));
    // How a sequence is held does not matter.
    const bytes text = encode(codec::marshal, std::string("a")).value();
    EXPECT_EQ(decode<std::string_view>(codec::marshal, text).value(), "a");
}

TEST(marshal, counts_are_checked_against_the_message) {
    const bytes good = encode(codec::marshal, std::vector<double>(4, 1.0)).value();
    for (const std::uint64_t count :
         {std::uint64_t{5}, (std::uint64_t{1} << 32) + 4, std::uint64_t{1} << 61, UINT64_MAX}) {
        bytes bad = good;
        std::memcpy(bad.data() + header_size, &count, sizeof count);
        const auto read = decode<std::vector<double>>(codec::marshal, bad);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().message(), "the message is too short");
    }
    tenon::decode_options little;
    little.max_memory = 31;
    EXPECT_FALSE(decode<std::vector<double>>(codec::marshal, good, little));
    little.max_memory = 32;
    EXPECT_TRUE(decode<std::vector<double>>(codec::marshal, good, little));
}

TEST(marshal, damaged_messages_are_refused_or_read_as_something_whole) {
    std::vector<sample> several;
    random_samples samples(3);
    for (int i = 0; i < 4; ++i) several.push_back(samples.next());
    const bytes good = encode(codec::marshal, several).value();
    for (std::uint64_t seed = 1; seed <= 5000; ++seed) {
        random_samples random(seed);
        bytes bad = good;
        for (auto n = 1 + random.below(3); n > 0; --n)
            bad[random.below(bad.size())] = static_cast<std::byte>(random.below(256));
        if (const auto read = decode<std::vector<sample>>(codec::marshal, bad)) {
            const auto again = encode(codec::marshal, *read);
            ASSERT_TRUE(again);
            EXPECT_EQ(again->size(), bad.size());
        }
        // Anywhere in memory.
        bad.insert(bad.begin(), std::byte{});
        (void)decode<std::vector<sample>>(codec::marshal, bytes_view(bad).subspan(1));
    }
}

TEST(marshal, is_not_translated) {
    const bytes message = encode(codec::marshal, 1).value();
    tenon::base::byte_buffer out;
    const auto done = tenon::coding::transcode(codec::marshal, message, codec::json, out);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), errc::unsupported);
    EXPECT_FALSE(tenon::coding::transcode(codec::json, tenon::as_bytes("1"), codec::marshal, out));
    ASSERT_TRUE(tenon::coding::transcode(codec::marshal, message, codec::marshal, out));
    EXPECT_TRUE(std::equal(message.begin(), message.end(), out.view().begin(), out.view().end()));
}

TEST(marshal, has_its_names) {
    EXPECT_EQ(to_string(codec::marshal), "marshal");
    EXPECT_EQ(tenon::codec_from_string("marshal"), codec::marshal);
    EXPECT_EQ(tenon::codec_from_mime_type(mime_type(codec::marshal)), codec::marshal);
}

}  // namespace
