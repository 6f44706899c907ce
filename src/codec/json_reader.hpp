#pragma once
// Pull reader of strict JSON (RFC 8259); see token.hpp. Text is validated as UTF-8. Integers
// within int64 and uint64 are exact, others become doubles; "-0" is the integer 0. Numbers beyond
// the range of double are refused.

#include "codec/token.hpp"

namespace tenon::inline v0::coding {

class json_reader {
public:
    static constexpr bool structs_as_arrays = false;
    struct scope {
        bool first = true;
    };

    json_reader(bytes_view in, coding::trouble& trouble, unsigned max_depth)
        : trouble_(trouble),
          begin_(as_text(in).data()),
          at_(begin_),
          end_(begin_ + in.size()),
          depth_left_(max_depth < deepest ? max_depth : deepest) {}

    std::size_t input_size() const { return static_cast<std::size_t>(end_ - begin_); }
    std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
    /// Nothing but white space is left.
    bool at_end();
    /// at_end() or trouble.
    bool finish();

    token peek();
    bool nil() { return literal("null"); }
    bool boolean(bool& b);
    bool number(coding::number& n);
    /// `stable`: `s` points into the input; otherwise it is valid until the reader goes on.
    bool string(std::string_view& s, bool& stable);
    // JSON has none of these: peek() never promises them.
    bool bytes(bytes_view&, bool&) { return false; }
    bool time(timestamp&) { return false; }
    bool extension(value&) { return false; }
    bool begin_array(scope&) { return open('['); }
    bool next(scope& s) { return more(s, ']'); }
    bool begin_map(scope&) { return open('{'); }
    bool next_key(scope& s, key& k);
    /// How many elements are surely not exceeded, for reserving.
    std::size_t count_hint(const scope&) const { return 0; }

private:
    void skip_space() {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    }
    bool malformed(const char* what);
    bool literal(std::string_view word);
    bool open(char bracket);
    bool more(scope& s, char bracket);
    bool real(const char* start, coding::number& n);
    bool long_string(const char* start, std::string_view& s);
    bool escape();
    bool hex4(unsigned& n);

    coding::trouble& trouble_;
    const char* begin_;
    const char* at_;
    const char* end_;
    unsigned depth_left_;
    std::string scratch_;
};

}  // namespace tenon::inline v0::coding
