#pragma once
// Checks argument lists against a manifest with the codecs' own decoder: the manifest's types are
// turned into shapes whose objects are thrown away as they are read. So what is accepted, and what
// is said of what is not, is what the server's decoder does.
//
// Immutable once made; thread-safe.

#include <deque>
#include <map>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "codec/codec.hpp"
#include "manifest/model.hpp"

namespace tenon::inline v0::manifests {

class checker {
public:
    explicit checker(const model& m);

    /// What is done with the arguments.
    enum class use : bool { call, open };
    /// Errors: `unsupported` for an unknown member, one that is used in another way, or what the
    /// codec cannot carry; `invalid`.
    result<void> check(std::string_view member, const value& arguments, codec c, use how) const;

private:
    // A type that is read within an array has no size, so that all elements are read to one place.
    // The alternatives of a tagged variant are named by their tags.
    struct variety {
        const type* is;
        const char* name;
        bool in_array;
        bool not_missing;  // a std::variant with nil, where std::optional would look the same
        auto operator<=>(const variety&) const = default;
    };

    const shape* shape_for(const type& t, const char* name = nullptr, bool in_array = false,
                           bool not_missing = false);
    void fill_all();
    void fill(shape& s, const variety& v);
    void fill_enum(shape& s, const type& t);
    void fill_structure(shape& s, const type& t);
    void fill_tuple(shape& s, const type& t);
    void fill_variant(shape& s, const type& t);
    void fill_nil_or(shape& s, const type& element);
    void fill_map(shape& s, const type& t);
    std::string unknown(std::string_view member, use how) const;

    const model& model_;
    std::map<variety, shape*> known_;
    std::vector<std::pair<shape*, variety>> to_fill_;
    struct method {
        std::string_view kind;
        std::vector<coding::parameter> parameters;
        std::vector<void* (*)()> places;  // where each is read to
    };
    std::unordered_map<std::string_view, method> methods_;

    // What the shapes point to; the addresses stay.
    std::deque<shape> shapes_;
    std::deque<sequence_ops> sequences_;
    std::deque<bytes_ops> bytes_;
    std::deque<optional_ops> optionals_;
    std::deque<map_ops> maps_;
    std::deque<std::vector<alternative>> alternatives_;
    std::deque<variant_ops> variants_;
    std::deque<std::vector<tuple_element>> elements_;
    std::deque<tuple_ops> tuples_;
    std::deque<std::vector<enumerator>> enumerators_;
    std::deque<enum_ops> enums_;
    std::deque<std::vector<tenon::member>> members_;
    std::deque<struct_ops> structs_;
};

}  // namespace tenon::inline v0::manifests
