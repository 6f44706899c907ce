#pragma once
// Described types for the tests and fuzz targets of the codecs: one of every shape.

#include <map>
#include <unordered_map>

#include "tenon/codec.hpp"
#include "tenon/struct.hpp"

namespace sample {

enum class side : std::uint8_t { buy = 1, sell = 2 };
TENON_ENUM(side, buy, sell)
enum class level : std::int64_t { low = -5, high = INT64_MAX };
TENON_ENUM(level, low, high)

struct point {
    int x = 0;
    int y = 0;
    bool operator==(const point&) const = default;
};
TENON_STRUCT(point, x, y)

struct circle {
    point centre;
    double radius = 0;
    bool operator==(const circle&) const = default;
};
TENON_STRUCT(circle, centre, radius)

struct item {
    std::string name;
    double price = 0;
    std::optional<int> count;
    side which = side::buy;
    bool operator==(const item&) const = default;
};
TENON_STRUCT(item, name, price, count, which)

struct order {
    std::string id;
    std::vector<item> items;
    int priority = 3;
    std::optional<item> gift;
    bool operator==(const order&) const = default;
};
TENON_STRUCT(order, id, items, (priority, defaulted), gift)

struct tree {
    std::string name;
    std::vector<tree> children;
    bool operator==(const tree&) const = default;
};
TENON_STRUCT(tree, name, (children, defaulted))

struct everything {
    bool flag = false;
    signed char i8 = 0;
    short i16 = 0;
    int i32 = 0;
    long long i64 = 0;
    unsigned short u16 = 0;
    unsigned u32 = 0;
    std::uint64_t u64 = 0;
    float f32 = 0;
    double f64 = 0;
    std::string text;
    tenon::bytes blob;
    std::vector<std::uint8_t> octets;
    std::array<std::byte, 4> digest{};
    std::optional<std::string> maybe;
    std::optional<std::vector<int>> numbers;
    std::array<float, 3> vec{};
    int plain[2] = {};
    std::vector<bool> bits;
    std::vector<std::vector<int>> rows;
    std::map<std::string, item> by_name;
    std::unordered_map<int, std::string> by_number;
    std::map<side, int> by_side;
    std::variant<std::monostate, int, std::string, point> simple;
    std::variant<point, circle, int, double> shapes;
    std::tuple<int, std::string, bool> triple;
    std::pair<point, double> pair;
    level lev = level::low;
    std::chrono::system_clock::time_point at;
    std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds> at_second;
    std::chrono::milliseconds wait{};
    std::chrono::duration<double> exact{};
    std::chrono::hours hours{};
    tenon::value any;
    tree root;

    bool operator==(const everything& o) const {
        return flag == o.flag && i8 == o.i8 && i16 == o.i16 && i32 == o.i32 && i64 == o.i64 &&
               u16 == o.u16 && u32 == o.u32 && u64 == o.u64 && f32 == o.f32 && f64 == o.f64 &&
               text == o.text && blob == o.blob && octets == o.octets && digest == o.digest &&
               maybe == o.maybe && numbers == o.numbers && vec == o.vec && plain[0] == o.plain[0] &&
               plain[1] == o.plain[1] && bits == o.bits && rows == o.rows && by_name == o.by_name &&
               by_number == o.by_number && by_side == o.by_side && simple == o.simple &&
               shapes == o.shapes && triple == o.triple && pair == o.pair && lev == o.lev &&
               at == o.at && at_second == o.at_second && wait == o.wait && exact == o.exact &&
               hours == o.hours && any == o.any && root == o.root;
    }
};
TENON_STRUCT(everything, flag, i8, i16, i32, i64, u16, u32, u64, f32, f64, text, blob, octets,
             digest, maybe, numbers, vec, plain, bits, rows, by_name, by_number, by_side, simple,
             shapes, triple, pair, lev, at, at_second, wait, exact, hours, any, root)

}  // namespace sample
