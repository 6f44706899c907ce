#include "codec/value_reader.hpp"

namespace tenon::inline v0::coding {

token value_reader::peek() {
    switch (at_->type()) {
        case value::type::nil: return token::nil;
        case value::type::boolean: return token::boolean;
        case value::type::int64:
        case value::type::uint64:
        case value::type::float64: return token::number;
        case value::type::string: return token::string;
        case value::type::bytes: return token::bytes;
        case value::type::array: return token::array;
        case value::type::map: return token::map;
        case value::type::tagged: break;
    }
    return at_->as_tagged().name == "time" ? token::time : token::extension;
}

bool value_reader::number(coding::number& n) {
    if (at_->is_double()) n.set(at_->as_double());
    else if (at_->type() == value::type::uint64) n.set(at_->as_uint64());
    else n.set(at_->as_int64());
    return true;
}

bool value_reader::time(timestamp& t) {
    const value& content = at_->as_tagged().content;
    if (content.is_string() && from_rfc3339(content.as_string(), t)) return true;
    return trouble_.invalid("a value tagged \"time\" holds no RFC 3339 time");
}

bool value_reader::begin(scope& s) {
    if (depth_left_ == 0) return trouble_.too_deep();
    --depth_left_;
    s.container = at_;
    return true;
}

bool value_reader::next(scope& s) {
    if (s.i == s.container->size()) return ++depth_left_, false;
    if (trouble_.happened()) return false;
    at_ = &s.container->as_array()[s.i++];
    return true;
}

bool value_reader::next_key(scope& s, key& k) {
    if (s.i == s.container->size()) return ++depth_left_, false;
    if (trouble_.happened()) return false;
    const auto& [name, content] = s.container->as_map()[s.i++];
    k.stable = true;
    at_ = &name;
    k.is = peek();
    switch (k.is) {
        case token::nil: break;
        case token::boolean: boolean(k.flag); break;
        case token::number: number(k.num); break;
        case token::string: k.text = name.as_string(); break;
        case token::bytes: k.text = as_text(name.as_bytes()); break;
        default: return trouble_.expected("a map key of a simple type", to_string(k.is));
    }
    at_ = &content;
    return true;
}

}  // namespace tenon::inline v0::coding
