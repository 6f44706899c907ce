#include "tenon/struct.hpp"

#include <gtest/gtest.h>

#include <map>
#include <unordered_map>

#include "tenon/value.hpp"

namespace app {

enum class side : unsigned char { buy = 1, sell = 7 };
TENON_ENUM(side, buy, sell)

struct base {
    int inherited = 0;
    virtual ~base() = default;
};
struct order : base {
    std::string id;
    std::optional<double> limit;
    int priority = 3;
    std::vector<order> children;
    std::map<std::string, side> sides;
};
TENON_STRUCT(order, inherited, id, limit, (priority, defaulted), children, sides)

struct outer {
    struct inner {
        bool b;
    };
    inner i;
};
TENON_STRUCT(outer::inner, b)
TENON_STRUCT(outer, i)

struct nothing {};
TENON_STRUCT(nothing)

// clang-format off
struct large {
    int a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1, c2,
        c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, e0, e1, e2, e3, e4, e5,
        e6, e7, e8, e9, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, g0, g1, g2, g3, g4, g5, g6, g7, g8,
        g9;
};
TENON_STRUCT(large, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9,
             c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, e0, e1,
             e2, e3, e4, e5, e6, e7, e8, e9, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, g0, g1, g2, g3,
             g4, g5, g6, g7, g8, g9)
// clang-format on

}  // namespace app

namespace twin {
struct point {
    int x;
    int y;
};
TENON_STRUCT(point, x, y)
}  // namespace twin
namespace twin2 {
struct point {
    int x;
    int y;
};
TENON_STRUCT(point, x, y)
}  // namespace twin2
namespace other {
struct point {
    int x;
    unsigned y;
};
TENON_STRUCT(point, x, y)
}  // namespace other

namespace {

using tenon::kind;
using tenon::shape_of;

TEST(shape, of_a_struct_lists_members_in_order) {
    const tenon::shape& s = shape_of<app::order>();
    EXPECT_EQ(s.kind, kind::structure);
    EXPECT_STREQ(s.name, "order");
    EXPECT_EQ(s.size, sizeof(app::order));
    ASSERT_EQ(s.structure->count, 6u);
    app::order o;
    const auto* members = s.structure->members;
    const auto* raw = reinterpret_cast<const char*>(&o);
    EXPECT_STREQ(members[1].name, "id");
    EXPECT_EQ(members[1].name_size, 2u);
    EXPECT_EQ(raw + members[0].offset, reinterpret_cast<const char*>(&o.inherited));
    EXPECT_EQ(raw + members[1].offset, reinterpret_cast<const char*>(&o.id));
    EXPECT_FALSE(members[1].may_be_missing);
    EXPECT_TRUE(members[2].may_be_missing);
    EXPECT_TRUE(members[3].may_be_missing);
    EXPECT_EQ(members[4].type->sequence->element, &s) << "a recursive type";
    EXPECT_EQ(&shape_of<const app::order>(), &s);
}

TEST(shape, of_an_enum_lists_enumerators) {
    const tenon::shape& s = shape_of<app::side>();
    EXPECT_EQ(s.kind, kind::enumeration);
    ASSERT_EQ(s.enumeration->count, 2u);
    EXPECT_STREQ(s.enumeration->enumerators[1].name, "sell");
    EXPECT_EQ(s.enumeration->enumerators[1].number, 7);
    EXPECT_EQ(s.enumeration->underlying, kind::uint8);
}

TEST(shape, macros_take_nested_empty_and_large_types) {
    EXPECT_STREQ(shape_of<app::outer::inner>().name, "inner");
    EXPECT_EQ(shape_of<app::nothing>().structure->count, 0u);
    EXPECT_EQ(shape_of<app::large>().structure->count, 70u);
    EXPECT_STREQ(shape_of<app::large>().structure->members[69].name, "g9");
}

TEST(shape, kinds) {
    using namespace std::chrono;
    EXPECT_EQ(shape_of<void>().kind, kind::nothing);
    EXPECT_EQ(shape_of<std::monostate>().kind, kind::nothing);
    EXPECT_EQ(shape_of<long>().kind, sizeof(long) == 8 ? kind::int64 : kind::int32);
    EXPECT_EQ(shape_of<long long>().kind, kind::int64);
    EXPECT_EQ(shape_of<unsigned short>().kind, kind::uint16);
    EXPECT_EQ(shape_of<signed char>().kind, kind::int8);
    EXPECT_EQ(shape_of<std::byte>().kind, kind::uint8);
    EXPECT_EQ(shape_of<tenon::bytes>().kind, kind::bytes);
    EXPECT_EQ(shape_of<std::vector<std::uint8_t>>().kind, kind::bytes);
    EXPECT_EQ((shape_of<std::array<std::byte, 4>>().kind), kind::bytes);
    EXPECT_EQ((shape_of<std::array<int, 4>>().sequence->count), 4u);
    EXPECT_EQ(shape_of<int[3]>().kind, kind::array);
    EXPECT_EQ((shape_of<std::unordered_map<int, int>>().kind), kind::map);
    EXPECT_EQ((shape_of<std::pair<int, bool>>().kind), kind::tuple);
    EXPECT_EQ(shape_of<system_clock::time_point>().kind, kind::time_point);
    EXPECT_EQ(shape_of<milliseconds>().kind, kind::duration);
    EXPECT_EQ(shape_of<tenon::value>().kind, kind::dynamic);
    EXPECT_FALSE((shape_of<std::variant<int, std::string>>().variant->tagged));
    EXPECT_TRUE((shape_of<std::variant<int, double>>().variant->tagged));
}

TEST(shape, operations_work_on_objects) {
    const tenon::shape& s = shape_of<std::string>();
    alignas(std::string) char a[sizeof(std::string)];
    alignas(std::string) char b[sizeof(std::string)];
    s.construct(a);
    *reinterpret_cast<std::string*>(a) = "long enough to be on the heap, surely";
    s.move(b, a);
    EXPECT_EQ(*reinterpret_cast<std::string*>(b), "long enough to be on the heap, surely");
    s.destroy(a);
    s.destroy(b);
}

TEST(shape, layout_hash_follows_names_and_layout) {
    using tenon::layout_hash;
    EXPECT_EQ(layout_hash(shape_of<twin::point>()), layout_hash(shape_of<twin2::point>()));
    EXPECT_NE(layout_hash(shape_of<twin::point>()), layout_hash(shape_of<other::point>()));
    EXPECT_NE(layout_hash(shape_of<app::order>()), layout_hash(shape_of<app::outer>()));
    EXPECT_NE(layout_hash(shape_of<std::chrono::milliseconds>()),
              layout_hash(shape_of<std::chrono::microseconds>()));
    EXPECT_NE(layout_hash(shape_of<std::vector<int>>()),
              layout_hash(shape_of<std::vector<unsigned>>()));
}

}  // namespace
