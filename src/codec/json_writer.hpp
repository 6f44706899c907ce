#pragma once
// Writes JSON (RFC 8259), valid by construction: numbers that JSON lacks and text that is not
// UTF-8 are refused. Calls come in the order of the text; scopes belong to one array or map each.

#include "codec/sink.hpp"
#include "codec/text.hpp"
#include "codec/trouble.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0::coding {

class json_writer {
public:
    struct scope {
        bool first = true;
    };
    static constexpr std::size_t unknown = static_cast<std::size_t>(-1);  // count of a container

    json_writer(base::byte_buffer& out, coding::trouble& trouble, bool pretty = false)
        : out_(out), trouble_(trouble), pretty_(pretty) {}
    void commit() { out_.commit(); }

    bool nil() { return text("null"); }
    bool boolean(bool b) { return text(b ? "true" : "false"); }
    bool int64(std::int64_t n) {
        return number([n](char* at) { return write_int64(at, n); });
    }
    bool uint64(std::uint64_t n) {
        return number([n](char* at) { return write_uint64(at, n); });
    }
    bool float32(float f);
    bool float64(double d);
    bool string(std::string_view s);
    bool bytes(bytes_view b);
    bool time(timestamp t);
    bool tagged(const value::tagged& t);

    bool begin_array(scope&, std::size_t) { return open('['); }
    bool element(scope& s) { return separate(s); }
    bool end_array(scope& s) { return close(s, ']'); }
    bool begin_map(scope&, std::size_t) { return open('{'); }
    bool key(scope& s, std::string_view k) { return separate(s) && string(k) && colon(); }
    bool key(scope& s, std::int64_t n);
    bool key(scope& s, std::uint64_t n);
    bool value_key(scope& s, const value& v);
    /// A key that needs no escapes.
    bool name(scope& s, const char* k, std::size_t size) {
        separate(s);
        std::byte* at = out_.room(size + 3);
        *at++ = std::byte{'"'};
        std::memcpy(at, k, size);
        at += size;
        *at++ = std::byte{'"'};
        *at++ = std::byte{':'};
        out_.advance_to(at);
        if (pretty_) out_.put(' ');
        return true;
    }
    bool end_map(scope& s) { return close(s, '}'); }

private:
    bool text(std::string_view s) { return out_.put(s), true; }
    template <class Write>
    bool number(Write write) {
        char* at = reinterpret_cast<char*>(out_.room(number_size));
        out_.advance_to(reinterpret_cast<std::byte*>(write(at)));
        return true;
    }
    bool colon() {
        out_.put(':');
        if (pretty_) out_.put(' ');
        return true;
    }
    bool open(char bracket) {
        out_.put(bracket);
        ++depth_;
        return true;
    }
    bool separate(scope& s) {
        if (!s.first) out_.put(',');
        s.first = false;
        if (pretty_) new_line();
        return true;
    }
    bool close(scope& s, char bracket) {
        --depth_;
        if (pretty_ && !s.first) new_line();
        out_.put(bracket);
        return true;
    }
    void new_line();

    sink out_;
    coding::trouble& trouble_;
    unsigned depth_ = 0;
    bool pretty_;
};

}  // namespace tenon::inline v0::coding
