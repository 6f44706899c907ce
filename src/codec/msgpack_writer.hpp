#pragma once
// Writes MessagePack in its smallest forms. Calls come in the order of the bytes; scopes belong to
// one array or map each. Containers of unknown count get their header when they end.

#include <bit>
#include <type_traits>

#include "codec/sink.hpp"
#include "codec/text.hpp"
#include "codec/trouble.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0::coding {

class msgpack_writer {
public:
    static constexpr std::size_t unknown = static_cast<std::size_t>(-1);
    struct scope {
        std::size_t header_at = unknown;  // offset of the header to be written at the end
        std::size_t count = 0;
    };

    msgpack_writer(base::byte_buffer& out, coding::trouble& trouble)
        : out_(out), trouble_(trouble) {}
    void commit() { out_.commit(); }

    bool nil() { return out_.put(std::uint8_t{0xC0}), true; }
    bool boolean(bool b) { return out_.put(static_cast<std::uint8_t>(b ? 0xC3 : 0xC2)), true; }
    bool int64(std::int64_t n) {
        if (n >= 0) return uint64(static_cast<std::uint64_t>(n));
        if (n >= -32) out_.put(static_cast<std::uint8_t>(n));
        else if (n >= INT8_MIN) out_.put_big(0xD0, static_cast<std::uint8_t>(n));
        else if (n >= INT16_MIN) out_.put_big(0xD1, static_cast<std::uint16_t>(n));
        else if (n >= INT32_MIN) out_.put_big(0xD2, static_cast<std::uint32_t>(n));
        else out_.put_big(0xD3, static_cast<std::uint64_t>(n));
        return true;
    }
    bool uint64(std::uint64_t n) {
        if (n < 0x80) out_.put(static_cast<std::uint8_t>(n));
        else if (n <= UINT8_MAX) out_.put_big(0xCC, static_cast<std::uint8_t>(n));
        else if (n <= UINT16_MAX) out_.put_big(0xCD, static_cast<std::uint16_t>(n));
        else if (n <= UINT32_MAX) out_.put_big(0xCE, static_cast<std::uint32_t>(n));
        else out_.put_big(0xCF, n);
        return true;
    }
    bool float32(float f) { return out_.put_big(0xCA, std::bit_cast<std::uint32_t>(f)), true; }
    bool float64(double d) { return out_.put_big(0xCB, std::bit_cast<std::uint64_t>(d)), true; }
    bool string(std::string_view s) {
        if (!is_utf8(s)) return trouble_.invalid("text is not UTF-8");
        return text(s.data(), s.size());
    }
    bool bytes(bytes_view b);
    bool time(timestamp t);
    bool tagged(const value::tagged& t);

    bool begin_array(scope& s, std::size_t count) { return begin(s, count, 0x90, 0xDC); }
    bool element(scope& s) { return ++s.count, true; }
    /// Elements that are all alike.
    template <class T>
        requires std::is_floating_point_v<T>
    void run(scope& s, const void* elements, std::size_t n) {
        using bits = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
        s.count += n;
        std::byte* at = out_.room(n * (1 + sizeof(T)));
        const auto* from = static_cast<const std::byte*>(elements);
        for (; n != 0; --n, from += sizeof(T), at += 1 + sizeof(T)) {
            bits b;
            std::memcpy(&b, from, sizeof b);
            b = to_big_endian(b);
            *at = static_cast<std::byte>(sizeof(T) == 8 ? 0xCB : 0xCA);
            std::memcpy(at + 1, &b, sizeof b);
        }
        out_.advance_to(at);
    }
    bool end_array(scope& s) { return s.header_at == unknown || end(s, 0x90, 0xDC); }
    bool begin_map(scope& s, std::size_t count) { return begin(s, count, 0x80, 0xDE); }
    bool key(scope& s, std::string_view k) { return ++s.count, string(k); }
    bool key(scope& s, std::int64_t n) { return ++s.count, int64(n); }
    bool key(scope& s, std::uint64_t n) { return ++s.count, uint64(n); }
    bool value_key(scope& s, const value& v);
    bool name(scope& s, const char* k, std::size_t size) { return ++s.count, text(k, size); }
    bool end_map(scope& s) { return s.header_at == unknown || end(s, 0x80, 0xDE); }

private:
    bool text(const char* s, std::size_t size) {
        if (size >= 32) return long_text(s, size);
        std::byte* at = out_.room(1 + size);
        *at++ = static_cast<std::byte>(0xA0 | size);
        if (size != 0) std::memcpy(at, s, size);
        out_.advance_to(at + size);
        return true;
    }
    bool begin(scope& s, std::size_t count, std::uint8_t fix, std::uint8_t wide) {
        if (count < 16) return out_.put(static_cast<std::uint8_t>(fix | count)), true;
        return begin_large(s, count, wide);
    }
    bool begin_large(scope& s, std::size_t count, std::uint8_t wide);
    bool end(scope& s, std::uint8_t fix, std::uint8_t wide);
    bool long_text(const char* s, std::size_t size);
    // One byte, two or four of length; `type` is that of the one-byte form.
    bool length(std::uint8_t type, std::size_t n);
    bool extension(std::int8_t type, bytes_view content);

    sink out_;
    coding::trouble& trouble_;
};

}  // namespace tenon::inline v0::coding
