#include "codec/msgpack_writer.hpp"

#include <array>
#include <charconv>

namespace tenon::inline v0::coding {

bool msgpack_writer::length(std::uint8_t type, std::size_t n) {
    if (n <= UINT8_MAX) out_.put_big(type, static_cast<std::uint8_t>(n));
    else if (n <= UINT16_MAX)
        out_.put_big(static_cast<std::uint8_t>(type + 1), static_cast<std::uint16_t>(n));
    else if (n <= UINT32_MAX)
        out_.put_big(static_cast<std::uint8_t>(type + 2), static_cast<std::uint32_t>(n));
    else return trouble_.invalid("too long for MessagePack");
    return true;
}

bool msgpack_writer::long_text(const char* s, std::size_t size) {
    return length(0xD9, size) && (out_.put(s, size), true);
}

bool msgpack_writer::bytes(bytes_view b) {
    return length(0xC4, b.size()) && (out_.put(b.data(), b.size()), true);
}

bool msgpack_writer::begin_large(scope& s, std::size_t count, std::uint8_t wide) {
    if (count == unknown) {
        s.header_at = out_.size();
        out_.put(std::uint8_t{0});
    } else if (count <= UINT16_MAX) {
        out_.put_big(wide, static_cast<std::uint16_t>(count));
    } else if (count <= UINT32_MAX) {
        out_.put_big(static_cast<std::uint8_t>(wide + 1), static_cast<std::uint32_t>(count));
    } else {
        return trouble_.invalid("too many elements for MessagePack");
    }
    return true;
}

// The header's one byte is there; a longer one moves the content up.
bool msgpack_writer::end(scope& s, std::uint8_t fix, std::uint8_t wide) {
    if (s.count < 16) {
        out_.data()[s.header_at] = static_cast<std::byte>(fix | s.count);
        return true;
    }
    if (s.count > UINT32_MAX) return trouble_.invalid("too many elements for MessagePack");
    const std::size_t more = s.count <= UINT16_MAX ? 2 : 4;
    const std::size_t content = out_.size() - s.header_at - 1;
    out_.room(more);
    std::byte* at = out_.data() + s.header_at;
    std::memmove(at + 1 + more, at + 1, content);
    *at = static_cast<std::byte>(more == 2 ? wide : wide + 1);
    for (std::size_t i = 0; i < more; ++i)
        at[1 + i] = static_cast<std::byte>(s.count >> (8 * (more - 1 - i)));
    out_.advance_to(at + 1 + more + content);
    return true;
}

bool msgpack_writer::extension(std::int8_t type, bytes_view content) {
    const std::size_t n = content.size();
    if (n != 0 && n <= 16 && std::has_single_bit(n))
        out_.put(static_cast<std::uint8_t>(0xD4 + std::countr_zero(n)));
    else if (!length(0xC7, n)) return false;
    out_.put(static_cast<std::uint8_t>(type));
    out_.put(content.data(), n);
    return true;
}

bool msgpack_writer::time(timestamp t) {
    std::array<std::byte, 12> content;
    std::size_t n = 0;
    const auto put = [&](std::uint64_t number, std::size_t size) {
        for (std::size_t i = size; i-- > 0;)
            content[n++] = static_cast<std::byte>(number >> (8 * i));
    };
    const auto seconds = static_cast<std::uint64_t>(t.seconds);
    if (seconds >> 34 != 0) put(t.nanoseconds, 4), put(seconds, 8);
    else if (t.nanoseconds != 0 || seconds >> 32 != 0)
        put(std::uint64_t{t.nanoseconds} << 34 | seconds, 8);
    else put(seconds, 4);
    return extension(-1, bytes_view(content.data(), n));
}

bool msgpack_writer::tagged(const value::tagged& t) {
    timestamp at;
    if (t.name == "time" && t.content.is_string()) {
        if (!from_rfc3339(t.content.as_string(), at))
            return trouble_.expected("RFC 3339 time", quoted(t.content.as_string()));
        return time(at);
    }
    if (t.name.starts_with("ext:") && t.content.is_bytes()) {
        std::int8_t type = 0;
        const char* const end = t.name.data() + t.name.size();
        const auto parsed = std::from_chars(t.name.data() + 4, end, type);
        if (parsed.ec == std::errc() && parsed.ptr == end && type != -1)
            return extension(type, t.content.as_bytes());
    }
    return trouble_.unsupported("MessagePack cannot carry a value tagged " + quoted(t.name));
}

bool msgpack_writer::value_key(scope& s, const value& v) {
    ++s.count;
    switch (v.type()) {
        case value::type::nil: return nil();
        case value::type::boolean: return boolean(v.as_bool());
        case value::type::int64: return int64(v.as_int64());
        case value::type::uint64: return uint64(v.as_uint64());
        case value::type::float64: return float64(v.as_double());
        case value::type::string: return string(v.as_string());
        case value::type::bytes: return bytes(v.as_bytes());
        default: break;
    }
    return trouble_.unsupported("MessagePack cannot carry a map key of type " +
                                std::string(to_string(v.type())));
}

}  // namespace tenon::inline v0::coding
