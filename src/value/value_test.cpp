#include "tenon/value.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace {

using tenon::errc;
using tenon::failure;
using tenon::value;

template <class Function>
std::string message_of(Function f) {
    try {
        f();
    } catch (const failure& e) {
        EXPECT_EQ(e.code(), errc::invalid);
        return std::string(e.error().message());
    }
    return "nothing thrown";
}

TEST(value, knows_its_type) {
    EXPECT_TRUE(value().is_nil());
    EXPECT_TRUE(value(nullptr).is_nil());
    EXPECT_TRUE(value(true).is_bool());
    EXPECT_TRUE(value(-3).is_integer());
    EXPECT_TRUE(value(std::uint64_t{1} << 63).is_integer());
    EXPECT_TRUE(value(2.5).is_double());
    EXPECT_TRUE(value("x").is_string());
    EXPECT_TRUE(value(tenon::bytes(3)).is_bytes());
    EXPECT_TRUE(value::list({1, "two"}).is_array());
    EXPECT_TRUE(value::object({{"a", 1}}).is_map());
    EXPECT_TRUE(value(value::tagged{"symbol", "x"}).is_tagged());
    EXPECT_EQ(to_string(value(1).type()), "int64");
    EXPECT_EQ(sizeof(value), 16u);
    static_assert(std::is_nothrow_move_constructible_v<value>);
    static_assert(!std::is_constructible_v<value, const int*>);
}

TEST(value, numbers_have_one_form) {
    EXPECT_EQ(value(5), value(5u));
    EXPECT_EQ(value(5).type(), value(std::uint64_t{5}).type());
    EXPECT_EQ(value(std::uint64_t{1} << 63).type(), value::type::uint64);
    EXPECT_EQ(value(std::int64_t{INT64_MIN}).as_int64(), INT64_MIN);
    EXPECT_EQ(value(std::uint64_t{UINT64_MAX}).as_uint64(), UINT64_MAX);
    EXPECT_FALSE(value(1) == value(1.0));
    EXPECT_FALSE(value(std::nan("")) == value(std::nan("")));
}

TEST(value, converts_numbers_without_loss_only) {
    EXPECT_EQ(value(3.0).as_int64(), 3);
    EXPECT_EQ(value(7).as_double(), 7.0);
    EXPECT_EQ(value(7).as_uint64(), 7u);
    EXPECT_THROW(value(3.5).as_int64(), failure);
    EXPECT_THROW(value(-1).as_uint64(), failure);
    EXPECT_THROW(value(std::uint64_t{1} << 63).as_int64(), failure);
    EXPECT_THROW(value((std::int64_t{1} << 53) + 1).as_double(), failure);
    EXPECT_THROW(value(INT64_MAX).as_double(), failure);
    EXPECT_THROW(value(UINT64_MAX).as_double(), failure);
    EXPECT_THROW(value(0x1p63).as_int64(), failure);
    EXPECT_THROW(value(std::nan("")).as_int64(), failure);
    EXPECT_EQ(message_of([] { value("x").as_int64(); }), "expected int64, got string");
    EXPECT_EQ(message_of([] { value(1).as_map(); }), "expected map, got int64");
}

TEST(value, get_if_wants_the_exact_type) {
    const value v(7);
    ASSERT_NE(v.get_if<std::int64_t>(), nullptr);
    EXPECT_EQ(*v.get_if<std::int64_t>(), 7);
    EXPECT_EQ(v.get_if<std::uint64_t>(), nullptr);
    EXPECT_EQ(v.get_if<double>(), nullptr);
    EXPECT_TRUE(*value(true).get_if<bool>());
    EXPECT_EQ(*value("abc").get_if<std::string>(), "abc");
    EXPECT_EQ(value::list({1, 2}).get_if<value::array>()->size(), 2u);
    EXPECT_EQ(value(value::tagged{"t", 1}).get_if<value::tagged>()->content, value(1));
}

TEST(value, maps_keep_the_order_of_insertion) {
    value v;
    v["z"] = 1;
    v["a"]["b"] = "deep";
    v["z"] = 2;
    EXPECT_EQ(v.size(), 2u);
    EXPECT_EQ(v.as_map()[0].first, value("z"));
    EXPECT_EQ(v.as_map()[0].second, value(2));
    EXPECT_EQ(v, value::object({{"z", 2}, {"a", value::object({{"b", "deep"}})}}));
    EXPECT_FALSE(v == value::object({{"a", value::object({{"b", "deep"}})}, {"z", 2}}));

    const value& c = v;
    EXPECT_EQ(c["a"]["b"].as_string(), "deep");
    EXPECT_EQ(c.find("missing"), nullptr);
    EXPECT_EQ(value(3).find("x"), nullptr);
    EXPECT_EQ(message_of([&] { (void)c["missing"]; }), "no member \"missing\"");
    EXPECT_EQ(message_of([&] { (void)std::as_const(v)["z"]["q"]; }), "expected map, got int64");
    EXPECT_EQ(message_of([&] { value(1)["x"] = 2; }), "expected map, got int64");
    EXPECT_EQ(value::list({1, 2})[1], value(2));
    value list = value::list({1, 2});
    list[0] = "first";
    EXPECT_EQ(list[0u], value("first"));
    EXPECT_EQ(message_of([&] { list[-1] = 0; }).substr(0, 10), "no element");
    EXPECT_EQ(message_of([] { (void)value::list({1})[1]; }), "no element 1");
}

TEST(value, copies_deeply_and_moves_to_nil) {
    value a = value::list({value::object({{"k", "v"}}), tenon::bytes(2), value::tagged{"t", 1.5}});
    value b = a;
    EXPECT_EQ(a, b);
    b.as_array()[0]["k"] = "other";
    EXPECT_EQ(std::as_const(a)[0]["k"], value("v"));
    value c = std::move(a);
    EXPECT_TRUE(a.is_nil());
    a = c;
    c = c.as_array()[0];
    EXPECT_EQ(c, value::object({{"k", "v"}}));
    EXPECT_EQ(a.size(), 3u);
}

}  // namespace
