#pragma once
// Pull reader of MessagePack; see token.hpp. Lengths and counts are checked against what is left
// of the input before anything is made of them; str is validated as UTF-8.

#include <algorithm>
#include <bit>
#include <type_traits>

#include "codec/sink.hpp"
#include "codec/token.hpp"

namespace tenon::inline v0::coding {

class msgpack_reader {
public:
    static constexpr bool structs_as_arrays = true;
    struct scope {
        std::size_t left = 0;
    };

    msgpack_reader(bytes_view in, coding::trouble& trouble, unsigned max_depth)
        : trouble_(trouble),
          begin_(reinterpret_cast<const std::uint8_t*>(in.data())),
          at_(begin_),
          end_(begin_ + in.size()),
          depth_left_(max_depth < deepest ? max_depth : deepest) {}

    std::size_t input_size() const { return static_cast<std::size_t>(end_ - begin_); }
    std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
    bool at_end() const { return at_ == end_; }
    bool finish() { return at_end() || malformed("has bytes after its end"); }

    token peek() {
        if (at_ == end_) return truncated(), token::bad;
        const std::uint8_t b = *at_;
        if (b < 0x80 || b >= 0xE0) return token::number;
        return peek_at(b);
    }
    bool nil() { return ++at_, true; }
    bool boolean(bool& b) { return b = *at_++ == 0xC3, true; }
    bool number(coding::number& n) {
        const std::uint8_t b = *at_++;
        if (b < 0x80) n.set(std::int64_t{b});
        else if (b >= 0xE0) n.set(std::int64_t{static_cast<std::int8_t>(b)});
        else return long_number(b, n);
        return true;
    }
    bool string(std::string_view& s, bool& stable) {
        std::size_t size = *at_ & 31u;
        if (*at_ < 0xC0) ++at_;
        else if (!length(0xD9, size)) return false;
        if (size > remaining()) return truncated();
        s = {reinterpret_cast<const char*>(at_), size};
        at_ += size;
        stable = true;
        return is_utf8(s) || not_utf8();
    }
    bool bytes(bytes_view& b, bool& stable);
    bool time(timestamp& t);
    bool extension(value& v);
    bool begin_array(scope& s) { return begin(s, 0x90, 0xDC, 1); }
    bool next(scope& s) {
        if (s.left == 0) return ++depth_left_, false;
        if (trouble_.happened()) return false;
        --s.left;
        return true;
    }
    bool begin_map(scope& s) { return begin(s, 0x80, 0xDE, 2); }
    bool next_key(scope& s, key& k) {
        if (!next(s)) return false;
        k.is = peek();
        if (k.is == token::string) return string(k.text, k.stable);
        return other_key(k);
    }
    std::size_t count_hint(const scope& s) const { return s.left; }
    /// Reads what it can of the next elements, up to `n`, as numbers that are just T; gives how many.
    template <class T>
        requires std::is_floating_point_v<T> std::size_t run(scope& s, std::byte* to,
                                                             std::size_t n) {
            using bits = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
            constexpr std::uint8_t head = sizeof(T) == 8 ? 0xCB : 0xCA;
            const std::size_t most = std::min({n, s.left, remaining() / (1 + sizeof(T))});
            std::size_t i = 0;
            for (; i < most && *at_ == head; ++i, at_ += 1 + sizeof(T), to += sizeof(T)) {
                bits b;
                std::memcpy(&b, at_ + 1, sizeof b);
                b = to_big_endian(b);
                std::memcpy(to, &b, sizeof b);
            }
            s.left -= i;
            return i;
        }

private:
    token peek_at(std::uint8_t b);
    bool malformed(const char* what);
    bool truncated();
    bool not_utf8();
    bool long_number(std::uint8_t b, coding::number& n);
    bool other_key(key& k);
    bool extension_header(std::int8_t& type, std::size_t& size);
    template <class T>
    bool big(T& n) {
        if (remaining() < sizeof n) return truncated();
        std::memcpy(&n, at_, sizeof n);
        n = to_big_endian(n);
        at_ += sizeof n;
        return true;
    }
    // Type byte and length of str, bin or ext; `type` is that of the form with one byte of length.
    bool length(std::uint8_t type, std::size_t& n);
    bool begin(scope& s, std::uint8_t fix, std::uint8_t wide, std::size_t per_element) {
        if (depth_left_ == 0) return too_deep();
        --depth_left_;
        const std::uint8_t b = *at_++;
        if (b < 0xC0) s.left = b ^ fix;
        else if (!long_count(s.left, b == wide)) return false;
        return s.left <= remaining() / per_element || truncated();
    }
    bool too_deep();
    bool long_count(std::size_t& n, bool two_bytes);

    coding::trouble& trouble_;
    const std::uint8_t* begin_;
    const std::uint8_t* at_;
    const std::uint8_t* end_;
    unsigned depth_left_;
};

}  // namespace tenon::inline v0::coding
