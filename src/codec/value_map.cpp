#include "codec/value_map.hpp"

#include <algorithm>
#include <compare>
#include <numeric>

namespace tenon::inline v0::coding {

value to_value(const key& k) {
    switch (k.is) {
        case token::nil: return nullptr;
        case token::boolean: return k.flag;
        case token::bytes: {
            const bytes_view content = as_bytes(k.text);
            return bytes(content.begin(), content.end());
        }
        case token::number:
            if (k.num.is == number::form::real) return k.num.d;
            return k.num.is == number::form::uint64 ? value(k.num.u) : value(k.num.i);
        default: return k.text;
    }
}

namespace {

// A total order over keys, which are of simple types.
bool is_before(const value& a, const value& b) {
    if (a.type() != b.type()) return a.type() < b.type();
    switch (a.type()) {
        case value::type::boolean: return a.as_bool() < b.as_bool();
        case value::type::int64: return a.as_int64() < b.as_int64();
        case value::type::uint64: return a.as_uint64() < b.as_uint64();
        case value::type::float64:
            return std::is_lt(std::strong_order(a.as_double(), b.as_double()));
        case value::type::string: return a.as_string() < b.as_string();
        case value::type::bytes: return a.as_bytes() < b.as_bytes();
        default: return false;
    }
}

bool is_same(const value& a, const value& b) { return !is_before(a, b) && !is_before(b, a); }

bool has_double_of_few(const value::map& m) {
    for (std::size_t i = 1; i < m.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (is_same(m[i].first, m[j].first)) return true;
    return false;
}

}  // namespace

bool remove_doubles(value::map& m) {
    constexpr std::size_t few = 8;
    if (m.size() <= few && !has_double_of_few(m)) return false;
    std::vector<std::size_t> order(m.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return is_before(m[a].first, m[b].first);
    });
    std::vector<bool> dropped(m.size());
    bool any = false;
    for (std::size_t i = 0; i < order.size();) {
        std::size_t j = i + 1;
        for (; j < order.size() && is_same(m[order[i]].first, m[order[j]].first); ++j) {
            m[order[i]].second = std::move(m[order[j]].second);
            dropped[order[j]] = any = true;
        }
        i = j;
    }
    std::size_t i = 0;
    if (any) std::erase_if(m, [&](const auto&) { return static_cast<bool>(dropped[i++]); });
    return any;
}

}  // namespace tenon::inline v0::coding
