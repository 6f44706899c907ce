#pragma once
// Pull reader of a tenon::value; see token.hpp. The value must outlive what is read from it.

#include "codec/token.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0::coding {

class value_reader {
public:
    static constexpr bool structs_as_arrays = true;
    struct scope {
        const value* container = nullptr;
        std::size_t i = 0;
    };

    value_reader(const value& v, coding::trouble& trouble) : trouble_(trouble), at_(&v) {}

    std::size_t input_size() const { return 0; }
    token peek();
    bool nil() { return true; }
    bool boolean(bool& b) { return b = at_->as_bool(), true; }
    bool number(coding::number& n);
    bool string(std::string_view& s, bool& stable) {
        s = at_->as_string();
        return stable = true;
    }
    bool bytes(bytes_view& b, bool& stable) {
        b = at_->as_bytes();
        return stable = true;
    }
    bool time(timestamp& t);
    bool extension(value& v) { return v = *at_, true; }
    bool begin_array(scope& s) { return begin(s); }
    bool next(scope& s);
    bool begin_map(scope& s) { return begin(s); }
    bool next_key(scope& s, key& k);
    std::size_t count_hint(const scope& s) const { return s.container->size() - s.i; }

private:
    bool begin(scope& s);

    coding::trouble& trouble_;
    const value* at_;
    unsigned depth_left_ = deepest;
};

}  // namespace tenon::inline v0::coding
