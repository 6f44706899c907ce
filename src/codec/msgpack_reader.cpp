#include "codec/msgpack_reader.hpp"

namespace tenon::inline v0::coding {

bool msgpack_reader::malformed(const char* what) {
    std::string message = "malformed MessagePack: ";
    message.append(what).append(" at byte ").append(std::to_string(at_ - begin_));
    trouble_.invalid(std::move(message));
    return trouble_.in_nothing();
}
bool msgpack_reader::truncated() { return malformed("ends too early"); }
bool msgpack_reader::not_utf8() { return trouble_.invalid("text is not UTF-8"); }
bool msgpack_reader::too_deep() { return trouble_.too_deep(); }

token msgpack_reader::peek_at(std::uint8_t b) {
    if (b < 0x90) return token::map;
    if (b < 0xA0) return token::array;
    if (b < 0xC0) return token::string;
    switch (b) {
        case 0xC0: return token::nil;
        case 0xC2:
        case 0xC3: return token::boolean;
        case 0xC4:
        case 0xC5:
        case 0xC6: return token::bytes;
        case 0xC7:
        case 0xC8:
        case 0xC9:
        case 0xD4:
        case 0xD5:
        case 0xD6:
        case 0xD7:
        case 0xD8: {
            const std::uint8_t* const start = at_;
            std::int8_t type = 0;
            std::size_t size = 0;
            if (!extension_header(type, size)) return token::bad;
            at_ = start;
            return type == -1 ? token::time : token::extension;
        }
        case 0xD9:
        case 0xDA:
        case 0xDB: return token::string;
        case 0xDC:
        case 0xDD: return token::array;
        case 0xDE:
        case 0xDF: return token::map;
        case 0xC1: malformed("has the byte 0xC1"); return token::bad;
        default: return token::number;  // 0xCA … 0xD3
    }
}

bool msgpack_reader::long_number(std::uint8_t b, coding::number& n) {
    std::uint8_t n8 = 0;
    std::uint16_t n16 = 0;
    std::uint32_t n32 = 0;
    std::uint64_t n64 = 0;
    switch (b) {
        case 0xCA: return big(n32) && (n.set(double{std::bit_cast<float>(n32)}), true);
        case 0xCB: return big(n64) && (n.set(std::bit_cast<double>(n64)), true);
        case 0xCC: return big(n8) && (n.set(std::int64_t{n8}), true);
        case 0xCD: return big(n16) && (n.set(std::int64_t{n16}), true);
        case 0xCE: return big(n32) && (n.set(std::int64_t{n32}), true);
        case 0xCF: return big(n64) && (n.set(n64), true);
        case 0xD0: return big(n8) && (n.set(std::int64_t{static_cast<std::int8_t>(n8)}), true);
        case 0xD1: return big(n16) && (n.set(std::int64_t{static_cast<std::int16_t>(n16)}), true);
        case 0xD2: return big(n32) && (n.set(std::int64_t{static_cast<std::int32_t>(n32)}), true);
        default: return big(n64) && (n.set(static_cast<std::int64_t>(n64)), true);
    }
}

bool msgpack_reader::length(std::uint8_t type, std::size_t& n) {
    std::uint8_t n8 = 0;
    std::uint16_t n16 = 0;
    std::uint32_t n32 = 0;
    switch (*at_++ - type) {
        case 0: return big(n8) && (n = n8, true);
        case 1: return big(n16) && (n = n16, true);
        default: return big(n32) && (n = n32, true);
    }
}

bool msgpack_reader::long_count(std::size_t& n, bool two_bytes) {
    std::uint16_t n16 = 0;
    std::uint32_t n32 = 0;
    if (two_bytes) return big(n16) && (n = n16, true);
    return big(n32) && (n = n32, true);
}

bool msgpack_reader::bytes(bytes_view& b, bool& stable) {
    std::size_t size = 0;
    if (!length(0xC4, size)) return false;
    if (size > remaining()) return truncated();
    b = {reinterpret_cast<const std::byte*>(at_), size};
    at_ += size;
    stable = true;
    return true;
}

// Leaves at_ at the content, which is there in full.
bool msgpack_reader::extension_header(std::int8_t& type, std::size_t& size) {
    if (*at_ >= 0xD4 && *at_ <= 0xD8) size = std::size_t{1} << (*at_++ - 0xD4);
    else if (!length(0xC7, size)) return false;
    std::uint8_t t = 0;
    if (!big(t)) return false;
    type = static_cast<std::int8_t>(t);
    return size <= remaining() || truncated();
}

bool msgpack_reader::time(timestamp& t) {
    std::int8_t type = 0;
    std::size_t size = 0;
    if (!extension_header(type, size)) return false;
    std::uint32_t n32 = 0;
    std::uint64_t n64 = 0;
    if (size == 4) {
        big(n32);
        t = {n32, 0};
    } else if (size == 8) {
        big(n64);
        t = {static_cast<std::int64_t>(n64 & 0x3'FFFF'FFFF), static_cast<std::uint32_t>(n64 >> 34)};
    } else if (size == 12) {
        big(n32);
        big(n64);
        t = {static_cast<std::int64_t>(n64), n32};
    } else {
        return malformed("has a timestamp of odd length");
    }
    return t.nanoseconds <= 999'999'999 || malformed("has a timestamp with too many nanoseconds");
}

bool msgpack_reader::extension(value& v) {
    std::int8_t type = 0;
    std::size_t size = 0;
    if (!extension_header(type, size)) return false;
    const auto* content = reinterpret_cast<const std::byte*>(at_);
    at_ += size;
    v = value::tagged{"ext:" + std::to_string(type), tenon::bytes(content, content + size)};
    return true;
}

bool msgpack_reader::other_key(key& k) {
    bytes_view b;
    switch (k.is) {
        case token::bad: return false;
        case token::nil: return nil();
        case token::boolean: return boolean(k.flag);
        case token::number: return number(k.num);
        case token::bytes:
            if (!bytes(b, k.stable)) return false;
            k.text = as_text(b);
            return true;
        default: return trouble_.expected("a map key of a simple type", to_string(k.is));
    }
}

}  // namespace tenon::inline v0::coding
