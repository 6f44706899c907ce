#pragma once
// Builds a tenon::value from the calls that would write it; see json_writer.hpp.

#include "codec/text.hpp"
#include "codec/trouble.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0::coding {

class value_writer {
public:
    static constexpr std::size_t unknown = static_cast<std::size_t>(-1);
    struct scope {
        value* container = nullptr;
    };

    value_writer(value& out, coding::trouble& trouble) : trouble_(trouble), at_(&out) {}

    bool nil() { return put(nullptr); }
    bool boolean(bool b) { return put(b); }
    bool int64(std::int64_t n) { return put(n); }
    bool uint64(std::uint64_t n) { return put(n); }
    bool float32(float f) { return put(f); }
    bool float64(double d) { return put(d); }
    bool string(std::string_view s) {
        return is_utf8(s) ? put(s) : trouble_.invalid("text is not UTF-8");
    }
    bool bytes(bytes_view b) { return put(tenon::bytes(b.begin(), b.end())); }
    bool time(timestamp t) {
        std::string s = to_rfc3339(t);
        if (s.empty()) return trouble_.invalid("time is outside the years 0 to 9999");
        return put(value::tagged{"time", std::move(s)});
    }
    bool tagged(const value::tagged& t) { return put(t); }

    bool begin_array(scope& s, std::size_t n) {
        s.container = at_;
        put(value::array());
        if (n != unknown) at_->as_array().reserve(n);
        return true;
    }
    bool element(scope& s) { return at_ = &s.container->as_array().emplace_back(), true; }
    bool end_array(scope&) { return true; }
    bool begin_map(scope& s, std::size_t n) {
        s.container = at_;
        put(value::map());
        if (n != unknown) at_->as_map().reserve(n);
        return true;
    }
    bool value_key(scope& s, value k) {
        at_ = &s.container->as_map().emplace_back(std::move(k), nullptr).second;
        return true;
    }
    bool key(scope& s, std::int64_t n) { return value_key(s, n); }
    bool key(scope& s, std::uint64_t n) { return value_key(s, n); }
    bool key(scope& s, std::string_view k) {
        return is_utf8(k) ? value_key(s, k) : trouble_.invalid("text is not UTF-8");
    }
    bool name(scope& s, const char* k, std::size_t size) {
        return value_key(s, std::string_view(k, size));
    }
    bool end_map(scope&) { return true; }

private:
    bool put(value v) { return *at_ = std::move(v), true; }

    coding::trouble& trouble_;
    value* at_;
};

}  // namespace tenon::inline v0::coding
